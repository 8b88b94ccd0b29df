"""The input added around adapted layers: what the plain loop gives, and where it is not added."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rankprobe.backbones.mlp import mlp
from rankprobe.lowrank import Adapter, adapted_layers, attach, count_trainable, layers
from rankprobe.records import Member
from tests.contracts.against_solo import assert_equals_solo
from tests.lowrank.layered import CASES, Case
from tests.training.reference import protocol

EPOCHS = 3
MIXED = (Member(1, 0.03, 0, EPOCHS), Member(30, 0.01, 0, EPOCHS), Member(2, 0.003, 0, EPOCHS))
ADAPTERS = {
    "alone": Adapter(residual=True),
    "dora": Adapter(residual=True, dora=True),
    "bias": Adapter(residual=True, bias="trained", b_init="kaiming"),
}
SQUARE = Case(lambda: mlp((6,), 3, hidden=(6, 6, 9, 9), dropout=0.2), (6,))


@pytest.fixture(params=["merged", "factored"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "factored":
        monkeypatch.setattr(layers, "SMALL_LAYER", 0)


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("adapter", [*ADAPTERS.values(), Adapter(residual=True, layer_norm=True)])
def test_linear_layers_in_a_cohort(adapter: Adapter) -> None:
    assert_equals_solo(SQUARE, MIXED, protocol(adapter=adapter))


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
@pytest.mark.parametrize("name", ["pictures", "view", "tied"])
def test_convolutions_and_others_in_a_cohort(name: str, adapter: Adapter) -> None:
    assert_equals_solo(CASES[name], MIXED, protocol(adapter=adapter))


@pytest.mark.parametrize(
    ("layer", "shape", "added"),
    [
        (nn.Linear(6, 6), (4, 6), True),
        (nn.Linear(6, 5), (4, 6), False),
        (nn.Conv2d(3, 3, 3, padding=1), (4, 3, 8, 8), True),
        (nn.Conv2d(3, 3, 3), (4, 3, 8, 8), False),
        (nn.Conv2d(3, 3, 3, padding=1, stride=2), (4, 3, 8, 8), False),
        (nn.Conv2d(3, 4, 3, padding=1), (4, 3, 8, 8), False),
    ],
)
def test_added_where_both_have_one_shape(
    layer: nn.Module, shape: tuple[int, ...], added: bool
) -> None:
    net = nn.Sequential(layer, nn.Flatten(), nn.LazyLinear(2))
    x = torch.randn(shape)
    net(x)
    twin, plain = (
        attach(net, rank=2, adapter=Adapter(residual=residual)) for residual in (True, False)
    )
    ours, theirs = (adapted_layers(each)["0"](x) for each in (twin, plain))
    torch.testing.assert_close(ours, theirs + x if added else theirs)
    assert count_trainable(twin) == count_trainable(plain)
