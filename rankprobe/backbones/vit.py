"""Vision transformer (ViT, arXiv:2010.11929)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from rankprobe.backbones.blocks import Block, Embedding, Positions
from rankprobe.backbones.inputs import Inputs, picture

Pool = Literal["class", "mean"]


class Patches(nn.Module):
    """Cuts pictures into square patches and maps each linearly: ViT's patch embedding.

    Args:
        shape: (channels, height, width) of a picture; the patch's side divides the last two.
        patch: Side of a patch.
        width: Width of an embedded patch.
    """

    def __init__(self, shape: tuple[int, int, int], patch: int, width: int) -> None:
        super().__init__()
        self.shape, self.patch = shape, patch
        self.count = (shape[1] // patch) * (shape[2] // patch)
        self.embed = nn.Linear(shape[0] * patch**2, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, patches, width), row by row, from pictures (n, [channels,] height, width)."""
        channels, height, width = self.shape
        side = self.patch
        x = x.reshape(-1, channels, height // side, side, width // side, side)
        embedded: Tensor = self.embed(x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2))
        return embedded


class ClassToken(nn.Module):
    """A learned vector put before all positions.

    Args:
        width: Width of a position.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = Embedding(1, width)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1 + length, width) from (n, length, width)."""
        zeros = torch.zeros(len(x), 1, dtype=torch.int64, device=x.device)
        return torch.cat([self.table(zeros), x], dim=1)


class ViT(nn.Module):
    """Embedded patches, a class token, pre-norm blocks of attention, a linear head.

    Args:
        shape: (channels, height, width) of a picture.
        outputs: Width of the head.
        patch, width, layers, heads, feedforward, dropout, pool: See `vit`.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        outputs: int,
        *,
        patch: int,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
        dropout: float,
        pool: Pool,
    ) -> None:
        super().__init__()
        self.pool = pool
        self.patches = Patches(shape, patch, width)
        self.token = ClassToken(width) if pool == "class" else nn.Identity()
        self.positions = Positions(self.patches.count + (pool == "class"), width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(width, heads, feedforward, dropout=dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, outputs) from pictures, (n, [channels,] height, width)."""
        x = self.dropout(self.positions(self.token(self.patches(x))))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        outputs: Tensor = self.head(x[:, 0] if self.pool == "class" else x.mean(dim=1))
        return outputs


def vit(
    inputs: Inputs,
    outputs: int,
    *,
    patch: int = 4,
    width: int = 128,
    layers: int = 4,
    heads: int = 4,
    feedforward: int = 256,
    dropout: float = 0.1,
    pool: Pool = "class",
) -> ViT:
    """A vision transformer.

    ViT-B/16 is patch 16, width 768, layers 12, heads 12, feedforward 3072.

    Args:
        inputs: ``numbers``: pictures, (channels, height, width) or (height, width).
        outputs: Outputs of a picture.
        patch: Side of a patch; divides height and width.
        width: Width of a position.
        layers: Number of blocks.
        heads: Heads of attention; divide the width.
        feedforward: Width inside the feed-forward layers.
        dropout: Share dropped of embeddings and of what each layer adds.
        pool: What the head reads: the class token, or the mean over all patches.

    Raises:
        ValueError: No pictures, or sides that do not divide.
    """
    shape = picture(inputs)
    if shape[1] % patch or shape[2] % patch:
        raise ValueError(
            f"`patch` divides the sides of a picture, and {patch} does not divide "
            f"{shape[1]} x {shape[2]}"
        )
    return ViT(
        shape,
        outputs,
        patch=patch,
        width=width,
        layers=layers,
        heads=heads,
        feedforward=feedforward,
        dropout=dropout,
        pool=pool,
    )
