"""The section ``scaffold``: its short form, what it brings with it, and what it excludes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rankprobe
from rankprobe.config import config_from_settings
from rankprobe.data.load import task_from_arrays
from rankprobe.errors import ConfigError
from rankprobe.search.setup import prepare
from rankprobe.training.scaffolds import ScaffoldUse


def problems(**settings: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config_from_settings(settings, trust=True)
    return [f"{p.where}: {p.message} | {p.hint}" for p in caught.value.problems]


def test_the_short_form() -> None:
    config = config_from_settings({"scaffold": "zero"})
    assert config == config_from_settings({"scaffold": {"frozen": "zero"}})
    assert (config.adapter.beta, config.adapter.b_init) == ("fixed", "kaiming")
    given = config_from_settings({"scaffold": "zero", "adapter": {"b_init": "zeros"}})
    assert given.adapter.b_init == "zeros"
    usual = config_from_settings({"scaffold": {"evaluation": "removed"}}).adapter
    assert (usual.beta, usual.b_init) == ("trained", "zeros")


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (
            {"scaffold": "zeros"},
            (
                "scaffold.frozen: `scaffold.frozen` must be seeded or zero, not 'zeros' | "
                "did you mean `zero`?"
            ),
        ),
        (
            {"scaffold": {"frozen": "zero", "evaluation": "removed"}},
            (
                "scaffold.evaluation: `scaffold.evaluation` means nothing beside `frozen: "
                "zero`: there is no scaffold | remove one of them"
            ),
        ),
        (
            {"scaffold": {"frozen": "zero", "resample": "epoch"}},
            (
                "scaffold.resample: `scaffold.resample` means nothing beside `frozen: "
                "zero`: there is no scaffold | remove one of them"
            ),
        ),
        (
            {"scaffold": {"resample": "epoch", "count": 3}},
            (
                "scaffold.count: `scaffold.count` is about the scaffolds of `resample: step` "
                "and `batch` | write one of them beside it, or remove it"
            ),
        ),
        (
            {"scaffold": {"outside": "class"}},
            (
                "scaffold.outside: `scaffold.outside` is about classes outside those of a seed, "
                "and there are no `seeds` | write `seeds: {42: [0, 1], 43: [2, 3]}` beside it, or "
                "remove it"
            ),
        ),
        (
            {"scaffold": {"seeds": {42: [0], 43: [1]}, "resample": "epoch"}},
            (
                "scaffold.seeds: `scaffold.seeds` says which scaffold each example goes through, "
                "and so does another key of `scaffold` | keep `seeds` and `outside` alone"
            ),
        ),
        (
            {"scaffold": {"seeds": {42: [0]}}},
            (
                "scaffold.seeds: `scaffold.seeds` must be names of classes by seed, such as "
                "{42: [0, 1], 43: [2, 3]}, not {'42': [0]} | "
            ),
        ),
        (
            {"scaffold": {"resample": "step", "count": 1}},
            "scaffold.count: `scaffold.count` must be a whole number of at least 2, not 1 | ",
        ),
        (
            {"scaffold": "zero", "adapter": {"beta": "trained"}},
            (
                "adapter.beta: `beta: trained` means nothing beside `scaffold: zero`: beta "
                "scales the scaffold | remove it"
            ),
        ),
        (
            {"scaffold": {"evaluation": "removed"}, "adapter": {"dora": True}},
            (
                "adapter.dora: `dora` divides by the norms of W + B A, which are zero where "
                "both are | remove it, or keep the scaffold"
            ),
        ),
        (
            {"scaffold": "zero", "search": {"scaffolds": 2}},
            (
                "search.scaffolds: `search.scaffolds` draws several scaffolds, and "
                "`scaffold: zero` has none | remove it"
            ),
        ),
        (
            {
                "scaffold": {"resample": "epoch"},
                "backbone": {"family": "python", "factory": "m:f", "init": "pretrained"},
            },
            (
                "scaffold: `scaffold` is about random frozen weights, and this network "
                "keeps its own | remove it, or write `backbone: {init: scaffold}`"
            ),
        ),
    ],
)
def test_what_does_not_go_together(settings: dict[str, Any], problem: str) -> None:
    assert problems(**settings) == [problem]


def toy(**settings: Any) -> Any:
    config = config_from_settings({"backbone": {"hidden": [8, 6]}, **settings})
    x = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    return prepare(config, task_from_arrays(x, (x[:, 0] > 0).astype(int), config=config))


class TestIdentity:
    def test_the_defaults_leave_it_as_it_was(self) -> None:
        identity = toy().identity
        assert "scaffold" not in identity
        assert "residual" not in identity["adapter"]
        assert "size" not in identity["backbone"]
        spelled = toy(
            scaffold={"frozen": "seeded", "resample": "none"}, adapter={"residual": False}
        )
        assert spelled.identity == identity

    def test_everything_else_is_in_it(self) -> None:
        changed = toy(scaffold={"resample": "step", "count": 4}, adapter={"residual": True})
        assert changed.identity["scaffold"] == {"resample": "step", "count": 4}
        assert changed.identity["adapter"]["residual"] is True
        sized = toy(backbone={"hidden": [8, 6], "size": 0.5})
        assert sized.identity["backbone"]["size"] == 0.5
        assert changed.bench.protocol.use == ScaffoldUse(resample="step", count=4)


def test_a_network_that_no_gradient_passes_is_refused() -> None:
    with pytest.raises(ConfigError, match="no adapter gets a gradient"):
        toy(scaffold="zero", adapter={"b_init": "zeros"})
    alone = {"hidden": [], "seed": 42}
    toy(scaffold="zero", adapter={"b_init": "zeros", "head": "adapter"}, backbone=alone)


def test_the_trainable_count_has_no_beta_without_a_scaffold() -> None:
    with_beta, without = toy(), toy(scaffold="zero")
    assert with_beta.trainable(2) - without.trainable(2) == 2  # one a hidden layer


@pytest.mark.parametrize(
    ("scaffold", "words"),
    [
        ("zero", "none: the frozen matrices are zero"),
        ({"evaluation": "removed"}, "; removed (zero) for validation and test"),
        (
            {"resample": "batch", "count": 3},
            "; every batch divided among 3 seeds; validation and test example i on seed i mod 3",
        ),
    ],
)
def test_a_measurement_and_its_scope(scaffold: Any, words: str) -> None:
    x = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    result = rankprobe.measure(
        x,
        (x[:, 0] > 0).astype(int),
        backbone={"hidden": [8]},
        scaffold=scaffold,
        training={"epochs": 2, "learning_rate": 0.01},
        search={"ranks": [1, 2], "repeats": 2},
    )
    assert result.scope["scaffold"].endswith(words)
    assert result.members["failed"] == 0
