"""Standard errors of crossed tables and Fieller's limits, against closed forms and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rankprobe.statistics.variance import Estimate, Moments, moments, ratio
from tests.statistics.planted import Values


def _moments(tables: Values, *, pseudo_weight: float = 0.0, tuning: float = 0.0) -> Moments:
    k = len(tables)
    scores = tuple(tables.mean(axis=(1, 2)).tolist())
    return moments(tables, tuning=(tuning,) * k, scores=scores, pseudo_weight=pseudo_weight)


def test_limits_are_students() -> None:
    estimate = Estimate(1.0, 0.1, 4.0)
    margin = 0.1 * stats.t.ppf(0.975, 4)
    assert estimate.low(0.975) == pytest.approx(1.0 - margin)
    assert estimate.high(0.975) == pytest.approx(1.0 + margin)
    assert Estimate(1.0, 0.0, 4.0).high(0.975) == 1.0


def test_repeats_that_alone_vary_give_the_usual_t_interval() -> None:
    levels = np.array([0.1, 0.4, 0.2, 0.9])
    tables = np.repeat(levels[None, :, None], 50, axis=2)
    estimate = _moments(tables).contrast(1.0)
    assert estimate.mean == pytest.approx(levels.mean())
    assert estimate.error == pytest.approx(levels.std(ddof=1) / 2.0)
    assert estimate.degrees == pytest.approx(3.0)


def test_examples_that_alone_vary_count_once_however_many_repeats() -> None:
    draw = np.random.default_rng(0).standard_normal(400)
    tables = np.repeat(draw[None, None, :], 5, axis=1)
    estimate = _moments(tables).contrast(1.0)
    assert estimate.error == pytest.approx(draw.std(ddof=1) / 20.0)
    assert estimate.degrees == pytest.approx(399.0)


def test_variance_is_unbiased_for_crossed_effects() -> None:
    """Noise that is neither of repeats nor of examples is counted once, not twice."""
    generator = np.random.default_rng(0)
    repeats, examples = 5, 60
    variances, means = [], []
    for _ in range(400):
        table = (
            0.05 * generator.standard_normal((repeats, 1))
            + 0.3 * generator.standard_normal((1, examples))
            + 1.0 * generator.standard_normal((repeats, examples))
        )
        estimate = _moments(table[None]).contrast(1.0)
        variances.append(estimate.error**2)
        means.append(estimate.mean)
    truth = 0.05**2 / repeats + 0.3**2 / examples + 1.0 / (repeats * examples)
    assert np.var(means) == pytest.approx(truth, rel=0.2)
    # Never below either margin, so a little above the truth; twice counted would give 1.63.
    assert 1.0 < np.mean(variances) / truth < 1.3


def test_repeats_and_examples_add() -> None:
    generator = np.random.default_rng(6)
    levels, draw = generator.standard_normal((6, 1)) * 0.2, generator.standard_normal((1, 100))
    estimate = _moments((levels + draw)[None]).contrast(1.0)
    expected = levels.var(ddof=1) / 6 + draw.var(ddof=1) / 100
    assert estimate.error**2 == pytest.approx(expected)


def test_shared_noise_cancels_in_a_contrast() -> None:
    generator = np.random.default_rng(1)
    shared = generator.standard_normal((1, 5, 200))
    tables = np.concatenate([shared + 1.0, shared + 0.5])
    pair = _moments(tables)
    assert pair.contrast(1.0, -1.0).error == pytest.approx(0.0, abs=1e-9)
    assert pair.contrast(1.0, 0.0).error > 0.02


def test_tuning_adds_to_the_variance_with_few_degrees_of_freedom() -> None:
    tables = np.random.default_rng(2).standard_normal((1, 4, 300))
    plain, tuned = (_moments(tables, tuning=extra).contrast(1.0) for extra in (0.0, 0.25))
    assert tuned.error**2 == pytest.approx(plain.error**2 + 0.25)
    assert tuned.degrees == pytest.approx(3.0, rel=0.1)


def test_a_perfect_proportion_is_not_certain() -> None:
    tables = np.ones((2, 5, 36))
    assert _moments(tables).contrast(1.0, -0.95).error == 0.0
    honest = _moments(tables, pseudo_weight=1.0).contrast(1.0, -0.95)
    # Half of one pseudo-example in each cell: (1 + 0.95^2 - 0.95) / 36^2.
    assert honest.error == pytest.approx(math.sqrt(1 + 0.95**2 - 0.95) / 36)
    assert honest.low(0.975) < 0.0


def test_a_single_repeat_has_the_noise_of_the_examples_alone() -> None:
    table = np.random.default_rng(3).standard_normal((1, 1, 100))
    estimate = _moments(table).contrast(1.0)
    assert estimate.error == pytest.approx(table.std(ddof=1) / 10.0)
    assert estimate.degrees == pytest.approx(99.0)


def test_ratio_limits_are_where_the_contrast_stops_rejecting() -> None:
    generator = np.random.default_rng(4)
    tables = generator.standard_normal((2, 5, 300)) + np.array([0.9, 1.0])[:, None, None]
    pair = _moments(tables)
    interval = ratio(pair, 0.975)
    assert interval.low < interval.mean < interval.high
    assert interval.mean == pytest.approx(pair.mean[0] / pair.mean[1])
    assert pair.contrast(1.0, -interval.low).low(0.975) == pytest.approx(0.0, abs=1e-8)
    assert pair.contrast(1.0, -interval.high).high(0.975) == pytest.approx(0.0, abs=1e-8)


def test_ratio_without_a_clear_gain_is_unknown() -> None:
    noise = np.random.default_rng(5).standard_normal((2, 5, 50))
    weak = noise - noise.mean(axis=(1, 2), keepdims=True) + 0.01
    interval = ratio(_moments(weak), 0.975)
    assert (interval.low, interval.high) == (-math.inf, math.inf)
    assert interval.mean == pytest.approx(1.0)
    negative = ratio(_moments(weak - 0.02), 0.975)
    assert math.isnan(negative.mean)
    assert (negative.low, negative.high) == (-math.inf, math.inf)


def test_ratio_to_an_uncertain_gain_has_no_limit_on_either_side() -> None:
    """A sure first mean would give one finite limit of two disjoint pieces."""
    tables = np.stack(
        [np.ones((5, 20)), np.array([[0.1], [0.4], [0.5], [0.6], [1.9]]) + np.zeros(20)]
    )
    assert _moments(tables).contrast(0.0, 1.0).low(0.975) < 0.0
    interval = ratio(_moments(tables), 0.975)
    assert (interval.low, interval.high) == (-math.inf, math.inf)


def test_ratio_without_noise_is_a_point() -> None:
    tables = np.stack([np.full((3, 10), 0.5), np.ones((3, 10))])
    interval = ratio(_moments(tables), 0.975)
    assert (interval.low, interval.mean, interval.high) == (0.5, 0.5, 0.5)
