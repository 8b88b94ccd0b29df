"""The figure of a transition: both scores against rank, and where they meet."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from rankprobe.records import Interval
from rankprobe.records.transition import Transition
from rankprobe.reporting.marking import mark_rank, place_words
from rankprobe.reporting.placing import (
    STRIP,
    add_title,
    fill_title,
    finite,
    keep_above,
    label_ranks,
    score_limits,
    set_metric_axis,
    set_rank_axis,
)
from rankprobe.reporting.style import (
    BLUE,
    GREEN,
    VERMILLION,
    new_axes,
    printable,
    settle,
    styled,
)
from rankprobe.reporting.transition_words import answer_words
from rankprobe.reporting.wording import clean, metric_name, percent


def plot_transition(transition: Transition, *, ax: Axes | None = None) -> Axes:
    """Draw both scores with their intervals, the share to be reached, and the transition rank.

    Args:
        transition: From `rankprobe.transition`.
        ax: Axes to draw on; without them a figure of 6.6 by 4.2 inches is made.

    Returns:
        The axes; ``.figure`` is the figure.
    """
    ends = (transition.low, transition.high)
    ranks = [point.rank for point in transition.points]
    static = [point.static for point in transition.points]
    resampled = [point.resampled for point in transition.points]
    asked = [_asked(transition, score.mean) for score in static]
    with styled():
        own = ax is None
        ax = new_axes(6.6, 4.2) if ax is None else ax
        _set_axes(ax, transition, [*static, *resampled], asked)
        _draw(ax, ranks, static, colour=BLUE, marker="o", line="-", label=transition.static)
        _draw(ax, ranks, resampled, colour=GREEN, marker="s", line="-.", label=transition.resampled)
        words = f"{percent(transition.share)} of {clean(transition.static)}"
        if transition.floor != "none":
            words += "'s gain"
        lines = ax.plot(ranks, asked, color=VERMILLION, linewidth=1.2, linestyle=(0, (5, 2.5)))
        lines[0].set_label(printable(words, 44))
        keep_above(ax, STRIP, *lines)
        reached = [y for rank, y in zip(ranks, asked, strict=True) if rank == transition.value]
        text = mark_rank(ax, transition.value, *ends, height=reached[0] if reached else None)
        ax.legend(
            loc="lower left", bbox_to_anchor=(-0.01, 1.01), ncol=3, borderaxespad=0.0, borderpad=0.2
        )
        title = add_title(ax, pad=24)
        settle(ax, freeze=own)
        fill_title(title, printable(transition.task))
        label_ranks(ax, ranks, [] if transition.value is None else [transition.value])
        bracketed = transition.verdict == "resolved"
        place_words(ax, text, answer_words(transition), *ends, bracketed=bracketed)
    return ax


def _asked(transition: Transition, score: float) -> float:
    """The score that a rank has to reach beside this one of the static scaffold."""
    return transition.floor_score + transition.share * (score - transition.floor_score)


def _set_axes(
    ax: Axes, transition: Transition, scores: Sequence[Interval], asked: Sequence[float]
) -> None:
    core = finite([*(score.mean for score in scores), *asked])
    ends = finite(end for score in scores for end in (score.low, score.high))
    set_metric_axis(ax, *score_limits(transition.metric, core, ends, []), strip=STRIP)
    set_rank_axis(ax, [point.rank for point in transition.points])
    hint = "" if transition.higher_is_better else " (lower is better)"
    ax.set_ylabel(f"test {metric_name(transition.metric)}{hint}")


def _draw(
    ax: Axes,
    ranks: Sequence[int],
    scores: Sequence[Interval],
    *,
    colour: str,
    marker: str,
    line: str,
    label: str,
) -> None:
    means = [score.mean for score in scores]
    below = [max(0.0, s.mean - s.low) if math.isfinite(s.low) else 0.0 for s in scores]
    above = [max(0.0, s.high - s.mean) if math.isfinite(s.high) else 0.0 for s in scores]
    bars = ax.errorbar(
        ranks,
        means,
        yerr=[below, above],
        linestyle=line,
        linewidth=1.3,
        marker=marker,
        markersize=5.5,
        markeredgecolor="white",
        markeredgewidth=0.7,
        color=colour,
        elinewidth=1.2,
        capsize=2.2,
        zorder=3,
        label=printable(label, 30),
    )
    keep_above(ax, STRIP, bars[0], *bars[1], *bars[2])
