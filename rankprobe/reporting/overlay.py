"""The figure of several measurements: recovery against rank, one line a task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rankprobe.errors import ArtifactError
from rankprobe.records import Point, Result
from rankprobe.reporting.placing import (
    add_title,
    at_height,
    beside,
    data_limits,
    fill_title,
    finite,
    keep_above,
    label_ranks,
    mark_cuts,
    set_metric_axis,
    set_rank_axis,
)
from rankprobe.reporting.style import (
    CYCLE,
    GREY,
    INK,
    LINES,
    MARKERS,
    NORMAL,
    SMALL,
    VERMILLION,
    new_axes,
    printable,
    settle,
    styled,
)
from rankprobe.reporting.wording import minimal_words, percent, target_label, target_share

_WIDTH = 300.0  # points that the axes are wide, roughly
_STEP, _SPREAD = 3.0, 9.0  # points between tasks at one rank, and between the outermost at most
_LANE = 0.042  # height of one task's lane in the strip, as a share of the axes


def plot_results(
    results: Sequence[Result],
    *,
    names: Sequence[str] | None = None,
    warning: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw recovery against rank for several tasks, their minimal ranks in lanes below.

    A task in which nothing was learned has no recovery; it stands in the legend alone.

    Args:
        results: One or more finished measurements.
        names: What to call them; by default their tasks' names.
        warning: What the reader must not miss, above the axes.
        ax: Axes to draw on; without them a figure is made.

    Returns:
        The axes; ``.figure`` is the figure.

    Raises:
        ArtifactError: There are no results.
    """
    if not results:
        raise ArtifactError("there are no results to draw; give at least one")
    with styled():
        own = ax is None
        count = len(results)
        ax = new_axes(7.2, max(4.2 + 0.09 * count, 0.7 + 0.36 * count)) if ax is None else ax
        drawn = [result for result in results if _has_signal(result)]
        ranks = sorted({point.rank for result in drawn or results for point in result.points})
        lanes = [result for result in drawn if _is_placed(result)]
        strip = min(0.5, max(0.12, 0.03 + _LANE * len(lanes))) if lanes else 0.03
        _set_axes(ax, drawn, ranks, strip)
        targets = {target_share(result) for result in results}
        if len(targets) == 1:
            ax.axhline(min(targets), color=INK, linewidth=1.0, linestyle=(0, (5, 2.5)), zorder=1)
        ax.axhline(1.0, color=INK, linewidth=0.8, zorder=0.9)
        title = add_title(ax, 8.0) if warning else None
        if not drawn:
            _say_nothing_learned(ax, strip)
        handles = []
        called = _names(results) if names is None else [printable(name, 34) for name in names]
        shifts = iter(_shifts(ranks, len(drawn)))
        heights = (strip * (1 - (lane + 0.7) / (len(lanes) + 0.4)) for lane in range(len(lanes)))
        for index, (result, name) in enumerate(zip(results, called, strict=True)):
            line = _style(index)
            if _has_signal(result):
                _draw_task(ax, result.points, line, strip, next(shifts))
                if _is_placed(result):
                    _draw_lane(ax, result, next(heights), line)
            else:
                line.set(linestyle="none", marker="none")
            line.set_label(f"{name}\n{_answer(result, several_targets=len(targets) > 1)}")
            handles.append(line)
        if len(targets) == 1:
            label = f"target: {target_label(results[0])}"
            handles.append(Line2D([], [], color=INK, linewidth=1.0, linestyle="--", label=label))
        _draw_legend(ax, handles)
        if lanes:
            _name_lanes(ax, strip)
        settle(ax, freeze=own)
        if title is not None:
            title.set(color=VERMILLION, fontsize=NORMAL)
            fill_title(title, printable(warning, 200))
        named = [r.minimal_rank.value for r in drawn if r.minimal_rank.value is not None]
        label_ranks(ax, ranks, dict.fromkeys(named))
    return ax


def _has_signal(result: Result) -> bool:
    """Where full training beats chance; elsewhere recovery is a ratio of noise."""
    return result.minimal_rank.verdict != "no_signal"


def _is_placed(result: Result) -> bool:
    """Whether there is a limit of the minimal rank to draw."""
    return (result.minimal_rank.low, result.minimal_rank.high) != (None, None)


def _shifts(ranks: Sequence[int], count: int) -> list[float]:
    """Points by which tasks stand beside their ranks, so that no interval hides another.

    They stay nearer to their own rank than to the next one.
    """
    if count < 2:
        return [0.0] * count
    octaves = np.log2(ranks)
    gap = _WIDTH * np.diff(octaves).min() / np.ptp(octaves) if len(ranks) > 1 else _WIDTH
    step = min(_STEP, _SPREAD / (count - 1), 0.7 * gap / (count - 1))
    return [float(step * (index - (count - 1) / 2)) for index in range(count)]


def _say_nothing_learned(ax: Axes, strip: float) -> None:
    """Why the axes are empty, in their middle."""
    ax.text(
        0.5,
        (1 + strip) / 2,
        "no recovery to draw:\nfull training does not beat chance",
        transform=ax.transAxes,
        ha="center",
        va="center",
        fontsize=SMALL,
        color=GREY,
    )


