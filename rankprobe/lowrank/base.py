"""What all adapted layers share: a frozen tensor, two factors, and what stands beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rankprobe.lowrank.adapter import Adapter, uniform
from rankprobe.lowrank.frozen import FrozenTensor
from rankprobe.lowrank.lanes import Lanes
from rankprobe.lowrank.scaffold import Scaffold


@dataclass(frozen=True, eq=False)
class Given:
    """Weights that a network came with, kept frozen in place of random ones.

    Attributes:
        weight: Of the shape of the frozen tensor.
        bias: (d_out,), or ``None``.
    """

    weight: Tensor
    bias: Tensor | None = None


class LowRankLayer(FrozenTensor):
    """A frozen tensor W, (d_out, ...), whose axes but the first are its fan-in, with an adapter.

    As a matrix, (d_out, fan-in), it is ``beta * W + scaling * B A``: A (r, ...) Kaiming-uniform
    at the start, B (d_out, r) zero, beta one scalar that starts at 1 (Hazan et al.,
    arXiv:2604.08749).

    Args:
        name: Name of the layer in its network; keys the scaffold and the initial values.
        shape: Shape of W.
        rank: Rank of the adapter; a rank above min(d_out, fan-in) is that minimum.
        adapter: How the adapter is built.
        scaffold: How W is made.
        bias: Whether to train a bias, zero at the start.
        beta: Whether to train beta.
        given: Frozen weights in place of random ones; a given bias is where a trained one
            starts, and is kept where none is trained.
    """

    scaling: Tensor
    offset: Tensor | None

    def __init__(
        self,
        name: str,
        shape: Sequence[int],
        *,
        rank: int,
        adapter: Adapter,
        scaffold: Scaffold,
        bias: bool,
        beta: bool,
        given: Given | None = None,
    ) -> None:
        super().__init__()
        self.name, self.adapter = name, adapter
        d_out, fan_in = shape[0], math.prod(shape[1:])
        self.largest_rank = min(d_out, fan_in)
        rank = min(rank, self.largest_rank)
        # Of one type with the frozen matrix, whatever torch's default type is.
        like = torch.empty(0, dtype=torch.float32) if given is None else given.weight
        self.register_buffer("scaling", like.new_tensor(adapter.factor(rank)))
        if given is None:
            self.hold_random(name, shape, scaffold)
        else:
            self.hold(given.weight)
        self.A = nn.Parameter(like.new_zeros(rank, *shape[1:]))
        self.B = nn.Parameter(like.new_zeros(d_out, rank))
        self.beta = nn.Parameter(like.new_ones(()), requires_grad=beta)
        start = like.new_zeros(d_out) if given is None or given.bias is None else given.bias
        self.bias = nn.Parameter(start.clone()) if bias else None
        self.offset = None
        if given is not None and given.bias is not None and not bias:
            del self.offset
            self.register_buffer("offset", given.bias)
        self.magnitude = nn.Parameter(self.row_norms(self.weight)) if adapter.dora else None
        self.norm = self.make_norm(d_out, like.dtype) if adapter.layer_norm else None
        # The merged tensor, where a cohort has made those of all its members at once.
        self.whole: Tensor | None = None
        # The frozen tensors of the members of a cohort, where these are not the same.
        self.lanes: Lanes | None = None

    @property
    def small(self) -> bool:
        """Whether a cohort had better make the merged tensors of all members beforehand."""
        return False

    @property
    def rank(self) -> int:
        """Rank of the adapter."""
        return self.A.shape[0]

    def make_norm(self, d_out: int, dtype: torch.dtype) -> nn.Module:
        """The normalisation of the combined path."""
        return nn.LayerNorm(d_out, dtype=dtype)

    def row_norms(self, weight: Tensor) -> Tensor:
        """The norm of what makes each output, (d_out,), which DoRA's magnitudes start at."""
        norms: Tensor = weight.flatten(1).norm(dim=1)
        return norms

    def around(self, x: Tensor, h: Tensor) -> Tensor:
        """What the layer gives, with its input added where there is a residual for it."""
        return h + x if self.adapter.residual and h.shape == x.shape else h

    def merged(self) -> Tensor:
        """The dense tensor beta W + scaling B A, of the shape of W."""
        low_rank = (self.B @ self.A.flatten(1)).view(self.shape)
        return self.beta * self.weight + self.scaling * low_rank

    def merged_of(self, A: Tensor, B: Tensor, beta: Tensor, scaling: Tensor) -> Tensor:
        """The merged tensors of all members, (members, d_out, ...).

        Args:
            A: (members, r, ...).
            B: (members, d_out, r).
            beta: (members,), or a scalar that they share.
            scaling: (members,).
        """
        own = self.weight.flatten(1) if self.lanes is None else self.lanes.each().flatten(2)
        frozen = beta.view(-1, 1, 1) * own
        merged = torch.baddbmm(frozen, scaling.view(-1, 1, 1) * B, A.flatten(2))
        return merged.view(len(merged), *self.shape)

    def initial(self, rank: int, *, seed: int, repeat: int) -> dict[str, Tensor]:
        """Initial A and B of a member, at its true rank, whatever the rank of this layer.

        A is uniform on +-1/sqrt(fan-in): Kaiming-uniform with a = sqrt(5), as LoRA starts it.
        """
        rank = min(rank, self.largest_rank)
        shape, key = (rank, *self.A.shape[1:]), (seed, repeat, self.name, rank)
        B = torch.zeros(len(self.B), rank)
        if self.adapter.b_init == "kaiming" and rank > 0:
            B = uniform("B", key, (len(self.B), rank), bound=1 / math.sqrt(rank))
        return {"A": uniform("A", key, shape, bound=self.bound()), "B": B}

    def bound(self) -> float:
        """Largest initial value of A."""
        return 1 / math.sqrt(math.prod(self.A.shape[1:]))
