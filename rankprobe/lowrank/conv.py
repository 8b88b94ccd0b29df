"""The adapted convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.lowrank.adapter import Adapter
from rankprobe.lowrank.base import Given, LowRankLayer
from rankprobe.lowrank.members import each_member
from rankprobe.lowrank.scaffold import Scaffold

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d
_FUNCTIONS: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_LAST: dict[int, torch.memory_format] = {4: torch.channels_last, 5: torch.channels_last_3d}


class LowRankConv(LowRankLayer):
    """A frozen random convolution with a low-rank adapter.

    ``h = beta * conv(W, x) + scaling * B conv(A, x)``: a convolution of r channels, A
    (r, d_in / groups, *kernel), with the layer's own stride, padding and dilation, followed by a
    1 x 1 convolution, B (d_out, r). That is the kernel as a matrix (d_out, d_in / groups * prod
    (kernel)) with a low-rank update, and is computed so, with one merged kernel: the same numbers
    for less time at every rank (see `rankprobe.lowrank.members`). Grouped and depthwise
    convolutions follow the same rule: their kernel, as such a matrix, gets an update of rank r, at
    most min(d_out, d_in / groups * prod(kernel)).

    A layer has r * (d_in / groups * prod(kernel) + d_out) + 1 trained parameters. With ``dora``
    the kernel of each output channel is normalised and scaled by a trained magnitude; with
    ``layer_norm`` the sum of both paths is normalised over channels and places by GroupNorm with
    one group, the form that LayerNorm has for convolutions. With ``residual`` x is added last where
    channels and places are as many as before.

    Args:
        name: Name of the layer in its network; keys the scaffold and the initial values.
        like: The layer that it replaces, for its shapes and steps.
        rank: Rank of the adapter.
        adapter: How the adapter is built.
        scaffold: How W is made.
        bias: Whether to train a bias, zero at the start.
        beta: Whether to train beta.
        given: Frozen weights in place of random ones.

    Shapes: as the layer that it replaces.
    """

    def __init__(
        self,
        name: str,
        like: Conv,
        *,
        rank: int,
        adapter: Adapter,
        scaffold: Scaffold,
        bias: bool,
        beta: bool,
        given: Given | None = None,
    ) -> None:
        super().__init__(
            name,
            like.weight.shape,
            rank=rank,
            adapter=adapter,
            scaffold=scaffold,
            bias=bias,
            beta=beta,
            given=given,
        )
        self.convolve = Convolve(like)

    @property
    def small(self) -> bool:
        """Kernels are small beside activations: those of all members are merged at once."""
        return self.magnitude is None

    def make_norm(self, d_out: int, dtype: torch.dtype) -> nn.Module:
        """LayerNorm over channels and places."""
        return nn.GroupNorm(1, d_out, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs, (batch, d_out, ...), of inputs, (batch, d_in, ...)."""
        kernel = self.merged() if self.whole is None else self.whole
        if self.magnitude is not None:
            factors = self.magnitude / self.row_norms(kernel)
            kernel = kernel * factors.view(-1, *(1 for _ in kernel.shape[1:]))
        bias = self.offset if self.bias is None else self.bias
        h = each_member(self.convolve, x, kernel, bias if self.norm is None else None)
        if self.norm is not None:
            h = cast("Tensor", self.norm(h))
            h = h if bias is None else h + bias.view(-1, *(1 for _ in kernel.shape[2:]))
        return self.around(x, h)


class Convolve:
    """The convolution of a layer with a kernel and a bias of anybody's.

    Args:
        like: The layer.

    Attributes:
        channels_last: Whether inputs are put in that order in memory, which is faster, but which
            networks that reshape with ``view`` may not take.
    """

    def __init__(self, like: Conv) -> None:
        self.axes = len(like.kernel_size)
        self.mode = like.padding_mode
        self.around = list(cast("Any", like)._reversed_padding_repeated_twice)
        self.padding = like.padding if self.mode == "zeros" else 0
        self.stride, self.dilation, self.groups = like.stride, like.dilation, like.groups
        self.channels_last = False

    def __call__(self, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """Outputs, (batch, d_out, ...), of inputs, (batch, d_in, ...); or both without batch."""
        if self.mode != "zeros":
            x = F.pad(x, self.around, mode=self.mode)
        if not (self.channels_last and x.dim() == self.axes + 2 and x.dim() in _LAST):
            return self._convolved(x, kernel, bias)
        wanted = _LAST[x.dim()]
        x, kernel = x.contiguous(memory_format=wanted), kernel.contiguous(memory_format=wanted)
        # Of one channel both orders are the same, and torch gives outputs in the other one.
        return self._convolved(x, kernel, bias).contiguous(memory_format=wanted)

    def _convolved(self, x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        convolution = _FUNCTIONS[self.axes]
        return convolution(x, kernel, bias, self.stride, self.padding, self.dilation, self.groups)
