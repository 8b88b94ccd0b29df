"""A comparison on a terminal of 80 columns, and its figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rankprobe.records import Result
from rankprobe.records.comparison import ComparedTask, Comparison, Difference
from rankprobe.reporting.comparison_words import (
    comparison_notes,
    limits_words,
    order_lines,
    pair_words,
)
from rankprobe.reporting.wording import clean, minimal_words, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LONGEST = 40  # letters of a name
_COLUMNS = 80
_TASKS = ("task", "minimal rank", "recovery", "adapters", "share", "of width", "epochs", "verdict")


def unique_labels(results: Sequence[Result]) -> list[str]:
    """Task names; where several share one, with the run folder, and a number if need be."""
    names = [_short(clean(result.task.name)) for result in results]
    counts = Counter(names)
    labels = [
        f"{name} ({_short(clean(result.folder.name))})"
        if counts[name] > 1 and result.folder is not None and result.folder.name
        else name
        for name, result in zip(names, results, strict=True)
    ]
    taken: set[str] = set()
    for index, label in enumerate(labels):
        number = 2
        while labels[index] in taken:
            labels[index] = f"{label} #{number}"
            number += 1
        taken.add(labels[index])
    return labels


def summary(comparison: Comparison) -> RenderableType:
    """What differs in scope, the tasks, their differences, their order, and what to mind.

    Args:
        comparison: Two tasks or more.

    Returns:
        A rich renderable; text from data is plain text in it, never markup.
    """
    parts: list[RenderableType] = []
    if comparison.scope:
        parts += [Text(f"Warning: {warning_words(comparison)}.", style="bold red")]
        lines = (Text(clean(f"{item.setting}: {item.words()}")) for item in comparison.scope)
        parts += [Padding(line, (0, 0, 0, 2)) for line in lines]
        parts.append(Text())
    parts += [_table(_TASKS, map(_task_row, comparison.tasks)), Text()]
    parts.append(
        Text(
            "adapters: trained adapter parameters at the minimal rank; share: of all parameters "
            "of the network; of width: the minimal rank over the largest useful one",
            style="dim",
        )
    )
    if comparison.pairs:
        parts += [Text(), _table(_pair_header(comparison), map(_pair_row, comparison.pairs))]
        parts += [Text(), *(Text(line, style="bold") for line in order_lines(comparison))]
    parts += [Text(), *(Text(f"Note: {line}.") for line in comparison_notes(comparison))]
    return Group(*parts)


def warning_words(comparison: Comparison, *, short: bool = False) -> str:
    """What must not be missed where the scope differs; empty where it does not.

    Args:
        comparison: Two tasks or more.
        short: Count what follows the first setting, where a title must hold it.
    """
    if not comparison.scope:
        return ""
    names = [clean(item.setting) for item in comparison.scope]
    if short and len(names) > 2:
        return f"not measured alike: {names[0]} and {len(names) - 1} more settings"
    return f"not measured alike: {', '.join(names)}"


def plot_comparison(comparison: Comparison, *, ax: Axes | None = None) -> Axes:
    """Draw recovery against rank, one line a task; see `rankprobe.reporting.overlay`."""
    from rankprobe.reporting.overlay import plot_results

    words = warning_words(comparison, short=True)
    return plot_results(
        comparison.results,
        names=[task.label for task in comparison.tasks],
        warning=words[:1].upper() + words[1:],
        ax=ax,
    )


def write_comparison(comparison: Comparison, out: str | Path) -> Path:
    """Write the figure.

    Args:
        comparison: Two tasks or more.
        out: A file that ends in .png, .pdf or .svg.

    Returns:
        The file.

    Raises:
        ConfigError: Another suffix.
        StoreError: The file cannot be written.
    """
    from rankprobe.reporting.folder import write_figure

    return write_figure(plot_comparison(comparison), out)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 3].rstrip()}..."


def _task_row(task: ComparedTask) -> tuple[str, ...]:
    minimal = task.minimal_rank
    verdict = minimal.verdict.replace("_", " ")
    named = minimal.value is not None or minimal.low is not None or minimal.high is not None
    return (
        task.label,
        minimal_words(minimal) if named else "-",
        "-" if task.recovery is None else f"{100 * task.recovery:.1f} %",
        "-" if minimal.degrees_of_freedom is None else f"{minimal.degrees_of_freedom:,}",
        _share(minimal.share),
        _share(task.relative_rank),
        "-" if task.epochs is None else str(task.epochs),
        verdict,
    )


def _pair_header(comparison: Comparison) -> tuple[str, ...]:
    level = percent(round(comparison.confidence, 6))
    return ("difference", "log2 rank", f"{level} limits", "p (Holm)", "")


def _pair_row(pair: Difference) -> tuple[str, ...]:
    p = pair.adjusted
    return (
        f"{pair.second} - {pair.first}",
        "-" if pair.log2 is None else f"{pair.log2 + 0.0:+.2f}",
        limits_words(pair),
        "*" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}",
        pair_words(pair),
    )


def _table(header: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Table:
    """Numbers to the right and unbroken; the first and the last column are words, and fold."""
    rows, last = list(rows), len(header) - 1
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    gap = 2 if sum(widths) + 2 * last <= _COLUMNS else 1
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="dim")
    for index, name in enumerate(header):
        words = index in (0, last)
        table.add_column(
            Text(name),
            justify="left" if words else "right",
            overflow="fold",
            no_wrap=not words,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _share(share: float | None) -> str:
    return "-" if share is None else percent(float(f"{share:.2g}"))
