"""Where things go on a figure: limits, rank ticks, and labels that do not overlap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.markers import CARETDOWN, CARETUP
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation, Transform, blended_transform_factory
from numpy.typing import ArrayLike

from rankprobe.records.bounds import bounds_of
from rankprobe.reporting.style import GREY, INK, LARGE, SMALL

STRIP = 0.19  # share of the height, below all data, that names the minimal rank
_GAP = 3.0  # points between neighbouring labels


@dataclass(frozen=True)
class EdgeLabel:
    """A label in the right margin for something at a height of the axes.

    Attributes:
        y: Height in data units; outside the limits it is named with an arrow.
        text: One or two short lines.
        colour: Of the text and its leader.
    """

    y: float
    text: str
    colour: str = INK


def finite(values: Iterable[float | None]) -> list[float]:
    """The numbers among the values: a failed repeat has none."""
    return [float(v) for v in values if v is not None and math.isfinite(v)]


def data_limits(
    core: Sequence[float], spread: Sequence[float], asides: Sequence[float]
) -> tuple[float, float]:
    """Limits that show what the figure is about and are not squashed by what is far away.

    Args:
        core: Values that must be inside: scores, means, target.
        spread: Limits of intervals: inside, unless they would more than double the range.
        asides: Chance and the like: inside when they are close by.
    """
    low, high = min(core), max(core)
    span = max(high - low, 1e-3 * abs(high), 1e-9)
    low = max(min([low, *spread]), low - span / 2)
    high = min(max([high, *spread]), high + span / 2)
    reach = 0.35 * (high - low)
    near = [value for value in asides if low - reach <= value <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    pad = 0.05 * max(high - low, span)
    return low - pad, high + pad


def score_limits(
    metric: str, core: Sequence[float], spread: Sequence[float], asides: Sequence[float]
) -> tuple[float, float]:
    """`data_limits` of scores: beyond the ends of what scores can be there is only a little air."""
    low, high = data_limits(core, spread, asides)
    smallest, largest = bounds_of(metric)
    air = 0.03 * (high - low)
    return max(low, min([smallest - air, *core])), min(high, max([largest + air, *core]))


def set_metric_axis(ax: Axes, low: float, high: float, *, strip: float) -> None:
    """Limits, ticks and spine of the y axis; the strip below the data carries no ticks."""
    ax.set_ylim(low - (high - low) * strip / (1 - strip), high)
    ticks = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    ax.set_yticks([tick for tick in ticks if low <= tick <= high])
    ax.spines["left"].set_bounds(low, high)


def set_rank_axis(ax: Axes, ranks: Sequence[int]) -> None:
    """A log2 axis over the measured ranks, with a little air on both sides."""
    octaves = math.log2(max(ranks) / min(ranks))
    air = 2 ** (0.25 + 0.04 * octaves)
    ax.set_xscale("log", base=2)
    ax.set_xlim(min(ranks) / air, max(ranks) * air)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda rank, _: f"{rank:g}"))
    ax.xaxis.set_major_locator(FixedLocator(sorted(set(ranks))))
    ax.set_xlabel("adapter rank")


def label_ranks(ax: Axes, ranks: Iterable[int], first: Iterable[int]) -> None:
    """Label ranks as plain integers while there is room; the others keep a short tick.

    Args:
        ax: Axes whose size is settled.
        ranks: Measured ranks.
        first: Ranks to label before all others; powers of two come next.
    """
    measured = sorted(set(ranks))
    powers = [2**k for k in range(31) if measured[0] <= 2**k <= measured[-1]]
    order = dict.fromkeys([*first, measured[0], measured[-1], *powers, *measured])
    taken: list[tuple[float, float]] = []
    labelled = []
    for rank in order:
        centre = float(ax.transData.transform((rank, 1.0))[0])
        half = text_size(ax, str(rank), SMALL)[0] / 2 + pixels(ax, _GAP)
        if all(centre + half <= left or right <= centre - half for left, right in taken):
            taken.append((centre - half, centre + half))
            labelled.append(rank)
    ax.xaxis.set_major_locator(FixedLocator(sorted(labelled)))
    ax.xaxis.set_minor_locator(FixedLocator([r for r in measured if r not in labelled]))
    ax.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))


def pixels(ax: Axes, points: float) -> float:
    """A length in points as pixels of this figure."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return points * figure.dpi / 72


def text_size(ax: Axes, text: str, size: float, weight: str = "normal") -> tuple[float, float]:
    """Width and height in pixels of a text on this figure."""
    probe = ax.text(0, 0, text, fontsize=size, fontweight=weight)
    box = probe.get_window_extent()
    probe.remove()
    return float(box.width), float(box.height)


