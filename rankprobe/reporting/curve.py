"""The figure of a measurement: the metric against the adapter rank."""

from __future__ import annotations

import math
import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.text import Text

from rankprobe.records import Baseline, Point, Result
from rankprobe.reporting.marking import mark_rank, place_words
from rankprobe.reporting.placing import (
    STRIP,
    EdgeLabel,
    add_edge_labels,
    add_title,
    beside,
    fill_title,
    finite,
    keep_above,
    label_ranks,
    mark_cuts,
    score_limits,
    set_metric_axis,
    set_rank_axis,
    spread_edge_labels,
)
from rankprobe.reporting.style import (
    BLUE,
    GREY,
    INK,
    VERMILLION,
    new_axes,
    printable,
    settle,
    styled,
)
from rankprobe.reporting.verdicts import figure_words
from rankprobe.reporting.wording import metric_name, percent, score_text, target_score, target_words

_FAINT: dict[str, Any] = {
    "linestyle": "none",
    "marker": "o",
    "markersize": 3.4,
    "markerfacecolor": "none",
    "markeredgecolor": GREY,
    "markeredgewidth": 0.6,
    "alpha": 0.75,
    "zorder": 2.0,
}


def plot_curve(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the metric against rank, with the minimal rank marked and named.

    Shown are each rank's mean with its interval, every repeat, the fitted curve with its
    band, full training with its interval, the target, and, in the margin, the head alone and
    chance, which move the limits only when they are close.

    Args:
        result: A finished measurement.
        ax: Axes to draw on; without them a figure of 6.6 by 4.2 inches is made.

    Returns:
        The axes; ``.figure`` is the figure.
    """
    with styled():
        own = ax is None
        ax = new_axes(6.6, 4.2) if ax is None else ax
        _set_axes(ax, result)
        _draw_references(ax, result)
        _draw_points(ax, result)
        _draw_fit(ax, result)
        labels = add_edge_labels(ax, _edge_labels(result))
        minimal = result.minimal_rank
        ends = (minimal.low, minimal.high)
        words = mark_rank(ax, minimal.value, *ends, height=target_score(result))
        title = _draw_heading(ax)
        settle(ax, freeze=own)
        fill_title(title, printable(result.task.name))
        spread_edge_labels(ax, labels)
        label_ranks(ax, [p.rank for p in result.points], _named_ranks(result))
        bracketed = minimal.value is not None
        place_words(ax, words, figure_words(result), *ends, bracketed=bracketed)
    return ax


def _has_target(result: Result) -> bool:
    """Without a signal there is nothing to recover, so no height that a rank must reach."""
    return result.minimal_rank.verdict != "no_signal"


def _set_axes(ax: Axes, result: Result) -> None:
    core = finite([p.mean for p in result.points] + [result.baseline.mean])
    core += finite(score for point in result.points for score in point.scores)
    core += finite(result.baseline.scores)
    core.append(target_score(result) if _has_target(result) else result.chance_score)
    measured: list[Point | Baseline] = [*result.points, result.baseline]
    limits = [limit for item in measured for limit in (item.low, item.high)]
    asides = finite([result.head_score, result.chance_score])
    edges = score_limits(result.task.metric, core, finite(limits), asides)
    set_metric_axis(ax, *edges, strip=STRIP)
    set_rank_axis(ax, [point.rank for point in result.points])
    hint = "" if result.higher_is_better else " (lower is better)"
    ax.set_ylabel(f"test {metric_name(result.task.metric)}{hint}")


def _draw_references(ax: Axes, result: Result) -> None:
    baseline = result.baseline
    low, high = finite([baseline.low]), finite([baseline.high])
    if low and high:
        band = ax.axhspan(low[0], high[0], facecolor=GREY, alpha=0.22, linewidth=0, zorder=0.5)
        keep_above(ax, STRIP, band)
    ax.axhline(baseline.mean, color=INK, linewidth=1.1, zorder=1)
    ax.plot(
        [0.985] * len(finite(baseline.scores)),
        finite(baseline.scores),
        transform=ax.get_yaxis_transform(),
        **_FAINT,
    )
    if _has_target(result):
        ax.axhline(
            target_score(result), color=VERMILLION, linewidth=1.2, linestyle=(0, (5, 2.5)), zorder=1
        )
    bottom = ax.spines["left"].get_bounds()[0]
    for score, style in ((result.head_score, (0, (1, 1.5))), (result.chance_score, (0, (1, 4)))):
        if score is not None and score >= bottom:
            ax.axhline(score, color=GREY, linewidth=1.0, linestyle=style, zorder=0.8)


def _draw_fit(ax: Axes, result: Result) -> None:
    curve = result.curve
    if not curve.ranks:
        return
    if len(curve.low) == len(curve.ranks):
        band = ax.fill_between(
            curve.ranks, curve.low, curve.high, color=BLUE, alpha=0.16, linewidth=0, zorder=1.2
        )
        keep_above(ax, STRIP, band)
    lines = ax.plot(
        curve.ranks, curve.mean, color=BLUE, linewidth=1.3, zorder=1.5, label="fitted curve"
    )
    keep_above(ax, STRIP, *lines)


def _draw_points(ax: Axes, result: Result) -> None:
    points = result.points
    repeats = [(p.rank, score) for p in points for score in finite(p.scores)]
    # Left of the mean: on it, the interval would hide them.
    ax.plot(
        [rank for rank, _ in repeats],
        [score for _, score in repeats],
        transform=ax.transData + beside(ax, -4.5),
        label="one repeat",
        **_FAINT,
    )
    below = [max(0.0, p.mean - _or(p.low, p.mean)) for p in points]
    above = [max(0.0, _or(p.high, p.mean) - p.mean) for p in points]
    bars = ax.errorbar(
        [p.rank for p in points],
        [p.mean for p in points],
        yerr=[below, above],
        linestyle="none",
        marker="o",
        markersize=5.5,
        markeredgecolor="white",
        markeredgewidth=0.7,
        color=BLUE,
        elinewidth=1.2,
        capsize=2.2,
        zorder=3,
        label=f"mean, {percent(result.minimal_rank.confidence)} interval",
    )
    keep_above(ax, STRIP, *bars[1], *bars[2])
    ends = [(p.rank, end) for p in points for end in finite([p.low, p.high])]
    mark_cuts(ax, STRIP, ends, color=BLUE, zorder=3)


def _edge_labels(result: Result) -> list[EdgeLabel]:
    """What the margin names: full training, the target, the head alone, chance."""
    baseline = result.baseline.mean
    named = [("full training", baseline, INK)]
    if _has_target(result):
        words = "\n".join(textwrap.wrap(target_words(result), 24)) + "\n"
        named.append((words, target_score(result), VERMILLION))
    if result.head_score is not None:
        named.append(("no adapter\n(rank 0)", result.head_score, GREY))
    named.append(("chance", result.chance_score, GREY))
    return [
        EdgeLabel(score, f"{words} {score_text(result, score, digits=3)}".replace("\n ", "\n"), ink)
        for words, score, ink in named
        if math.isfinite(score)
    ]


def _named_ranks(result: Result) -> list[int]:
    minimal = result.minimal_rank
    return [minimal.value] if minimal.value is not None else []


def _draw_heading(ax: Axes) -> Text:
    """Room for the task's name, and under it the legend in one row, all above the axes."""
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles[::-1],
        labels[::-1],
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.01),
        ncol=len(handles),
        borderaxespad=0.0,
        borderpad=0.2,
        handletextpad=0.5,
        columnspacing=1.4,
    )
    return add_title(ax, pad=24)


def _or(value: float | None, default: float) -> float:
    return default if value is None or not math.isfinite(value) else value
