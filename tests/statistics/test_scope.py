from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rankprobe.config import TaskConfig
from rankprobe.errors import ConfigError
from rankprobe.records import Result
from rankprobe.statistics.scope import refuse, scope_differences
from tests.reporting.examples import make

DEFAULTS = TaskConfig().model_dump(mode="json")


def configured(name: str, changes: dict[str, dict[str, Any]] | None = None) -> Result:
    """A result measured with the default settings but for some."""
    configuration = TaskConfig().model_dump(mode="json")
    for section, values in (changes or {}).items():
        configuration[section] = {**configuration[section], **values}
    return replace(make(name), provenance={"configuration": configuration})


def differing(*results: Result) -> dict[str, str]:
    labels = [result.task.name for result in results]
    found = scope_differences(results, labels, defaults=DEFAULTS)
    return {item.setting: item.words() for item in found}


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("backbone", "hidden", [64, 32], "512-256-128-64 in a; 64-32 in b"),
        ("backbone", "hidden", [], "512-256-128-64 in a; [] in b"),
        ("backbone", "activation", "tanh", "relu in a; tanh in b"),
        ("backbone", "dropout", 0.0, "0.1 in a; 0 in b"),
        ("backbone", "weights", "binary", "normal in a; binary in b"),
        ("backbone", "weight_scale", 0.1, "fan_in in a; 0.1 in b"),
        ("adapter", "alpha", 2.0, "1 in a; 2 in b"),
        ("adapter", "dora", True, "false in a; true in b"),
        ("training", "batch_size", 32, "128 in a; 32 in b"),
        ("training", "epochs", 20, "auto in a; 20 in b"),
        (
            "training",
            "learning_rate",
            {"adapter": 0.01, "baseline": 0.001},
            "tuned in a; adapter 0.01, baseline 0.001 in b",
        ),
    ],
)
def test_a_setting_that_differs_is_named_with_its_values(
    section: str, key: str, value: Any, words: str
) -> None:
    found = differing(configured("a"), configured("b", {section: {key: value}}))
    assert found == {f"{section}.{key}": words}


def of_family(name: str, family: str, **settings: Any) -> Result:
    configuration = TaskConfig().model_dump(mode="json")
    shared = {key: configuration["backbone"][key] for key in ("weights", "dropout", "seed")}
    configuration["backbone"] = {**shared, "family": family, **settings}
    return replace(make(name), provenance={"configuration": configuration})


def test_settings_that_one_family_has_are_no_differences_beside_the_family() -> None:
    transformer = of_family("t", "transformer", width=128, heads=4, dropout=0.2)
    assert differing(configured("a"), configured("b"), transformer) == {
        "backbone.family": "mlp in a, b; transformer in t",
        "backbone.dropout": "0.1 in a, b; 0.2 in t",
    }
    # Within a family they still are.
    other = configured("b", {"backbone": {"hidden": [64]}})
    assert differing(configured("a"), other, transformer)["backbone.hidden"] == (
        "512-256-128-64 in a; 64 in b"
    )


def test_networks_of_the_user_s_have_one_class() -> None:
    one, other = configured("a"), configured("b")
    named = [
        replace(result, provenance={**result.provenance, "network": {"class": name}})
        for result, name in ((one, "Small"), (other, "Large"), (other, "Small"))
    ]
    assert differing(*named[:2]) == {"backbone.network": "Small in a; Large in b"}
    assert not differing(named[0], named[2])


def test_target_floor_and_epsilon_are_those_of_the_result() -> None:
    plain = configured("a")
    assert differing(plain, replace(plain, target=0.9)).keys() == {"search.target"}
    assert differing(plain, replace(plain, floor="chance")).keys() == {"search.floor"}
    assert differing(plain, replace(plain, epsilon=0.01)).keys() == {"search.epsilon"}


def test_an_epsilon_is_in_the_units_of_its_metric() -> None:
    a = replace(configured("a"), epsilon=0.01)
    b = replace(a, task=replace(a.task, name="b", metric="r2"))
    assert differing(a, b) == {"search.epsilon": "0.01 (accuracy) in a; 0.01 (r2) in b"}
    assert differing(replace(a, epsilon=None), replace(b, epsilon=None)) == {}


def test_what_belongs_to_a_task_may_differ() -> None:
    other: dict[str, dict[str, Any]] = {
        "backbone": {"seed": 7},
        "search": {"ranks": [1, 2], "repeats": 3, "scaffolds": 4, "refine": False},
    }
    a = replace(configured("a"), scope={"epochs": 60})
    b = replace(configured("b", other), scope={"epochs": 22})
    assert differing(a, b) == {}


def test_a_key_that_an_older_version_did_not_write_has_its_default() -> None:
    old = configured("a")
    configuration = {k: dict(v) for k, v in DEFAULTS.items() if isinstance(v, dict)}
    del configuration["backbone"]["weight_scale"]
    old = replace(old, provenance={"configuration": configuration})
    assert differing(old, configured("b")) == {}
    changed = configured("b", {"backbone": {"weight_scale": 0.5}})
    assert differing(old, changed) == {"backbone.weight_scale": "fan_in in a; 0.5 in b"}


def test_a_key_of_a_newer_version_is_named() -> None:
    newer = configured("b", {"backbone": {"gates": 3}})
    assert differing(configured("a"), newer) == {"backbone.gates": "not given in a; 3 in b"}


def test_unknown_settings_are_named_once() -> None:
    unknown = replace(make("c"), provenance={})
    found = differing(configured("a"), configured("b", {"adapter": {"dora": True}}), unknown)
    assert found == {
        "settings": "known in a, b; unknown (the result holds no configuration) in c",
        "adapter.dora": "false in a; true in b",
    }


def test_two_results_of_unknown_settings_are_not_alike() -> None:
    unknown = [replace(make(name), provenance={}) for name in ("a", "b")]
    words = "unknown (the result holds no configuration)"
    assert differing(*unknown) == {"settings": f"{words} in a; {words} in b"}


def test_values_are_shown_in_printable_letters() -> None:
    found = differing(configured("a"), configured("b", {"backbone": {"activation": "\x1b[31m\n"}}))
    assert found == {"backbone.activation": "relu in a; " + " [31m  in b"}


def test_refusing_names_every_difference_and_the_next_step() -> None:
    results = [
        configured("a"),
        configured("b", {"backbone": {"hidden": [64]}, "training": {"epochs": 5}}),
        configured("c", {"training": {"epochs": 6}}),
    ]
    with pytest.raises(ConfigError) as caught:
        refuse(scope_differences(results, ["a", "b", "c"], defaults=DEFAULTS))
    assert str(caught.value) == (
        "backbone.hidden: not the same: 512-256-128-64 in a, c; 64 in b\n"
        "training.epochs: not the same: auto in a; 5 in b; 6 in c\n"
        "    minimal ranks compare only when measured alike: set these equal in every "
        "dataset.yaml and measure again, or compare all the same with --anyway (anyway=True in "
        "Python)"
    )
    refuse(())