def add_edge_labels(ax: Axes, labels: Sequence[EdgeLabel]) -> list[Text]:
    """Put labels in the right margin, so that a layout engine can make room for them."""
    low, high = ax.get_ylim()
    texts = []
    for label in sorted(labels, key=lambda label: label.y):
        arrow = "↓ " if label.y < low else "↑ " if label.y > high else ""
        texts.append(
            ax.text(
                1.04,
                min(max((label.y - low) / (high - low), 0.0), 1.0),
                arrow + label.text,
                transform=ax.transAxes,
                va="center",
                fontsize=SMALL,
                color=label.colour,
                linespacing=1.15,
            )
        )
    return texts


def spread_edge_labels(ax: Axes, texts: Sequence[Text]) -> None:
    """Move labels of the right margin apart, and lead each back to its own height."""
    height = ax.get_window_extent().height
    wished = np.array([text.get_position()[1] for text in texts]) * height
    heights = np.array([text.get_window_extent().height + pixels(ax, _GAP) for text in texts])
    for text, wish, centre in zip(
        texts, wished, spread(wished, heights, 0.0, float(height)), strict=True
    ):
        text.set_y(centre / height)
        if not text.get_text().startswith(("↓", "↑")):
            ax.plot(
                [1.0, 1.03],
                [wish / height, centre / height],
                transform=ax.transAxes,
                color=GREY,
                linewidth=0.6,
                clip_on=False,
            )


def spread(centres: ArrayLike, heights: ArrayLike, low: float, high: float) -> list[float]:
    """Centres moved as little as possible (least squares) so that boxes do not overlap.

    Pool-adjacent-violators on the centres less their cumulated heights. Boxes that cannot all
    fit between ``low`` and ``high`` run over ``low``.
    """
    order = np.argsort(centres, kind="stable")
    size = np.asarray(heights, dtype=float)[order]
    offset = np.cumsum(size) - size / 2
    pools: list[tuple[float, int]] = []
    for value in np.asarray(centres, dtype=float)[order] - offset:
        pools.append((float(value), 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, n), (b, m) = pools[-2:]
            pools[-2:] = [((a * n + b * m) / (n + m), n + m)]
    level = np.concatenate([np.full(n, value) for value, n in pools]) if pools else np.empty(0)
    placed = np.minimum(np.maximum(level, low), high - size.sum()) + offset
    result = np.empty(len(order))
    result[order] = placed
    return [float(value) for value in result]


def add_title(ax: Axes, pad: float) -> Text:
    """A left title that takes its height now and its words once the layout is settled.

    A layout engine that saw a very long name would leave no room for the axes.
    """
    return ax.set_title(" ", loc="left", fontsize=LARGE, fontweight="bold", pad=pad)


def fill_title(title: Text, words: str) -> None:
    """Write a title, shortened until it ends inside its figure."""
    figure = title.get_figure(root=True)
    assert figure is not None
    title.set_text(words)
    # Letters are a little wider or narrower at the resolution of a file.
    room = 0.985 * figure.bbox.x1
    while title.get_window_extent().x1 > room and len(title.get_text()) > 2:
        title.set_text(title.get_text().rstrip("…")[:-1].rstrip() + "…")


def keep_above(ax: Axes, strip: float, *artists: Artist) -> None:
    """Clip artists at the strip: an interval that leaves the limits ends there."""
    for artist in artists:
        artist.set_clip_path(Rectangle((0, strip), 1, 1 - strip, transform=ax.transAxes))


def mark_cuts(
    ax: Axes, strip: float, ends: Sequence[tuple[float, float]], *, shift: float = 0.0, **style: Any
) -> None:
    """A caret at the edge of the data where an interval goes on beyond it.

    Args:
        ax: Axes whose limits are set.
        strip: Share of the height below the data.
        ends: (rank, end of an interval) each.
        shift: Points by which the intervals are drawn beside their ranks.
        **style: Of the carets, such as their colour.
    """
    bottom, high = ax.get_ylim()
    low = bottom + strip * (high - bottom)
    for marker, edge, ranks in (
        (CARETDOWN, strip, [rank for rank, end in ends if end < low]),
        (CARETUP, 1.0, [rank for rank, end in ends if end > high]),
    ):
        if ranks:
            ax.plot(
                ranks,
                [edge] * len(ranks),
                transform=at_height(ax) + beside(ax, shift),
                marker=marker,
                linestyle="none",
                markersize=5.0,
                markeredgewidth=0.0,
                clip_on=False,
                **style,
            )


def beside(ax: Axes, points: float) -> Transform:
    """A shift to the right by points, to be added to another transform."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return ScaledTranslation(points / 72, 0, figure.dpi_scale_trans)


def at_height(ax: Axes) -> Transform:
    """X in data units, y as a share of the axes' height."""
    return blended_transform_factory(ax.transData, ax.transAxes)
