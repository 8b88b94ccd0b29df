"""Predict the interval of the minimal rank from a pilot's curve and noise.

The rule of `rankprobe.statistics.minimal_rank` is applied to what is expected: with so many
repeats and test examples a rank is excluded while its expected recovery lies below the target
by more than the margin of Student's t, and reaches it for sure where it lies above by as much.
That gives about the median interval, if curve and noise are as the pilot shows them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from rankprobe.statistics.expected import Expected

REPEATS = (2, 3, 5, 8, 12, 20)
"""The rows of the table, beside the number of repeats that is enough."""
USUAL_REPEATS = 5
MOST_REPEATS = 1000  # more of them nobody trains
_MOST_EXAMPLES = 1000  # times the examples there are
_UNLIMITED = 10**9
_MOST_RANKS = 12


def predict(
    expected: Expected, *, repeats: int, examples: int, confidence: float
) -> tuple[int | None, int | None]:
    """The interval that a measurement of every integer rank would give.

    Args:
        expected: What is expected of it.
        repeats: Repeats of every rank, at least 2.
        examples: Test examples.
        confidence: Level of the interval.

    Returns:
        ``low`` and ``high``; ``None`` where the measured ranks do not close the interval.
    """
    level = (1.0 + confidence) / 2.0
    margin = np.array([noise.margin(repeats, examples, level) for noise in expected.noise])
    below = expected.surplus + margin < 0.0
    reached = (expected.surplus - margin >= 0.0) & (expected.ranks >= expected.value)
    first = int(np.argmin(below))  # at the latest the value: its surplus is not below 0
    low = int(expected.ranks[first]) if first or expected.ranks[0] == 1 else None
    return low, int(expected.ranks[np.argmax(reached)]) if reached.any() else None


def width(low: int | None, high: int | None) -> float:
    """Ranks between the ends; infinite when one is open."""
    return math.inf if low is None or high is None else float(high - low)


def predicted_width(
    cases: Sequence[Expected], *, repeats: int, examples: int, confidence: float
) -> float:
    """The median width over cases: one when there is a pilot, else other tasks."""
    widths = [
        width(*predict(case, repeats=repeats, examples=examples, confidence=confidence))
        for case in cases
    ]
    # Of an even number the wider of the two in the middle, which also spares inf - inf.
    return sorted(widths)[len(widths) // 2]


def enough_repeats(
    cases: Sequence[Expected], *, wished: float, examples: int, confidence: float
) -> int | None:
    """The smallest number of repeats that reaches a width; ``None`` when none in reason does."""

    def suffices(repeats: int) -> bool:
        found = predicted_width(cases, repeats=repeats, examples=examples, confidence=confidence)
        return found <= wished

    return _smallest(suffices, 2, MOST_REPEATS)


def limit_width(cases: Sequence[Expected], *, examples: int, confidence: float) -> float:
    """The width that is left with repeats without end."""
    return predicted_width(cases, repeats=_UNLIMITED, examples=examples, confidence=confidence)


def plateau(cases: Sequence[Expected], *, examples: int, confidence: float) -> int:
    """Repeats from which on more of them narrow the interval no further."""
    limit = limit_width(cases, examples=examples, confidence=confidence)
    reached = enough_repeats(cases, wished=limit, examples=examples, confidence=confidence)
    return MOST_REPEATS if reached is None else reached


def enough_examples(
    cases: Sequence[Expected], *, wished: float, examples: int, confidence: float
) -> tuple[int, int] | None:
    """(repeats, test examples) that reach a width; with the usual repeats where that is possible.

    Returns:
        The number of examples in two significant digits, rounded up; ``None`` when even a
        thousand times the examples there are would not do.
    """
    for repeats in (USUAL_REPEATS, REPEATS[-1]):

        def suffices(count: int, repeats: int = repeats) -> bool:
            found = predicted_width(cases, repeats=repeats, examples=count, confidence=confidence)
            return found <= wished

        found = _smallest(suffices, examples, _MOST_EXAMPLES * examples)
        if found is not None:
            return repeats, _rounded_up(found)
    return None


def ranks_to_measure(
    low: int | None, high: int | None, *, measured: Sequence[int], largest: int
) -> tuple[tuple[int, ...], int]:
    """The ranks inside an interval and their neighbours.

    Where the interval is open below, from rank 1; where it is open above, up to twice the
    largest measured rank.

    Returns:
        The ranks, and the largest gap between them: above a dozen only some are named.
    """
    first = max((low or 1) - 1, 1)
    last = min(2 * measured[-1] if high is None else high + 1, largest)
    ranks = np.arange(first, max(last, first) + 1)
    if len(ranks) > _MOST_RANKS:
        ranks = np.unique(np.linspace(first, last, _MOST_RANKS).round().astype(np.int64))
    gaps = [int(b - a) for a, b in pairwise(ranks)]
    return tuple(int(rank) for rank in ranks), max(gaps, default=1)


def _smallest(suffices: Callable[[int], bool], first: int, last: int) -> int | None:
    """The smallest integer that suffices, if larger ones always do."""
    if not suffices(last):
        return None
    below = first - 1
    while last - below > 1:
        middle = (below + last) // 2
        below, last = (below, middle) if suffices(middle) else (middle, last)
    return last


def _rounded_up(count: int) -> int:
    unit: int = 10 ** max(len(str(count)) - 2, 0)
    return math.ceil(count / unit) * unit
