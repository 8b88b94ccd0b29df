"""Words about how far the answer can be trusted: chance, non-inferiority, noise, design, moves."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rankprobe.records import Interval, Point, Result, Variant
from rankprobe.reporting.wording import clean, metric_name, minimal_words, percent, target_words

_SOURCES = {
    "test_set": ("test set", "more test examples narrow it most"),
    "repeats": ("repeats", "more repeats narrow it most"),
    "scaffolds": ("scaffold seeds", "more scaffold seeds narrow it most"),
    # What chooses is the mean of two repeats: more validation examples help where those, and not
    # the trainings, are what differs.
    "learning_rate": (
        "learning rate",
        (
            "rates are too close to call on the two repeats that choose; fewer rates, or more "
            "validation examples, may settle it"
        ),
    ),
}
_STOPPED = {
    "precise": "stopped because the interval was narrow enough",
    "budget": "stopped because the budget of trainings was spent",
    "test_set": "stopped because more repeats decide nothing: the test set is too small, or the "
    "choice of learning rates too open",
    "grid": "stopped because the listed ranks are further apart than that",
    "no_crossing": "stopped because no rank crosses the target, so no interval could be narrowed",
}
_UNCHANGED = {
    "at_or_below_smallest": "the smallest measured rank already reaches the target",
    "above_largest": "no measured rank reaches the target",
    "no_signal": "nothing was learned",
    "baseline_suspect": "full training is not a safe reference",
}


def over_chance(result: Result, point: Point) -> Interval:
    """Share of full training's gain over chance; limits are NaN where they were not computed."""
    if point.over_chance is not None:
        return point.over_chance
    gain = result.baseline.mean - result.chance_score
    share = (point.mean - result.chance_score) / gain if gain else math.nan
    return Interval(share, math.nan, math.nan)


def over_chance_line(result: Result) -> str:
    """The recovery over chance of every rank; empty where recovery itself counts from chance."""
    if result.floor == "chance" or result.minimal_rank.verdict == "no_signal":
        return ""
    shares = ((point.rank, over_chance(result, point).mean) for point in result.points)
    return (
        "   ".join(f"{rank}: {_share(share).removesuffix(' %')}" for rank, share in shares) + " %"
    )


def non_inferiority_line(result: Result) -> str:
    """From which rank on the test of non-inferiority passes; empty where it was not made."""
    if all(point.p_value is None for point in result.points):
        return ""
    margin = (
        f"{result.epsilon:g} in {metric_name(result.task.metric)}"
        if result.epsilon is not None
        else target_words(result, round(1 - result.target, 12))
    )
    level = percent(round((1 - result.minimal_rank.confidence) / 2, 12))
    test = f"the test of non-inferiority (margin {margin}, one-sided level {level})"
    rank = result.minimal_rank.non_inferior
    if rank is None:
        return f"no rank from which on every measured rank passes {test}"
    return f"rank {rank} is the smallest from which on every measured rank passes {test}"


def noise_line(result: Result) -> str:
    """Where the noise of the recovery at the crossing comes from, and what narrows it.

    It goes on from the word "noise".
    """
    point = _deciding(result)
    if point is None:
        return ""
    shares = _shares(point.variance)
    if not shares:
        return ""
    parts = ", ".join(f"{_round(share)} {_source(name)}" for name, share in shares)
    advice = _SOURCES.get(shares[0][0], ("", ""))[1]
    line = f"of the recovery at rank {point.rank}: {parts}"
    return f"{line}; {advice}" if advice else line


def design_line(result: Result) -> str:
    """What a sequential design did; empty without one."""
    design = result.design
    if not design:
        return ""
    parts = []
    if (precision := design.get("precision")) is not None:
        apart = f"the ends of the interval at most {precision} rank{'s' * (precision != 1)} apart"
        parts.append(f"asked for {apart if precision else 'a single rank'}")
    if (budget := design.get("budget")) is not None:
        parts.append(f"within {budget:,} trainings")
    if (stopped := design.get("stopped")) is not None:
        reason = _STOPPED.get(stopped, f"stopped: {clean(str(stopped).replace('_', ' '))}")
        used = design.get("trainings")
        if used is not None and budget is not None and used > budget:
            reason = "the usual measurement alone takes more than that"
        parts.append(reason if used is None else f"{reason}, after {used:,} trainings")
    repeats = design.get("repeats")
    if isinstance(repeats, Mapping) and repeats:
        names = {"full": "full training"}
        each = (f"{count} of {names.get(r, f'rank {clean(r)}')}" for r, count in repeats.items())
        parts.append(f"repeats: {', '.join(each)}")
    if (narrowest := design.get("narrowest")) is not None:
        parts.append(f"more repeats alone would leave the ends {narrowest} apart")
    return "; ".join(parts)


