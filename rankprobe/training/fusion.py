"""ReLU and the dropout after it as one operation: two passes over memory less each way."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rankprobe.lowrank import LowRankLinear


def fuse(module: nn.Module) -> nn.Module:
    """Fuse every adapted layer's ReLU with the dropout behind it, where they follow each other.

    Only inside a `torch.nn.Sequential`, where nothing else can use what lies between. Masks
    are drawn as `torch.nn.Dropout` draws them, so results stay what they were.

    Args:
        module: Changed in place.

    Returns:
        The module.
    """
    for parent in module.modules():
        if not isinstance(parent, nn.Sequential):
            continue
        layers = list(parent.named_children())
        for (_, linear), (name, relu), (after, dropout) in zip(
            layers, layers[1:], layers[2:], strict=False
        ):
            adapted = isinstance(linear, LowRankLinear) and linear.bias is None
            if adapted and type(relu) is nn.ReLU and type(dropout) is nn.Dropout:
                setattr(parent, name, ReLUDropout(dropout.p))
                setattr(parent, after, nn.Identity())
    return module


class ReLUDropout(nn.Module):
    """``dropout(relu(x))``; writes over ``x`` while training.

    Args:
        p: Share of units dropped.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Activations of the shape of ``x``."""
        if not self.training or self.p in (0.0, 1.0):
            return nn.functional.dropout(torch.relu(x), self.p, self.training)
        keep = 1.0 - self.p
        mask = torch.empty(x.shape, dtype=x.dtype, device=x.device).bernoulli_(keep).div_(keep)
        activations: Tensor = _ReLUDropout.apply(x, mask, keep)  # type: ignore[no-untyped-call]
        return activations


class _ReLUDropout(torch.autograd.Function):
    """For one member out of place; under vmap, hands the cohort to `_InPlace`."""

    @staticmethod
    def forward(x: Tensor, mask: Tensor, keep: float) -> Tensor:  # noqa: ARG004
        return torch.relu(x).mul_(mask)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        ctx.save_for_backward(output)
        ctx.keep = inputs[2]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _backward(ctx, gradient)

    @staticmethod
    def vmap(
        _info: Any, in_dims: tuple[int | None, ...], x: Tensor, mask: Tensor, keep: float
    ) -> tuple[Tensor, int]:
        if in_dims[0] != 0:  # nothing to gain, and what is shared must not be written over
            raise RuntimeError("only what differs between members is activated in place")
        return _InPlace.apply(x, mask, keep), 0  # type: ignore[no-untyped-call]


class _InPlace(torch.autograd.Function):
    """All members at once: x (members, batch, width), mask (batch, width)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, keep: float) -> Tensor:
        ctx.mark_dirty(x)
        x.clamp_min_(0).mul_(mask)
        ctx.save_for_backward(x)
        ctx.keep = keep
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _backward(ctx, gradient)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
    """The gradient passes where the output is not zero, scaled as the kept units were."""
    (output,) = ctx.saved_tensors
    passed: Tensor = torch.ops.aten.threshold_backward(gradient, output, 0)
    return passed.mul_(1.0 / ctx.keep), None, None
