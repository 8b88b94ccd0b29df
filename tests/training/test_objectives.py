"""Gradients of losses against torch's own, and what is told to a metric."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from rankprobe.training.objectives import class_weights, loss_gradient, scored_outputs


def by_torch(outputs: Tensor, loss_of: object) -> Tensor:
    leaf = outputs.clone().requires_grad_()
    torch.stack([loss_of(member) for member in leaf]).sum().backward()  # type: ignore[operator, no-untyped-call]
    assert leaf.grad is not None
    return leaf.grad


def test_class_weights_weigh_the_loss_as_pos_weight_does() -> None:
    outputs, labels = torch.randn(3, 8, 2, dtype=torch.float64), torch.arange(8) % 2
    weights = torch.tensor([1.0, 11.69], dtype=torch.float64)

    def loss(member: Tensor) -> Tensor:
        odds = member[:, 1] - member[:, 0]
        return F.binary_cross_entropy_with_logits(odds, labels.double(), pos_weight=weights[1])

    torch.testing.assert_close(loss_gradient(outputs, labels, weights), by_torch(outputs, loss))


def test_weights_of_three_classes() -> None:
    outputs, labels = torch.randn(2, 9, 3, dtype=torch.float64), torch.arange(9) % 3
    weights = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64)

    def loss(member: Tensor) -> Tensor:
        return F.cross_entropy(member, labels, weight=weights, reduction="none").mean()

    torch.testing.assert_close(loss_gradient(outputs, labels, weights), by_torch(outputs, loss))


def test_next_tokens_with_gaps_of_unlike_number() -> None:
    outputs = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    target = torch.randint(0, 7, (3, 5))
    target[1, 2:] = -1

    def loss(member: Tensor) -> Tensor:
        return F.cross_entropy(member.flatten(0, 1), target.flatten(), ignore_index=-1)

    expected = by_torch(outputs, loss)
    torch.testing.assert_close(loss_gradient(outputs, target, gaps=True), expected)
    apart = torch.stack([target, target])
    torch.testing.assert_close(loss_gradient(outputs, apart, gaps=True), expected)


def test_values_with_gaps() -> None:
    outputs = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    target = torch.randn(3, 5, 4, dtype=torch.float64)
    target[0, 3:] = torch.nan

    def loss(member: Tensor) -> Tensor:
        there = ~target.isnan()
        return (member - target)[there].square().mean()

    torch.testing.assert_close(loss_gradient(outputs, target, gaps=True), by_torch(outputs, loss))


def test_outputs_that_are_not_finite_are_not_taken_for_gaps() -> None:
    outputs, target = torch.full((1, 2, 1), torch.nan), torch.tensor([[1.0], [torch.nan]])
    assert loss_gradient(outputs, target, gaps=True)[0, 0].isnan()


def test_a_vocabulary_is_reduced_to_sums_and_counts() -> None:
    outputs, target = torch.randn(2, 3, 5, 7), torch.randint(0, 7, (3, 5))
    target[2, 1:] = -1
    told = scored_outputs("next_token", outputs, target)
    assert told.shape == (2, 3, 2)
    assert told[:, :, 1].tolist() == [[5, 5, 1]] * 2
    losses = F.cross_entropy(outputs[1].flatten(0, 1), target.flatten(), ignore_index=-1)
    torch.testing.assert_close(told[1, :, 0].sum() / told[1, :, 1].sum(), losses)
    assert scored_outputs("classification", outputs, target) is outputs


@pytest.mark.parametrize("wanted", ["balanced", (0.5, 2.0, 3.0)])
def test_class_weights(wanted: object) -> None:
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    weights = class_weights(wanted, labels, 3)  # type: ignore[arg-type]
    expected = [10 / 18, 10 / 9, 10 / 3] if wanted == "balanced" else [0.5, 2.0, 3.0]
    assert weights is not None
    torch.testing.assert_close(weights, torch.tensor(expected))
    if wanted == "balanced":
        assert weights[labels].mean() == pytest.approx(1.0)
    assert class_weights("none", labels, 3) is None
