"""The figure of a grid: curves over each other while they can be told apart, else dots in rows."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rankprobe.records import Result
from rankprobe.records.grid import Grid
from rankprobe.reporting.grid_words import measured_ranks
from rankprobe.reporting.overlay import plot_results
from rankprobe.reporting.placing import data_limits, finite
from rankprobe.reporting.style import GREY, INK, SMALL, new_axes, printable, settle, styled
from rankprobe.reporting.wording import minimal_words, percent, target_label, target_share

CURVES = 8  # combinations that are drawn as curves: as many as colours and markers tell apart
_SHOWN = 7  # ranks that dots are drawn of


def plot_grid(grid: Grid, *, ax: Axes | None = None) -> Axes:
    """Draw recovery of full training by rank for every combination of a grid.

    Args:
        grid: A finished grid.
        ax: Axes to draw on; without them a figure is made.

    Returns:
        The axes; ``.figure`` is the figure.
    """
    if len(grid.results) <= CURVES:
        return plot_results(list(grid.results.values()), names=list(grid.results), ax=ax)
    return _plot_rows(grid, ax)


def _plot_rows(grid: Grid, ax: Axes | None) -> Axes:
    """A row a combination, a dot a rank, the minimal rank at the right."""
    with styled():
        own = ax is None
        ax = new_axes(7.4, 1.1 + 0.22 * len(grid.results)) if ax is None else ax
        ranks = measured_ranks(grid, _SHOWN)
        results = list(grid.results.values())
        shares = [point.recovery.mean for r in results for point in r.points if point.rank in ranks]
        targets = {target_share(result) for result in results}
        ax.set_xlim(*_limits([max(share, -0.1) for share in finite([*shares, *targets, 1.0])]))
        for index, result in enumerate(results):
            _draw_row(ax, index, result, ranks)
            ax.text(
                1.02,
                index,
                minimal_words(result.minimal_rank),
                transform=ax.get_yaxis_transform(),
                va="center",
                fontsize=SMALL,
            )
        ax.text(1.02, -1.0, "minimal rank", transform=ax.get_yaxis_transform(), va="center",
                fontsize=SMALL, color=GREY)  # fmt: skip
        ax.set_yticks(range(len(results)), [printable(name, 34) for name in grid.results])
        ax.set_ylim(len(results) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_major_formatter(lambda share, _: percent(round(share, 6)))
        ax.set_xlabel("recovery of full training")
        ax.axvline(1.0, color=INK, linewidth=0.8, zorder=0.9)
        _separate(ax, grid)
        handles = [_dot(rank, ranks) for rank in ranks]
        for handle, rank in zip(handles, ranks, strict=True):
            handle.set_label(f"rank {rank}" if rank == ranks[0] else str(rank))
        if len(targets) == 1:
            ax.axvline(min(targets), color=INK, linewidth=1.0, linestyle=(0, (5, 2.5)), zorder=1)
            label = f"target: {target_label(results[0])}"
            handles.append(Line2D([], [], color=INK, linewidth=1.0, linestyle="--", label=label))
        ax.legend(
            handles=handles,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=len(handles),
            columnspacing=1.0,
            handletextpad=0.2,
            fontsize=SMALL,
        )
        settle(ax, freeze=own)
    return ax


def _limits(core: Sequence[float]) -> tuple[float, float]:
    """Limits that a few dots far below all others do not stretch; these stand at the edge."""
    usual = sorted(core)[len(core) // 10]
    low = usual - 0.5 * (max(core) - usual)
    return data_limits([max(share, low) for share in core], [], [])


def _draw_row(ax: Axes, index: int, result: Result, ranks: Sequence[int]) -> None:
    """The dots of one combination on a thin line, lower ranks over higher ones."""
    ax.axhline(index, color="#E6E6E6", linewidth=0.8, zorder=0.5)
    left, right = ax.get_xlim()
    outside = [p.recovery.mean for p in result.points if p.recovery.mean < left]
    if outside:
        ax.annotate(
            f"  {percent(round(min(outside), 3))}",
            (left, index),
            va="center",
            fontsize=SMALL,
            color=GREY,
        )
    for order, point in enumerate(result.points):
        if point.rank not in ranks or not finite([point.recovery.mean]):
            continue
        dot = _dot(point.rank, ranks)
        ax.plot(
            [min(max(point.recovery.mean, left), right)],
            [index],
            marker="<" if point.recovery.mean < left else dot.get_marker(),
            color=dot.get_color(),
            markersize=dot.get_markersize(),
            markeredgecolor="white",
            markeredgewidth=0.5,
            linestyle="none",
            clip_on=False,
            zorder=3 + 0.01 * (len(result.points) - order),
        )


def _dot(rank: int, ranks: Sequence[int]) -> Line2D:
    """Darker and larger for a higher rank, so that grey paper tells them apart too."""
    place = ranks.index(rank) / max(1, len(ranks) - 1)
    colour = mpl.colormaps["viridis_r"](0.08 + 0.92 * place)
    return Line2D(
        [],
        [],
        color=colour,
        marker="o",
        markersize=4.5 + 2.5 * place,
        markeredgecolor="white",
        markeredgewidth=0.5,
        linestyle="none",
    )


def _separate(ax: Axes, grid: Grid) -> None:
    """A line between rows whose value of the first setting differs, where several vary."""
    if len(grid.vary) < 2:
        return
    first = next(iter(grid.vary))
    values = [grid.settings[name][first] for name in grid.results]
    for index in range(1, len(values)):
        if values[index] != values[index - 1]:
            ax.axhline(index - 0.5, color=GREY, linewidth=0.6, zorder=0.6)
