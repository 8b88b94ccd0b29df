"""Minimal ranks of several tasks against each other: differences, corrections, groups.

A difference is that of log2 ranks, so 1 means twice the rank. Each task brings the distribution
of its minimal rank over resamples, which already carries its small-sample correction. Tasks of
different data are independent, so the distribution of a difference is the exact convolution of
two of these. Two results of the same data share test examples; taking them as independent errs
on the wide side.

On a ladder with gaps a resample that names a measured rank says no more than that the crossing
lies after the measured rank before it. It stands for all those integers, and both limits and
p-value take the ones that speak least for a difference. What crosses above the largest measured
rank has no upper limit; what is at or below a smallest one above 1 has no lower limit.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rankprobe.records import MinimalRank, Result
from rankprobe.records.comparison import (
    Basis,
    ComparedTask,
    Comparison,
    Difference,
    ScopeDifference,
)

Values = NDArray[np.float64]

_NO_RANK = ("no_signal", "baseline_suspect")
_ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class _Spread:
    """Where a minimal rank may lie: cells of integers, in log2, each with its share.

    Attributes:
        low: Smallest log2 rank of each cell, (cells,); -inf when open below.
        high: Largest, (cells,); inf when open above.
        share: Shares, (cells,), of sum 1.
    """

    low: Values
    high: Values
    share: Values


@dataclass(frozen=True)
class _Pair:
    """A difference before it is corrected for the number of pairs.

    Attributes:
        first: Index of the task that stands first.
        second: Index of the other.
        basis: What the difference is read from.
        not_above: Probability that the second rank is not above the first, at most.
        not_below: Probability that it is not below it, at most.
        lower: (difference, share), ascending: the smallest differences that the cells allow.
        upper: The largest ones.
    """

    first: int
    second: int
    basis: Basis
    not_above: float
    not_below: float
    lower: tuple[Values, Values]
    upper: tuple[Values, Values]

    @property
    def p_value(self) -> float:
        """Two-sided."""
        return min(1.0, 2.0 * min(self.not_above, self.not_below))


def compare_results(
    results: Sequence[Result],
    labels: Sequence[str],
    *,
    scope: Sequence[ScopeDifference] = (),
    confidence: float = 0.95,
) -> Comparison:
    """Compare the minimal ranks of tasks.

    Args:
        results: Two or more finished measurements.
        labels: A unique name each.
        scope: Settings in which they differ, from `rankprobe.statistics.scope`.
        confidence: 1 - family-wise error rate, for p-values and for intervals.

    Returns:
        The comparison. P-values are corrected by Holm's method (S. Holm, Scandinavian Journal
        of Statistics 6 (1979) 65), limits by Bonferroni's, so that all of them hold at once. A
        pair in which a result carries no resamples is told apart where the two intervals do
        not overlap; it has no p-value, but counts among the pairs that the others are
        corrected for.
    """
    order = sorted(range(len(results)), key=lambda index: _place(results[index].minimal_rank))
    ranked = [results[index] for index in order]
    names = [labels[index] for index in order]
    able = [index for index, result in enumerate(ranked) if is_comparable(result.minimal_rank)]
    pairs = [_pair(ranked, *both) for both in combinations(able, 2)]
    differences = _corrected(pairs, ranked, names, alpha=1.0 - confidence)
    sets = _groups(pairs, differences, able)
    letters = [_letters(index, sets) for index in range(len(ranked))]
    return Comparison(
        tasks=tuple(map(_task, ranked, names, letters)),
        pairs=tuple(differences),
        groups=tuple(tuple(names[index] for index in sorted(group)) for group in sets),
        confidence=confidence,
        scope=tuple(scope),
        results=tuple(ranked),
    )


def is_comparable(minimal: MinimalRank) -> bool:
    """Whether there is a rank, or a limit of it, to compare."""
    ends = (minimal.value, minimal.low, minimal.high)
    return minimal.verdict not in _NO_RANK and any(end is not None for end in ends)


def _place(minimal: MinimalRank) -> float:
    """Where a task stands in the table."""
    known = [rank for rank in (minimal.value, minimal.low, minimal.high) if rank is not None]
    return known[0] if is_comparable(minimal) else math.inf


def _task(result: Result, label: str, group: str) -> ComparedTask:
    minimal, width = result.minimal_rank, result.scope.get("largest_useful_rank")
    reached = [p.recovery.mean for p in result.points if p.rank == minimal.value]
    recovery = reached[0] if reached else None
    known = recovery is not None and math.isfinite(recovery)
    return ComparedTask(
        label=label,
        metric=result.task.metric,
        minimal_rank=minimal,
        recovery=recovery if known else None,
        width=width,
        relative_rank=minimal.value / width if width and minimal.value is not None else None,
        epochs=result.scope.get("epochs"),
        group=group,
    )


def _pair(results: Sequence[Result], first: int, second: int) -> _Pair:
    both = [results[first], results[second]]
    resampled = all(map(has_resamples, both))
    a, b = (_resampled(r) if resampled else _interval(r.minimal_rank) for r in both)
    share = np.outer(b.share, a.share).ravel()
    least = np.subtract.outer(b.low, a.high).ravel()
    most = np.subtract.outer(b.high, a.low).ravel()
    return _Pair(
        first=first,
        second=second,
        basis="resamples" if resampled else "intervals",
        not_above=float(share[least <= 0.0].sum()),
        not_below=float(share[most >= 0.0].sum()),
        lower=_ascending(least, share),
        upper=_ascending(most, share),
    )


def has_resamples(result: Result) -> bool:
    """Whether resamples say how uncertain the rank is: those of a single repeat do not."""
    repeats = max((len(point.scores) for point in result.points), default=0)
    return bool(result.minimal_rank.distribution) and min(repeats, len(result.baseline.scores)) > 1


def _resampled(result: Result) -> _Spread:
    """One cell a rank that a resample named: the integers after the measured rank before it."""
    distribution = result.minimal_rank.distribution
    named = [rank for rank, _ in distribution if rank is not None]
    measured = sorted({*named, *(point.rank for point in result.points)})
    # Past a fall no resample looks: what never crosses before it is not above the largest rank.
    falls = result.minimal_rank.verdict == "not_monotone"
    last = max(named, default=0) if falls else measured[-1]
    cells = [_cell(rank, measured, last) for rank, _ in distribution]
    share = np.array([share for _, share in distribution], dtype=np.float64)
    low, high = np.array(cells).T
    return _Spread(low, high, share / share.sum())


def _cell(rank: int | None, measured: Sequence[int], last: int) -> tuple[float, float]:
    """Least and greatest log2 rank that naming a rank, or none up to ``last``, stands for."""
    if rank is None:
        return math.log2(last + 1), math.inf
    before = bisect_left(measured, rank)
    if before:
        return math.log2(measured[before - 1] + 1), math.log2(rank)
    return 0.0 if rank == 1 else -math.inf, math.log2(rank)


def _interval(minimal: MinimalRank) -> _Spread:
    """One cell from the lower to the upper limit of the minimal rank."""
    low = -math.inf if minimal.low is None else math.log2(minimal.low)
    high = math.inf if minimal.high is None else math.log2(minimal.high)
    return _Spread(np.array([low]), np.array([high]), np.ones(1))


def _ascending(values: Values, share: Values) -> tuple[Values, Values]:
    order = np.argsort(values, kind="stable")
    return values[order], share[order]


def _corrected(
    pairs: Sequence[_Pair], results: Sequence[Result], labels: Sequence[str], *, alpha: float
) -> list[Difference]:
    tail = alpha / 2.0 / max(len(pairs), 1)
    found = []
    for pair, adjusted in zip(pairs, holm([_tested(pair) for pair in pairs]), strict=True):
        low, high = _limits(pair, tail)
        values = [results[index].minimal_rank.value for index in (pair.first, pair.second)]
        first, second = (math.log2(value) if value else None for value in values)
        difference = Difference(
            first=labels[pair.first],
            second=labels[pair.second],
            log2=None if first is None or second is None else second - first,
            low=low if math.isfinite(low) else None,
            high=high if math.isfinite(high) else None,
            p_value=_tested(pair),
            adjusted=adjusted,
            basis=pair.basis,
        )
        apart = min(pair.not_above, pair.not_below) == 0.0 if adjusted is None else None
        if apart or (adjusted is not None and adjusted <= alpha + _ROUNDING):
            up = pair.not_above < pair.not_below
            smaller = difference.first if up else difference.second
            difference = replace(difference, smaller=smaller)
        found.append(difference)
    return found


def _tested(pair: _Pair) -> float | None:
    return pair.p_value if pair.basis == "resamples" else None


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P-values corrected by Holm's step-down method; ``None`` counts as one never rejected."""
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for step, (p, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(p_values) - step) * p))
        adjusted[index] = largest
    return adjusted


