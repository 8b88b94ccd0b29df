"""Pictures changed a little at every step, the same for all members of a repeat."""

from __future__ import annotations

import torch
from torch import Tensor

SHIFT = 4  # pixels, to every side: what is usual for pictures of 32 x 32


def augmented(pictures: Tensor, how: str, seed: int) -> Tensor:
    """Mirror half of the pictures, shift all of them, or both.

    Args:
        pictures: (n, ..., height, width).
        how: ``flip``: left and right change sides in half of them; ``shift``: moved by up to
            `SHIFT` pixels each way, with 0 where nothing was; ``flip_shift``: both.
        seed: Of what is drawn.

    Returns:
        New pictures of the same shape.
    """
    generator = torch.Generator().manual_seed(seed)
    n, (height, width) = len(pictures), pictures.shape[-2:]
    columns = torch.arange(width).expand(n, width)
    rows = torch.arange(height).expand(n, height)
    if "flip" in how:
        mirrored = torch.rand(n, 1, generator=generator) < 0.5
        columns = torch.where(mirrored, width - 1 - columns, columns)
    outside = torch.zeros(n, height, width, dtype=torch.bool)
    if "shift" in how:
        moves = torch.randint(-SHIFT, SHIFT + 1, (2, n, 1), generator=generator)
        rows, columns = rows + moves[0], columns + moves[1]
        beyond_rows, beyond_columns = (
            (places < 0) | (places >= size) for places, size in ((rows, height), (columns, width))
        )
        outside = beyond_rows.unsqueeze(2) | beyond_columns.unsqueeze(1)
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    places = (rows.unsqueeze(2) * width + columns.unsqueeze(1)).to(pictures.device)
    planes = pictures.reshape(n, -1, height * width)
    index = places.view(n, 1, -1).expand_as(planes)
    moved = planes.gather(2, index).view(pictures.shape)
    outside = outside.view(n, *(1 for _ in pictures.shape[1:-2]), height, width)
    return moved.masked_fill(outside.to(pictures.device), 0.0)