def _draw_legend(ax: Axes, handles: Sequence[Line2D]) -> None:
    """Tasks with their answers right of the axes."""
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0.0,
        labelspacing=0.8,
        fontsize=SMALL,
    )


def _name_lanes(ax: Axes, strip: float) -> None:
    """What the lanes are, left of them."""
    ax.text(
        -0.02,
        strip / 2,
        "minimal\nranks",
        transform=ax.transAxes,
        ha="right",
        va="center",
        fontsize=SMALL,
        color=GREY,
    )


def _set_axes(ax: Axes, drawn: Sequence[Result], ranks: Sequence[int], strip: float) -> None:
    points = [point for result in drawn for point in result.points]
    core = [*finite([point.recovery.mean for point in points]), 1.0]
    if not drawn:
        core.append(0.0)  # a single value has no range to choose ticks from
    core += [target_share(result) for result in drawn]
    ends = finite([end for p in points for end in (p.recovery.low, p.recovery.high)])
    # A curve far below the floor says nothing more than one at the floor.
    low, high = data_limits([max(c, -0.1) for c in core], [max(e, -0.1) for e in ends], [])
    set_metric_axis(ax, low, high, strip=strip)
    ax.yaxis.set_major_formatter(lambda share, _: percent(round(share, 6)))
    set_rank_axis(ax, ranks)
    over = {"chance": "'s gain over chance", "head": "'s gain over the head alone"}
    words = {over.get(result.floor, "") for result in drawn}
    words_of_axis = "recovery of full training" + (words.pop() if len(words) == 1 else "")
    ax.set_ylabel(words_of_axis, y=(1 + strip) / 2)  # beside the data, above the lanes' name


def _style(index: int) -> Line2D:
    """Colour, marker and line style together tell tasks apart, in grey as well."""
    return Line2D(
        [],
        [],
        color=CYCLE[index % len(CYCLE)],
        marker=MARKERS[(index + index // len(CYCLE)) % len(MARKERS)],
        linestyle=LINES[index % len(LINES)],
        linewidth=1.3,
        markersize=5.0,
        markeredgecolor="white",
        markeredgewidth=0.6,
    )


def _draw_task(ax: Axes, points: Sequence[Point], line: Line2D, strip: float, shift: float) -> None:
    place = ax.transData + beside(ax, shift)
    kept = [p for p in points if finite([p.recovery.mean])]
    ranks = [p.rank for p in kept]
    lines = ax.plot(
        ranks,
        [p.recovery.mean for p in kept],
        color=line.get_color(),
        marker=line.get_marker(),
        linestyle=line.get_linestyle(),
        linewidth=1.3,
        markersize=5.0,
        markeredgecolor="white",
        markeredgewidth=0.6,
        transform=place,
        zorder=3,
    )
    for point in kept:
        ends = finite([point.recovery.low, point.recovery.high])
        lines += ax.plot(
            [point.rank] * len(ends),
            ends,
            color=line.get_color(),
            linewidth=0.9,
            transform=place,
            zorder=2,
        )
    keep_above(ax, strip, *lines)
    cut = [(p.rank, e) for p in kept for e in finite([p.recovery.low, p.recovery.high])]
    mark_cuts(ax, strip, cut, shift=shift, color=line.get_color(), zorder=2)


def _draw_lane(ax: Axes, result: Result, height: float, line: Line2D) -> None:
    """The minimal rank with its interval; an open side runs to the edge of the axes."""
    minimal, transform = result.minimal_rank, at_height(ax)
    left, right = ax.get_xlim()
    ends = (minimal.low or left, minimal.high or right)
    ax.plot(ends, [height] * 2, color=line.get_color(), linewidth=1.6, transform=transform)
    arrows = [(left, "<")] * (minimal.low is None) + [(right, ">")] * (minimal.high is None)
    marks = arrows if minimal.value is None else [*arrows, (minimal.value, str(line.get_marker()))]
    for rank, marker in marks:
        ax.plot(
            [rank],
            [height],
            marker=marker,
            markersize=6.0,
            color=line.get_color(),
            transform=transform,
            clip_on=False,
            zorder=4,
        )


def _answer(result: Result, *, several_targets: bool) -> str:
    if not _is_placed(result) and result.minimal_rank.value is None:
        return f"no minimal rank: {minimal_words(result.minimal_rank)}"
    at = "" if result.epsilon is not None else "at "
    where = f" {at}{target_label(result)}" if several_targets else ""
    return f"minimal rank{where}: {minimal_words(result.minimal_rank)}"


def _names(results: Sequence[Result]) -> list[str]:
    """Task names, with the run folder where two tasks share a name."""
    counts = Counter(result.task.name for result in results)
    return [
        f"{printable(result.task.name, 24)} ({printable(result.folder.name, 16)})"
        if counts[result.task.name] > 1 and result.folder is not None
        else printable(result.task.name, 34)
        for result in results
    ]
