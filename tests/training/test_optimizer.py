"""One AdamW for a cohort is torch's AdamW for each member."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from rankprobe.training.optimizer import CohortAdamW

SHAPES = {"A": (4, 5), "B": (3, 4), "beta": ()}
FACTORS = (1.0, 0.7, 0.2, 0.0, 0.5)
Unused = frozenset[tuple[int, int]]  # (index of a tensor, step) without a gradient


def randn(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def starts(members: int) -> list[Tensor]:
    return [randn(members, *shape, seed=i) for i, shape in enumerate(SHAPES.values())]


def gradient(index: int, step: int, members: int) -> Tensor:
    return randn(members, *list(SHAPES.values())[index], seed=100 + 10 * step + index)


def by_torch(
    rates: Sequence[float], decay: float, member: int, unused: Unused = frozenset()
) -> list[Tensor]:
    parameters = [start[member].clone().requires_grad_() for start in starts(len(rates))]
    optimizer = torch.optim.AdamW(parameters, weight_decay=decay, foreach=False, fused=False)
    for step, factor in enumerate(FACTORS):
        for index, parameter in enumerate(parameters):
            used = (index, step) not in unused
            parameter.grad = gradient(index, step, len(rates))[member] if used else None
        optimizer.param_groups[0]["lr"] = rates[member] * factor
        optimizer.step()
    return parameters


def by_cohort(rates: Sequence[float], decay: float, unused: Unused = frozenset()) -> list[Tensor]:
    stacks = [start.clone().requires_grad_() for start in starts(len(rates))]
    optimizer = CohortAdamW(stacks, rates, weight_decay=decay)
    for step, factor in enumerate(FACTORS):
        for index, stack in enumerate(stacks):
            if (index, step) not in unused:
                stack.grad = gradient(index, step, len(rates))
        optimizer.step(factor)
        assert all(stack.grad is None for stack in stacks)
    return stacks


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(
    "rates",
    [(0.01,), (0.01, 0.01, 0.3), (0.3, 0.01, 0.3), (0.1, 0.2, 0.3)],
    ids=["one", "neighbours", "between", "all"],
)
def test_equals_torch(rates: tuple[float, ...], decay: float) -> None:
    stacks = by_cohort(rates, decay)
    for member in range(len(rates)):
        for stack, expected in zip(stacks, by_torch(rates, decay, member), strict=True):
            torch.testing.assert_close(stack[member], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("index", [0, 1, 2])
@pytest.mark.parametrize("steps", [range(5), (1, 3)], ids=["never", "sometimes"])
def test_a_tensor_without_a_gradient_stays_as_it_is(steps: Sequence[int], index: int) -> None:
    rates, unused = (0.01, 0.3), frozenset((index, step) for step in steps)
    stacks = by_cohort(rates, 0.1, unused)
    assert torch.equal(stacks[index], starts(2)[index]) == (len(steps) == 5)
    for member in range(2):
        for stack, expected in zip(stacks, by_torch(rates, 0.1, member, unused), strict=True):
            torch.testing.assert_close(stack[member], expected, rtol=1e-12, atol=1e-12)


def test_padding_stays_exactly_zero() -> None:
    stack = randn(2, 4, 5, seed=0)
    stack[0, 2:] = 0
    stack.requires_grad_()
    optimizer = CohortAdamW([stack], (0.01, 0.3), weight_decay=0.1)
    for step, factor in enumerate(FACTORS):
        stack.grad = gradient(0, step, 2)
        stack.grad[0, 2:] = 0
        optimizer.step(factor)
    assert stack[0, 2:].eq(0).all()
    assert stack[0, :2].ne(0).all()
    assert stack[1].ne(0).all()


def test_a_member_that_is_not_finite_leaves_the_others_alone() -> None:
    rates = (0.01, 0.01, 0.01)
    stacks = [start.clone().requires_grad_() for start in starts(3)]
    optimizer = CohortAdamW(stacks, rates, weight_decay=0.1)
    for step, factor in enumerate(FACTORS):
        for index, stack in enumerate(stacks):
            stack.grad = gradient(index, step, 3)
            stack.grad[1] = float("nan")
        optimizer.step(factor)
    for member in (0, 2):
        for stack, expected in zip(stacks, by_torch(rates, 0.1, member), strict=True):
            torch.testing.assert_close(stack[member], expected, rtol=1e-12, atol=1e-12)


def test_gradients_are_clipped_for_each_member_as_torch_does() -> None:
    torch.manual_seed(0)
    shapes = ((3, 4, 2), (3, 5), (3,))
    start = [torch.randn(shape, dtype=torch.float64) for shape in shapes]
    grads = [torch.randn_like(value) for value in start]
    for index, size in enumerate((0.01, 1.0, 100.0)):  # the smallest stays as it is
        for grad in grads:
            grad[index] *= size
    stacks = [value.clone().requires_grad_() for value in start]
    ours = CohortAdamW(stacks, [0.1] * 3, weight_decay=0.0, clip=1.0)
    for stack, grad in zip(stacks, grads, strict=True):
        stack.grad = grad.clone()
    ours.step(1.0)
    for index in range(3):
        own = [torch.nn.Parameter(value[index].clone()) for value in start]
        for parameter, grad in zip(own, grads, strict=True):
            parameter.grad = grad[index].clone()
        torch.nn.utils.clip_grad_norm_(own, 1.0)
        for mean, parameter in zip(ours.means[0], own, strict=True):
            assert parameter.grad is not None
            torch.testing.assert_close(mean[index], 0.1 * parameter.grad)
