"""Self-attention with a projection each, and rotary positions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """Scaled dot-product attention: ``softmax(Q K' / sqrt(d)) V``.

    It is torch's fused function, which what trains networks together puts its own in place of.

    There is no dropout of attention weights: the fused function draws a mask of its own for
    every example, so that networks trained together would not share theirs.

    Args:
        query: (n, heads, length, d).
        key: (n, heads, length, d).
        value: (n, heads, length, d).
        mask: Whether a position may look at another, (n or 1, heads or 1, length or 1, length);
            every position must have one to look at.
        causal: Whether a position sees only itself and those before it.

    Returns:
        (n, heads, length, d).
    """
    if causal and mask is not None:
        mask, causal = mask & earlier(query.shape[-2], query.device), False
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)


def earlier(length: int, device: torch.device) -> Tensor:
    """Whether a position (row) may look at another (column): itself and those before it."""
    return torch.ones(length, length, dtype=torch.bool, device=device).tril()


class Rotary(nn.Module):
    """Rotary position embedding (RoPE, arXiv:2104.09864), halves rotated against each other.

    Args:
        width: Width of a head; even.
        longest: Largest number of positions.
        base: Of the wavelengths.
    """

    cosine: Tensor
    sine: Tensor

    def __init__(self, width: int, longest: int, *, base: float = 10_000.0) -> None:
        super().__init__()
        if width % 2:
            raise ValueError(f"a head of a rotary attention has an even width, and not {width}")
        frequencies = base ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
        angles = torch.arange(longest, dtype=torch.float64)[:, None] * frequencies.repeat(2)
        dtype = torch.get_default_dtype()
        self.register_buffer("cosine", angles.cos().to(dtype), persistent=False)
        self.register_buffer("sine", angles.sin().to(dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Queries or keys, (n, heads, length, width), turned by their positions."""
        length = x.shape[-2]
        first, second = x.chunk(2, dim=-1)
        turned = torch.cat([-second, first], dim=-1)
        return x * self.cosine[:length] + turned * self.sine[:length]


class SelfAttention(nn.Module):
    """Multi-head self-attention with a projection each for queries, keys, values and outputs.

    Args:
        width: Width of a position.
        heads: Number of heads; divides the width.
        causal: Whether a position sees only itself and those before it.
        bias: Whether the projections have biases.
        rotary: Turns queries and keys by their positions.

    Raises:
        ValueError: A width that the heads do not divide.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        causal: bool = False,
        bias: bool = True,
        rotary: Rotary | None = None,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"`heads` divides `width`, and {heads} does not divide {width}")
        self.heads, self.causal = heads, causal
        self.query = nn.Linear(width, width, bias=bias)
        self.key = nn.Linear(width, width, bias=bias)
        self.value = nn.Linear(width, width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)
        self.rotary = rotary

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, length, width) from the same; for ``mask`` see `attention`."""
        query, key, value = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(-3, -2)
            for projection in (self.query, self.key, self.value)
        )
        if self.rotary is not None:
            query, key = self.rotary(query), self.rotary(key)
        attended = attention(query, key, value, mask=mask, causal=self.causal)
        projected: Tensor = self.out(attended.transpose(-3, -2).flatten(-2))
        return projected
