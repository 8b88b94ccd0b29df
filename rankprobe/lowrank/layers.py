"""The adapted linear layer."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from rankprobe.lowrank.adapter import Adapter, uniform
from rankprobe.lowrank.base import Given, LowRankLayer
from rankprobe.lowrank.product import low_rank_product
from rankprobe.lowrank.scaffold import Scaffold

__all__ = ["SMALL_LAYER", "Adapter", "LowRankLinear", "uniform"]

# Weights of a layer that a cohort computes as one merged matrix a member: more arithmetic, but
# fewer operations, and starting those takes most of a small layer's time.
SMALL_LAYER = 4096


class LowRankLinear(LowRankLayer):
    """A frozen random linear map with a low-rank adapter.

    ``h = beta * W x + scaling * B A x``, with W (d_out, d_in) frozen and made from a seed,
    A (r, d_in) Kaiming-uniform at the start, B (d_out, r) zero, beta one scalar that starts
    at 1 (Hazan et al., arXiv:2604.08749). With ``dora`` the rows of the merged matrix
    ``V = beta W + scaling B A`` are normalised and scaled by a trained magnitude (d_out,)
    that starts at the norms of W's rows (arXiv:2402.09353). With ``layer_norm`` LayerNorm is over
    the sum of both paths, before a bias; with ``residual``, and d_out = d_in, x is added last.

    Args:
        name: Name of the layer in its network; keys the scaffold and the initial values.
        d_in: Width of the input.
        d_out: Width of the output.
        rank: Rank of the adapter; a rank above min(d_in, d_out) is that minimum.
        adapter: How the adapter is built.
        scaffold: How W is made.
        bias: Whether to train a bias, zero at the start.
        beta: Whether to train beta.
        given: Frozen weights in place of random ones.

    Shapes: (batch, ..., d_in) to (batch, ..., d_out).
    """

    def __init__(
        self,
        name: str,
        d_in: int,
        d_out: int,
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
            (d_out, d_in),
            rank=rank,
            adapter=adapter,
            scaffold=scaffold,
            bias=bias,
            beta=beta,
            given=given,
        )

    @property
    def small(self) -> bool:
        """Whether a cohort had better make the merged matrices than multiply factor by factor."""
        return self.magnitude is None and math.prod(self.shape) <= SMALL_LAYER

    def forward(self, x: Tensor) -> Tensor:
        """Outputs, (batch, ..., d_out), of inputs, (batch, ..., d_in)."""
        if self.whole is not None:
            h = F.linear(x, self.whole)
        elif self.magnitude is None:
            frozen = self.frozen if self.lanes is None else self.lanes
            h = low_rank_product(x, frozen, self.A, self.B, self.beta, self.scaling)
        else:
            merged = self.merged()
            h = F.linear(x, merged) * (self.magnitude / merged.norm(dim=1))
        if self.norm is not None:
            h = self.norm(h)
        bias = self.offset if self.bias is None else self.bias
        return self.around(x, h if bias is None else h + bias)
