"""What was learned, as tables for a terminal of 80 columns. Does not import matplotlib."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from rankprobe.records import Interval
from rankprobe.records.inspection import AdapterSpectrum, Cut, Inspection, Spread
from rankprobe.reporting.inspection_words import findings, layer_name, number
from rankprobe.reporting.wording import clean, metric_name, percent

_COLUMNS = 80
_LONGEST = 26  # letters of a layer's name on a terminal
_GAP = 2


@dataclass(frozen=True)
class Table:
    """A table of words.

    Attributes:
        title: What it shows.
        header: Names of its columns.
        rows: Cells; the first names the row.
        note: What the reader must know to read it.
        chosen: Indices of rows that stand out.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    chosen: tuple[int, ...] = ()


def inspection_summary(inspection: Inspection) -> RenderableType:
    """Everything that was found, for a terminal.

    Args:
        inspection: Of a run.

    Returns:
        A rich renderable; text from data is plain text in it, never markup.
    """
    title = f"What was learned: {clean(inspection.task)}"
    parts: list[RenderableType] = [Text(title, style="bold")]
    for table in tables(inspection, columns=_COLUMNS):
        parts += [Text(), Text(table.title, style="bold"), _rich(table)]
        if table.note:
            parts.append(Text(table.note, style="dim"))
    parts += [Text(), *(Text(line) for line in findings(inspection))]
    parts += [Text(f"Note: {clean(note)}.") for note in inspection.notes]
    return Group(*parts)


def tables(inspection: Inspection, *, columns: int | None = None) -> list[Table]:
    """All tables that there is something for.

    Args:
        inspection: Of a run.
        columns: Room; ranks that it has none for are left out, powers of two last.
    """
    found = [
        _by_rank(
            inspection,
            "beta by layer and rank",
            lambda item: number(item.beta.median),
            "medians over the repeats",
            columns,
        ),
        _by_rank(
            inspection,
            "effective rank by layer and rank, stable rank in brackets",
            lambda item: f"{item.effective.median:.1f} ({item.stable.median:.1f})",
            "of B A, medians over the repeats; the nominal rank is the column's, at most the "
            "layer's own",
            columns,
        ),
        _norms(inspection),
    ]
    if inspection.updates:
        found.append(_updates(inspection))
    if inspection.cuts:
        found.append(_cuts(inspection))
    return found


def shown_rank(inspection: Inspection) -> int:
    """The rank whose layers are shown one by one: the minimal rank, else the largest."""
    ranks = inspection.ranks
    return inspection.minimal_rank if inspection.minimal_rank in ranks else ranks[-1]


