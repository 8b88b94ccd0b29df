"""What transformers are built of: embeddings, and blocks of attention and feed-forward layers."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.backbones.attention import SelfAttention

Norm = Literal["pre", "post"]


class Embedding(nn.Embedding):
    """A table of vectors that starts normal with a standard deviation of 0.02, as in BERT and GPT.

    torch's own starts at 1, which drowns what is added to it.
    """

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        nn.init.normal_(self.weight, std=0.02)


class Positions(nn.Module):
    """A learned vector a position.

    Args:
        length: Number of positions.
        width: Width of a vector.
    """

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.table = Embedding(length, width)

    def forward(self, x: Tensor) -> Tensor:
        """``x``, (n, length, width), with each position's vector added."""
        there = torch.arange(x.shape[-2], device=x.device)
        placed: Tensor = x + self.table(there)
        return placed


class FeedForward(nn.Module):
    """Two linear layers with GELU between them.

    Args:
        width: Width of inputs and outputs.
        hidden: Width between them.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) from the same."""
        output: Tensor = self.down(F.gelu(self.up(x)))
        return output


class Block(nn.Module):
    """Attention and a feed-forward layer, each with dropout and a residual around it.

    Args:
        width: Width of a position.
        heads: Heads of attention.
        feedforward: Width inside the feed-forward layer.
        dropout: Share of what each of the two adds that is dropped.
        norm: LayerNorm before each of them (``pre``), or behind each sum (``post``), as first
            published (arXiv:1706.03762).
        causal: Whether a position sees only itself and those before it.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        feedforward: int,
        *,
        dropout: float,
        norm: Norm = "pre",
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.pre = norm == "pre"
        self.norm1 = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads, causal=causal)
        self.norm2 = nn.LayerNorm(width)
        self.feedforward = FeedForward(width, feedforward)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(n, length, width) from the same; for ``mask`` see `attention`."""
        if self.pre:
            x = x + self.dropout(self.attention(self.norm1(x), mask))
            x = x + self.dropout(self.feedforward(self.norm2(x)))
        else:
            x = self.norm1(x + self.dropout(self.attention(x, mask)))
            x = self.norm2(x + self.dropout(self.feedforward(x)))
        return x
