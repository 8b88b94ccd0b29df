"""What every backbone family keeps to, and what is particular to each."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rankprobe.backbones
from rankprobe.backbones import BACKBONES, build
from rankprobe.backbones.mlp import ACTIVATIONS, mlp
from rankprobe.lowrank import Adapter, adapted_layers, attach, count_trainable
from rankprobe.records import Member
from rankprobe.training.trainees import build_cohort
from tests.training.reference import protocol, solo, toy_task, train_together

# For every family: shape of an example, settings.
CASES: dict[str, list[tuple[tuple[int, ...], dict[str, Any]]]] = {
    "mlp": [
        ((6,), {"hidden": (8, 7)}),
        ((2, 3), {"hidden": (8,), "dropout": 0.0}),
        ((6,), {"hidden": (), "activation": "tanh"}),
        ((6,), {"hidden": (8, 4), "activation": "gelu", "dropout": 0.3}),
    ],
}
ALL = [(family, *case) for family, cases in CASES.items() for case in cases]


def test_every_family_is_held_to_the_contract() -> None:
    assert CASES.keys() == BACKBONES.keys()


@pytest.mark.parametrize(("family", "shape", "settings"), ALL)
class TestContract:
    def test_outputs(self, family: str, shape: tuple[int, ...], settings: dict[str, Any]) -> None:
        net = build(family, shape, 5, **settings)
        assert net(torch.randn(4, *shape)).shape == (4, 5)

    def test_the_head_is_the_last_layer(
        self, family: str, shape: tuple[int, ...], settings: dict[str, Any]
    ) -> None:
        net = build(family, shape, 5, **settings)
        *_, (name, head) = [n for n in net.named_modules() if isinstance(n[1], nn.Linear)]
        assert name == "head"
        assert isinstance(head, nn.Linear)
        assert head.out_features == 5

    def test_evaluates_each_example_by_itself(
        self, family: str, shape: tuple[int, ...], settings: dict[str, Any]
    ) -> None:
        net = build(family, shape, 5, **settings).double().eval()
        x = torch.randn(6, *shape, dtype=torch.float64)
        torch.testing.assert_close(net(x)[:2], net(x[:2]))
        assert torch.equal(net(x), net(x))

    def test_can_be_adapted(
        self, family: str, shape: tuple[int, ...], settings: dict[str, Any]
    ) -> None:
        net = build(family, shape, 5, **settings)
        twin = attach(net, rank=2, adapter=Adapter(head="adapter"))
        assert len(adapted_layers(twin)) == sum(isinstance(m, nn.Linear) for m in net.modules())
        assert twin(torch.randn(4, *shape)).shape == (4, 5)

    def test_cohort_equals_solo(
        self, family: str, shape: tuple[int, ...], settings: dict[str, Any]
    ) -> None:
        net = build(family, shape, 3, **settings)
        training, task = protocol(adapter=Adapter(head="adapter_bias")), toy_task(shape=shape)
        for ranks in ((1, 3), (None, None)):
            members = [
                Member(rank, rate, 0, 2) for rank, rate in zip(ranks, (0.03, 0.01), strict=True)
            ]
            example = torch.randn(2, *shape)
            assert not build_cohort(net, members, training, example).one_by_one
            for run in train_together(members, net, training, task=task):
                assert run.predictions is not None
                expected = solo(run.member, net, training, task=task).outputs
                np.testing.assert_allclose(run.predictions, expected, rtol=1e-9, atol=1e-9)


def test_backbones_know_nothing_of_ranks() -> None:
    """They import torch and each other, and nothing else of the package."""
    for file in Path(rankprobe.backbones.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert not name.startswith("rankprobe") or name.startswith("rankprobe.backbones")


class TestMlp:
    def test_published_size(self) -> None:
        assert count_trainable(mlp((1, 28, 28), 10)) == 575_050

    def test_layers_in_order(self) -> None:
        net = mlp((2, 3), 4, hidden=(8, 7), dropout=0.1)
        assert [(name, type(layer)) for name, layer in net.named_children()] == [
            ("flatten", nn.Flatten),
            ("hidden0", nn.Linear),
            ("activation0", nn.ReLU),
            ("dropout0", nn.Dropout),
            ("hidden1", nn.Linear),
            ("activation1", nn.ReLU),
            ("dropout1", nn.Dropout),
            ("head", nn.Linear),
        ]
        assert [layer.in_features for layer in net if isinstance(layer, nn.Linear)] == [6, 8, 7]
        assert [layer.p for layer in net if isinstance(layer, nn.Dropout)] == [0.1, 0.1]

    def test_without_dropout_or_hidden_layers(self) -> None:
        names = [name for name, _ in mlp((6,), 4, hidden=(8,), dropout=0).named_children()]
        assert names == ["hidden0", "activation0", "head"]
        assert [name for name, _ in mlp((6,), 4, hidden=()).named_children()] == ["head"]

    @pytest.mark.parametrize(
        ("activation", "function"),
        [
            ("relu", torch.relu),
            ("tanh", torch.tanh),
            ("gelu", torch.nn.functional.gelu),
            ("silu", torch.nn.functional.silu),
            ("identity", torch.clone),
        ],
    )
    def test_activations(self, activation: str, function: Any) -> None:
        net = mlp((6,), 4, hidden=(8,), activation=activation).eval()
        x = torch.randn(3, 6)
        hidden, head = net.get_submodule("hidden0"), net.get_submodule("head")
        torch.testing.assert_close(net(x), head(function(hidden(x))))

    def test_every_activation_is_tested(self) -> None:
        assert set(ACTIVATIONS) == {"relu", "tanh", "gelu", "silu", "identity"}