def sensitivity_sentence(result: Result) -> str:
    """How far the minimal rank moves when one setting changes; empty where none was varied."""
    minimal = result.minimal_rank
    if not result.sensitivity or minimal.value is None:
        return ""
    answers = [variant.minimal_rank for variant in result.sensitivity]
    moved = [a.value for a in answers if a.value is not None and a.value != minimal.value]
    censored = [a for a in answers if a.verdict in ("above_largest", "at_or_below_smallest")]
    same = sum(a.value == minimal.value for a in answers)
    parts = [f"{same} of {len(answers)} {_verb(same, 'leave')} the minimal rank at {minimal.value}"]
    if moved:
        low, high = min(moved), max(moved)
        where = f"to {low}" if low == high else f"to between {low} and {high}"
        outside = sum(r < (minimal.low or 1) or r > (minimal.high or math.inf) for r in moved)
        some = "" if len(moved) == 1 else f"{outside} of them "
        beyond = f" ({some}out of its interval)" if outside else ""
        parts.append(f"{len(moved)} {_verb(len(moved), 'move')} it {where}{beyond}")
    if censored:
        far = ", ".join(dict.fromkeys(minimal_words(a) for a in censored))
        parts.append(
            f"{len(censored)} {_verb(len(censored), 'move')} it past the ranks tried ({far})"
        )
    withheld = [a for a in answers if a.value is None and a not in censored]
    if withheld:
        parts.append(f"under {len(withheld)} no rank can be named")
    return f"Of the changes of one setting each, {'; '.join(parts)}."


def sensitivity_rows(result: Result) -> list[tuple[str, str, str]]:
    """One row a changed setting: what was changed, the answer, how far it moved."""
    value = result.minimal_rank.value
    return [
        (_setting(variant), minimal_words(variant.minimal_rank), _moved(variant, value))
        for variant in result.sensitivity
    ]


def recoveries_words(variant: Variant) -> str:
    """The recoveries that were measured under a changed setting."""
    return ", ".join(f"{rank}: {_share(recovery)}" for rank, recovery in variant.recoveries)


def not_varied(result: Result) -> str:
    """Why there is no answer under changed settings."""
    reason = _UNCHANGED.get(result.minimal_rank.verdict, "no rank is named")
    return f"nothing was varied: {reason}, so there is no minimal rank that could move"


def interval_text(share: Interval) -> str:
    """A share with its limits in percent: ``95.4 % [93.2, 97.5]``."""
    ends = (share.low, share.high)
    if any(end is None or not math.isfinite(end) for end in ends):
        return _share(share.mean)
    return f"{_share(share.mean)} [{100 * share.low:.1f}, {100 * share.high:.1f}]"


def p_text(p_value: float | None) -> str:
    """A p-value: three decimals, ``<0.001`` below them."""
    if p_value is None or not math.isfinite(p_value):
        return ""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _deciding(result: Result) -> Point | None:
    """The named rank's point, else that of the largest rank below the crossing."""
    minimal = result.minimal_rank
    if minimal.verdict in ("no_signal", "baseline_suspect"):
        return None
    if minimal.value is not None:
        return next((p for p in result.points if p.rank == minimal.value), None)
    if minimal.verdict == "at_or_below_smallest":
        return result.points[0]
    return result.points[-1]


def _shares(variance: Mapping[str, float]) -> list[tuple[str, float]]:
    """Sources of variance as shares of their sum, the largest first."""
    known = {k: v for k, v in variance.items() if v is not None and math.isfinite(v) and v > 0}
    whole = sum(known.values())
    return sorted(((k, v / whole) for k, v in known.items()), key=lambda item: -item[1])


def _source(name: str) -> str:
    return _SOURCES[name][0] if name in _SOURCES else clean(name.replace("_", " "))


def _setting(variant: Variant) -> str:
    return clean(f"{variant.setting.replace('_', ' ')} {variant.value}")


def _moved(variant: Variant, value: int | None) -> str:
    """The move in ranks; a change without a rank has none."""
    now = variant.minimal_rank.value
    if now is None or value is None:
        return ""
    return "same" if now == value else f"{now - value:+d}"


def _verb(count: int, verb: str) -> str:
    return f"{verb}s" if count == 1 else verb


def _round(share: float) -> str:
    return "under 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def _share(share: float | None) -> str:
    return f"{100 * share:.1f} %" if share is not None and math.isfinite(share) else "-"
