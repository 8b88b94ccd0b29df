"""The figure of all nine kinds of task: recovery against rank, a panel each.

Nine curves that all end near full training cross each other in one panel, so each has its own,
with the others behind it in grey; the panel's title names the curve, and no colour has to.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rankprobe.records import MinimalRank, Result
from rankprobe.reporting.style import BLUE, GREY, INK, NORMAL, SMALL, VERMILLION, settle, styled
from rankprobe.reporting.wording import minimal_words
from studies.nine.kinds import KINDS, Kind
from studies.nine.overview import TARGET
from studies.nine.shape import Spot, measured_spots, published_spots

FAINT = "#C9C9C9"
TICKS = (1, 4, 16, 64)
_MEASURED: dict[str, Any] = {"color": BLUE, "linewidth": 1.6, "marker": "o", "markersize": 4.5}
_PUBLISHED: dict[str, Any] = {
    "color": VERMILLION,
    "linewidth": 1.1,
    "linestyle": (0, (3, 1.8)),
    "marker": "D",
    "markersize": 4.0,
    "markerfacecolor": "white",
}
_OTHERS: dict[str, Any] = {"color": FAINT, "linewidth": 0.8}
_TARGET: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": (0, (1, 1.5))}


def plot(results: Mapping[str, Result]) -> Axes:
    """Draw all nine, measured or not; returns the first panel's axes.

    Args:
        results: Those that are measured, by study.
    """
    # Where full training does not beat chance, recovery is a ratio of noise.
    curves = {
        name: measured_spots(result)
        for name, result in results.items()
        if result.minimal_rank.verdict != "no_signal"
    }
    with styled():
        figure = Figure(figsize=(7.4, 7.2), layout="constrained")
        FigureCanvasAgg(figure)
        panels = figure.subplots(3, 3, sharex=True, sharey=True).flat
        for ax, kind in zip(panels, KINDS, strict=True):
            _draw_panel(ax, kind, results.get(kind.study), curves)
        first = figure.axes[0]
        _set_axes(first, curves)
        figure.axes[-2].set_xlabel("adapter rank", fontsize=NORMAL)
        figure.supylabel("recovery of full training's gain over chance, %", fontsize=NORMAL)
        figure.legend(handles=_handles(), loc="outside lower center", ncols=4, fontsize=SMALL)
        settle(first, freeze=True)
    return first


def _draw_panel(
    ax: Axes, kind: Kind, result: Result | None, curves: Mapping[str, list[Spot]]
) -> None:
    for study, others in curves.items():
        if study != kind.study:
            _draw_line(ax, others, _OTHERS, zorder=1)
    ax.axhline(100 * float(TARGET), **_TARGET, zorder=1.5)
    if kind.published.guess is not None:
        _draw_line(ax, published_spots(kind.published), _PUBLISHED, zorder=2.5)
    ax.set_title(kind.study, loc="left", fontsize=NORMAL, fontweight="bold", pad=3)
    ax.text(
        1.0, 1.018, kind.kind, transform=ax.transAxes, ha="right", va="bottom",
        fontsize=SMALL, color=GREY,
    )  # fmt: skip
    if result is None:
        words = textwrap.fill(kind.status or "not measured yet", 24)
    else:
        answer = result.targets.get(TARGET, result.minimal_rank)
        words = answer_words(answer)
        spots = curves.get(kind.study, [])
        _draw_line(ax, spots, _MEASURED, zorder=3)
        for spot in spots:
            ends = [100 * spot.low, 100 * spot.high]
            ax.plot([spot.rank] * 2, ends, color=BLUE, linewidth=0.9, zorder=2.9)
    ax.text(
        0.97, 0.05, words, transform=ax.transAxes, ha="right", va="bottom",
        fontsize=SMALL, color=INK if result is None else BLUE, zorder=4,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
    )  # fmt: skip


def answer_words(answer: MinimalRank) -> str:
    """The answer in a panel: ``r* = 6 (5 to 7)``, ``r* above 64``, ``no rank: no signal``."""
    words = minimal_words(answer)
    if answer.value is not None:
        return f"r* = {words}"
    bounded = answer.verdict in {"above_largest", "at_or_below_smallest"}
    return f"r* {words}" if bounded else f"no rank: {words}"


def _draw_line(ax: Axes, spots: list[Spot], style: Mapping[str, Any], *, zorder: float) -> None:
    ranks, shares = [spot.rank for spot in spots], [100 * spot.mean for spot in spots]
    ax.plot(ranks, shares, zorder=zorder, **style)


def _set_axes(ax: Axes, curves: Mapping[str, list[Spot]]) -> None:
    """Limits that all panels share: what is measured or published, from a guess at the least."""
    shown = [spot for spots in curves.values() for spot in spots]
    shown += [
        spot
        for kind in KINDS
        if kind.published.guess is not None
        for spot in published_spots(kind.published)
    ]
    lowest = min(100 * spot.mean for spot in shown)
    ends = [100 * spot.high + 1 for spots in curves.values() for spot in spots]
    ax.set_ylim(max(-10.0, lowest - 6.0), min(150.0, max([104.0, *ends])))
    ax.set_xscale("log", base=2)
    largest = max(spot.rank for spot in shown)
    ax.set_xlim(0.8, 1.25 * largest)
    ax.set_xticks([tick for tick in TICKS if tick <= largest])
    ax.xaxis.set_major_formatter(lambda rank, _: f"{rank:g}")
    ax.minorticks_off()


def _handles() -> list[Line2D]:
    return [
        Line2D([], [], label="measured, with its interval", **_MEASURED),
        Line2D([], [], label="published", **_PUBLISHED),
        Line2D([], [], label="the other tasks", **_OTHERS),
        Line2D([], [], label=f"{100 * float(TARGET):g} % of full training", **_TARGET),
    ]
