"""The goals for the instrument, and whether the outcomes meet them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from rankprobe.calibration.outcomes import Outcome
from rankprobe.calibration.proportions import Share, binomial, clustered

Verdict = Literal["met", "not met", "too few to say"]
SMALL_RANK = 8
"""Up to this rank an interval may be one rank wide; above it, a quarter of the rank."""


@dataclass(frozen=True)
class Goal:
    """One goal, and how the instrument stands to it.

    Attributes:
        what: What is asked.
        goal: What is wanted, in words.
        measured: What was measured, in words.
        cases: Number of cases behind it.
        needed: Number of cases that the goal asks for.
        value: The measured share, median or count; ``None`` without cases.
        low: Lower limit of a share's 95 % interval; ``None`` where there is none.
        high: Upper limit.
        verdict: Whether it is met.
    """

    what: str
    goal: str
    measured: str
    cases: int
    needed: int
    value: float | None
    low: float | None
    high: float | None
    verdict: Verdict


def goals(outcomes: Sequence[Outcome]) -> tuple[Goal, ...]:
    """Every goal in turn.

    Args:
        outcomes: All tasks.
    """
    linear = [outcome for outcome in outcomes if outcome.kind == "linear"]
    clear = [outcome for outcome in linear if outcome.stratum == "clear"]
    ranked = planted(outcomes)
    controls = [outcome for outcome in outcomes if outcome.kind == "control"]
    twice = [outcome for outcome in outcomes if outcome.again is not None]
    return (
        _at_least(
            "exact r*, clear linear tasks",
            binomial(sum(o.exact for o in clear), len(clear)),
            goal=0.95,
            needed=150,
        ),
        _at_least(
            "within one rank, all linear tasks",
            binomial(sum(o.within_one for o in linear), len(linear)),
            goal=0.99,
            needed=210,
        ),
        _at_least(
            "95 % interval of r* covers",
            binomial(sum(covers(o) for o in ranked), len(ranked)),
            goal=0.95,
            needed=200,
            lower=0.91,
        ),
        _recovery(outcomes),
        _width(ranked, f"median width, r* up to {SMALL_RANK}", large=False),
        _width(ranked, f"median width over r*, r* above {SMALL_RANK}", large=True),
        _false_alarms(controls),
        _disagreements(twice),
    )


def planted(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The tasks whose minimal rank is known: in closed form, or by the reference of a teacher."""
    return [
        outcome
        for outcome in outcomes
        if outcome.kind == "linear"
        or (outcome.kind == "teacher" and outcome.reference_rank is not None)
    ]


def covers(outcome: Outcome) -> bool:
    """Whether the interval holds the rank that is expected; an answer without any does not."""
    found, expected = outcome.found, outcome.expected
    return expected is not None and found.has_interval and found.covers(expected)


def width_ratio(outcome: Outcome) -> float:
    """Width of the interval over the width that is allowed; infinite where an end is open."""
    rank = outcome.expected or 1
    return outcome.found.width / (1.0 if rank <= SMALL_RANK else rank / 4)


def false_alarms(outcomes: Sequence[Outcome]) -> int:
    """Controls that name a rank."""
    return sum(outcome.found.value is not None for outcome in outcomes)


def recovery_coverage(
    outcomes: Sequence[Outcome], covered: Callable[[Outcome], Sequence[bool]] | None = None
) -> Share:
    """Coverage of the interval of recovery over all points, clustered by task."""
    each = covered or (lambda outcome: [point.covered for point in outcome.points])
    return clustered([each(outcome) for outcome in outcomes])


def share_words(share: Share) -> str:
    """``96.0 % [93.1, 97.9], 240 of 250``."""
    if not share.total:
        return "no case"
    return f"{_percent(share.value)} {interval_words(share.low, share.high)}"


def interval_words(low: float, high: float) -> str:
    """``[93.1, 97.9]``."""
    return f"[{100 * low:.1f}, {100 * high:.1f}]"


def _at_least(
    what: str, share: Share, *, goal: float, needed: int, lower: float | None = None
) -> Goal:
    words = f">= {_percent(goal)}" + (f", lower limit >= {_percent(lower)}" if lower else "")
    reached = share.value >= goal and (lower is None or share.low >= lower)
    return _goal(what, words, share, needed, reached=reached, excluded=share.high < goal)


def _recovery(outcomes: Sequence[Outcome]) -> Goal:
    """Of every task that has a reference: leaving teachers out by what it says would select."""
    share = recovery_coverage(outcomes)
    low, high = 0.93, 0.97
    return _goal(
        "95 % interval of recovery covers",
        "93-97 %",
        share,
        2000,
        reached=low <= share.value <= high,
        excluded=share.high < low or share.low > high,
    )


def _disagreements(twice: Sequence[Outcome]) -> Goal:
    apart = sum(
        outcome.again is not None and not outcome.found.agrees(outcome.again) for outcome in twice
    )
    share = binomial(apart, len(twice))
    return _goal(
        "two runs that disagree",
        "<= 5 %",
        share,
        60,
        reached=share.value <= 0.05,
        excluded=share.low > 0.05,
    )


def _false_alarms(controls: Sequence[Outcome]) -> Goal:
    alarms = false_alarms(controls)
    share = binomial(alarms, len(controls))
    return Goal(
        what="shuffled controls that name a rank",
        goal="0",
        measured=f"{alarms} of {len(controls)}, at most {_percent(share.high)}"
        if controls
        else "no case",
        cases=len(controls),
        needed=40,
        value=float(alarms) if controls else None,
        low=share.low if controls else None,
        high=share.high if controls else None,
        verdict=_verdict(len(controls), 40, reached=alarms == 0, excluded=alarms > 0),
    )


def _width(outcomes: Sequence[Outcome], what: str, *, large: bool) -> Goal:
    chosen = [o for o in outcomes if ((o.expected or 1) > SMALL_RANK) is large]
    ratios = [width_ratio(outcome) for outcome in chosen]
    within = binomial(sum(ratio <= 1 for ratio in ratios), len(ratios))
    scale = 0.25 if large else 1.0
    middle = median(ratios) * scale if ratios else None
    measured = "no case"
    if middle is not None:
        shown = f"{middle:.2g}" if math.isfinite(middle) else "open"
        measured = f"{shown}; {_percent(within.value)} within"
    return Goal(
        what=what,
        goal="<= 1/4" if large else "<= 1 rank",
        measured=measured,
        cases=len(ratios),
        needed=20,
        value=middle if middle is not None and math.isfinite(middle) else None,
        low=None,
        high=None,
        # The median is at most the bound when at least half of the widths are.
        verdict=_verdict(
            len(ratios),
            20,
            reached=middle is not None and middle <= scale,
            excluded=within.high < 0.5,
        ),
    )


def _goal(
    what: str, goal: str, share: Share, needed: int, *, reached: bool, excluded: bool
) -> Goal:
    some = share.total > 0
    return Goal(
        what=what,
        goal=goal,
        measured=share_words(share),
        cases=share.total,
        needed=needed,
        value=share.value if some else None,
        low=share.low if some else None,
        high=share.high if some else None,
        verdict=_verdict(share.total, needed, reached=reached, excluded=some and excluded),
    )


def _verdict(cases: int, needed: int, *, reached: bool, excluded: bool) -> Verdict:
    """With fewer cases than asked for, only what the interval excludes can be said."""
    if cases >= needed:
        return "met" if reached else "not met"
    return "not met" if excluded else "too few to say"


def _percent(share: float) -> str:
    return f"{round(100 * share, 1):g} %"
