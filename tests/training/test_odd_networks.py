"""What networks of anybody's do beside computing: draws, buffers, loops over examples."""

from __future__ import annotations

import gc
import math
import weakref
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.lowrank import LowRankLayer
from rankprobe.lowrank.plain import put_channels_last
from rankprobe.records import Member
from rankprobe.training import Score, TrainingData, train
from rankprobe.training.build import build_cohort
from rankprobe.training.memory import values_per_example
from rankprobe.training.trainees import Cohort
from tests.training.reference import RawScore, protocol, toy_task, train_together

SHAPE = (2, 6, 6)
ADAPTERS = tuple(Member(rank, rate, 0, 3) for rank, rate in ((1, 0.03), (4, 0.01), (2, 0.1)))
BASELINES = tuple(Member(None, rate, 0, 3) for rate in (0.01, 0.003))


class FunctionalDropout(nn.Module):
    """Draws its masks in the order that activations have in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 4, 3, padding=1), nn.Linear(144, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = F.dropout(F.relu(self.conv(x)), 0.5, self.training)
        outputs: Tensor = self.head(h.flatten(1))
        return outputs


class OwnNorm(nn.Module):
    """Keeps a running mean of its own, in place or anew at every step."""

    mean: Tensor

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place
        self.hidden, self.head = nn.Linear(72, 8), nn.Linear(8, 3)
        self.register_buffer("mean", torch.zeros(8))

    def forward(self, x: Tensor) -> Tensor:
        h = self.hidden(x.flatten(1))
        if self.training and self.in_place:
            self.mean.mul_(0.9).add_(h.detach().mean(dim=0), alpha=0.1)
        elif self.training:
            self.mean = 0.9 * self.mean + 0.1 * h.detach().mean(dim=0)
        outputs: Tensor = self.head(torch.tanh(h - self.mean))
        return outputs


class OneByOne(nn.Module):
    """Calls a layer once for every example."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(72, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        rows = [torch.tanh(self.hidden(row)) for row in x.flatten(1)]
        outputs: Tensor = self.head(torch.stack(rows))
        return outputs


def outputs_of(members: tuple[Member, ...], net: nn.Module) -> list[NDArray[Any]]:
    runs = train_together(members, net, protocol(), task=toy_task(shape=SHAPE, outputs=3))
    assert {run.status for run in runs} == {"finished"}
    return [np.asarray(run.predictions) for run in runs]


@pytest.mark.parametrize("members", [ADAPTERS, BASELINES], ids=["adapters", "baselines"])
@pytest.mark.parametrize(
    "net",
    [FunctionalDropout(), OwnNorm(in_place=True), OwnNorm(in_place=False), OneByOne()],
    ids=["functional dropout", "buffer in place", "buffer anew", "one by one"],
)
def test_nobody_s_company_matters(net: nn.Module, members: tuple[Member, ...]) -> None:
    net.double()
    together = outputs_of(members, net)
    for member, outputs in zip(members, together, strict=True):
        (alone,) = outputs_of((member,), net)
        np.testing.assert_allclose(outputs, alone, rtol=1e-9, atol=1e-9)


def test_a_buffer_of_the_network_s_own_is_left_alone() -> None:
    net = OwnNorm(in_place=True)
    cohort = build_cohort(net, ADAPTERS, protocol(), torch.randn(2, *SHAPE))
    assert list(cohort.statistics) == ["mean"]
    assert not net.mean.any()
    assert not cohort.statistics["mean"].any()
    cohort.outputs(torch.randn(5, *SHAPE), seed=0)
    assert cohort.statistics["mean"].any(dim=1).all()


def test_channels_last_where_masks_are_the_same_in_any_order() -> None:
    layers = (nn.Conv2d(2, 4, 3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 3))
    for net, last in ((nn.Sequential(*layers), True), (FunctionalDropout(), False)):
        cohort = build_cohort(net, ADAPTERS, protocol(), torch.randn(2, *SHAPE))
        convolutions = [m for m in cohort.module.modules() if hasattr(m, "convolve")]
        assert [getattr(layer.convolve, "channels_last", None) for layer in convolutions] == [last]
        assert put_channels_last(cohort.module, torch.randn(2, *SHAPE)) in (4 * 16, 4 * 36)
        assert any(isinstance(layer, LowRankLayer) for layer in convolutions)


def test_full_training_starts_with_new_running_statistics() -> None:
    net = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))
    norm = net[1]
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    norm.running_mean.fill_(7.0)
    for members in (ADAPTERS, BASELINES):
        cohort = build_cohort(net, members, protocol(), torch.randn(2, 6))
        assert not cohort.statistics["1.running_mean"].any()
    assert (norm.running_mean == 7.0).all()


def test_layers_that_are_called_once_an_example_count_once() -> None:
    assert values_per_example(OneByOne(), torch.randn(3, *SHAPE)) == 72


def test_what_did_not_fit_is_gone_before_halves_train(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, failed = Cohort.outputs, []

    def scarce(self: Cohort, *args: Any, **kwargs: Any) -> Tensor:
        if self.size > 2:
            failed.append(weakref.ref(self))
            raise MemoryError
        if any(cohort() is not None for cohort in failed):
            gc.collect()
        assert all(cohort() is None for cohort in failed), "the cohort that failed is still there"
        return outputs(self, *args, **kwargs)

    monkeypatch.setattr(Cohort, "outputs", scarce)
    outputs_of(ADAPTERS, nn.Sequential(nn.Flatten(), nn.Linear(72, 4), nn.Linear(4, 3)).double())
    assert len(failed) == 1


def test_a_score_that_is_not_finite_is_no_score() -> None:
    class Overflows(RawScore):
        def __call__(
            self, split: Literal["validation", "test"], predictions: NDArray[Any]
        ) -> Score:
            worst = float(predictions.max()) > 0
            return Score(math.inf if worst else 0.0, math.nan, predictions)

    data = TrainingData.of(toy_task())
    net = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3))
    (run,) = train(ADAPTERS[:1], backbone=net, data=data, protocol=protocol(), score=Overflows())
    assert (run.status, run.test) == ("diverged", None)
