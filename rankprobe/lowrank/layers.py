"""The adapted linear layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.lowrank.product import low_rank_product
from rankprobe.lowrank.randomness import random_words
from rankprobe.lowrank.scaffold import Scaffold

# Weights of a layer that a cohort computes as one merged matrix a member: more arithmetic, but
# fewer operations, and starting those takes most of a small layer's time.
SMALL_LAYER = 4096


@dataclass(frozen=True)
class Adapter:
    """How adapters are built; the defaults are those of ``dataset.yaml``.

    Attributes:
        scaling: Factor of B A: ``rank_stabilized`` alpha / sqrt(r) (rsLoRA, arXiv:2312.03732),
            ``standard`` alpha / r (LoRA, arXiv:2106.09685), ``none`` 1.
        alpha: Numerator of the scaling.
        beta: Whether the scalar before the frozen matrix is ``trained`` or ``fixed`` at 1.
        b_init: Initial B: ``zeros`` or ``kaiming`` (uniform, fan-in the true rank).
        head: ``trained`` in full, or an ``adapter`` without or with a bias (``adapter_bias``).
        bias: Whether adapted layers train a bias of their own; ``none`` has no bias at all.
        layer_norm: LayerNorm on the sum of frozen and adapted path.
        dora: Weight decomposition (DoRA, arXiv:2402.09353).
    """

    scaling: Literal["rank_stabilized", "standard", "none"] = "rank_stabilized"
    alpha: float = 1.0
    beta: Literal["trained", "fixed"] = "trained"
    b_init: Literal["zeros", "kaiming"] = "zeros"
    head: Literal["trained", "adapter", "adapter_bias"] = "trained"
    bias: Literal["none", "trained"] = "none"
    layer_norm: bool = False
    dora: bool = False

    def factor(self, rank: int) -> float:
        """The factor of B A at a rank."""
        if self.scaling == "none" or rank == 0:
            return 1.0
        return self.alpha / (math.sqrt(rank) if self.scaling == "rank_stabilized" else rank)


class LowRankLinear(nn.Module):
    """A frozen random linear map with a low-rank adapter.

    ``h = beta * W x + scaling * B A x``, with W (d_out, d_in) frozen and made from a seed,
    A (r, d_in) Kaiming-uniform at the start, B (d_out, r) zero, beta one scalar that starts
    at 1 (Hazan et al., arXiv:2604.08749). With ``dora`` the rows of the merged matrix
    ``V = beta W + scaling B A`` are normalised and scaled by a trained magnitude (d_out,)
    that starts at the norms of W's rows (arXiv:2402.09353).

    Args:
        name: Name of the layer in its network; keys the scaffold and the initial values.
        d_in: Width of the input.
        d_out: Width of the output.
        rank: Rank of the adapter; a rank above min(d_in, d_out) is that minimum.
        adapter: How the adapter is built.
        scaffold: How W is made.
        bias: Whether to train a bias, zero at the start.
        beta: Whether to train beta.

    Shapes: (batch, ..., d_in) to (batch, ..., d_out).
    """

    weight: Tensor
    scaling: Tensor

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
    ) -> None:
        super().__init__()
        self.name, self.adapter = name, adapter
        self.largest_rank = min(d_in, d_out)
        rank = min(rank, self.largest_rank)
        weight = torch.from_numpy(scaffold.weight(name, (d_out, d_in)))
        self.register_buffer("weight", weight)
        # Of one type with the frozen matrix, whatever torch's default type is.
        self.register_buffer("scaling", weight.new_tensor(adapter.factor(rank)))
        self.A = nn.Parameter(weight.new_zeros(rank, d_in))
        self.B = nn.Parameter(weight.new_zeros(d_out, rank))
        self.beta = nn.Parameter(weight.new_ones(()), requires_grad=beta)
        self.bias = nn.Parameter(weight.new_zeros(d_out)) if bias else None
        self.magnitude = nn.Parameter(weight.norm(dim=1)) if adapter.dora else None
        self.norm = nn.LayerNorm(d_out, dtype=weight.dtype) if adapter.layer_norm else None
        # The merged matrix, where a cohort has made those of all its members at once.
        self.whole: Tensor | None = None

    @property
    def small(self) -> bool:
        """Whether a cohort had better make the merged matrices than multiply factor by factor."""
        return self.magnitude is None and self.weight.numel() <= SMALL_LAYER

    @property
    def rank(self) -> int:
        """Rank of the adapter."""
        return self.A.shape[0]

    def forward(self, x: Tensor) -> Tensor:
        """Outputs, (batch, ..., d_out), of inputs, (batch, ..., d_in)."""
        if self.whole is not None:
            h = F.linear(x, self.whole)
        elif self.magnitude is None:
            h = low_rank_product(x, self.weight, self.A, self.B, self.beta, self.scaling)
        else:
            merged = self.merged()
            h = F.linear(x, merged) * (self.magnitude / merged.norm(dim=1))
        if self.norm is not None:
            h = self.norm(h)
        return h if self.bias is None else h + self.bias

    def merged(self) -> Tensor:
        """The dense matrix beta W + scaling B A, (d_out, d_in)."""
        return self.beta * self.weight + self.scaling * (self.B @ self.A)

    def merged_of(self, A: Tensor, B: Tensor, beta: Tensor, scaling: Tensor) -> Tensor:
        """The merged matrices of all members, (members, d_out, d_in).

        Args:
            A: (members, r, d_in).
            B: (members, d_out, r).
            beta: (members,), or a scalar that they share.
            scaling: (members,).
        """
        frozen = beta.view(-1, 1, 1) * self.weight
        return torch.baddbmm(frozen, scaling.view(-1, 1, 1) * B, A)

    def initial(self, rank: int, *, seed: int, repeat: int) -> dict[str, Tensor]:
        """Initial A and B of a member, at its true rank, whatever the rank of this layer.

        A is uniform on +-1/sqrt(d_in): Kaiming-uniform with a = sqrt(5), as LoRA starts it.
        """
        rank = min(rank, self.largest_rank)
        d_out, d_in = self.weight.shape
        key = (seed, repeat, self.name, rank)
        B = torch.zeros(d_out, rank)
        if self.adapter.b_init == "kaiming" and rank > 0:
            B = uniform("B", key, (d_out, rank), bound=1 / math.sqrt(rank))
        return {"A": uniform("A", key, (rank, d_in), bound=1 / math.sqrt(d_in)), "B": B}


def uniform(
    what: str, key: tuple[int, int, str, int], shape: tuple[int, ...], *, bound: float
) -> Tensor:
    """Uniform float32 initial values on +-bound, keyed by (seed, repeat, layer, rank)."""
    words = random_words(["initial", what, *key], math.prod(shape))
    unit = torch.from_numpy(words.astype("float32")).sub_(32767.5).div_(32768.0)
    return unit.mul_(bound).view(shape)
