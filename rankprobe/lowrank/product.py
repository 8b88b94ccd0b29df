"""The product of a frozen matrix plus a low-rank adapter, for one member or a whole cohort.

``h = beta * W x + scaling * B A x``

`low_rank_product` computes it for one member; under `torch.func.vmap` over members it becomes
one matrix product with the frozen ``W`` for all of them. `plain_product` is the same formula
in four ordinary operations: the reference that the tests hold the fast form against.

Why a hand-written backward: three quarters of a cohort's time go to elementwise passes over
(members, batch, width) tensors, not to matrix products. Here the gradient of beta is read off
the input gradient (``<g, W x> = <W' g, x>``), so ``W x`` is not kept, and scaling and adding
happen in place.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import is_batchedtensor
from torch.nn import functional as F

from rankprobe.lowrank.lanes import Lanes, Matrix, dense

Weight = Matrix | Lanes


def plain_product(
    x: Tensor, weight: Tensor, A: Tensor, B: Tensor, beta: Tensor, scaling: Tensor
) -> Tensor:
    """``beta * W x + scaling * B A x`` for one member, in ordinary operations.

    Args:
        x: Inputs, (batch, ..., d_in).
        weight: Frozen matrix W, (d_out, d_in).
        A: (r, d_in).
        B: (d_out, r).
        beta: Scalar tensor.
        scaling: Scalar tensor; alpha / sqrt(r), alpha / r or 1.

    Returns:
        (batch, ..., d_out).
    """
    return beta * F.linear(x, weight) + scaling * F.linear(F.linear(x, A), B)


def low_rank_product(
    x: Tensor,
    weight: Weight,
    A: Tensor,
    B: Tensor,
    beta: Tensor,
    scaling: Tensor,
) -> Tensor:
    """`plain_product`, fast under `torch.func.vmap` over members; same arguments.

    W may also be a function that makes it: it is called forwards and again backwards, and what it
    gives is not kept between. It may be several, of which each serves some members.
    """
    if isinstance(weight, Lanes) and not is_batchedtensor(A):
        weight = weight.alone
    product: Tensor = _Product.apply(x, weight, A, B, beta, scaling)  # type: ignore[no-untyped-call]
    return product


class _Product(torch.autograd.Function):
    """One member; under vmap, hands the whole cohort to `_CohortProduct`."""

    @staticmethod
    def forward(x: Tensor, weight: Matrix, *others: Tensor) -> Tensor:
        return plain_product(x, dense(weight), *others)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], _output: Tensor) -> None:
        x, weight, *others = inputs
        _keep(ctx, weight, x, *others)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, x, A, B, beta, scaling = _kept(ctx)
        g, rows = gradient.flatten(0, -2), x.flatten(0, -2)
        inner = rows @ A.t()
        g_inner = (g @ B) * scaling
        through = g @ dense(weight)
        g_beta = (through * rows).sum()
        g_x = torch.addmm(through * beta, g_inner, A).view_as(x)
        return g_x, None, g_inner.t() @ rows, (g.t() @ inner) * scaling, g_beta, None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Tensor, int]:
        x, weight, A, B, beta, scaling = inputs
        if in_dims[1] is not None:
            raise RuntimeError("members of a cohort share one frozen matrix")
        members = info.batch_size
        A, B, beta, scaling = (
            tensor.expand(members, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip((A, B, beta, scaling), in_dims[2:], strict=True)
        )
        shared = in_dims[0] is None
        x = x if in_dims[0] is None else x.movedim(in_dims[0], 0)
        product: Tensor = _CohortProduct.apply(  # type: ignore[no-untyped-call]
            x, shared, weight, A, B, beta, scaling
        )
        return product, 0


class _CohortProduct(torch.autograd.Function):
    """All members at once.

    ``x`` is (batch, ..., d_in) when the members share it, (members, batch, ..., d_in) otherwise;
    A (members, r, d_in), B (members, d_out, r), beta and scaling (members,);
    returns (members, batch, ..., d_out).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        shared: bool,
        weight: Weight,
        A: Tensor,
        B: Tensor,
        beta: Tensor,
        scaling: Tensor,
    ) -> Tensor:
        members, rank, d_in = A.shape
        d_out = B.shape[1]
        per_member = (members, 1, 1)
        if isinstance(weight, Lanes):
            frozen = weight.shared(x) if shared else weight.own(x)
        else:
            frozen = F.linear(x, dense(weight))
        if shared:
            rows = x.reshape(-1, d_in)
            factors = beta.view(members, *(1 for _ in x.shape))
            several = isinstance(weight, Lanes)
            output = weight.spread(frozen).mul_(factors) if several else frozen * factors
            inner = (rows @ A.reshape(-1, d_in).t()).view(len(rows), members, rank).transpose(0, 1)
            inner = inner * scaling.view(per_member)
        else:
            output = frozen.mul_(beta.view(members, *(1 for _ in frozen.shape[1:])))
            inner = torch.bmm(x.reshape(members, -1, d_in), A.transpose(1, 2))
            inner.mul_(scaling.view(per_member))
        # Through a view, so that what is returned is no view and may be written over.
        output.view(members, -1, d_out).baddbmm_(inner, B.transpose(1, 2))
        # Only a shared input keeps W x: it is small, and no input gradient tells beta's there.
        _keep(ctx, weight, x, A, B, beta, scaling, inner, frozen if shared else None)
        ctx.shared = shared
        return output

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, x, A, B, beta, scaling, inner, frozen = _kept(ctx)
        members, rank, d_in = A.shape
        per_member = (members, 1, 1)
        g = gradient.reshape(members, -1, B.shape[1])
        g_inner = torch.bmm(g, B).mul_(scaling.view(per_member))
        g_B = torch.bmm(g.transpose(1, 2), inner)
        g_x = None
        if ctx.shared:
            rows = x.reshape(-1, d_in)
            flat = g_inner.transpose(0, 1).reshape(len(rows), members * rank)
            g_A = (flat.t() @ rows).view(members, rank, d_in)
            several = isinstance(weight, Lanes)
            g_beta = (
                weight.along(g, frozen) if several else g.reshape(members, -1) @ frozen.reshape(-1)
            )
            if ctx.needs_input_grad[0]:
                through = (
                    weight.summed(g, beta)
                    if several
                    else torch.einsum("mbo,m->bo", g, beta) @ dense(weight)
                )
                g_x = torch.addmm(through, flat, A.reshape(-1, d_in)).view_as(x)
        else:
            rows = x.reshape(members, -1, d_in)
            g_A = torch.bmm(g_inner.transpose(1, 2), rows)
            if isinstance(weight, Lanes):
                through = weight.back(g)
            else:
                through = (g.flatten(0, 1) @ dense(weight)).view(members, -1, d_in)
            g_beta = torch.bmm(through.view(members, 1, -1), rows.reshape(members, -1, 1))
            g_beta = g_beta.view(members)
            g_x = through.mul_(beta.view(per_member)).baddbmm_(g_inner, A).view_as(x)
        return g_x, None, None, g_A, g_B, g_beta, None


def _keep(ctx: Any, weight: Weight, *tensors: Tensor | None) -> None:
    """Keep W as it was given, and tensors, for backward."""
    ctx.makes_weight = None if isinstance(weight, Tensor) else weight
    ctx.save_for_backward(weight if isinstance(weight, Tensor) else None, *tensors)


def _kept(ctx: Any) -> tuple[Any, ...]:
    """What `_keep` was given."""
    weight, *tensors = ctx.saved_tensors
    return (ctx.makes_weight or weight, *tensors)
