"""Spectra of matrices, and what is read off them. NumPy alone; all of it in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]


def product_spectrum(B: ArrayLike, A: ArrayLike) -> Values:
    """Singular values of ``B A``, without forming it.

    With ``B = Q R`` and ``A' = P S``, Q and P of orthonormal columns, ``B A = Q (R S') P'`` has the
    singular values of the small matrix ``R S'``.

    Args:
        B: (d_out, r).
        A: (r, ...); all axes but the first are one.

    Returns:
        (min(d_out, r, d_in),), descending.
    """
    left = np.asarray(B, dtype=np.float64)
    right = _matrix(A).T
    if left.shape[1] == 0:
        return np.zeros(0)
    core = _triangle(left) @ _triangle(right).T
    return np.asarray(np.linalg.svd(core, compute_uv=False), dtype=np.float64)


def stable_rank(singular: ArrayLike) -> float:
    """Squared Frobenius norm over squared spectral norm (Rudelson and Vershynin, 2007).

    Args:
        singular: Singular values, in any order.

    Returns:
        1 to the rank; 0 of a matrix of zeros.
    """
    values = np.asarray(singular, dtype=np.float64)
    largest = values.max(initial=0.0)
    return float(np.square(values / largest).sum()) if largest > 0 else 0.0


def effective_rank(singular: ArrayLike) -> float:
    """Exponential of the entropy of the singular values, made to sum to 1 (Roy and Vetterli, 2007).

    Args:
        singular: Singular values, in any order.

    Returns:
        1 to the rank; 0 of a matrix of zeros.
    """
    values = np.asarray(singular, dtype=np.float64)
    total = values.sum()
    if total <= 0:
        return 0.0
    shares = values[values > 0] / total
    shares = shares[shares > 0]  # where the quotient is too small for a number
    return float(np.exp(-(shares * np.log(shares)).sum()))


def values_needed(singular: ArrayLike, shares: Sequence[float]) -> tuple[int, ...]:
    """How many of the largest singular values hold each share of the squared Frobenius norm.

    By Eckart and Young that is the smallest rank at which an approximation leaves no more than
    the rest.

    Args:
        singular: Singular values, descending.
        shares: Above 0, at most 1.

    Returns:
        One number a share; 0 of a matrix of zeros.
    """
    values = np.asarray(singular, dtype=np.float64)
    largest = values.max(initial=0.0)
    if largest == 0:
        return tuple(0 for _ in shares)
    held = np.cumsum(np.square(values / largest))
    # Of the sum as it comes out, so that a share of 1 is always reached.
    return tuple(int(np.searchsorted(held, share * held[-1], side="left")) + 1 for share in shares)


def spectral_norm(matrix: ArrayLike) -> float:
    """The largest singular value, from the smaller of the two Gram matrices.

    Args:
        matrix: (d_out, ...); all axes but the first are one.
    """
    wide = _matrix(matrix)
    if wide.size == 0:
        return 0.0
    scale = float(np.abs(wide).max())
    if scale == 0:
        return 0.0
    wide = wide / scale
    gram = wide @ wide.T if wide.shape[0] <= wide.shape[1] else wide.T @ wide
    return scale * float(np.sqrt(max(np.linalg.eigvalsh(gram)[-1], 0.0)))


@dataclass(frozen=True, eq=False)
class Decomposition:
    """A singular value decomposition, ``left * values @ right``.

    Attributes:
        left: (d_out, k).
        values: (k,), descending.
        right: (k, d_in).
        shape: Shape of what was decomposed, (d_out, ...).
    """

    left: Values
    values: Values
    right: Values
    shape: tuple[int, ...]

    @classmethod
    def of(cls, matrix: ArrayLike) -> Decomposition:
        """Decompose (d_out, ...); all axes but the first are one."""
        return cls(*np.linalg.svd(_matrix(matrix), full_matrices=False), tuple(np.shape(matrix)))

    def cut(self, rank: int) -> Values:
        """The best approximation of a rank in the Frobenius norm, of the shape of the original.

        A rank above what there is gives the original.
        """
        approximation = (self.left[:, :rank] * self.values[:rank]) @ self.right[:rank]
        return approximation.reshape(self.shape)


def _matrix(values: ArrayLike) -> Values:
    array = np.asarray(values, dtype=np.float64)
    return array.reshape(len(array), -1) if array.size else array.reshape(len(array), 0)


def _triangle(matrix: Values) -> Values:
    """R of the decomposition into Q of orthonormal columns and a triangular R."""
    return np.asarray(np.linalg.qr(matrix, mode="r"), dtype=np.float64)
