"""Distributions of scaffold weights, made of exact steps only.

A family turns raw 16-bit words into float32 values of mean 0 and variance 1. Integer to
float, table look-up, ``+ - * /`` and square root are exact or correctly rounded in IEEE 754,
so every machine gets the same bits; logarithms and sines are not, and are not used.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import ArtifactError
from rankprobe.lowrank.randomness import Words

NORMAL_TABLE_SHA256 = "aa44eb897dea7d5a59d30af6b3aa6e5d95191807a3c197d304f0065eec578c21"


@dataclass(frozen=True)
class Family:
    """A distribution of scaffold weights.

    Attributes:
        name: Name in ``backbone.weights``.
        bits: Random bits that one weight takes; a divisor or multiple of 16.
        transform: (n_words,) uint16 to (n_words * 16 / bits,) float32 with variance 1.
    """

    name: str
    bits: int
    transform: Callable[[Words], NDArray[np.float32]]

    def words(self, count: int) -> int:
        """Number of 16-bit words that ``count`` weights take."""
        return -(-count * self.bits // 16)


@functools.cache
def normal_table() -> NDArray[np.float32]:
    """Means of 65,536 equally probable bins of the standard normal, ascending, float32.

    The committed file holds the upper half; the lower half mirrors it.

    Raises:
        ArtifactError: The file is not the one that the scaffold specification names.
    """
    raw = resources.files("rankprobe.lowrank").joinpath("normal_table.f32").read_bytes()
    if hashlib.sha256(raw).hexdigest() != NORMAL_TABLE_SHA256:
        raise ArtifactError("the table of normal weights is damaged; reinstall rankprobe")
    upper = np.frombuffer(raw, dtype="<f4").astype(np.float32)
    return np.concatenate([-upper[::-1], upper])


def _normal(words: Words) -> NDArray[np.float32]:
    weights: NDArray[np.float32] = normal_table().take(words)
    return weights


def _uniform(words: Words) -> NDArray[np.float32]:
    # Midpoints of 65,536 cells of (-1, 1); sqrt(3) makes the variance 1.
    midpoints = (words.astype(np.float32) - np.float32(32767.5)) / np.float32(32768)
    weights: NDArray[np.float32] = midpoints * np.sqrt(np.float32(3))
    return weights


def _binary(words: Words) -> NDArray[np.float32]:
    bits = np.unpackbits(words.astype("<u2").view(np.uint8), bitorder="little")
    return np.float32(2) * bits.astype(np.float32) - np.float32(1)


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("normal", 16, _normal),
        Family("uniform", 16, _uniform),
        Family("binary", 1, _binary),
    )
}
