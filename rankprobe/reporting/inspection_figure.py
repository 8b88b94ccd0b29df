"""The figure of what was learned: beta, ranks used, full training's spectra, cuts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from rankprobe.records.inspection import AdapterSpectrum, Inspection, Spread
from rankprobe.reporting.inspection_words import layer_name
from rankprobe.reporting.placing import label_ranks, set_rank_axis
from rankprobe.reporting.style import (
    BLUE,
    CYCLE,
    GREY,
    INK,
    MARKERS,
    NORMAL,
    SKY,
    SMALL,
    VERMILLION,
    printable,
    styled,
)
from rankprobe.reporting.wording import metric_name

_TOLD_APART = 6  # layers with a colour and a marker of their own; more are shaded by depth
_NAME = 28  # letters of a layer's name
_Style = Literal["-", "--"]
_DEPTH = LinearSegmentedColormap.from_list("depth", [SKY, BLUE, INK])


@dataclass(frozen=True)
class _Look:
    """How a layer's lines look."""

    colour: str
    marker: str
    label: str | None


def plot_inspection(inspection: Inspection) -> Axes:
    """Draw what adapters and full training learned.

    Four panels: beta against rank; effective (full line) and stable rank (dashed) of B A against
    its nominal rank; singular values of what full training added; and test scores of full
    training cut to a rank beside the rank as trained. Without full training's tensors and the
    data there are the first two alone. Points are medians over repeats, bars reach over all.

    Args:
        inspection: Of a run.

    Returns:
        The first panel's axes; ``.figure`` is the figure.
    """
    full = bool(inspection.updates)
    with styled():
        figure = Figure(figsize=(8.6, 6.9 if full else 3.7), layout="constrained")
        FigureCanvasAgg(figure)
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)  # type: ignore[union-attr,call-arg]
        panels = figure.subplots(2 if full else 1, 2, squeeze=False).ravel().tolist()
        looks = _looks(inspection.layers)
        _draw_beta(panels[0], inspection, looks)
        _draw_ranks(panels[1], inspection, looks)
        if full:
            _draw_spectra(panels[2], inspection, looks)
            _draw_cuts(panels[3], inspection)
        _layer_legend(figure, looks)
        figure.draw_without_rendering()
        for ax in (panels[0], *panels[3:]):
            label_ranks(ax, inspection.ranks, [r for r in [inspection.minimal_rank] if r])
    first: Axes = panels[0]
    return first


def _looks(layers: Sequence[str]) -> dict[str, _Look]:
    if len(layers) <= _TOLD_APART:
        styles = zip(layers, CYCLE, MARKERS, strict=False)
        return {
            layer: _Look(colour, marker, printable(layer_name(layer, _NAME)))
            for layer, colour, marker in styles
        }
    last = len(layers) - 1
    return {
        layer: _Look(
            to_hex(_DEPTH(index / last)),
            "",
            printable(layer_name(layer, _NAME)) if index in (0, last // 2, last) else None,
        )
        for index, layer in enumerate(layers)
    }


def _layer_legend(figure: Figure, looks: dict[str, _Look]) -> None:
    handles = [
        Line2D(
            [], [], color=look.colour, marker=look.marker or None, markersize=4, label=look.label
        )
        for look in looks.values()
        if look.label is not None
    ]
    figure.legend(
        handles=handles,
        loc="outside upper left",
        ncol=min(len(handles), 6),
        columnspacing=1.6,
        handlelength=1.6,
        title=f"{len(looks)} layers, from first to last" if len(looks) > len(handles) else None,
        title_fontsize=SMALL,
        alignment="left",
    )


def _title(ax: Axes, words: str) -> None:
    ax.set_title(words, loc="left", fontsize=NORMAL, fontweight="bold", pad=6)


def _draw_beta(ax: Axes, inspection: Inspection, looks: dict[str, _Look]) -> None:
    _title(ax, "beta, the factor of the frozen weights")
    set_rank_axis(ax, inspection.ranks)
    ax.axhline(1.0, color=GREY, linewidth=0.8, linestyle=(0, (5, 2.5)), zorder=0.5)
    ax.axhline(0.0, color=GREY, linewidth=0.8, zorder=0.5)
    for layer, look in looks.items():
        items = [item for item in inspection.adapters if item.layer == layer]
        _line(ax, look, [item.rank for item in items], [item.beta for item in items])
    ax.set_ylabel("beta")


def _draw_ranks(ax: Axes, inspection: Inspection, looks: dict[str, _Look]) -> None:
    _title(ax, "how much of its rank B A uses")
    highest = max(item.nominal for item in inspection.adapters)
    ax.plot([1, highest], [1, highest], color=GREY, linewidth=0.8, zorder=0.5)
    kinds: tuple[tuple[str, _Style, Callable[[AdapterSpectrum], Spread]], ...] = (
        ("effective", "-", lambda item: item.effective),
        ("stable", "--", lambda item: item.stable),
    )
    for layer, look in looks.items():
        items = [
            item
            for item in inspection.adapters
            if item.layer == layer and item.rank == item.nominal
        ]
        for _, style, read in kinds:
            _line(ax, look, [i.nominal for i in items], [read(i) for i in items], style)
    nominal = sorted({item.nominal for item in inspection.adapters})
    set_rank_axis(ax, nominal)
    ax.set_yscale("log", base=2)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ticks = [1 << k for k in range(highest.bit_length())]
    ax.set_xticks(ticks)
    ax.set_yticks(ticks)
    ax.set_ylim(0.85, 1.2 * highest)
    ax.set_xlabel("nominal rank of the layer's adapter")
    ax.set_ylabel("rank used")
    handles = [Line2D([], [], color=INK, linestyle=style, label=name) for name, style, _ in kinds]
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, label="all of it"))
    ax.legend(handles=handles, loc="upper left", handlelength=2.2)


