"""The figure of a calibration: ranks found against ranks expected, and coverage by stratum."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rankprobe.calibration.goals import covers, planted, recovery_coverage
from rankprobe.calibration.outcomes import Outcome
from rankprobe.calibration.proportions import Share, binomial
from rankprobe.reporting.style import BLUE, GREEN, GREY, INK, VERMILLION, styled

_STRATA = {
    "clear": ("linear, clear", BLUE, "o"),
    "near tie": ("linear, near tie", VERMILLION, "s"),
    "confirmed": ("teacher and student", GREEN, "^"),
    "unconfirmed": ("teacher, rank by reference", INK, "v"),
}
_SPREAD = 0.3  # of the distance between neighbouring ranks, for tasks of equal rank


def draw(outcomes: Sequence[Outcome]) -> Axes:
    """Both panels; returns the first one's axes.

    Args:
        outcomes: All tasks; those without a known rank are left out.
    """
    known = planted(outcomes)
    with styled():
        figure = Figure(figsize=(9.0, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=(1.35, 1.0))
        _draw_ranks(left, known)
        _draw_coverage(right, known)
        figure.draw_without_rendering()
    assert isinstance(left, Axes)
    return left


def _draw_ranks(ax: Axes, outcomes: Sequence[Outcome]) -> None:
    largest = max([1, *(_top(outcome) for outcome in outcomes)])
    ax.plot([0.7, 1.4 * largest], [0.7, 1.4 * largest], color=GREY, linewidth=0.8, zorder=1)
    for stratum, (words, colour, marker) in _STRATA.items():
        group = [o for o in outcomes if o.stratum == stratum]
        if group:
            ax.plot([], [], marker, color=colour, markersize=4, label=f"{words} ({len(group)})")
    places = _places(outcomes)
    for outcome, x in zip(outcomes, places, strict=True):
        _, colour, marker = _STRATA[outcome.stratum]
        found = outcome.found
        if not found.has_interval:
            ax.plot(x, 0.75, "x", color=colour, markersize=4, clip_on=False)
            continue
        low, high = found.low or 0.75, found.high or 1.35 * largest
        ax.plot([x, x], [low, high], color=colour, linewidth=0.9, alpha=0.8)
        if found.value is not None:
            fill = colour if outcome.exact else "white"
            ax.plot(x, found.value, marker, color=colour, markersize=3.6, markerfacecolor=fill)
    ticks = [1 << k for k in range(int(math.log2(largest)) + 1)]
    for axis, scale in ((ax.xaxis, ax.set_xscale), (ax.yaxis, ax.set_yscale)):
        scale("log", base=2)
        axis.set_ticks(ticks, [str(tick) for tick in ticks])
    ax.set_xlim(0.7, 1.4 * largest)
    ax.set_ylim(0.7, 1.4 * largest)
    ax.set_xlabel("minimal rank that was planted, or the reference's")
    ax.set_ylabel("minimal rank found, 95 % interval")
    ax.set_title("found against planted", loc="left", fontsize=10)
    if outcomes:
        ax.legend(loc="upper left", title="hollow: not exact", alignment="left", title_fontsize=8)


def _top(outcome: Outcome) -> int:
    return max(outcome.expected or 1, outcome.found.value or 1, outcome.found.high or 1)


def _places(outcomes: Sequence[Outcome]) -> list[float]:
    """Tasks of equal rank side by side, on a logarithmic axis."""
    places = []
    for outcome in outcomes:
        rank = outcome.expected or 1
        same = [o for o in outcomes if o.expected == outcome.expected]
        share = (same.index(outcome) + 0.5) / len(same) - 0.5
        places.append(rank * (1 + 1 / rank) ** (2 * _SPREAD * share))
    return places


def _draw_coverage(ax: Axes, outcomes: Sequence[Outcome]) -> None:
    rows: list[tuple[str, Share, str, str]] = []
    for stratum, (words, colour, marker) in _STRATA.items():
        group = [o for o in outcomes if o.stratum == stratum]
        if stratum == "unconfirmed":
            continue  # so few that their limits would be all there is to see
        for name, share in (
            ("minimal rank", binomial(sum(map(covers, group)), len(group))),
            ("recovery", recovery_coverage(group)),
        ):
            if share.total:
                rows.append((f"{words}\n{name}", share, colour, marker))
    for place, (_, share, colour, marker) in enumerate(rows):
        ax.plot([100 * share.low, 100 * share.high], [place, place], color=colour, linewidth=1.4)
        ax.plot(100 * share.value, place, marker, color=colour, markersize=5, clip_on=False)
    ax.axvline(95, color=INK, linewidth=0.8, linestyle="--")
    ax.set_yticks(range(len(rows)), [row[0] for row in rows])
    ax.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    lowest = min([90.0, *(100 * share.low for _, share, _, _ in rows)])
    ax.set_xlim(max(0.0, lowest - 2), 101)
    ax.set_xlabel("coverage of the 95 % interval, %")
    ax.set_title("coverage", loc="left", fontsize=10)
