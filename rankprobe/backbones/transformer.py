"""Transformer encoder that classifies texts."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from rankprobe.backbones.blocks import Block, Embedding, Norm, Positions
from rankprobe.backbones.inputs import Inputs, whole


class Transformer(nn.Module):
    """Embedded tokens, blocks of attention, the mean over all real tokens, a linear head.

    Padding, token 0, is neither looked at nor averaged.

    Args:
        vocabulary: Number of tokens.
        length: Largest number of positions.
        outputs: Width of the head.
        width, heads, layers, feedforward, dropout, norm: See `transformer`.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        outputs: int,
        *,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
        dropout: float,
        norm: Norm,
    ) -> None:
        super().__init__()
        self.tokens = Embedding(vocabulary, width)
        self.positions = Positions(length, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(width, heads, feedforward, dropout=dropout, norm=norm) for _ in range(layers)
        )
        # Behind the last sum there is no norm yet, where norms come first.
        self.norm = nn.LayerNorm(width) if norm == "pre" else nn.Identity()
        self.head = nn.Linear(width, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, outputs) from token ids, (n, length)."""
        real = tokens != 0
        # A text without any token looks at its padding: attention needs something to look at.
        seen = real | ~real.any(dim=1, keepdim=True)
        x = self.dropout(self.positions(self.tokens(tokens)))
        for block in self.blocks:
            x = block(x, seen[:, None, None, :])
        x = self.norm(x)
        share = real.to(x) / real.sum(dim=1, keepdim=True).clamp_min(1)
        outputs: Tensor = self.head((x * share[:, :, None]).sum(dim=-2))
        return outputs


def transformer(
    inputs: Inputs,
    outputs: int,
    *,
    width: int = 128,
    layers: int = 2,
    heads: int = 4,
    feedforward: int = 256,
    dropout: float = 0.1,
    norm: Norm = "pre",
) -> Transformer:
    """A transformer encoder over token ids.

    The published size is width 256, 3 layers, 4 heads.

    Args:
        inputs: ``tokens`` of one length.
        outputs: Outputs of a text.
        width: Width of a position.
        layers: Number of blocks.
        heads: Heads of attention; divide the width.
        feedforward: Width inside the feed-forward layers.
        dropout: Share dropped of embeddings and of what each layer adds; attention weights are
            not dropped, see `rankprobe.backbones.attention.attention`.
        norm: LayerNorm before each layer (``pre``) or behind each sum (``post``).

    Raises:
        ValueError: A width that the heads do not divide.
    """
    settings: dict[str, Any] = {"width": width, "layers": layers, "heads": heads}
    return Transformer(
        whole(inputs, "vocabulary"),
        inputs.shape[0],
        outputs,
        feedforward=feedforward,
        dropout=dropout,
        norm=norm,
        **settings,
    )
