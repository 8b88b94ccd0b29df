"""The interval of the minimal rank, from resampling the whole pipeline.

A resample draws repeats, test examples and choices of learning rates anew, the same ones for
every rank, for full training and for the floor; the points move, the curve is made monotone
again, and it crosses the target at some rank. The interval holds what is between the 2.5 and
97.5 % of the crossings.

The draws are those of the multiplier bootstrap with normal multipliers (E. Mammen, Annals of
Statistics 21 (1993) 255): a resampled mean is the mean plus the deviations of repeats (and of
examples) from it, each times a standard normal number. Given the scores such means are exactly
jointly normal, with the covariance of the scores, so they are drawn from it at once, whatever
the number of examples; metrics that are no means enter by their influence values.

Resampling few repeats is too sure of itself: a plain percentile bootstrap of 5 repeats covers
83 %. So the deviations of every rank are studentised: scaled to the unbiased variance of
crossed effects (`rankprobe.statistics.variance`), which counts noise once that is of neither
repeats nor examples, and divided by the root of a chi-square over its degrees of freedom. At
one rank alone the resamples then say what its t test says.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from rankprobe.statistics.standing import Criterion, Standing, first_crossings, precision
from rankprobe.statistics.table import Floor, ScoreTable
from rankprobe.statistics.variance import Moments, Values

RESAMPLES = 8192
_STRATA = 512  # of the chi-square's distribution, each drawn equally often


def resampled_crossings(
    table: ScoreTable,
    standings: list[Standing],
    *,
    criterion: Criterion,
    floor: Floor,
) -> NDArray[np.float64]:
    """Share of the resamples that cross the target at each rank.

    Args:
        table: The scores.
        standings: The ranks, ascending, before any fall of the curve.
        criterion: What a rank must reach.
        floor: What gains are counted from.

    Returns:
        (ranks + 1,): the last is the share of those that never cross.
    """
    surplus = resampled_surplus(table, standings, criterion=criterion, floor=floor)
    index = first_crossings(surplus, precision(standings))
    return np.bincount(index, minlength=len(standings) + 1) / len(index)


def resampled_surplus(
    table: ScoreTable,
    standings: list[Standing],
    *,
    criterion: Criterion,
    floor: Floor,
) -> Values:
    """Resampled surpluses over the target, (resamples, ranks); the same each time."""
    return draw_surplus(standings, _correlation(table, standings, criterion, floor))


def draw_surplus(standings: Sequence[Standing], correlation: Values) -> Values:
    """Surpluses drawn again, the same ones each time.

    Args:
        standings: The ranks, ascending.
        correlation: How their surpluses go together, (ranks, ranks).

    Returns:
        (resamples, ranks).
    """
    generator = np.random.default_rng([0, 95])
    values, vectors = np.linalg.eigh(correlation)
    half = generator.standard_normal((RESAMPLES // 2, len(standings)))
    # Every draw also with its sign changed: the mean of the resamples is the mean.
    normal = np.concatenate([half, -half]) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    means = np.array([item.surplus.mean for item in standings])
    errors = np.array([item.surplus.error for item in standings])
    degrees = np.array([item.surplus.degrees for item in standings])
    return np.asarray(means + errors * normal * _student_factors(degrees, generator))


def _student_factors(degrees: Values, generator: np.random.Generator) -> Values:
    """sqrt(degrees / chi-square), (resamples, ranks), all ranks at the same quantile."""
    factors = np.stack([_student_quantiles(float(value)) for value in degrees], axis=1)
    which = generator.permutation(np.arange(RESAMPLES // 2) % _STRATA)
    return np.asarray(factors[np.concatenate([which, which])])


@lru_cache(maxsize=1024)  # most ranks keep their degrees from one reading to the next
def _student_quantiles(degrees: float) -> Values:
    levels = (np.arange(_STRATA) + 0.5) / _STRATA
    return np.asarray(np.sqrt(degrees / (2.0 * gammaincinv(degrees / 2.0, levels))))


def _correlation(
    table: ScoreTable, standings: list[Standing], criterion: Criterion, floor: Floor
) -> Values:
    """How the surpluses of the ranks go together, (ranks, ranks): they share their luck."""
    count = len(standings)
    rows = [item.row for item in standings]
    joint = table.gains(*rows, table.baseline, floor=table.floor_values(floor))
    if joint is None:  # no repeat that all ranks finished: as if they were unrelated
        return np.eye(count)
    contrast = np.concatenate([np.eye(count), np.full((count, 1), -criterion.share)], axis=1)
    return correlation_of(joint, contrast)


def correlation_of(joint: Moments, contrasts: Values) -> Values:
    """How weighted sums of paired means go together, (sums, sums).

    Args:
        joint: Moments of the means.
        contrasts: The weights, (sums, means).
    """
    covariance = contrasts @ (joint.repeats + joint.examples + joint.tuning) @ contrasts.T
    deviation = np.sqrt(np.diag(covariance))
    known = deviation > 0.0
    scale = np.where(known, 1.0 / np.where(known, deviation, 1.0), 0.0)
    correlation = covariance * np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)
