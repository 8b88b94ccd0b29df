"""The fast product is the plain formula: forward, every gradient, every way it is called."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from rankprobe.lowrank.product import low_rank_product, plain_product

MEMBERS, BATCH, D_IN, D_OUT = 3, 5, 4, 6
RANKS = [0, 1, 3]
LEADING = [(), (2,), (2, 3)]


def randn(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def cohort_inputs(rank: int, leading: Sequence[int] = (), *, shared: bool) -> list[Tensor]:
    """x, W, A, B, beta, scaling of a cohort; no factor is near 0 or 1, so none can hide."""
    x = (BATCH, *leading, D_IN)
    return [
        randn(*x, seed=1) if shared else randn(MEMBERS, *x, seed=1),
        randn(D_OUT, D_IN, seed=2).detach(),
        randn(MEMBERS, rank, D_IN, seed=3),
        randn(MEMBERS, D_OUT, rank, seed=4),
        (randn(MEMBERS, seed=5) + 3).detach().requires_grad_(),
        (randn(MEMBERS, seed=6).abs() + 0.3).detach(),
    ]


def together(inputs: Sequence[Tensor], *, shared: bool) -> Tensor:
    run = vmap(low_rank_product, in_dims=(None if shared else 0, None, 0, 0, 0, 0))
    outputs: Tensor = run(*inputs)
    return outputs


def one_by_one(inputs: Sequence[Tensor], *, shared: bool) -> Tensor:
    x, W, A, B, beta, scaling = inputs
    return torch.stack(
        [
            plain_product(x if shared else x[i], W, A[i], B[i], beta[i], scaling[i])
            for i in range(MEMBERS)
        ]
    )


def gradients(outputs: Tensor, inputs: Sequence[Tensor], upstream: Tensor) -> list[Tensor]:
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    return list(torch.autograd.grad(outputs, wanted, upstream))


def close(left: Tensor, right: Tensor) -> bool:
    return left.shape == right.shape and torch.allclose(left, right, rtol=1e-12, atol=1e-12)


def test_plain_product_is_the_formula() -> None:
    x, W, A, B, beta, scaling = cohort_inputs(2, shared=True)
    expected = beta[0] * (x @ W.T) + scaling[0] * (x @ A[0].T @ B[0].T)
    assert close(plain_product(x, W, A[0], B[0], beta[0], scaling[0]), expected)


@pytest.mark.parametrize("leading", LEADING)
@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_cohort_equals_plain(shared: bool, rank: int, leading: tuple[int, ...]) -> None:
    inputs = cohort_inputs(rank, leading, shared=shared)
    fast, plain = together(inputs, shared=shared), one_by_one(inputs, shared=shared)
    assert close(fast, plain)
    upstream = randn(*plain.shape, seed=7).detach()
    for got, expected in zip(
        gradients(fast, inputs, upstream), gradients(plain, inputs, upstream), strict=True
    ):
        assert close(got, expected)


@pytest.mark.parametrize("leading", LEADING)
@pytest.mark.parametrize("rank", RANKS)
def test_one_member_equals_plain(rank: int, leading: tuple[int, ...]) -> None:
    x, W, *stacks = cohort_inputs(rank, leading, shared=True)
    inputs = [x, W, *(stack[0].detach().requires_grad_() for stack in stacks[:3]), stacks[3][0]]
    fast, plain = low_rank_product(*inputs), plain_product(*inputs)
    assert close(fast, plain)
    upstream = randn(*plain.shape, seed=7).detach()
    for got, expected in zip(
        gradients(fast, inputs, upstream), gradients(plain, inputs, upstream), strict=True
    ):
        assert close(got, expected)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_gradients_agree_with_finite_differences(shared: bool) -> None:
    inputs = cohort_inputs(2, shared=shared)
    assert torch.autograd.gradcheck(lambda *i: together(i, shared=shared), inputs)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_a_gradient_in_any_memory_order(shared: bool) -> None:
    inputs = cohort_inputs(2, (2,), shared=shared)
    fast, plain = together(inputs, shared=shared), one_by_one(inputs, shared=shared)
    upstream = randn(*reversed(plain.shape), seed=7).detach().permute(3, 2, 1, 0)
    assert not upstream.is_contiguous()
    for got, expected in zip(
        gradients(fast, inputs, upstream), gradients(plain, inputs, upstream), strict=True
    ):
        assert close(got, expected)


def test_inputs_in_any_memory_order() -> None:
    x, *rest = cohort_inputs(2, (2,), shared=False)
    turned = x.detach().movedim(0, 2).contiguous().requires_grad_()
    outputs = vmap(low_rank_product, in_dims=(2, None, 0, 0, 0, 0))(turned, *rest)
    expected = one_by_one([x, *rest], shared=False)
    assert close(outputs, expected)
    upstream = randn(*expected.shape, seed=7).detach()
    (got,) = torch.autograd.grad(outputs, turned, upstream)
    (plain,) = torch.autograd.grad(expected, x, upstream)
    assert close(got, plain.movedim(0, 2))


def test_a_shared_input_that_needs_no_gradient() -> None:
    x, *rest = cohort_inputs(2, shared=True)
    inputs = [x.detach(), *rest]
    upstream = randn(MEMBERS, BATCH, D_OUT, seed=7).detach()
    fast = gradients(together(inputs, shared=True), inputs, upstream)
    plain = gradients(one_by_one(inputs, shared=True), inputs, upstream)
    assert len(fast) == 3
    assert all(close(got, expected) for got, expected in zip(fast, plain, strict=True))


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_factors_that_all_members_share(shared: bool) -> None:
    x, W, *stacks = cohort_inputs(2, shared=shared)
    single = [stack[0].detach().requires_grad_() for stack in stacks]
    in_dims: list[int | None] = [None if shared else 0, None, None, None, None, None]
    if shared:  # something must differ between members
        single[2], in_dims[4] = stacks[2].detach().requires_grad_(), 0
    inputs = [x, W, *single]
    fast = vmap(low_rank_product, in_dims=tuple(in_dims))(*inputs)
    repeated = [
        x,
        W,
        *(s if s.shape == t.shape else s.expand_as(t) for s, t in zip(single, stacks, strict=True)),
    ]
    plain = one_by_one(repeated, shared=shared)
    assert close(fast, plain)
    upstream = randn(*plain.shape, seed=7).detach()
    for got, expected in zip(
        gradients(fast, inputs[:5], upstream), gradients(plain, inputs[:5], upstream), strict=True
    ):
        assert close(got, expected)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_what_is_given_is_not_written_to(shared: bool) -> None:
    inputs = cohort_inputs(2, shared=shared)
    before = [tensor.detach().clone() for tensor in inputs]
    outputs = together(inputs, shared=shared)
    upstream = torch.ones_like(outputs)
    kept = outputs.detach().clone()
    outputs.backward(upstream)  # type: ignore[no-untyped-call]
    assert all(torch.equal(now, then) for now, then in zip(inputs, before, strict=True))
    assert torch.equal(upstream, torch.ones_like(upstream))
    assert torch.equal(outputs, kept)


def test_a_frozen_matrix_for_each_member_is_refused() -> None:
    x, W, *rest = cohort_inputs(2, shared=False)
    with pytest.raises(RuntimeError, match="members of a cohort share one frozen matrix"):
        vmap(low_rank_product)(x, W.expand(MEMBERS, -1, -1), *rest)