def _by_rank(
    inspection: Inspection,
    title: str,
    cell: Callable[[AdapterSpectrum], str],
    note: str,
    columns: int | None,
) -> Table:
    """Layers down, ranks across."""
    cells = {(item.layer, item.rank): cell(item) for item in inspection.adapters}
    ranks = list(inspection.ranks)
    if columns is not None:
        widest = max(len(text) for text in cells.values()) + _GAP
        names = min(_LONGEST, max(len(layer_name(layer)) for layer in inspection.layers))
        ranks = _fitting(ranks, max(2, (columns - names) // widest), shown_rank(inspection))
        if len(ranks) < len(inspection.ranks):
            note += f"; {len(inspection.ranks) - len(ranks)} ranks are left out here"
    rows = tuple(
        (layer_name(layer), *(cells.get((layer, rank), "") for rank in ranks))
        for layer in inspection.layers
        if any((layer, rank) in cells for rank in ranks)
    )
    return Table(title, ("layer", *map(str, ranks)), rows, note)


def _fitting(ranks: Sequence[int], room: int, chosen: int) -> list[int]:
    """The chosen rank and the ends before powers of two, and these before the others."""
    powers = [rank for rank in ranks if rank & (rank - 1) == 0]
    order = dict.fromkeys([chosen, ranks[0], ranks[-1], *powers, *ranks])
    return sorted(list(order)[:room])


def _norms(inspection: Inspection) -> Table:
    rank = shown_rank(inspection)
    items = [item for item in inspection.adapters if item.rank == rank]
    rows = tuple(
        (
            layer_name(item.layer),
            _range(item.beta),
            _spread(item.norm),
            _spread(item.scaffold),
            _spread(item.over_scaffold),
        )
        for item in items
    )
    return Table(
        f"norms at rank {rank}",
        ("layer", "beta (range)", "|B A|", "|W|", "|B A| / |beta W|"),
        rows,
        "spectral norms, B A with its scaling, W the frozen weights; medians over the repeats",
    )


def _updates(inspection: Inspection) -> Table:
    shares = list(inspection.updates[0].needed)
    rows = tuple(
        (
            layer_name(item.layer),
            "x".join(map(str, item.shape)),
            number(item.initial.median),
            number(item.norm.median),
            f"{item.effective.median:.1f} ({item.stable.median:.1f})",
            *(f"{round(item.needed[share].median, 1):g}" for share in shares),
        )
        for item in inspection.updates
    )
    return Table(
        "what full training added",
        (
            "layer",
            "shape",
            "|start|",
            "|added|",
            "ranks",
            *(percent(float(share)) for share in shares),
        ),
        rows,
        "trained less initial weights; ranks: effective, stable in brackets; then how many "
        "singular values hold that share of the squared norm; medians over the repeats",
    )


def _cuts(inspection: Inspection) -> Table:
    decimals = _decimals(inspection.full)
    metric = metric_name(inspection.metric)

    def row(cut: Cut) -> tuple[str, ...]:
        return (
            str(cut.rank),
            _mean(cut.scores, decimals),
            _mean(cut.trained, decimals),
            _interval(cut.lost, decimals),
            _interval(cut.gained, decimals),
            " and ".join(cut.shortfalls),
        )

    level = percent(inspection.confidence)
    return Table(
        f"full training cut to a rank, and the rank as trained: test {metric}",
        ("rank", "cut", "trained", "cut - full", "trained - cut", "short by"),
        tuple(map(row, inspection.cuts)),
        f"full training: {_mean(inspection.full, decimals)}; differences repeat by repeat, better "
        f"being positive, with {level} intervals. Short by optimisation: worse than the cut. Short "
        "by capacity: worse than full training, as the cut is",
        tuple(
            index
            for index, cut in enumerate(inspection.cuts)
            if cut.rank == inspection.minimal_rank
        ),
    )


def _rich(table: Table) -> RichTable:
    """Numbers to the right and unbroken; names of layers get the room that is left."""
    columns = list(zip(table.header, *table.rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    room = max(6, _COLUMNS - sum(widths[1:]) - _GAP * len(widths[1:]))
    grid = RichTable(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
    for index, name in enumerate(table.header):
        grid.add_column(Text(name), justify="left" if index == 0 else "right", no_wrap=True)
    for index, (name, *cells) in enumerate(table.rows):
        named = layer_name(name, min(room, _LONGEST))
        style = "bold" if index in table.chosen else None
        grid.add_row(*map(Text, (named, *cells)), style=style)
    return grid


def _spread(spread: Spread | None) -> str:
    return "-" if spread is None else number(spread.median)


def _range(spread: Spread) -> str:
    if len(spread.values) == 1:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.low)} to {number(spread.high)})"


def _decimals(full: Sequence[float]) -> int:
    """Decimals that give full training's score four significant digits."""
    scale = max(map(abs, full), default=1.0) or 1.0
    return max(0, 3 - math.floor(math.log10(scale)))


def _mean(scores: Iterable[float], decimals: int) -> str:
    listed = list(scores)
    return f"{sum(listed) / len(listed):.{decimals}f}"


def _interval(interval: Interval, decimals: int) -> str:
    mean = f"{round(interval.mean, decimals) + 0.0:+.{decimals}f}"
    if not math.isfinite(interval.high):
        return mean
    return f"{mean} ± {interval.high - interval.mean:.{decimals}f}"
