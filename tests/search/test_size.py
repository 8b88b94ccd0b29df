"""``backbone.size``: the widths that come out, and the parameters that they make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rankprobe
from rankprobe.backbones import Inputs, build
from rankprobe.config import config_from_settings
from rankprobe.config_backbones import FAMILIES, BuiltBackbone, GivenBackbone
from rankprobe.errors import ConfigError
from rankprobe.search.backbone import own_settings

WIDTHS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"family": "mlp", "size": 0.5}, {"hidden": (256, 128, 64, 32)}),
    ({"family": "mlp", "hidden": [5, 1], "size": 0.3}, {"hidden": (2, 1)}),
    ({"family": "cnn", "size": 1.5}, {"width": 24, "depth": 20}),
    ({"family": "cfc", "hidden": 256, "size": 0.125}, {"hidden": 32, "backbone_units": 8}),
    ({"family": "gin", "size": 2}, {"hidden": 128, "layers": 3}),
    ({"family": "gcn", "size": 0.25}, {"hidden": 16}),
    (
        {"family": "transformer", "width": 30, "heads": 3, "size": 0.5},
        {"width": 15, "heads": 3, "feedforward": 128},
    ),
    ({"family": "vit", "size": 0.26}, {"width": 32, "feedforward": 67}),
    ({"family": "llama", "size": 0.05}, {"width": 8, "feedforward": 17}),
    ({"family": "decision_transformer", "size": 3}, {"width": 384}),
]


@pytest.mark.parametrize(("given", "expected"), WIDTHS, ids=lambda value: value.get("family", ""))
def test_widths(given: dict[str, Any], expected: dict[str, Any]) -> None:
    config = config_from_settings({"backbone": given})
    own = own_settings(config.backbone)
    assert {key: own[key] for key in expected} == expected
    assert "size" not in own


def test_every_family_of_ours_has_a_size() -> None:
    ours = [family for family in FAMILIES if not issubclass(family, GivenBackbone)]
    assert {given["family"] for given, _ in WIDTHS} == {
        family.model_fields["family"].default for family in ours
    }
    assert all(issubclass(family, BuiltBackbone) for family in ours)


def test_a_size_of_1_changes_nothing() -> None:
    for family in ("mlp", "cfc", "vit", "llama"):
        plain = own_settings(config_from_settings({"backbone": {"family": family}}).backbone)
        same = {"family": family, "size": 1}
        assert own_settings(config_from_settings({"backbone": same}).backbone) == plain


@pytest.mark.parametrize(
    ("given", "inputs", "parameters"),
    [
        # 784-256-128-64-32-10, with biases
        ({"family": "mlp", "size": 0.5}, Inputs("numbers", (784,)), 244_522),
        # Twice the channels of Plain-8 from width 4 are those of width 8.
        ({"family": "cnn", "width": 4, "depth": 8, "size": 2}, Inputs("numbers", (3, 8, 8)), None),
    ],
)
def test_parameters(given: dict[str, Any], inputs: Inputs, parameters: int | None) -> None:
    settings = own_settings(config_from_settings({"backbone": given}).backbone)
    net = build(given["family"], inputs, 10, **settings)
    count = sum(parameter.numel() for parameter in net.parameters())
    if parameters is None:
        other = build("cnn", inputs, 10, width=8, depth=8)
        parameters = sum(parameter.numel() for parameter in other.parameters())
    assert count == parameters


def test_a_network_from_outside_has_no_size() -> None:
    backbone = {"family": "python", "factory": "m:f", "size": 0.5}
    with pytest.raises(ConfigError, match=r"unknown key `backbone\.size`"):
        config_from_settings({"backbone": backbone}, trust=True)


def test_the_scope_says_the_widths_that_came_out() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 4)).astype(np.float32)
    result = rankprobe.measure(
        x,
        (x[:, 0] > 0).astype(int),
        backbone={"hidden": [10, 6], "size": 0.5},
        training={"epochs": 1, "learning_rate": 0.01},
        search={"ranks": [1], "repeats": 2},
    )
    assert "mlp 4-5-3-2" in result.scope["architecture"]
