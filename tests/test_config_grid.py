"""``vary`` in a dataset.yaml: combinations, their names, and every mistake at its own line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankprobe.config import TaskConfig, config_from_settings, load_config
from rankprobe.config_grid import VariedConfig, any_config_from_settings, load_any_config
from rankprobe.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    np.savez(tmp_path / "letters.npz", x=np.zeros((4, 2)), y=np.zeros(4))
    return tmp_path / "grid.yaml"


def varied(**vary: Any) -> VariedConfig:
    config = any_config_from_settings({"vary": {k.replace("__", "."): v for k, v in vary.items()}})
    assert isinstance(config, VariedConfig)
    return config


def problems(file: Path, text: str, **options: Any) -> list[str]:
    file.write_text(f"data: letters.npz\n{text}\n")
    with pytest.raises(ConfigError) as caught:
        load_any_config(file, **options)
    return [
        f"{p.where.removeprefix(f'{file}:')}: {p.message} | {p.hint}" for p in caught.value.problems
    ]


def test_a_grid_is_the_product_in_order(file: Path) -> None:
    file.write_text(
        "data: letters.npz\nadapter: {alpha: 2.0}\n"
        "vary:\n  backbone.weights: [normal, binary]\n  adapter.scaling: [standard, none]\n"
    )
    grid = load_any_config(file)
    assert isinstance(grid, VariedConfig)
    assert (grid.name, list(grid.vary)) == ("grid", ["backbone.weights", "adapter.scaling"])
    assert list(grid.configs) == [
        "normal-standard", "normal-none", "binary-standard", "binary-none"
    ]  # fmt: skip
    assert grid.settings["binary-none"] == {
        "backbone.weights": "binary", "adapter.scaling": "none"
    }  # fmt: skip
    one = grid.configs["binary-none"]
    assert (one.name, one.adapter.alpha, one.folder) == ("grid-binary-none", 2.0, file.parent)
    file.write_text(
        "data: letters.npz\nname: grid-binary-none\nadapter: {alpha: 2.0, scaling: none}\n"
        "backbone: {weights: binary}\n"
    )
    assert one == load_config(file)


def test_without_vary_it_is_an_ordinary_configuration(file: Path) -> None:
    file.write_text("data: letters.npz\n")
    assert load_any_config(file) == load_config(file)
    assert isinstance(load_any_config(file), TaskConfig)
    assert any_config_from_settings({"seed": 3}) == config_from_settings({"seed": 3})


def test_settings_given_apart_hold_for_all_and_replace_vary(file: Path) -> None:
    file.write_text("data: letters.npz\nvary: {adapter.alpha: [1.0, 2.0]}\n")
    grid = load_any_config(file, overrides={"seed": 5, "vary": {"adapter.dora": (True, False)}})
    assert isinstance(grid, VariedConfig)
    assert [(c.seed, c.adapter.dora) for c in grid.configs.values()] == [(5, True), (5, False)]


@pytest.mark.parametrize(
    ("vary", "names"),
    [
        ({"adapter.alpha": [0.5, 2.0]}, ["alpha-0.5", "alpha-2"]),
        ({"adapter.dora": [True, False]}, ["dora-on", "dora-off"]),
        ({"backbone.hidden": [[8, 4], []]}, ["hidden-8-4", "hidden-none"]),
        ({"backbone": [{"family": "mlp", "hidden": [3]}, {}]}, ["mlp-hidden-3",
                                                                  "backbone-default"]),
        (  # a word that two settings use needs its setting's name
            {"adapter.bias": ["none", "trained"], "adapter.head": ["trained", "adapter"]},
            ["none-head-trained", "none-adapter", "bias-trained-head-trained",
             "bias-trained-adapter"],
        ),
        ({"backbone.seed": [1, 2], "seed": [1, 2]}, ["seed-1-seed-1", "seed-1-seed-2",
                                                     "seed-2-seed-1", "seed-2-seed-2"]),
    ],
)  # fmt: skip
def test_names_are_short_unique_and_fit_for_folders(vary: Any, names: list[str]) -> None:
    config = any_config_from_settings({"vary": vary})
    assert isinstance(config, VariedConfig)
    assert list(config.configs) == names


def test_what_is_wrong_in_any_combination_is_reported_once_at_its_value(file: Path) -> None:
    found = problems(
        file,
        "training: {epochs: none}\n"
        "vary:\n"
        "  backbone.weights:\n"
        "    - normal\n"
        "    - binray\n"
        "  adapter.alpha: [1.0, -2, 3]\n"
        "  adptr.scaling: [none, standard]\n"
        "  backbone.hiden: [[8], [4]]",
    )
    lines = [text.partition(" | ")[0] for text in found]
    assert [line.partition(":")[0] for line in lines] == ["2", "6", "7", "8", "9"]
    assert "`training.epochs` must be" in lines[0]
    assert found[1].endswith("not 'binray' | did you mean `binary`?")
    assert "`adapter.alpha` must be a number above 0, not -2" in lines[2]
    assert found[3] == "8: unknown key `adptr` | did you mean `adapter`?"
    assert found[4] == "9: unknown key `backbone.hiden` | did you mean `hidden`?"


def test_a_conflict_with_the_rest_of_the_file_is_found(file: Path) -> None:
    found = problems(
        file, "metric: r2\nobjective: classification\nvary: {adapter.dora: [true, false]}"
    )
    assert len(found) == 1
    assert found[0].startswith("2: the metric `r2` is for regression")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vary: [1]", ("2: `vary` must be a group of settings with a list of values each | "
         "for example `backbone.weights: [normal, binary]`")),
        ("vary: {}", ("2: `vary` must be a group of settings with a list of values each | "
         "for example `backbone.weights: [normal, binary]`")),
        ("vary: {adapter.alpha: 2.0}", ("2: `vary.adapter.alpha` must be a list of values, and is "
         "no list | for example `backbone.weights: [normal, binary]`")),
        ("vary: {adapter.alpha: []}", ("2: `vary.adapter.alpha` must be a list of values, and is "
         "empty | for example `backbone.weights: [normal, binary]`")),
        ("vary: {adapter.alpha: [1, 1.0]}", "2: `vary.adapter.alpha` lists 1 twice | "),
        ("vary: {adapter: {alpha: [2.0]}}", ("2: `vary.adapter` must be a list of values, and is a "
         "mapping; write its keys with dots | for example `backbone.weights: [normal, binary]`")),
        ("vary: {adapter.alpha: [2.0]}", ("2: `vary` has a single combination | list two values of "
         "a setting or more; a single one is an ordinary measurement")),
        ("vary: {adapter.alpha: [2.0, 1.0, 2.0]}", "2: `vary.adapter.alpha` lists 2 twice | "),
        ("vary: {search.target: [0.9, 0.8]}", ("2: `search.target` cannot vary in a grid | it says "
         "what is asked, not what is measured: a result holds several targets, and the same "
         "folder takes more ranks and repeats")),
        ("vary: {data.path: [a.npz, b.npz]}", ("2: `data.path` cannot vary in a grid | measure "
         "each of them by itself, and hold them against each other with `rankprobe compare`")),
        ("vary: {metric: [accuracy, auroc]}", ("2: `metric` cannot vary in a grid | give it once, "
         "for the whole grid")),
    ],
)  # fmt: skip
def test_what_is_no_grid_is_refused(file: Path, text: str, words: str) -> None:
    assert problems(file, text) == [words]


@pytest.mark.parametrize(
    ("key", "values", "names"),
    [
        ("scaffold", "[{}, {resample: none}]", "`scaffold-default` and `none`"),
        ("scaffold", "[zero, {frozen: zero}]", "`scaffold-zero` and `scaffold-zero-2`"),
        ("scaffold", "[{resample: step}, {resample: step, count: 2}]", "`step` and `step-count-2`"),
        (
            "training.learning_rate",
            "[0.1, {adapter: 0.1, baseline: [0.1]}]",
            "`learning_rate-0.1` and `adapter-0.1-baseline-0.1`",
        ),
        (
            "training.learning_rate",
            "[{adapter: [1, 2], baseline: 3}, {adapter: [2, 1], baseline: 3}]",
            "`adapter-1-2-baseline-3` and `adapter-2-1-baseline-3`",
        ),
    ],
)
def test_combinations_that_are_the_same_are_refused(
    file: Path, key: str, values: str, names: str
) -> None:
    message = f"{names} are the same settings, written in two ways"
    hint = f"remove one of these values of `{key}`"
    assert problems(file, f"vary:\n  {key}: {values}") == [f"3: {message} | {hint}"]


def test_such_a_pair_is_told_once_whatever_it_is_combined_with(file: Path) -> None:
    (found,) = problems(
        file, "vary:\n  adapter.alpha: [1, 2]\n  scaffold:\n  - {}\n  - {frozen: seeded}"
    )
    assert found.startswith("6: `alpha-1-scaffold-default` and `alpha-1-seeded` are the same")


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (
            "scaffold: [{resample: step}, {}]",
            "scaffold.resample: [none, epoch]",
            "scaffold.resample",
        ),
        ("scaffold.frozen: [seeded, zero]", "scaffold: [zero, seeded]", "scaffold.frozen"),
        (
            "training.learning_rate: [0.1, 0.2]",
            "training.learning_rate.adapter: [0.1, 0.2]",
            "training.learning_rate.adapter",
        ),
    ],
)
def test_settings_that_two_keys_give_are_refused(
    file: Path, one: str, other: str, both: str
) -> None:
    first, second = (line.partition(":")[0] for line in (one, other))
    message = f"`{first}` and `{second}` in `vary` both give `{both}`"
    hint = "give every setting in one of them"
    assert problems(file, f"vary:\n  {one}\n  {other}") == [f"4: {message} | {hint}"]


def test_two_keys_of_one_section_may_give_different_settings() -> None:
    grid = varied(scaffold=[{}, {"resample": "step"}], scaffold__evaluation=["kept", "removed"])
    assert [(c.scaffold.resample, c.scaffold.evaluation) for c in grid.configs.values()] == [
        ("none", "kept"), ("none", "removed"), ("step", "kept"), ("step", "removed"),
    ]  # fmt: skip


def test_a_huge_grid_is_refused_before_it_is_made(file: Path) -> None:
    seeds = list(range(1000))
    with pytest.raises(ConfigError, match="has 1,000,000 combinations, and a grid at most 256"):
        varied(backbone__seed=seeds, seed=seeds)


def test_commands_of_a_single_measurement_say_what_takes_a_grid(file: Path) -> None:
    file.write_text("data: letters.npz\nvary: {adapter.alpha: [1.0, 2.0]}\n")
    with pytest.raises(ConfigError, match="`vary` makes a grid") as caught:
        load_config(file)
    assert caught.value.problems[0].where == f"{file}:2"
