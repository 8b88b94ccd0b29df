"""A grid in words and tables: a row a combination. Importing this does not import matplotlib."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rankprobe.records import Result
from rankprobe.records.grid import Grid
from rankprobe.reporting.comparison_words import order_lines
from rankprobe.reporting.verdicts import flag_lines
from rankprobe.reporting.wording import (
    clean,
    duration,
    metric_name,
    minimal_words,
    score_text,
    target_words,
)

TERMINAL_RANKS = 4  # columns of scores that a terminal has room for


def lines(grid: Grid) -> list[str]:
    """Name and answer of every combination."""
    width = max(map(len, grid.results))
    return [
        f"{name:<{width}}  {minimal_words(result.minimal_rank)}"
        for name, result in grid.results.items()
    ]


def measured_ranks(grid: Grid, most: int | None = None) -> list[int]:
    """Ranks that were measured, ascending.

    Args:
        grid: A finished grid.
        most: Of so many at most: those that most combinations have, and powers of two before
            others.
    """
    counts = Counter(point.rank for result in grid.results.values() for point in result.points)
    order = sorted(counts, key=lambda rank: (-counts[rank], rank & (rank - 1) != 0, rank))
    return sorted(order if most is None else order[:most])


def header(grid: Grid, ranks: Sequence[int]) -> tuple[str, ...]:
    """Names of the columns of `rows`."""
    scores = [f"rank {rank}" for rank in ranks]
    return ("combination", "full", *_head(grid), *scores, "minimal rank", "verdict")


def rows(grid: Grid, ranks: Sequence[int]) -> list[tuple[str, ...]]:
    """A row a combination: scores of full training, of the head and of ranks, and the answer."""
    return [_row(grid, name, ranks) for name in grid.results]


def caption(grid: Grid) -> str:
    """What the table holds."""
    first = next(iter(grid.results.values()))
    head = "; head: the frozen network, its head alone trained" if _head(grid) else ""
    return (
        f"Mean test {metric_name(first.task.metric)}; full: every weight trained{head}. Minimal "
        f"rank: the smallest that reaches {target_words(first)}, with its interval."
    )


def differences(grid: Grid) -> list[str]:
    """Which minimal ranks can be told apart."""
    return order_lines(grid.comparison) if grid.comparison.pairs else []


def notes(grid: Grid) -> list[str]:
    """What qualifies results: every sentence once, with the combinations it is about."""
    found: dict[str, list[str]] = {}
    for name, result in grid.results.items():
        for line in flag_lines(result):
            found.setdefault(line, []).append(name)
    everywhere = len(grid.results)
    return [
        line if len(names) == everywhere else f"{_listed(names)}: {line}"
        for line, names in found.items()
    ]


def cost_line(grid: Grid) -> str:
    """What the grid took, beside what its combinations would take by themselves."""
    if "seconds" not in grid.cost:
        return ""
    alone = sum(result.cost.get("members", 0) for result in grid.results.values())
    return (
        f"{grid.cost['members']:,.0f} trainings, {duration(grid.cost['seconds'])}; one by one the "
        f"combinations need {alone:,.0f}"
    )


def summary(grid: Grid) -> RenderableType:
    """The table, what can be told apart, what to mind, and the files written.

    Args:
        grid: A finished grid.

    Returns:
        A rich renderable; text from data is plain text in it, never markup.
    """
    ranks = measured_ranks(grid, TERMINAL_RANKS)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    names = header(grid, ranks)
    for index, name in enumerate(names):
        words = index in (0, len(names) - 1)
        table.add_column(
            Text(name), justify="left" if words else "right", overflow="fold", no_wrap=not words
        )
    for row in rows(grid, ranks):
        table.add_row(*(Text(clean(cell)) for cell in row))
    title = Text(f"{clean(grid.name)}: {len(grid.results)} combinations", style="bold")
    parts: list[RenderableType] = [title, Text(), table, Text(), Text(caption(grid), style="dim")]
    parts += [Text(line, style="bold") for line in differences(grid)]
    parts += [Text(), *(Text(f"Note: {line}") for line in notes(grid))]
    if line := cost_line(grid):
        parts.append(Text(line, style="dim"))
    if grid.folder is not None and (grid.folder / "grid.json").is_file():
        where = f"{clean(grid.folder)}: grid.json, comparison.png, report.html, and a run folder "
        parts.append(Padding(Text(f"written  {where}for each combination"), (1, 0, 0, 0)))
    return Group(*parts)


def _head(grid: Grid) -> tuple[str, ...]:
    return ("head",) if any(r.head_score is not None for r in grid.results.values()) else ()


def _row(grid: Grid, name: str, ranks: Sequence[int]) -> tuple[str, ...]:
    result = grid.results[name]
    points = {point.rank: point for point in result.points}
    scores = [score_text(result, points[rank].mean) if rank in points else "" for rank in ranks]
    head = "" if result.head_score is None else score_text(result, result.head_score)
    return (
        name,
        score_text(result, result.baseline.mean),
        *([head] if _head(grid) else []),
        *scores,
        _answer(result),
        result.minimal_rank.verdict.replace("_", " "),
    )


def _answer(result: Result) -> str:
    minimal = result.minimal_rank
    named = (minimal.value, minimal.low, minimal.high)
    return minimal_words(minimal) if any(end is not None for end in named) else "-"


def _listed(names: Sequence[str]) -> str:
    """Names with commas; of many only the first."""
    return (
        ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
    )
