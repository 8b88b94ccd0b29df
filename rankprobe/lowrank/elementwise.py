"""Distributions made weight by weight, of exact steps only.

A transform turns raw 16-bit words into float32 values of mean 0 and variance 1, the same number
of consecutive words each. The only table is the normal one: every other distribution is built
from independent normals and uniforms by a construction that defines it, with ``+ - * /``, square
root and comparison. These are exact or correctly rounded in IEEE 754, so every machine gets the
same bits; logarithms, tangents and quantile functions are not, and are not used.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from rankprobe.lowrank.normal import normal_table
from rankprobe.lowrank.randomness import Words

Floats = NDArray[np.float32]

# Words of 65,536 in which a weight is zero (20 %), and in which it is of the wide component (10 %).
_ZERO = 13107
_WIDE = 6554
# Entries of 32,768 that lie inside two standard deviations: floor(32768 * P(|z| < 2)).
_INSIDE = 31277
# Standard deviation of a Cauchy variable of scale 1 clipped at +-c, c = 10:
# its square is (2/pi) (c - atan c) + c^2 (1 - (2/pi) atan c).
CAUCHY_CLIP = 10.0
CAUCHY_DEVIATION = 3.4314358867167583
MIXTURE_DEVIATION = math.sqrt(0.9 * 0.05**2 + 0.1 * 0.5**2)


def normal(words: Words) -> Floats:
    """Standard normal; one word."""
    values: Floats = normal_table().take(words)
    return values


def uniform(words: Words) -> Floats:
    """Uniform; one word."""
    weights: Floats = _midpoints(words) * np.sqrt(np.float32(3))
    return weights


def truncated_normal(words: Words) -> Floats:
    """Normal given that it lies within two standard deviations, rescaled; one word."""
    values: Floats = _truncated_table().take(words)
    return values


def laplace(words: Words) -> Floats:
    """Laplace: z1 z2 + z3 z4 of independent normals has it, with b = 1; four words."""
    z = _normals(words, 4)
    weights: Floats = (z[:, 0] * z[:, 1] + z[:, 2] * z[:, 3]) / np.sqrt(np.float32(2))
    return weights


def cauchy(words: Words) -> Floats:
    """Cauchy, z1 / z2 of independent normals, clipped at ten times its scale; two words."""
    z = _normals(words, 2)
    clip = np.float32(CAUCHY_CLIP)
    # No entry of the table is 0.
    weights: Floats = np.clip(z[:, 0] / z[:, 1], -clip, clip) / np.float32(CAUCHY_DEVIATION)
    return weights


def student_t(words: Words) -> Floats:
    """Student's t of 3 degrees of freedom, z / sqrt(chi2 / 3), of variance 3; four words.

    Divided by sqrt(3) that is z / sqrt(chi2).
    """
    z = _normals(words, 4)
    chi2 = z[:, 1] * z[:, 1] + z[:, 2] * z[:, 2] + z[:, 3] * z[:, 3]
    weights: Floats = z[:, 0] / np.sqrt(chi2)
    return weights


def gaussian_mixture(words: Words) -> Floats:
    """0.9 N(0, 0.05^2) + 0.1 N(0, 0.5^2), rescaled; two words, the first picks the part."""
    pairs = words.reshape(-1, 2)
    wide = np.float32(0.5 / MIXTURE_DEVIATION)
    narrow = np.float32(0.05 / MIXTURE_DEVIATION)
    weights: Floats = normal(pairs[:, 1]) * np.where(pairs[:, 0] < _WIDE, wide, narrow)
    return weights


def sparse_normal(words: Words) -> Floats:
    """Normal, each weight zero with probability 0.2 on its own; two words, the first decides."""
    pairs = words.reshape(-1, 2)
    values = normal(pairs[:, 1]) / np.sqrt(np.float32(0.8))
    return np.where(pairs[:, 0] < _ZERO, np.float32(0), values)


def beta(words: Words) -> Floats:
    """Beta(2, 2), the median of three uniforms, centred and rescaled; three words."""
    a, b, c = _midpoints(words).reshape(-1, 3).T
    median = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
    # On (-1, 1) the variance is 1/5.
    weights: Floats = median * np.sqrt(np.float32(5))
    return weights


def exponential(words: Words) -> Floats:
    """Exponential, (z1^2 + z2^2) / 2 of independent normals, minus its mean 1; two words."""
    squares = np.square(_normals(words, 2))
    drawn: Floats = (squares[:, 0] + squares[:, 1]) / np.float32(2)
    return drawn - np.float32(1)


def _normals(words: Words, each: int) -> Floats:
    return normal(words).reshape(-1, each)


def _midpoints(words: Words) -> Floats:
    """Midpoints of 65,536 cells of (-1, 1)."""
    midpoints: Floats = (words.astype(np.float32) - np.float32(32767.5)) / np.float32(32768)
    return midpoints


@functools.cache
def _truncated_table() -> Floats:
    """The normal table's entries inside two standard deviations, spread over 65,536 words."""
    upper = normal_table()[32768 + (np.arange(32768) * _INSIDE >> 15)].astype(np.float64)
    # Squares of float32 are exact in float64, and fsum is correctly rounded in any order.
    upper /= math.sqrt(math.fsum(upper * upper) / len(upper))
    return np.concatenate([-upper[::-1], upper]).astype(np.float32)
