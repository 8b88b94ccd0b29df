"""Loss, schedule, checkpoints and data of a training."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rankprobe.data.task import Split
from rankprobe.records import Member
from rankprobe.training import TrainingData
from rankprobe.training.loop import CHECKPOINTS, Batches, batches_per_epoch, rate_factor
from rankprobe.training.objectives import loss_gradient
from tests.training.reference import protocol, toy_task, train_together


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("objective", ["classification", "regression"])
def test_the_gradient_is_that_of_each_member_s_mean_loss(objective: str, shared: bool) -> None:
    outputs = torch.randn(3, 7, 4, dtype=torch.float64, requires_grad=True)
    if objective == "classification":
        targets = [(torch.arange(7) + k) % 4 for k in range(3)]
    else:
        targets = [torch.randn(7, 4, dtype=torch.float64) for _ in range(3)]
    if shared:
        targets = [targets[0]] * 3
    classes = objective == "classification"
    losses = [
        F.cross_entropy(member, own) if classes else F.mse_loss(member, own)
        for member, own in zip(outputs, targets, strict=True)
    ]
    (expected,) = torch.autograd.grad(torch.stack(losses).sum(), outputs)
    gradient = loss_gradient(outputs, targets[0] if shared else torch.stack(targets))
    torch.testing.assert_close(gradient, expected)
    assert not gradient.requires_grad


@pytest.mark.parametrize("total", [1, 7, 40])
def test_cosine_is_torch_s(total: int) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=total)
    for step in range(total):
        assert rate_factor(step, total, "cosine") == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rate_factor(0, total, "cosine") == 1
    assert rate_factor(total, total, "cosine") == pytest.approx(0)


def test_constant_is_constant() -> None:
    assert {rate_factor(step, 9, "constant") for step in range(9)} == {1.0}


class TestHistory:
    @staticmethod
    def epochs(epochs: int, batch_size: int = 10) -> list[float]:
        settings = protocol(batch_size=batch_size)
        (run,) = train_together([Member(1, 0.01, 0, epochs)], network(), settings)
        assert run.validation == run.history[-1][1]
        return [epoch for epoch, _ in run.history]

    def test_is_evenly_spaced_with_the_last_step(self) -> None:
        assert CHECKPOINTS == 8
        assert self.epochs(8) == [1, 2, 3, 4, 5, 6, 7, 8]
        assert self.epochs(4) == [0.6, 1, 1.6, 2, 2.6, 3, 3.6, 4]

    def test_of_few_steps_has_each_once(self) -> None:
        assert self.epochs(1, batch_size=16) == pytest.approx([1 / 3, 2 / 3, 1])
        assert self.epochs(1, batch_size=1000) == [1]


class TestTrainingData:
    def test_regression_targets_are_centred_and_share_one_scale(self) -> None:
        task = toy_task("regression")
        data = TrainingData.of(task, dtype=torch.float64)
        y = task.train.y.astype(np.float64)
        assert y.std(axis=0).max() > 2 * y.std(axis=0).min()
        np.testing.assert_allclose(data.train_y.mean(dim=0), 0, atol=1e-12)
        assert data.train_y.square().mean().item() == pytest.approx(1)
        back = data.train_y * data.scale + data.shift
        np.testing.assert_allclose(back, y, rtol=1e-12)
        # Singular values keep their ratios: what r* of a linear task is made of.
        ours, theirs = (np.linalg.svd(m - m.mean(0))[1] for m in (data.train_y.numpy(), y))
        np.testing.assert_allclose(ours / ours[0], theirs / theirs[0], rtol=1e-9)

    def test_statistics_come_from_training_alone(self) -> None:
        task = toy_task("regression")
        wild = Split(task.validation.x, task.validation.y * 1e6)
        other = dataclasses.replace(task, validation=wild, test=wild)
        ours, theirs = TrainingData.of(task), TrainingData.of(other)
        assert torch.equal(ours.train_y, theirs.train_y)
        assert torch.equal(ours.shift, theirs.shift)
        assert ours.scale == theirs.scale

    def test_classes_are_left_as_they_are(self) -> None:
        task = toy_task()
        data = TrainingData.of(task)
        assert data.train_y.dtype == torch.int64
        assert np.array_equal(data.train_y, task.train.y)
        assert (data.shift.item(), data.scale) == (0, 1)
        assert data.train_x.dtype == torch.float32
        for x, split in (
            (data.train_x, task.train),
            (data.validation_x, task.validation),
            (data.test_x, task.test),
        ):
            assert np.array_equal(x, split.x)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


class TestSchedules:
    def test_warm_up_rises_to_the_peak_and_the_schedule_follows(self) -> None:
        factors = [rate_factor(step, 20, "cosine", warmup=0.2) for step in range(20)]
        assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
        assert factors[4:] == pytest.approx([rate_factor(k, 16, "cosine") for k in range(16)])

    def test_exponential_decays_once_an_epoch(self) -> None:
        factors = [rate_factor(s, 9, "exponential", per_epoch=3, decay=0.9) for s in range(9)]
        assert factors == pytest.approx([1.0] * 3 + [0.9] * 3 + [0.81] * 3)


@pytest.mark.parametrize(
    ("examples", "size", "batches"), [(10, 4, 3), (9, 4, 2), (8, 4, 2), (1, 4, 1), (3, 1, 3)]
)
def test_a_last_batch_of_one_joins_the_one_before(examples: int, size: int, batches: int) -> None:
    assert batches_per_epoch(examples, size) == batches
    task = toy_task()
    rows = slice(examples)
    train = Split(task.train.x[rows], task.train.y[rows])
    data = TrainingData.of(dataclasses.replace(task, train=train))
    made = Batches(data, protocol(batch_size=size), [0])
    assert made.per_epoch == batches
    sizes = [len(made.at(step)[0]) for step in range(batches)]
    assert sum(sizes) == examples
    assert 1 not in sizes or size == 1 or examples == 1
