"""Noise of a recovery by source, in units that carry over to other numbers of repeats.

Results carry the variance of each recovery by source. Older ones do not: there the scatter of
scores, paired with full training's, gives the part of the repeats, and the width of the
recovery's interval the rest. From two repeats alone this can err far to the wide side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from rankprobe.records import Point, Result


@dataclass(frozen=True)
class Noise:
    """Components of the variance of a recovery.

    Attributes:
        repeats: Of a single repeat: divide by the number of repeats. NaN: not known.
        test_set: Of a single test example: divide by the number of test examples.
        learning_rate: From the choice of the rate, which is made on a fixed number of repeats.
        scaffolds: From scaffold seeds, which are not planned here.
        seeds: Number of scaffold seeds that repeats share; 1: one for all, or one each.
    """

    repeats: float
    test_set: float
    learning_rate: float = 0.0
    scaffolds: float = 0.0
    seeds: float = 1.0

    def error(self, repeats: int, examples: int) -> tuple[float, float]:
        """Standard error, and its degrees of freedom by Satterthwaite's rule.

        As `rankprobe.statistics.variance.Moments.contrast`: the choice of the rate counts with
        the degrees of freedom of the repeats. Where repeats share scaffolds, those are the
        draws, and both have their degrees of freedom.
        """
        rows = self.repeats / repeats + self.scaffolds
        columns, draws = self.test_set / examples, self.seeds if self.seeds > 1 else repeats
        variance = rows + columns + self.learning_rate
        scatter = (rows**2 + self.learning_rate**2) / max(draws - 1, 1)
        scatter += columns**2 / max(examples - 1, 1)
        degrees = variance**2 / scatter if scatter > 0.0 else float(max(examples - 1, 1))
        return math.sqrt(variance), max(degrees, 1.0)

    def margin(self, repeats: int, examples: int, level: float) -> float:
        """Half the width of the interval at a one-sided level such as 0.975."""
        error, degrees = self.error(repeats, examples)
        return float(stdtrit(degrees, level)) * error if error else 0.0


def usable_points(result: Result) -> tuple[Point, ...]:
    """The points whose recovery has a mean and finite limits, which noise can be read from."""
    return tuple(
        point
        for point in result.points
        if all(
            end is not None and math.isfinite(end)
            for end in (point.recovery.mean, point.recovery.low, point.recovery.high)
        )
    )


def point_noises(result: Result, points: Sequence[Point]) -> list[Noise]:
    """The components at several ranks of one result.

    Args:
        result: The result that the points belong to.
        points: Its `usable_points`.
    """
    old = [point for point in points if not point.variance]
    told = dict(zip((point.rank for point in old), _from_scatter(result, old), strict=True))
    return [told.get(point.rank) or _from_variance(result, point) for point in points]


def _from_variance(result: Result, point: Point) -> Noise:
    repeats, examples = len(point.scores), result.task.test
    part = {name: float(value or 0.0) for name, value in point.variance.items()}
    return Noise(
        repeats=part.get("repeats", 0.0) * repeats if repeats > 1 else math.nan,
        test_set=part.get("test_set", 0.0) * examples,
        learning_rate=part.get("learning_rate", 0.0),
        scaffolds=part.get("scaffolds", 0.0),
        seeds=_shared_scaffolds(result) if "scaffolds" in part else 1.0,
    )


def _shared_scaffolds(result: Result) -> float:
    """Scaffold seeds that the repeats of a result took turns with."""
    search = result.provenance.get("configuration", {}).get("search", {})
    return float(search.get("scaffolds", 1))


def pooled(noises: Sequence[Noise]) -> Noise:
    """The mean of every component over neighbouring ranks: one of them says little."""
    return _combined(noises, np.mean)


def moderate(own: Noise, near: Noise, *, degrees: float, prior_degrees: float) -> Noise:
    """One rank's components, those of few degrees of freedom drawn towards its neighbours'.

    Variances are weighted by degrees of freedom (G. K. Smyth, Statistical Applications in
    Genetics and Molecular Biology 3 (2004), article 3). The test set's needs none of it.

    Args:
        own: The rank's own.
        near: Those of its neighbourhood.
        degrees: Degrees of freedom of the rank's own; 0: nothing of its own is known.
        prior_degrees: Degrees of freedom that the neighbourhood counts for.
    """

    def mixed(name: str) -> float:
        mine, prior = getattr(own, name), getattr(near, name)
        if degrees <= 0 or math.isnan(mine):
            return float(prior)
        return float((degrees * mine + prior_degrees * prior) / (degrees + prior_degrees))

    return replace(
        own,
        repeats=mixed("repeats"),
        learning_rate=mixed("learning_rate"),
        scaffolds=mixed("scaffolds"),
    )


def interpolated(
    noises: Sequence[Noise], measured: Sequence[int], ranks: NDArray[np.int64]
) -> tuple[Noise, ...]:
    """Components at ranks between measured ones, linear in log-rank."""
    columns = [
        np.interp(np.log(ranks), np.log(measured), [getattr(noise, field.name) for noise in noises])
        for field in fields(Noise)
    ]
    return tuple(Noise(*map(float, row)) for row in zip(*columns, strict=True))


def median(noises: Sequence[Noise]) -> Noise:
    """The median of every component over tasks."""
    return _combined(noises, np.median)


def _combined(noises: Sequence[Noise], combine: Callable[[list[float]], np.floating[Any]]) -> Noise:
    """Component by component, over those that know it."""
    parts: dict[str, list[float]] = {
        field.name: [
            value for noise in noises if not math.isnan(value := getattr(noise, field.name))
        ]
        for field in fields(Noise)
    }
    return Noise(
        **{k: float(combine(values)) if values else math.nan for k, values in parts.items()}
    )


def _from_scatter(result: Result, points: Sequence[Point]) -> list[Noise]:
    """Repeats from the scatter of scores; what an interval's width needs beside it: test set.

    Student's quantile falls while the share of the test set grows, so that two variances of the
    test set can give one width. The variance that all widths together fit best decides.
    """
    scatters = [_scatter(result, point) for point in points]
    halves = np.array([(point.recovery.high - point.recovery.low) / 2.0 for point in points])
    if not len(points) or halves.max() <= 0.0:
        return [Noise(scatter, 0.0) for scatter in scatters]
    level = (1.0 + result.minimal_rank.confidence) / 2.0
    # No quantile is below the normal one, so no variance above this can be meant.
    most = result.task.test * (halves.max() / float(stdtrit(np.inf, level))) ** 2
    grid = np.geomspace(1e-4, 1.0, 200) * most
    margins = [
        [
            Noise(np.nan_to_num(scatter), value).margin(len(point.scores), result.task.test, level)
            for value in grid
        ]
        for scatter, point in zip(scatters, points, strict=True)
    ]
    misfit = np.log(margins) - np.log(np.maximum(halves, 1e-9))[:, None]
    together = int((misfit**2).sum(axis=0).argmin())
    return [
        Noise(scatter, float(grid[_root_near(row, together)]))
        for scatter, row in zip(scatters, misfit, strict=True)
    ]


def _root_near(misfit: NDArray[np.float64], start: int) -> int:
    """Index of the change of sign nearest to another; without any, of the smallest misfit."""
    changes = np.flatnonzero(np.diff(np.sign(misfit)))
    if not len(changes):
        return int(np.abs(misfit).argmin())
    return int(changes[np.abs(changes - start).argmin()])


def _scatter(result: Result, point: Point) -> float:
    """Variance over repeats of ``gain - recovery * full gain``, as a share of the full gain.

    Repeats of a rank and of full training share their luck, so their scores are paired where
    every repeat finished; where one failed nothing says which, and the variances are added.
    """
    own, full = np.array(point.scores, float), np.array(result.baseline.scores, float)
    if min(len(own), len(full)) < 2:
        return math.nan
    share, gain = point.recovery.mean, result.baseline.mean - result.floor_score
    if len(own) == len(full):
        variance = float((own - share * full).var(ddof=1))
    else:
        variance = float(own.var(ddof=1) + share**2 * full.var(ddof=1))
    return variance / gain**2
