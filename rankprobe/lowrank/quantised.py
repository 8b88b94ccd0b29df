"""Families of few levels: a weight is a code of 1, 2, 4, 8 or 16 bits.

The levels are evenly spaced and symmetric about 0: code k stands for (k - 2^(b-1) + 1/2) * step.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rankprobe.lowrank.normal import normal_table
from rankprobe.lowrank.randomness import Words

Codes = NDArray[np.uint8] | NDArray[np.uint16]
Packed = NDArray[np.uint8] | NDArray[np.int16]

# Width of a cell, by bits: that which loses least of a standard normal (Max, IRE Trans. Inform.
# Theory 6, 1960, for 2 and 4 bits; the same condition solved for 8); 16 bits hold all of its table.
_CELLS = {2: 0.9957, 4: 0.3352, 8: 0.0308, 16: 9 / 65536}
# Distance of levels that gives rounded weights variance 1, the nearest float32.
_STEPS = {
    2: 1.0607168674468994,
    4: 0.33714810013771057,
    8: 0.03080097958445549,
    16: 0.00013732921797782183,
}


@dataclass(frozen=True, eq=False)
class Coded:
    """The weights of a tensor as codes: weight = (stored number - offset) * step * scale.

    Attributes:
        codes: As `Coding.packed` gives them.
        bits: Of a code.
        offset: What stands for 0 among the numbers that are stored.
        step: See `Coding`.
        scale: Standard deviation of the weights.
    """

    codes: Packed
    bits: int
    offset: float
    step: float
    scale: float

    def without_codes(self) -> Coded:
        """All but the codes."""
        return replace(self, codes=self.codes[:0])

    def of_bytes(self) -> NDArray[np.float32]:
        """The weights that each byte holds, (256, 8 / bits), of codes of less than 8 bits."""
        places = np.arange(0, 8, self.bits)
        codes = np.arange(256)[:, None] >> places & (2**self.bits - 1)
        centred = codes.astype(np.float32) - np.float32(self.offset)
        weights: NDArray[np.float32] = centred * np.float32(self.step) * np.float32(self.scale)
        return weights


@dataclass(frozen=True)
class Coding:
    """How the weights of a family are codes.

    Attributes:
        bits: Of a code.
        step: Distance of neighbouring levels, exact in float32, that makes the variance 1.
        codes: (n,) words to codes.
    """

    bits: int
    step: float
    codes: Callable[[Words], Codes]

    @property
    def middle(self) -> float:
        """The code, between two levels, that stands for 0."""
        return float(2 ** (self.bits - 1)) - 0.5

    def values(self, words: Words) -> NDArray[np.float32]:
        """Values of variance 1."""
        centred = self.codes(words).astype(np.float32) - np.float32(self.middle)
        return centred * np.float32(self.step)

    def packed(self, codes: Codes) -> Packed:
        """Codes, (rows, n), in the form in which they are stored.

        Several to a byte, the first in the lowest bits, each row in whole bytes; codes of 16 bits
        as int16, minus 32,768.

        Returns:
            (rows, ceil(n * bits / 8)) uint8, or (rows, n) int16.
        """
        if self.bits == 16:
            return (codes.astype(np.int32) - 32768).astype(np.int16)
        each = 8 // self.bits
        padded = np.pad(codes.astype(np.uint8), ((0, 0), (0, -codes.shape[1] % each)))
        packed = padded[:, ::each].copy()
        for place in range(1, each):
            packed |= padded[:, place::each] << np.uint8(place * self.bits)
        return packed

    def coded(self, packed: Packed, scale: float) -> Coded:
        """Stored codes with what makes weights of standard deviation ``scale`` of them."""
        offset = self.middle - (32768 if self.bits == 16 else 0)
        return Coded(packed, self.bits, offset, self.step, scale)


def binary() -> Coding:
    """-1 or 1: one random bit."""

    def bits(words: Words) -> Codes:
        return np.unpackbits(words.astype("<u2").view(np.uint8), bitorder="little")

    return Coding(1, 2.0, bits)


def quantised_normal(bits: int) -> Coding:
    """A normal weight, from one word, rounded to the middle of its cell of 2**bits.

    The outermost cells reach to infinity. Levels are then rescaled to variance 1.
    """
    return Coding(bits, _STEPS[bits], lambda words: normal_codes(bits).take(words))


@functools.cache
def normal_codes(bits: int) -> Codes:
    """(65,536,) codes of the entries of the normal table."""
    half = 2 ** (bits - 1)
    cells = np.clip(np.floor(normal_table().astype(np.float64) / _CELLS[bits]), -half, half - 1)
    codes: Codes = (cells + half).astype(np.uint8 if bits <= 8 else np.uint16)
    return codes
