"""How large a network is to send: in full, quantised, and as a seed with what was trained."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

BITS = 4.5
"""Bits a weight of a 4-bit network: 4, and a float32 scale for every block of 64 (QLoRA,
arXiv:2305.14314, without its double quantisation)."""


@dataclass(frozen=True)
class Sizes:
    """Bytes of one network in four forms.

    Attributes:
        weights: Numbers in the network.
        fp32: Four bytes a weight.
        fp16: Two bytes a weight.
        four_bit: `BITS` bits a weight; by formula, nothing was quantised.
        ours: The file with seed, description and trained tensors.
    """

    weights: int
    fp32: int
    fp16: int
    four_bit: int
    ours: int

    def rows(self) -> list[tuple[str, int, float]]:
        """(form, bytes, times the size of ours) of every form."""
        forms = (
            ("fp32", self.fp32),
            ("fp16", self.fp16),
            ("4-bit", self.four_bit),
            ("seed + adapters", self.ours),
        )
        return [(name, size, size / self.ours) for name, size in forms]


def sizes_of(backbone: nn.Module, ours: int) -> Sizes:
    """Sizes of a plain network, tied weights counted once, beside that of its file."""
    weights = sum(parameter.numel() for parameter in backbone.parameters())
    return sizes(weights, ours)


def sizes(weights: int, ours: int) -> Sizes:
    """Sizes of a network of so many weights."""
    return Sizes(weights, 4 * weights, 2 * weights, round(BITS / 8 * weights), ours)