def _limits(pair: _Pair, tail: float) -> tuple[float, float]:
    """Limits that leave at most ``tail`` on either side."""
    (lower, below), (upper, above) = pair.lower, pair.upper
    low = lower[int(np.argmax(np.cumsum(below) > tail + _ROUNDING))]
    high = upper[::-1][int(np.argmax(np.cumsum(above[::-1]) > tail + _ROUNDING))]
    return float(low), float(high)


def _groups(
    pairs: Sequence[_Pair], differences: Sequence[Difference], able: Sequence[int]
) -> list[frozenset[int]]:
    """Largest sets without a pair told apart, by insertion and absorption.

    After H.-P. Piepho, Journal of Computational and Graphical Statistics 13 (2004) 456: each
    pair told apart splits every set that holds both, and a set inside another one is dropped.
    """
    groups = [frozenset(able)] if able else []
    for pair, difference in zip(pairs, differences, strict=True):
        if difference.smaller is None:
            continue
        both = {pair.first, pair.second}
        split = [
            part
            for group in groups
            for part in ([group - {one} for one in both] if both <= group else [group])
        ]
        groups = [
            group
            for index, group in enumerate(split)
            if not any(group < other for other in split) and group not in split[:index]
        ]
    return sorted(groups, key=sorted)


def _letters(index: int, groups: Sequence[frozenset[int]]) -> str:
    """The letters of a task's groups: a, b, ... z, a2, b2, ..."""
    names = [f"{chr(97 + k % 26)}{k // 26 + 1 if k > 25 else ''}" for k in range(len(groups))]
    return "".join(name for name, group in zip(names, groups, strict=True) if index in group)
