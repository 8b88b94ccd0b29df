"""The figure of learning-rate sensitivity: validation metric by rank and rate."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from rankprobe.records import Rate, Result
from rankprobe.reporting.placing import add_title, fill_title, text_size
from rankprobe.reporting.style import (
    BLUE,
    GREY,
    INK,
    SMALL,
    VERMILLION,
    new_axes,
    printable,
    settle,
    styled,
)
from rankprobe.reporting.wording import (
    metric_name,
    percent,
    rank_text,
    rate_text,
    score_text,
)

_DEEPEST = 0.25  # shortfalls beyond this share of full training's gain are drawn alike
# Small shortfalls are the ones that decide between rates: the square root spreads them.
_DEPTH = PowerNorm(0.5, vmin=0.0, vmax=_DEEPEST)
_SHADES = LinearSegmentedColormap.from_list("shortfall", [BLUE, "#FFFFFF"])


def plot_rates(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the validation metric of every rank and learning rate tried, as a table of shades.

    Numbers are validation scores. The shade says how far a rate falls below the best rate of
    its own rank, as a share of full training's gain over chance, so that low ranks are not
    merely pale. The chosen rate is framed; a rate at which every training failed is hatched.

    Args:
        result: A finished measurement.
        ax: Axes to draw on; without them a figure as large as the table needs is made.

    Returns:
        The axes; ``.figure`` is the figure.
    """
    with styled():
        ranks = sorted({r.rank for r in result.rates}, key=lambda r: math.inf if r is None else r)
        rates = sorted({rate.learning_rate for rate in result.rates})
        own = ax is None
        if ax is None:
            width = min(max(2.1 + 0.62 * len(rates), 4.6), 10.0)
            ax = new_axes(width, 1.5 + 0.28 * max(len(ranks), 3))
        title = add_title(ax, pad=20)
        if result.rates:
            _draw_shades(ax, _shortfalls(result, ranks, rates))
            _set_axes(ax, result, ranks, rates)
        else:
            ax.set_axis_off()
            ax.text(0.0, 0.5, "the learning rate was fixed, not tuned", transform=ax.transAxes)
        settle(ax, freeze=own)
        fill_title(title, f"Learning rates: {printable(result.task.name)}")
        _draw_cells(ax, result, ranks, rates)
    return ax


def _shortfalls(result: Result, ranks: list[int | None], rates: list[float]) -> NDArray[np.float64]:
    """How far each cell is below its row's best, over full training's gain; NaN without score."""
    scores = np.full((len(ranks), len(rates)), np.nan)
    for rate in result.rates:
        if not _failed(rate):
            scores[ranks.index(rate.rank), rates.index(rate.learning_rate)] = rate.validation
    sign = 1.0 if result.higher_is_better else -1.0
    scored = np.where(np.isnan(scores), -np.inf, sign * scores)
    gain = abs(result.baseline.mean - result.chance_score) or 1.0
    best = scored.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        shortfall: NDArray[np.float64] = (best - sign * scores) / gain
    return shortfall


def _draw_shades(ax: Axes, shortfalls: NDArray[np.float64]) -> None:
    ax.set_facecolor("#F4F4F4")
    deepest = float(np.nanmax(shortfalls, initial=0.0))
    picture = ax.imshow(
        np.ma.masked_invalid(shortfalls),
        cmap=_SHADES,
        norm=_DEPTH,
        aspect="auto",
        interpolation="nearest",
    )
    figure = ax.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(
        picture, ax=ax, pad=0.03, aspect=14, extend="max" if deepest > _DEEPEST else "neither"
    )
    bar.set_ticks([0.0, 0.01, 0.05, 0.1, 0.25])
    bar.ax.set_yticklabels([percent(tick).removesuffix(" %") for tick in bar.get_ticks()])
    bar.ax.invert_yaxis()
    bar.set_label("below the rank's best,\n% of full training's gain", fontsize=SMALL)
    bar.outline.set_linewidth(0.6)


def _set_axes(ax: Axes, result: Result, ranks: list[int | None], rates: list[float]) -> None:
    ax.set_yticks(range(len(ranks)), [rank_text(rank) for rank in ranks])
    ax.set_xticks(range(len(rates)), [rate_text(rate) for rate in rates])
    if len(rates) > 10:
        ax.tick_params(axis="x", labelrotation=90)
    ax.tick_params(length=0)
    ax.set_xlabel(f"learning rate (numbers: validation {metric_name(result.task.metric)})")
    ax.set_ylabel("adapter rank")
    for spine in ax.spines.values():
        spine.set_visible(False)
    if None in ranks and len(ranks) > 1:
        ax.axhline(len(ranks) - 1.5, color=INK, linewidth=1.2)
    chosen = Rectangle((0, 0), 1, 1, facecolor="none", edgecolor=VERMILLION, linewidth=1.8)
    hatched = Rectangle((0, 0), 1, 1, facecolor="white", edgecolor=GREY, hatch="////", linewidth=0)
    handles = [(chosen, "chosen")]
    if any(_failed(rate) for rate in result.rates):
        handles.append((hatched, "failed"))
    if any(rate.failed and not _failed(rate) for rate in result.rates):
        handles.append((Rectangle((0, 0), 0, 0, alpha=0.0), "* some repeats failed"))
    ax.legend(
        *zip(*handles, strict=True),
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncol=3,
        borderaxespad=0.0,
        handlelength=1.2,
        columnspacing=1.4,
    )


def _draw_cells(ax: Axes, result: Result, ranks: list[int | None], rates: list[float]) -> None:
    if not result.rates:
        return
    shortfalls = _shortfalls(result, ranks, rates)
    size = _number_size(ax, result, len(rates))
    for rate in result.rates:
        row, column = ranks.index(rate.rank), rates.index(rate.learning_rate)
        corner = (column - 0.5, row - 0.5)
        if _failed(rate):
            ax.add_patch(
                Rectangle(corner, 1, 1, facecolor="white", edgecolor=GREY, hatch="////", lw=0)
            )
            continue
        if rate.chosen:
            ax.add_patch(
                Rectangle(
                    (corner[0] + 0.03, corner[1] + 0.06),
                    0.94,
                    0.88,
                    facecolor="none",
                    edgecolor=VERMILLION,
                    linewidth=1.8,
                    zorder=3,
                )
            )
        if size is not None:
            ax.text(
                column,
                row,
                _cell_text(result, rate),
                ha="center",
                va="center",
                fontsize=size,
                fontweight="bold" if rate.chosen else "normal",
                color="white" if _DEPTH(shortfalls[row, column]) < 0.15 else INK,
            )


def _cell_text(result: Result, rate: Rate) -> str:
    return score_text(result, rate.validation, digits=3) + ("*" if rate.failed else "")


def _number_size(ax: Axes, result: Result, columns: int) -> float | None:
    """The largest font at which every number fits its cell; none when it would be unreadable."""
    room = 0.86 * ax.get_window_extent().width / columns
    widest = max(
        (_cell_text(result, rate) for rate in result.rates if not _failed(rate)),
        key=len,
        default="",
    )
    sizes = (SMALL, SMALL - 1, SMALL - 2)
    return next((s for s in sizes if text_size(ax, widest, s, "bold")[0] <= room), None)


def _failed(rate: Rate) -> bool:
    """Whether no training with this rank and rate gave a score."""
    return rate.validation is None or not math.isfinite(rate.validation)
