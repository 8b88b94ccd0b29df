"""A sweep over sizes in words, and on a terminal of 80 columns."""

from __future__ import annotations

import math

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rankprobe.records import Interval
from rankprobe.records.capacity import Capacity, MeasuredSize, Quantity, SizeForm, Trending
from rankprobe.reporting.wording import clean, minimal_words, percent

NAMES: dict[Quantity, str] = {
    "rank": "minimal rank",
    "relative_rank": "rank over width",
    "degrees_of_freedom": "adapter parameters",
    "share": "share of all parameters",
}
AXES = {"size": "size of the network", "width": "width", "parameters": "parameters"}
_FLAGS = {
    "at_rank_1": (
        "at every one of the largest sizes the rank is 1 and cannot fall further, so that it is "
        "level says nothing of the task"
    ),
    "censored": (
        "a size at which no measured rank reaches the target takes part by its lower limit alone"
    ),
    "few_sizes": "fewer than three sizes have a rank or a limit of one, so nothing is decided",
    "forms_disagree": (
        "the power law describes all sizes better than a limit does, though the largest are level"
    ),
    "largest_left_out": "the largest size names no rank, so the trend is that of the smaller ones",
    "scatter": (
        "sizes scatter about every form by more than their intervals, which are widened for it"
    ),
}
_VERDICTS = (
    "levels off: changes by less than 15 % a doubling, by the whole interval; still falling or "
    "rising: surely changes, and is not surely level; undecided: neither is sure"
)
_COARSE = (
    "a rank stands for a crossing anywhere between it and the measured rank before it, so trends "
    "and means lie a little below the ranks themselves"
)


def capacity_summary(capacity: Capacity) -> RenderableType:
    """The answers, one row a size, one row a quantity, and what to mind.

    Args:
        capacity: From `rankprobe.capacity`.

    Returns:
        A rich renderable; text from data is plain text in it, never markup.
    """
    sizes = _table(capacity.axis, "minimal rank", "of width", "adapters", "share", "verdict")
    for item in capacity.sizes:
        sizes.add_row(*map(Text, _size_row(item)))
    trends = _table("quantity", "verdict", "a doubling", "limits", "best form")
    for trend in capacity.trends:
        trends.add_row(*map(Text, _trend_row(trend)))
    notes = [Text(f"Note: {line}.") for line in capacity_notes(capacity)]
    title = Text(capacity_headline(capacity), style="bold")
    return Group(title, Text(), sizes, Text(), trends, Text(), *notes)


def capacity_headline(capacity: Capacity) -> str:
    """The answers for the rank and its share of all parameters, in one line."""
    trends = [t for t in capacity.trends if t.quantity in ("rank", "share")]
    words = "; ".join(f"{NAMES[trend.quantity]} {trend_words(trend)}" for trend in trends)
    return f"{clean(capacity.task)}: {words}"


def trend_words(trend: Trending, *, level: bool = True) -> str:
    """A verdict in words, with the level where there is one and it is wished for."""
    words = trend.verdict.replace("_", " ")
    return f"{words} at {_interval_words(trend, trend.level)}" if level and trend.level else words


def number(quantity: Quantity, value: float) -> str:
    """A value of a quantity with the digits that it deserves; ``-`` where there is none."""
    if not math.isfinite(value):
        return "-"
    if quantity in ("relative_rank", "share"):
        return percent(float(f"{value:.2g}"))
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def capacity_notes(capacity: Capacity) -> list[str]:
    """What the reader should know beside the numbers, without full stops."""
    level = percent(round(capacity.confidence, 6))
    axis = AXES[capacity.axis]
    notes = [
        f"a doubling: change where the {axis} doubles, over the largest sizes, {level} limits",
        _VERDICTS,
        _COARSE,
        _reach(capacity),
    ]
    if levels := [trend for trend in capacity.trends if trend.level]:
        parts = [f"{NAMES[t.quantity]} {_interval_words(t, t.level)}" for t in levels]
        notes.append(f"mean over the largest sizes: {'; '.join(parts)}")
    if capacity.left_out:
        names = ", ".join(clean(name) for name in capacity.left_out)
        notes.append(f"{names}: no rank and no limit, so left out of the trends")
    if limits := [trend for trend in capacity.trends if trend.limit and _levelling(trend)]:
        parts = [f"{NAMES[t.quantity]} {_interval_words(t, t.limit)}" for t in limits]
        notes.append(f"where the form that levels off would end, extrapolated: {'; '.join(parts)}")
    flags = dict.fromkeys(flag for trend in capacity.trends for flag in trend.flags)
    for flag in flags:
        carriers = [NAMES[trend.quantity] for trend in capacity.trends if flag in trend.flags]
        where = "" if len(carriers) == len(capacity.trends) else f"{', '.join(carriers)}: "
        notes.append(f"{where}{_FLAGS[flag]}")
    return notes


def _reach(capacity: Capacity) -> str:
    """How little so many sizes can tell."""
    count = len(capacity.sizes) - len(capacity.left_out)
    words = (
        f"{count} sizes tell a change of a third a doubling from none where each rank is known "
        "within a tenth, and hardly anything where ranks are 3 or less; nothing is said of sizes "
        "beyond the largest"
    )
    return words if count < 7 else "nothing is said of sizes beyond the largest"


def _levelling(trend: Trending) -> bool:
    return trend.best is not None and trend.best.name == "levelling"


def _interval_words(trend: Trending, values: Interval | None) -> str:
    if values is None:
        return "-"
    low, mean, high = (number(trend.quantity, v) for v in (values.low, values.mean, values.high))
    return f"{mean} ({low} to {high})"


def _size_row(item: MeasuredSize) -> tuple[str, ...]:
    minimal = item.minimal_rank
    named = "rank" in item.values
    return (
        f"{item.size:,.6g}",
        minimal_words(minimal) if named else "-",
        *(
            number(quantity, item.values[quantity].mean) if quantity in item.values else "-"
            for quantity in ("relative_rank", "degrees_of_freedom", "share")
        ),
        minimal.verdict.replace("_", " "),
    )


def _trend_row(trend: Trending) -> tuple[str, ...]:
    slope = trend.slope
    return (
        NAMES[trend.quantity],
        trend_words(trend, level=False),
        _change(slope.mean),
        limits_words(slope),
        _form(trend.best),
    )


def limits_words(slope: Interval) -> str:
    """Limits of a change a doubling, open sides in words."""
    low, high = math.isfinite(slope.low), math.isfinite(slope.high)
    if low and high:
        return f"{_change(slope.low)} to {_change(slope.high)}"
    if low:
        return f"{_change(slope.low)} or more"
    return f"up to {_change(slope.high)}" if high else "none on either side"


def _change(log2: float) -> str:
    """A change of log2 as a percentage: 1 is ``+100 %``."""
    return f"{100 * (2.0**log2 - 1.0):+.0f} %" if math.isfinite(log2) else "-"


def _form(form: SizeForm | None) -> str:
    return "-" if form is None else f"{form.name} ({100 * form.weight:.0f} %)"


def _table(*header: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for index, name in enumerate(header):
        table.add_column(Text(name), justify="left" if index == 0 else "right", overflow="fold")
    return table
