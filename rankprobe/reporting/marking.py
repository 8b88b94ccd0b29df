"""A rank marked in the strip below a figure's data, with its interval and its words."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.text import Text

from rankprobe.reporting.placing import STRIP, at_height, pixels, text_size
from rankprobe.reporting.style import NORMAL, VERMILLION

_ROW = 0.5 * STRIP
_AIR = 7.0  # points between the mark and its words


def mark_rank(
    ax: Axes, value: int | None, low: int | None, high: int | None, *, height: float | None = None
) -> Text:
    """Mark a rank and its interval in the strip; an open side runs to the edge of the axes.

    Args:
        ax: Axes whose limits are set.
        value: The rank; ``None`` marks the interval alone.
        low: Lower end; ``None`` when open.
        high: Upper end; ``None`` when open; nothing is drawn when both are.
        height: Where the rank meets the data, in data units: a thin line leads there.

    Returns:
        A text for `place_words`, empty as yet.
    """
    style: dict[str, Any] = {"transform": at_height(ax), "color": VERMILLION, "zorder": 4.0}
    if (extent := _extent(ax, low, high)) is not None:
        ax.plot(extent, [_ROW, _ROW], linewidth=2.0, solid_capstyle="butt", **style)
        for end, limit, marker in zip(extent, (low, high), "<>", strict=True):
            ax.plot(
                [end],
                [_ROW],
                linestyle="none",
                marker="|" if limit is not None else marker,
                markersize=7,
                markeredgewidth=1.6 if limit is not None else 0.0,
                clip_on=False,
                **style,
            )
    if value is not None:
        if height is not None:
            bottom, top = ax.get_ylim()
            lead = [_ROW, (height - bottom) / (top - bottom)]
            ax.plot([value] * 2, lead, linewidth=0.9, linestyle=":", **style)
        ax.plot([value], [_ROW], marker="D", markersize=6.5, **style)
    return ax.text(0, 0, "", fontsize=NORMAL, fontweight="bold", va="center", zorder=5)


def place_words(
    ax: Axes,
    words: Text,
    lines: tuple[str, str],
    low: int | None,
    high: int | None,
    *,
    bracketed: bool,
) -> None:
    """Write two lines right of a mark, else left of it, else in one line above it.

    Args:
        ax: Axes whose layout is settled.
        words: From `mark_rank`.
        lines: What to write.
        low: Lower end of the marked interval.
        high: Its upper end.
        bracketed: In one line the second goes into brackets.
    """
    frame = ax.get_window_extent()
    width = text_size(ax, "\n".join(lines), NORMAL, "bold")[0]
    air = pixels(ax, _AIR)
    extent = _extent(ax, low, high) or (ax.get_xlim()[0],) * 2
    start, end = (float(ax.transData.transform((x, 1.0))[0]) for x in extent)
    if end + air + width <= frame.x1:
        left, height, text = end + air, _ROW, "\n".join(lines)
    elif start - air - width >= frame.x0:
        left, height, text = start - air - width, _ROW, "\n".join(lines)
    else:
        text = f"{lines[0]} ({lines[1]})" if bracketed else " ".join(lines)
        room = frame.x1 - text_size(ax, text, NORMAL, "bold")[0]
        left, height = max(frame.x0, min((start + end) / 2, room)), 0.84 * STRIP
        words.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1.0})
    words.set_text(text)
    words.set_transform(ax.transAxes)
    words.set_position(((left - frame.x0) / frame.width, height))


def _extent(ax: Axes, low: int | None, high: int | None) -> tuple[float, float] | None:
    if low is None and high is None:
        return None
    left, right = ax.get_xlim()
    return (
        left if low is None else min(max(left, low), right),
        right if high is None else max(min(right, high), left),
    )
