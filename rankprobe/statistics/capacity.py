"""Whether the minimal rank, or a normalised form of it, levels off as the network grows.

Too large a network lowers the minimal rank, so a rank alone is that of a task and a size. Over
several sizes four quantities are followed: the rank, the rank over the width, the trained adapter
parameters, and those as a share of all parameters.

A rank is a whole number, and stands for a crossing anywhere above the rank before it that was
measured. Each size brings the resamples of its minimal rank; each is spread evenly, in log2, over
the ranks it stands for, so that ranks of 2 or 3 are rightly known to be coarse. (A rank cannot
be below 1, so what rank 1 stands for is 1.) A crossing above the largest measured rank has no
upper limit, and takes part as such: as the least and as the greatest slope that it allows.

The verdict is that of a slope over the largest sizes alone, which no form decides: an equivalence
test for `levels_off`, a test of its sign for the others. Which of three forms describes all the
sizes, and where the one that levels off would end, is told beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rankprobe.records import Interval, MinimalRank, Result
from rankprobe.records.capacity import (
    QUANTITIES,
    Capacity,
    MeasuredSize,
    Quantity,
    SizeAxis,
    Trend,
    Trending,
)
from rankprobe.statistics.compare import is_comparable
from rankprobe.statistics.rank_draws import DRAWS, at_ranks, draw_ranks
from rankprobe.statistics.size_forms import fit_forms, fit_levelling
from rankprobe.statistics.variance import Values

LEVEL = math.log2(1.15)
"""A change of log2 q a doubling of size below which a quantity is level: 15 %."""

_REFITS = 400
_REACH = 4.0  # the largest sizes: those within this factor of the largest
_FEWEST = 3
_MUCH = 2.0  # scatter, as a chi-square over its degrees of freedom, that is worth telling
_LEAST_ERROR = 0.02  # in log2, of a value that seems exact


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A quantity at the sizes that have one.

    Attributes:
        sizes: (n,), ascending.
        low: log2 of the least that each draw allows, (draws, n).
        high: Of the greatest; infinite beyond the measured ranks.
    """

    sizes: Values
    low: Values
    high: Values


def find_capacity(
    results: Sequence[Result],
    labels: Sequence[str],
    sizes: Sequence[float],
    *,
    axis: SizeAxis,
    confidence: float = 0.95,
) -> Capacity:
    """Follow the minimal rank of one task over sizes of its network.

    Args:
        results: Finished measurements that differ in the size of the network alone.
        labels: A unique name each.
        sizes: A distinct size each, above 0.
        axis: What the sizes are.
        confidence: Level of intervals and verdicts.
    """
    order = sorted(range(len(results)), key=lambda index: sizes[index])
    ranked = [results[index] for index in order]
    known = [is_comparable(result.minimal_rank) for result in ranked]
    positions = np.array([sizes[index] for index in order])
    used = [result for result, able in zip(ranked, known, strict=True) if able]
    draws = [draw_ranks(result, number) for number, result in enumerate(used)]
    tail = (1.0 - confidence) / 2.0
    trends, scatter = [], None
    for quantity in QUANTITIES:
        ends = [
            [np.log2(at_ranks(quantity, result, ranks)) for ranks in both]
            for result, both in zip(used, draws, strict=True)
        ]
        if any(np.isnan(part).any() for both in ends for part in both):
            continue  # a width that is not recorded
        low, high = (
            np.column_stack([both[side] for both in ends]) if ends else np.empty((DRAWS, 0))
            for side in (0, 1)
        )
        drawn = _Drawn(positions[known], low, high)
        trend, scatter = _trend(quantity, drawn, used, known, tail, scatter)
        trends.append(trend)
    return Capacity(
        task=ranked[0].task.name,
        target=ranked[0].target,
        axis=axis,
        sizes=tuple(
            _measured(result, labels[index], float(sizes[index]))
            for result, index in zip(ranked, order, strict=True)
        ),
        trends=tuple(trends),
        confidence=confidence,
        left_out=tuple(labels[index] for index, able in zip(order, known, strict=True) if not able),
    )


def _trend(
    quantity: Quantity,
    drawn: _Drawn,
    used: Sequence[Result],
    known: Sequence[bool],
    tail: float,
    scatter: float | None,
) -> tuple[Trending, float]:
    """How a quantity goes with size, and the scatter of the sizes; ``None``: it is to be found."""
    closed = np.isfinite(drawn.high).mean(axis=0) > 0.5  # where a middle value is known
    middle = np.median(drawn.low, axis=0)
    errors = np.maximum(_deviation(drawn), _LEAST_ERROR)
    fitted = fit_forms(drawn.sizes[closed], middle[closed], errors[closed])
    # That of the rank for all: the others follow from it, and a form may be wrong for them.
    scatter = fitted.scatter if scatter is None else scatter
    flags = set()
    if scatter > _MUCH:
        flags.add("scatter")
    if not (known and known[-1]):
        flags.add("largest_left_out")
    if not closed.all():
        flags.add("censored")
    largest = _largest(drawn.sizes)
    slope = _slope(drawn, largest, math.sqrt(scatter), tail)
    verdict = _verdict(slope)
    if int(largest.sum()) < _FEWEST:
        flags.add("few_sizes")
        verdict = "undecided"
    at_one = all(r.minimal_rank.value == 1 for r, end in zip(used, largest, strict=True) if end)
    if used and at_one:
        flags.add("at_rank_1")
    best = max(fitted.forms, key=lambda form: form.weight)
    if verdict == "levels_off" and best.name == "power":
        flags.add("forms_disagree")
    trend = Trending(
        quantity=quantity,
        verdict=verdict,
        slope=slope,
        over=tuple(drawn.sizes[largest].tolist()),
        level=_level(drawn, largest, tail) if verdict == "levels_off" else None,
        limit=_limit(drawn, closed, errors, tail),
        forms=fitted.forms,
        flags=tuple(sorted(flags)),
    )
    return trend, scatter