def _draw_spectra(ax: Axes, inspection: Inspection, looks: dict[str, _Look]) -> None:
    _title(ax, "what full training added")
    longest, largest = 1, 0.0
    for update in inspection.updates:
        values = [value for value in update.singular_values if value > 0]
        look, count = looks[update.layer], len(values)
        longest, largest = max(longest, count), max([largest, *values])
        every = max(1, count // 8)
        ax.plot(
            range(1, count + 1),
            values,
            color=look.colour,
            marker=look.marker or None,
            markevery=(0, every),
            markersize=3.2,
            linewidth=1.2 if look.marker else 0.8,
        )
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set_xticks([1 << k for k in range(longest.bit_length())])
    ax.xaxis.set_minor_locator(NullLocator())
    if largest:
        ax.set_ylim(bottom=max(ax.get_ylim()[0], 1e-4 * largest))
    _mark_rank(ax, inspection)
    ax.set_xlabel("index, from the largest")
    ax.set_ylabel("singular value")


def _mark_rank(ax: Axes, inspection: Inspection) -> None:
    if inspection.minimal_rank is None:
        return
    ax.axvline(inspection.minimal_rank, color=INK, linewidth=0.8, linestyle=":", zorder=0.5)
    ax.annotate(
        "minimal rank",
        (inspection.minimal_rank, 0.03),
        xycoords=("data", "axes fraction"),
        xytext=(3, 0),
        textcoords="offset points",
        fontsize=SMALL,
        color=GREY,
    )


def _draw_cuts(ax: Axes, inspection: Inspection) -> None:
    _title(ax, "full training cut to a rank")
    set_rank_axis(ax, inspection.ranks)
    metric = metric_name(inspection.metric)
    ax.set_ylabel(f"test {metric}")
    if not inspection.cuts:
        ax.text(0.5, 0.5, "not scored", transform=ax.transAxes, ha="center", color=GREY)
        ax.set_yticks([])
        return
    mean = sum(inspection.full) / len(inspection.full)
    ax.axhspan(min(inspection.full), max(inspection.full), color=GREY, alpha=0.22, linewidth=0)
    ax.axhline(mean, color=GREY, linewidth=1.0, label="full training, whole")
    ranks = [cut.rank for cut in inspection.cuts]
    for label, colour, marker, scores in (
        ("full training, cut", VERMILLION, "s", [cut.scores for cut in inspection.cuts]),
        ("rank as trained", BLUE, "o", [cut.trained for cut in inspection.cuts]),
    ):
        look = _Look(colour, marker, None)
        _line(ax, look, ranks, [Spread.of(each) for each in scores], label=label)
    _mark_rank(ax, inspection)
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(handles[1:] + handles[:1], labels[1:] + labels[:1], loc="best")


def _line(
    ax: Axes,
    look: _Look,
    ranks: Sequence[int],
    spreads: Sequence[Spread],
    style: _Style = "-",
    *,
    label: str | None = None,
) -> None:
    """Medians joined by a line, with bars over all repeats where lines are few."""
    middle = [spread.median for spread in spreads]
    below = [spread.median - spread.low for spread in spreads]
    above = [spread.high - spread.median for spread in spreads]
    ax.errorbar(
        ranks,
        middle,
        yerr=(below, above) if look.marker else None,
        color=look.colour,
        marker=look.marker or None,
        markersize=3.6,
        linestyle=style,
        linewidth=1.3 if look.marker else 0.8,
        elinewidth=0.8,
        label=label,
    )
