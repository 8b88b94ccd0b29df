"""Families whose weights depend on each other, with the same bits on every machine.

Where sums decide the result they are taken in a way that no library can change: of whole numbers
small enough for float64 to hold exactly, or in a fixed order of elementwise steps.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rankprobe.lowrank.elementwise import normal
from rankprobe.lowrank.randomness import Words

Matrix = NDArray[np.float32]

# Gelfand's formula is read at the power 2**_SQUARINGS; what it is off by shrinks with that power.
_SQUARINGS = 20


def orthogonal(words: Words, shape: tuple[int, int]) -> Matrix:
    """Orthonormal rows (or columns, where there are fewer), rescaled to variance 1; one word.

    Gram-Schmidt on a normal matrix: uniform among all such matrices (Haar; Mezzadri,
    math-ph/0609050). Takes about 2 d_out * fan_in * min(d_out, fan_in) multiplications.

    Returns:
        (d_out, fan_in) float32; divided by sqrt(max(d_out, fan_in)) its rows or columns have
        norm 1.
    """
    matrix = normal(words).reshape(shape).astype(np.float64)
    wide = shape[0] <= shape[1]
    vectors = _orthonormal(matrix if wide else np.ascontiguousarray(matrix.T))
    vectors *= math.sqrt(max(shape))
    made: Matrix = np.ascontiguousarray(vectors if wide else vectors.T, dtype=np.float32)
    return made


def erdos_renyi(words: Words, shape: tuple[int, int]) -> Matrix:
    """Normal weights on the edges of an Erdős-Rényi graph between inputs and outputs.

    The graph is uniform among those with exactly the nearest whole number to 80 % of all edges
    (G(n, M); Erdős and Rényi, 1959), the other weights are 0; rescaled to variance 1. Three words
    a weight: its normal, and 32 bits by which weights are ranked: the lowest are the zeros.
    """
    values, low, high = words.reshape(-1, 3).T
    ranked = high.astype(np.uint32) << np.uint32(16) | low
    zeros = (2 * ranked.size + 5) // 10
    weights: Matrix = normal(values) / np.sqrt(np.float32(0.8))
    if zeros:
        last = np.partition(ranked, zeros - 1)[zeros - 1]
        below = ranked < last
        ties = np.flatnonzero(ranked == last)  # of equals the first ones
        below[ties[: zeros - int(below.sum())]] = True
        weights[below] = 0
    shaped: NDArray[np.float32] = weights.reshape(shape)
    return shaped


def spectral_radius(matrix: Matrix) -> float:
    """Largest absolute eigenvalue of a square matrix, largest singular value of any other.

    By Gelfand's formula, ``|M^p|^(1/p)`` for a large p, within about ln(n^1.5) / 2**20 of its
    value: the matrix is squared again and again, and roots are taken of the norm.

    Args:
        matrix: (d_out, fan_in), not zero.
    """
    rows, columns = matrix.shape
    scaled, unit = _whole_numbers(matrix.astype(np.float64), max(rows, columns))
    if rows == columns:
        return unit * _gelfand(scaled)
    # The largest singular value of M is the root of the largest eigenvalue of M M'.
    product, by = _whole_numbers(_gram(scaled), min(rows, columns))
    return unit * math.sqrt(by * _gelfand(product))


def _gelfand(matrix: NDArray[np.float64]) -> float:
    """The spectral radius of a square matrix of whole numbers that `_whole_numbers` made."""
    units = []
    for _ in range(_SQUARINGS):
        matrix, unit = _whole_numbers(matrix @ matrix, len(matrix))
        units.append(unit)
    radius = math.sqrt(math.fsum((matrix * matrix).sum(axis=1)))
    for unit in reversed(units):
        radius = math.sqrt(unit * radius)
    return radius


def _gram(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    product: NDArray[np.float64] = (
        matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    )
    return product


def _whole_numbers(matrix: NDArray[np.float64], terms: int) -> tuple[NDArray[np.float64], float]:
    """A matrix as whole numbers times a unit.

    Products of two such numbers, summed over ``terms``, stay within 2**53: a matrix product in
    float64 is then exact, in whatever order and with whatever instructions it is computed.

    Returns:
        (whole numbers, unit).
    """
    largest = float(2 ** ((53 - int(terms).bit_length()) // 2))
    unit = float(np.abs(matrix).max()) / largest
    return np.rint(matrix / unit), unit


def _orthonormal(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows (k, n), k <= n, made orthonormal by modified Gram-Schmidt, in place."""
    scratch = np.empty_like(rows)
    for index in range(len(rows)):
        row = rows[index]
        row /= np.sqrt(_row_sums(np.multiply(row, row, out=scratch[0])[None])[0])
        rest = rows[index + 1 :]
        if len(rest):
            part = scratch[: len(rest)]
            along = _row_sums(np.multiply(rest, row, out=part)).copy()
            rest -= np.multiply(along[:, None], row, out=part)
    return rows


def _row_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of rows, (k, n) to (k,), by adding the second half to the first; writes over them."""
    width = values.shape[1]
    while width > 1:
        half = width // 2
        values[:, :half] += values[:, width - half : width]
        width -= half
    return values[:, 0]
