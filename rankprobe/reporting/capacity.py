"""The figure of a sweep over sizes: four quantities, each against the size of the network."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from rankprobe.records.capacity import Capacity, Quantity, Trending
from rankprobe.reporting.capacity_words import AXES, NAMES, number, trend_words
from rankprobe.reporting.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LARGE,
    NORMAL,
    SMALL,
    VERMILLION,
    printable,
    settle,
    styled,
)

_LINES = {"constant": ":", "power": "--", "levelling": "-"}


def plot_capacity(capacity: Capacity) -> Axes:
    """Draw every quantity against size in a panel of its own.

    Args:
        capacity: From `rankprobe.capacity`.

    Returns:
        The axes of the first panel; ``.figure`` is the figure, of 8.4 by 6.4 inches.
    """
    with styled():
        count = len(capacity.trends)
        rows = math.ceil(count / 2)
        figure = Figure(figsize=(8.4, 0.6 + 2.9 * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, 2, squeeze=False).ravel()
        for ax, trend in zip(axes, capacity.trends, strict=False):
            plot_quantity(capacity, trend.quantity, ax=ax)
        for ax in axes[count:]:
            ax.set_visible(False)
        figure.suptitle(
            printable(capacity.task), x=0.02, ha="left", fontsize=LARGE, fontweight="bold"
        )
        first: Axes = axes[0]
        settle(first, freeze=True)
    return first


def plot_quantity(capacity: Capacity, quantity: Quantity, *, ax: Axes) -> Axes:
    """Draw one quantity with its intervals and the fitted forms on axes given.

    Marks without a rank point up from a lower limit, or down from an upper one. The form of
    largest weight is drawn full strength, the others faintly.
    """
    trend = capacity.trend(quantity)
    with styled():
        _draw_forms(ax, trend, capacity)
        _draw_sizes(ax, capacity, quantity)
        _set_axes(ax, capacity, quantity)
        if trend.level is not None:
            ax.plot(
                [min(trend.over), max(trend.over)],
                [trend.level.mean] * 2,
                color=VERMILLION,
                linewidth=2.0,
                zorder=2.5,
                label="level",
            )
        ax.set_title(
            f"{NAMES[quantity]}: {trend_words(trend)}", loc="left", fontsize=NORMAL, color=INK
        )
        ax.legend(fontsize=SMALL, loc="best")
    return ax


def _draw_sizes(ax: Axes, capacity: Capacity, quantity: Quantity) -> None:
    known = [(item.size, item.values[quantity]) for item in capacity.sizes if item.values]
    for size, value in known:
        ends = [end for end in (value.low, value.high) if math.isfinite(end)]
        ax.plot([size] * len(ends), ends, color=BLUE, linewidth=1.2, zorder=3)
        if not math.isfinite(value.high):
            ax.plot([size], [value.low], marker="^", markersize=7, color=BLUE, zorder=4)
        elif not math.isfinite(value.mean):
            ax.plot([size], [value.high], marker="v", markersize=7, color=BLUE, zorder=4)
    named = [(size, value.mean) for size, value in known if math.isfinite(value.mean)]
    ax.plot(
        [size for size, _ in named],
        [mean for _, mean in named],
        linestyle="none",
        marker="o",
        markersize=5.5,
        markeredgecolor="white",
        markeredgewidth=0.7,
        color=BLUE,
        zorder=5,
    )


def _draw_forms(ax: Axes, trend: Trending, capacity: Capacity) -> None:
    sizes = [item.size for item in capacity.sizes]
    grid = np.geomspace(min(sizes), max(sizes), 100)
    for form in trend.forms:
        if not form.parameters:
            continue
        best = form is trend.best
        ax.plot(
            grid,
            form.at(grid),
            color=GREEN if best else GREY,
            linestyle=_LINES[form.name],
            linewidth=1.4 if best else 0.8,
            zorder=2 if best else 1,
            label=f"{form.name}, weight {form.weight:.2f}",
        )


def _set_axes(ax: Axes, capacity: Capacity, quantity: Quantity) -> None:
    sizes = [item.size for item in capacity.sizes]
    ax.set_xscale("log", base=2)
    ax.set_yscale("log", base=2)
    air = (max(sizes) / min(sizes)) ** 0.06
    ax.set_xlim(min(sizes) / air, max(sizes) * air)
    ax.xaxis.set_major_locator(FixedLocator(sizes))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{size:,.6g}"))
    ax.yaxis.set_major_locator(LogLocator(base=2, numticks=7))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(quantity, value)))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_locator(NullLocator())
    values = [item.values[quantity] for item in capacity.sizes if item.values]
    ends = [end for v in values for end in (v.low, v.mean, v.high) if math.isfinite(end)]
    if ends:
        room = 2.0 ** (0.25 + 0.08 * math.log2(max(ends) / min(ends)))
        ax.set_ylim(min(ends) / room, max(ends) * room)
    ax.set_xlabel(AXES[capacity.axis])
