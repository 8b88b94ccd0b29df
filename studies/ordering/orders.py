"""Which task should need a smaller rank than which, and whether the results say so.

`ORDERS` were written down before anything was measured, `LATER` after those tasks and before
their own. A result is judged by its minimal rank
and the interval of it alone, at one target.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rankprobe.records import MinimalRank, Result

Judgement = Literal["holds", "unclear", "same", "contrary", "withheld"]
JUDGED: Mapping[Judgement, str] = {
    "holds": "holds",
    "unclear": "unclear, intervals touch",
    "same": "the same",
    "contrary": "contrary",
    "withheld": "no rank named",
}


@dataclass(frozen=True)
class Order:
    """Two tasks, the first of which should need the smaller rank.

    Attributes:
        lower: Name of the task that should need less.
        higher: Name of the other.
        why: What the two have in common, and where they differ.
    """

    lower: str
    higher: str
    why: str


ORDERS = (
    Order("digits-3-8", "digits-ten", "same pictures, as many of them; two classes or ten"),
    Order("digits-3-8", "digits-halves", "two classes both times; of one digit each or of five"),
    Order("penbased", "letter", "16 numbers, as many rows; ten classes or 26"),
    Order("linear", "parity", "same bits, two classes; a plane, or nothing linear to learn"),
)
LATER = (
    Order(
        "linear", "pairs", "same bits, two classes; decided by one direction of them, or by seven"
    ),
    Order(
        "parity", "pairs", "same bits, two classes; decided by one direction of them, or by seven"
    ),
)
WITHOUT_SIGNAL = "digits-shuffled"


def judge(lower: Result, higher: Result, target: str) -> Judgement:
    """Whether one task's minimal rank is below another's.

    Args:
        lower: The task that should need less.
        higher: The other.
        target: Key of `Result.targets`.

    Returns:
        ``holds``: the intervals do not touch, in the expected order. ``unclear``: the values are
        in the expected order, the intervals touch. ``same``: equal values, or both above the
        largest measured rank. ``contrary``: the values are in the opposite order. ``withheld``:
        a result names no rank.
    """
    if target not in lower.targets or target not in higher.targets:
        return "withheld"
    first, second = _span(lower.targets[target]), _span(higher.targets[target])
    if first is None or second is None:
        return "withheld"
    if first.high < second.low:
        return "holds"
    if first.value == second.value:
        return "same"
    return "unclear" if first.value < second.value else "contrary"


def without_signal(results: Mapping[str, Result]) -> bool | None:
    """Whether the task without signal got that verdict; ``None`` while it is not measured."""
    result = results.get(WITHOUT_SIGNAL)
    return None if result is None else result.minimal_rank.verdict == "no_signal"


@dataclass(frozen=True)
class _Span:
    low: float
    value: float
    high: float


def _span(minimal: MinimalRank) -> _Span | None:
    """Value and interval as numbers; a rank above the largest is as large as can be."""
    if minimal.verdict == "above_largest" and minimal.low is not None:
        return _Span(minimal.low, math.inf, math.inf)
    if minimal.verdict != "resolved" or minimal.value is None:
        return None
    high = math.inf if minimal.high is None else minimal.high
    return _Span(minimal.low or 1, minimal.value, high)
