"""Spectra against dense decompositions, and against matrices whose spectrum is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rankprobe.inspection.spectra import (
    Decomposition,
    effective_rank,
    product_spectrum,
    spectral_norm,
    stable_rank,
    values_needed,
)

Matrix = NDArray[np.float64]


def matrix(seed: int, *shape: int) -> Matrix:
    values: Matrix = np.random.default_rng(seed).normal(size=shape)
    return values


def planted(values: list[float], d_out: int, d_in: int) -> Matrix:
    left = np.linalg.qr(matrix(1, d_out, len(values)))[0]
    right = np.linalg.qr(matrix(2, d_in, len(values)))[0]
    return (left * values) @ right.T


sizes = st.integers(1, 12)


@settings(deadline=None)
@given(d_out=sizes, d_in=sizes, rank=sizes, seed=st.integers(0, 1000))
def test_the_spectrum_of_a_product_is_that_of_the_dense_matrix(
    d_out: int, d_in: int, rank: int, seed: int
) -> None:
    B, A = matrix(seed, d_out, rank), matrix(seed + 1, rank, d_in)
    dense = np.linalg.svd(B @ A, compute_uv=False)
    found = product_spectrum(B, A)
    assert len(found) == min(d_out, d_in, rank)
    np.testing.assert_allclose(found, dense[: len(found)], atol=1e-10 * dense[0])


def test_the_factors_of_a_convolution_are_a_matrix() -> None:
    B, A = matrix(0, 6, 2), matrix(1, 2, 3, 3, 3)
    dense = np.linalg.svd(B @ A.reshape(2, -1), compute_uv=False)
    np.testing.assert_allclose(product_spectrum(B, A), dense[:2])


def test_float32_factors_are_read_in_float64() -> None:
    B, A = matrix(0, 50, 4).astype("float32"), matrix(1, 4, 60).astype("float32")
    dense = np.linalg.svd(B.astype("float64") @ A.astype("float64"), compute_uv=False)
    np.testing.assert_allclose(product_spectrum(B, A), dense[:4], rtol=1e-12)


def test_a_product_of_rank_0_has_no_singular_values() -> None:
    assert product_spectrum(np.zeros((5, 0)), np.zeros((0, 7))).shape == (0,)
    assert stable_rank([]) == effective_rank([]) == 0


@settings(deadline=None)
@given(d_out=sizes, d_in=sizes, seed=st.integers(0, 1000))
def test_ranks_lie_between_1_and_the_rank(d_out: int, d_in: int, seed: int) -> None:
    values = np.linalg.svd(matrix(seed, d_out, d_in), compute_uv=False)
    stable, effective = stable_rank(values), effective_rank(values)
    assert 1 - 1e-12 <= stable <= effective <= min(d_out, d_in) + 1e-9
    np.testing.assert_allclose(
        stable, np.linalg.norm(matrix(seed, d_out, d_in)) ** 2 / values[0] ** 2
    )


def test_equal_singular_values_use_every_rank() -> None:
    assert stable_rank([3.0] * 5) == pytest.approx(5)
    assert effective_rank([3.0] * 5) == pytest.approx(5)


def test_known_ranks() -> None:
    assert stable_rank([2, 1, 1]) == pytest.approx(1.5)
    # Entropy of 1/2, 1/4, 1/4 is 1.5 bits.
    assert effective_rank([2, 1, 1]) == pytest.approx(2**1.5)


@pytest.mark.parametrize("factor", [1e-200, 1e-20, 1e20, 1e200])
def test_ranks_do_not_depend_on_the_scale(factor: float) -> None:
    values = np.array([5.0, 2.0, 0.1]) * factor
    assert stable_rank(values) == pytest.approx(stable_rank([5.0, 2.0, 0.1]))
    assert effective_rank(values) == pytest.approx(effective_rank([5.0, 2.0, 0.1]))
    assert values_needed(values, [0.9, 0.99]) == values_needed([5.0, 2.0, 0.1], [0.9, 0.99])


def test_zeros_have_no_rank() -> None:
    assert stable_rank(np.zeros(4)) == effective_rank(np.zeros(4)) == 0
    assert values_needed(np.zeros(4), [0.5, 1.0]) == (0, 0)
    assert spectral_norm(np.zeros((3, 4))) == 0


def test_values_needed_counts_the_squared_norm() -> None:
    # Squares 81, 9, 9, 1: shares 0.81, 0.90, 0.99, 1.
    assert values_needed([9, 3, 3, 1], [0.5, 0.8, 0.85, 0.95, 0.991, 1.0]) == (1, 1, 2, 3, 4, 4)


@settings(deadline=None)
@given(d_out=sizes, d_in=sizes, seed=st.integers(0, 1000), share=st.floats(0.01, 1.0))
def test_the_cut_that_is_said_to_hold_a_share_holds_it(
    d_out: int, d_in: int, seed: int, share: float
) -> None:
    whole = matrix(seed, d_out, d_in)
    parts = Decomposition.of(whole)
    (needed,) = values_needed(parts.values, [share])
    total = np.square(whole).sum()
    assert np.square(parts.cut(needed)).sum() >= share * total - 1e-9
    assert np.square(parts.cut(needed - 1)).sum() <= share * total + 1e-9


@settings(deadline=None)
@given(d_out=sizes, d_in=sizes, seed=st.integers(0, 1000))
def test_the_spectral_norm_is_the_largest_singular_value(d_out: int, d_in: int, seed: int) -> None:
    whole = matrix(seed, d_out, d_in)
    np.testing.assert_allclose(spectral_norm(whole), np.linalg.norm(whole, 2), rtol=1e-12)


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_the_spectral_norm_of_any_scale(factor: float) -> None:
    whole = matrix(0, 4, 9)
    np.testing.assert_allclose(
        spectral_norm(whole * factor), factor * np.linalg.norm(whole, 2), rtol=1e-12
    )


def test_an_update_of_known_rank_is_its_own_cut() -> None:
    whole = planted([5, 3, 2], 20, 11)
    parts = Decomposition.of(whole)
    np.testing.assert_allclose(parts.values[:3], [5, 3, 2])
    np.testing.assert_allclose(parts.cut(3), whole, atol=1e-12)
    assert np.linalg.norm(parts.cut(2) - whole, 2) == pytest.approx(2)
    assert np.linalg.norm(parts.cut(1) - whole) == pytest.approx(np.hypot(3, 2))
    assert values_needed(parts.values, [1 - 1e-9]) == (3,)


def test_a_cut_has_the_shape_of_the_original() -> None:
    kernel = matrix(0, 5, 3, 2, 2)
    parts = Decomposition.of(kernel)
    assert parts.cut(2).shape == kernel.shape
    assert np.linalg.matrix_rank(parts.cut(2).reshape(5, -1)) == 2
    np.testing.assert_allclose(parts.cut(99), kernel, atol=1e-12)
    assert not parts.cut(0).any()
