"""Every family of scaffold weights has the distribution that its name says."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from rankprobe.config_backbones import WEIGHTS
from rankprobe.lowrank import Scaffold
from rankprobe.lowrank.families import FAMILIES, SPEC_VERSION
from rankprobe.lowrank.normal import normal_table
from rankprobe.lowrank.quantised import _CELLS, normal_codes, quantised_normal
from rankprobe.lowrank.randomness import Key, random_words
from rankprobe.lowrank.scaffold import draw
from rankprobe.lowrank.structured import _whole_numbers, erdos_renyi, spectral_radius

SHAPE = (512, 784)
COUNT = SHAPE[0] * SHAPE[1]
NORMALS = ("normal", "kaiming_normal", "xavier_normal", "spectral_radius", "normal_16bit")
UNIFORMS = ("uniform", "kaiming_uniform", "xavier_uniform")


def values(name: str) -> NDArray[np.float64]:
    """Of variance 1, (COUNT,)."""
    return draw("h", SHAPE, seed=3, family=FAMILIES[name]).ravel().astype(np.float64)


def test_there_are_those_that_were_published() -> None:
    assert len(FAMILIES) == 22
    assert set(FAMILIES) == set(WEIGHTS)


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "orthogonal"])
def test_mean_and_variance(name: str) -> None:
    drawn = values(name)
    error = 1 / math.sqrt(COUNT)
    assert abs(drawn.mean()) < 4 * error
    if name != "student_t":  # has no fourth moment
        spread = math.sqrt(max(0.0, (drawn**4).mean() - 1)) + 1e-4
        assert abs((drawn**2).mean() - 1) < 4 * spread * error


# Fourth moment of the distribution of variance 1, where it is known in closed form.
KURTOSIS = {
    **dict.fromkeys(NORMALS, 3.0),
    **dict.fromkeys(UNIFORMS, 1.8),
    "laplace": 6.0,
    "exponential": 9.0,
    "beta": 15 / 7,
    "sparse_normal": 3 / 0.8,
    "sparse_erdos_renyi": 3 / 0.8,
    "gaussian_mixture": 3 * (0.9 * 0.05**4 + 0.1 * 0.5**4) / (0.9 * 0.05**2 + 0.1 * 0.5**2) ** 2,
    "binary": 1.0,
}


@pytest.mark.parametrize("name", KURTOSIS)
def test_kurtosis(name: str) -> None:
    fourth = values(name) ** 4
    error = fourth.std() / math.sqrt(COUNT)
    assert fourth.mean() == pytest.approx(KURTOSIS[name], abs=4 * error + 1e-6)


_TRUNCATED = stats.truncnorm(-2, 2)
DISTRIBUTIONS = {
    **dict.fromkeys(NORMALS, stats.norm()),
    **dict.fromkeys(UNIFORMS, stats.uniform(-math.sqrt(3), 2 * math.sqrt(3))),
    "truncated_normal": stats.truncnorm(-2, 2, scale=1 / _TRUNCATED.std()),
    "laplace": stats.laplace(scale=1 / math.sqrt(2)),
    "student_t": stats.t(3, scale=1 / math.sqrt(3)),
    "exponential": stats.expon(loc=-1),
    "beta": stats.beta(2, 2, loc=-math.sqrt(5), scale=2 * math.sqrt(5)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distribution(name: str) -> None:
    assert stats.kstest(values(name)[: 1 << 17], DISTRIBUTIONS[name].cdf).pvalue > 0.001


def published(name: str) -> NDArray[np.float64]:
    made = Scaffold(seed=3, family=name, scale="family").weight("h", SHAPE)
    return made.ravel().astype(np.float64)


class TestPublishedScales:
    @pytest.mark.parametrize(
        ("name", "deviation"),
        [
            ("uniform", 0.1 / math.sqrt(3)),
            ("laplace", 0.1 * math.sqrt(2)),
            ("beta", 0.1 / math.sqrt(5)),
            ("exponential", 0.1),
            ("gaussian_mixture", math.sqrt(0.9 * 0.05**2 + 0.1 * 0.5**2)),
            ("normal", 1 / math.sqrt(SHAPE[1])),
            ("binary", 1 / math.sqrt(SHAPE[1])),
        ],
    )
    def test_standard_deviation(self, name: str, deviation: float) -> None:
        assert published(name).std() == pytest.approx(deviation, rel=0.01)

    @pytest.mark.parametrize("name", ["uniform", "beta"])
    def test_bounds(self, name: str) -> None:
        assert 0.099 < np.abs(published(name)).max() <= 0.1 * (1 + 1e-6)

    def test_cauchy(self) -> None:
        """Quartiles at +-s, and the share outside +-10 s put there."""
        drawn = published("cauchy")
        assert np.quantile(drawn, [0.25, 0.75]) == pytest.approx([-0.1, 0.1], rel=0.02)
        assert np.abs(drawn).max() == pytest.approx(1, rel=1e-6)
        share = (np.abs(drawn) > 1 - 1e-6).mean()
        assert share == pytest.approx(1 - 2 * math.atan(10) / math.pi, abs=0.002)
        inside = drawn[np.abs(drawn) < 1 - 1e-6]
        law = stats.cauchy(scale=0.1)
        low, high = law.cdf([-1, 1])
        test = stats.kstest(inside, lambda x: (law.cdf(x) - low) / (high - low))
        assert test.pvalue > 0.001

    def test_gaussian_mixture(self) -> None:
        def law(x: Any) -> Any:
            return 0.9 * stats.norm.cdf(x / 0.05) + 0.1 * stats.norm.cdf(x / 0.5)

        assert stats.kstest(published("gaussian_mixture"), law).pvalue > 0.001

    def test_exponential_is_centred_at_its_mean(self) -> None:
        drawn = published("exponential")
        assert drawn.min() == pytest.approx(-0.1, abs=1e-4)
        assert drawn.mean() == pytest.approx(0, abs=5e-4)


def test_truncation() -> None:
    drawn = values("truncated_normal")
    at = 2 / _TRUNCATED.std()
    assert 0.999 * at < np.abs(drawn).max() < 1.001 * at
    assert drawn.max() == -drawn.min()


class TestScales:
    @pytest.mark.parametrize("kind", ["normal", "uniform"])
    def test_kaiming_has_the_gain_of_relu(self, kind: str) -> None:
        drawn = Scaffold(family=f"kaiming_{kind}").weight("c", (64, 32, 3, 3))
        assert drawn.std() == pytest.approx(math.sqrt(2 / (32 * 9)), rel=0.02)
        if kind == "uniform":
            assert np.abs(drawn).max() == pytest.approx(math.sqrt(6 / (32 * 9)), rel=0.01)

    @pytest.mark.parametrize("kind", ["normal", "uniform"])
    def test_xavier_counts_the_places_of_a_kernel_both_ways(self, kind: str) -> None:
        drawn = Scaffold(family=f"xavier_{kind}").weight("c", (64, 32, 3, 3))
        assert drawn.std() == pytest.approx(math.sqrt(2 / (96 * 9)), rel=0.02)
        if kind == "uniform":
            assert np.abs(drawn).max() == pytest.approx(math.sqrt(6 / (96 * 9)), rel=0.01)

    @pytest.mark.parametrize("name", FAMILIES)
    def test_a_number_is_the_standard_deviation(self, name: str) -> None:
        drawn = Scaffold(family=name, scale=0.3).weight("h", (200, 300))
        assert drawn.std() == pytest.approx(0.3, rel=0.05)

    @pytest.mark.parametrize("name", FAMILIES)
    @pytest.mark.parametrize("scale", [None, "family", 0.3])
    def test_is_said_in_words(self, name: str, scale: float | Literal["family"] | None) -> None:
        said = Scaffold(family=name, scale=scale).scale_in_words()
        if scale == 0.3:
            assert said == "standard deviation 0.3"
        elif scale is None and FAMILIES[name].own is None and FAMILIES[name].radius is None:
            assert said == "standard deviation 1/sqrt(fan-in)"
        else:
            kind = FAMILIES[name]
            assert said == (kind.words_of_scale or "standard deviation 1/sqrt(fan-in)")


class TestSparse:
    def test_independent_zeros(self) -> None:
        share = (values("sparse_normal") == 0).mean()
        assert share == pytest.approx(0.2, abs=4 * math.sqrt(0.16 / COUNT))

    @pytest.mark.parametrize("shape", [SHAPE, (7, 9), (1, 1), (1, 2), (3, 1), (8, 3, 3, 3)])
    def test_erdos_renyi_has_exactly_so_many(self, shape: tuple[int, ...]) -> None:
        drawn = Scaffold(family="sparse_erdos_renyi").weight("h", shape)
        assert (drawn == 0).sum() == round(0.2 * drawn.size)

    def test_erdos_renyi_of_weights_that_rank_the_same(self) -> None:
        """Of equals the first ones are the zeros: here 2 of 4 beside one that ranks below."""
        words = np.full((15, 3), 9, dtype=np.uint16)
        words[:, 2] = [7, 7, 1, 9, 9, 9, 9, 7, 9, 7, 9, 9, 9, 9, 9]
        drawn = erdos_renyi(words.ravel(), (3, 5)).ravel()
        assert np.flatnonzero(drawn == 0).tolist() == [0, 1, 2]

    @pytest.mark.parametrize("name", ["sparse_normal", "sparse_erdos_renyi"])
    def test_degrees_are_binomial(self, name: str) -> None:
        """Rows do not share their zeros out evenly: the graph is random, not regular."""
        edges = draw("h", SHAPE, seed=3, family=FAMILIES[name]) != 0
        for axis in (0, 1):
            degrees = edges.sum(axis=axis)
            assert degrees.var() == pytest.approx(0.16 * SHAPE[axis], rel=0.25)

    def test_what_is_left_is_normal(self) -> None:
        left = values("sparse_erdos_renyi")
        left = left[left != 0] * math.sqrt(0.8)
        assert stats.kstest(left, "norm").pvalue > 0.001


class TestQuantised:
    @pytest.mark.parametrize("bits", [2, 4, 8, 16])
    def test_levels(self, bits: int) -> None:
        levels = np.unique(values(f"normal_{bits}bit"))
        assert len(levels) == 2**bits if bits <= 4 else len(levels) > 2**bits / 4
        step = quantised_normal(bits).step
        offsets = levels / step - 0.5
        assert np.abs(offsets - np.rint(offsets)).max() < 2.0**bits * 1e-7
        assert np.abs(levels).max() <= step * (2 ** (bits - 1) - 0.5) * (1 + 1e-6)

    @pytest.mark.parametrize("bits", [2, 4, 8, 16])
    def test_the_step_makes_the_variance_one(self, bits: int) -> None:
        codes = normal_codes(bits).astype(np.float64)
        levels = (codes - (2 ** (bits - 1) - 0.5)) * quantised_normal(bits).step
        assert levels.mean() == pytest.approx(0, abs=1e-7)
        assert levels.var() == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize(("bits", "known"), [(2, 0.1188), (4, 0.01154), (8, None)])
    def test_cells_lose_least(self, bits: int, known: float | None) -> None:
        """Mean squared errors of evenly spaced levels, those of 2 and 4 bits from Max (1960)."""

        def lost(cell: float) -> float:
            half = 2 ** (bits - 1)
            edges = np.arange(-half, half + 1) * cell
            edges[0], edges[-1] = -np.inf, np.inf
            levels = (np.arange(-half, half) + 0.5) * cell
            means = -np.diff(stats.norm.pdf(edges))
            shares = np.diff(stats.norm.cdf(edges))
            return float(1 - 2 * (levels * means).sum() + (levels**2 * shares).sum())

        cell = _CELLS[bits]
        assert lost(cell) < min(lost(0.99 * cell), lost(1.01 * cell))
        assert known is None or lost(cell) == pytest.approx(known, rel=1e-3)
        edges = np.flatnonzero(np.diff(normal_codes(bits).astype(int)))
        inner = normal_table()[edges[len(edges) // 2 + 1] + 1]
        assert inner == pytest.approx(cell, abs=1e-4)


class TestOrthogonal:
    @pytest.mark.parametrize("shape", [(64, 200), (200, 64), (96, 96), (1, 5), (5, 1), (16, 3, 3)])
    def test_rows_or_columns_are_orthonormal(self, shape: tuple[int, ...]) -> None:
        drawn = Scaffold(family="orthogonal").weight("h", shape).astype(np.float64)
        matrix = drawn.reshape(shape[0], -1)
        matrix = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
        assert np.abs(matrix @ matrix.T - np.eye(len(matrix))).max() < 3e-7

    def test_is_uniform_among_all(self) -> None:
        """Traces of orthogonal matrices drawn uniformly have mean 0 and variance 1."""
        traces = [
            np.trace(Scaffold(seed=seed, family="orthogonal").weight("h", (6, 6)))
            for seed in range(600)
        ]
        assert abs(np.mean(traces)) < 4 / math.sqrt(600)
        assert np.var(traces) == pytest.approx(1, abs=0.25)

    def test_takes_the_first_vectors_directions(self) -> None:
        """Gram-Schmidt keeps the direction of the first normal vector."""
        made = Scaffold(family="orthogonal").weight("h", (3, 40))
        key: Key = [SPEC_VERSION, 42, "h", [3, 40], "orthogonal"]
        normal = normal_table().take(random_words(key, 120)).reshape(3, 40)
        np.testing.assert_allclose(
            made[0], normal[0] / np.linalg.norm(normal[0].astype(np.float64)), rtol=1e-6
        )


class TestSpectralRadius:
    @pytest.mark.parametrize("n", [1, 2, 5, 96, 200])
    def test_of_a_square_matrix_is_its_largest_eigenvalue(self, n: int) -> None:
        drawn = Scaffold(family="spectral_radius").weight("h", (n, n)).astype(np.float64)
        assert np.abs(np.linalg.eigvals(drawn)).max() == pytest.approx(0.95, abs=3e-5)

    @pytest.mark.parametrize("shape", [(64, 200), (200, 64), (1, 9), (9, 1), (16, 3, 3, 3)])
    def test_of_any_other_is_its_largest_singular_value(self, shape: tuple[int, ...]) -> None:
        drawn = Scaffold(family="spectral_radius").weight("h", shape).astype(np.float64)
        assert np.linalg.norm(drawn.reshape(shape[0], -1), 2) == pytest.approx(0.95, abs=1e-5)

    def test_of_known_matrices(self) -> None:
        turn = np.array([[0.6, -0.8], [0.8, 0.6]], dtype=np.float32)
        assert spectral_radius(3 * turn) == pytest.approx(3, rel=1e-5)
        shear = np.array([[2, 50], [0, 1]], dtype=np.float32)
        assert spectral_radius(shear) == pytest.approx(2, rel=1e-4)
        assert spectral_radius(np.array([[0, 4], [0, 0], [0, 3]], dtype=np.float32)) == 5

    def test_its_products_are_exact(self) -> None:
        """Whatever the order of the sum: that is what makes it the same everywhere."""
        n = 300
        large = np.abs(values("uniform")[: n * n]).reshape(n, n) + 5  # whose sums are the largest
        numbers, unit = _whole_numbers(large, n)
        product = numbers @ numbers
        whole = numbers.astype(np.int64)
        assert np.array_equal(whole, numbers)
        assert np.array_equal(product, (whole @ whole).astype(np.float64))
        assert np.abs(product).max() < 2**53
        assert unit > 0