def _deviation(drawn: _Drawn) -> Values:
    """Standard deviation of the draws of each size, an open end ending where it begins."""
    return np.asarray(drawn.low.std(axis=0))


def _largest(sizes: Values) -> np.ndarray:
    """Which sizes are among the largest, (n,): those within reach, and at least three."""
    if not len(sizes):
        return np.zeros(0, dtype=bool)
    within = sizes >= sizes[-1] / _REACH / (1.0 + 1e-9)
    within[-_FEWEST:] = True
    return np.asarray(within)


def _slope(drawn: _Drawn, largest: np.ndarray, wider: float, tail: float) -> Interval:
    """Least-squares slope over the largest sizes, its interval by the draws."""
    if largest.sum() < 2:
        return Interval(math.nan, -math.inf, math.inf)
    x = np.log2(drawn.sizes[largest])
    weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
    low, high = drawn.low[:, largest], drawn.high[:, largest]
    used = np.abs(weights) > 1e-9  # of three even steps the middle one has no say
    weights, low, high = weights[used], low[:, used], high[:, used]
    least = np.where(weights > 0, low, high) @ weights
    most = np.where(weights > 0, high, low) @ weights
    ends = (_quantile(least, tail), _quantile(most, 1.0 - tail))
    mean = float(np.median(np.where(np.isfinite(most), most, least)))
    if not np.isfinite(mean):
        mean = math.nan
        return Interval(mean, *ends)
    return Interval(mean, mean + wider * (ends[0] - mean), mean + wider * (ends[1] - mean))


def _quantile(values: Values, level: float) -> float:
    """A quantile of values that may be infinite."""
    index = min(int(level * len(values)), len(values) - 1)
    return float(np.sort(values)[index])


def _verdict(slope: Interval) -> Trend:
    if slope.low >= -LEVEL and slope.high <= LEVEL:
        return "levels_off"
    if slope.high < 0.0:
        return "still_falling"
    return "still_rising" if slope.low > 0.0 else "undecided"


def _level(drawn: _Drawn, largest: np.ndarray, tail: float) -> Interval:
    """Geometric mean over the largest sizes."""
    means = drawn.low[:, largest].mean(axis=1)
    ends = np.quantile(means, [0.5, tail, 1.0 - tail])
    return Interval(*(float(2.0**end) for end in ends))


def _limit(drawn: _Drawn, closed: np.ndarray, errors: Values, tail: float) -> Interval | None:
    """The limit of the form that levels off, fitted to the draws again.

    Draws to which no limit above 0 fits count as 0.
    """
    if closed.sum() <= _FEWEST:
        return None
    logs = drawn.low[:_REFITS, closed]
    parameters, misfit = fit_levelling(drawn.sizes[closed], logs, errors[closed])
    limits = np.where(np.isfinite(misfit), parameters[:, 0], 0.0)
    middle = np.median(drawn.low[:, closed], axis=0)[None]
    centre, found = fit_levelling(drawn.sizes[closed], middle, errors[closed])
    if not np.isfinite(found[0]):
        return None
    low, high = np.quantile(limits, [tail, 1.0 - tail])
    value = float(centre[0, 0])
    return Interval(value, min(float(low), value), max(float(high), value))


def _measured(result: Result, label: str, size: float) -> MeasuredSize:
    values: dict[Quantity, Interval] = {}
    minimal = result.minimal_rank
    if is_comparable(minimal):
        ends = _ends(minimal)
        for quantity in QUANTITIES:
            mean, low, high = (float(value) for value in at_ranks(quantity, result, np.array(ends)))
            if not (math.isnan(low) and math.isnan(high)):
                values[quantity] = Interval(mean, low, high)
    return MeasuredSize(
        label=label,
        size=size,
        width=result.scope.get("largest_useful_rank"),
        parameters=result.baseline.parameters,
        minimal_rank=minimal,
        values=values,
    )


def _ends(minimal: MinimalRank) -> tuple[float, float, float]:
    value = math.nan if minimal.value is None else float(minimal.value)
    low = 1.0 if minimal.low is None else float(minimal.low)
    return value, low, math.inf if minimal.high is None else float(minimal.high)
