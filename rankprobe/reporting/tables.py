"""The result on a terminal of 80 columns. Importing this does not import matplotlib."""

from __future__ import annotations

import math

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rankprobe.records import Baseline, Point, Result
from rankprobe.reporting.facts import counts_line, describe, lora_lines, targets_line
from rankprobe.reporting.trust import (
    design_line,
    noise_line,
    non_inferiority_line,
    over_chance_line,
    sensitivity_rows,
    sensitivity_sentence,
)
from rankprobe.reporting.verdicts import flag_lines, flag_sentence, headline, verdict_sentence
from rankprobe.reporting.wording import (
    FILES,
    clean,
    duration,
    metric_name,
    percent,
    rate_text,
    score_text,
)

STAR = "* something about this training is noted below"

__all__ = ["flag_sentence", "rows", "summary", "verdict_sentence"]


def summary(result: Result) -> RenderableType:
    """The answer, the table of ranks, what qualifies it, its scope, and the files written.

    Args:
        result: A finished measurement.

    Returns:
        A rich renderable; text from data is plain text in it, never markup.
    """
    notes = [verdict_sentence(result), *(f"Note: {line}" for line in flag_lines(result))]
    parts: list[RenderableType] = [Text(headline(result), style="bold"), Text(), _table(result)]
    if any("*" in row[0] for row in rows(result)):
        parts.append(Text(STAR, style="dim"))
    parts += [Text(), *(Text(note) for note in notes), Text()]
    cost = duration(result.cost["seconds"]) if "seconds" in result.cost else ""
    facts: list[tuple[str, RenderableType]] = [
        ("targets", targets_line(result)),
        ("over chance", over_chance_line(result)),
        ("non-inferior", non_inferiority_line(result)),
        ("noise", noise_line(result)),
        ("design", design_line(result)),
        ("sensitivity", _sensitivity(result)),
        ("data", counts_line(result)),
        ("scope", describe(result.scope)),
        ("time", cost),
        ("written", _written(result)),
    ]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in facts:
        if text:
            grid.add_row(name, Text(text) if isinstance(text, str) else text)
    return Group(*parts, grid, *_lora(result))


def rows(result: Result) -> list[tuple[str, ...]]:
    """Chance, the head alone, every rank and full training as rows of text.

    Returns:
        One tuple a row, its cells named by `header`; a star on ranks that carry a flag.
    """
    baseline = result.baseline
    asides = [("chance", result.chance_score), ("head", result.head_score)]
    named = [
        (name, _share(_recovered(result, score)), "", score_text(result, score), "", "", "")
        for name, score in asides
        if score is not None
    ]
    full = (
        "full" + "*" * bool(baseline.flags),
        _share(1.0),
        "",
        score_text(result, baseline.mean),
        _score_interval(result, baseline),
        rate_text(baseline.learning_rate),
        f"{baseline.parameters:,}",
    )
    return [*named, *(_point_row(result, point) for point in result.points), full]


def header(result: Result) -> tuple[str, ...]:
    """Names of the columns of `rows`."""
    level = f"{percent(result.minimal_rank.confidence)} interval"
    metric = metric_name(result.task.metric)
    return ("rank", "recovery", level, metric, level, "rate", "trained")


def is_answer(result: Result, row: tuple[str, ...]) -> bool:
    """Whether a row is that of the minimal rank."""
    return row[0].rstrip("*") == str(result.minimal_rank.value)


def _table(result: Result) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in header(result):
        table.add_column(Text(name), justify="right", overflow="fold")
    for row in rows(result):
        style = "bold" if is_answer(result, row) else None
        table.add_row(*(Text(cell) for cell in row), style=style)
    return table


def _sensitivity(result: Result) -> RenderableType:
    """How far the minimal rank moves, and a row for every changed setting."""
    varied = sensitivity_rows(result)
    if not varied:
        return ""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    table.add_column(justify="right")
    for row in varied:
        table.add_row(*(Text(cell) for cell in row))
    return Group(Text(sensitivity_sentence(result)), table)


def _point_row(result: Result, point: Point) -> tuple[str, ...]:
    recovery = point.recovery
    return (
        f"{point.rank}" + "*" * bool(point.flags),
        _share(recovery.mean),
        _bracketed(_bare(recovery.low), _bare(recovery.high)),
        score_text(result, point.mean),
        _score_interval(result, point),
        rate_text(point.learning_rate),
        f"{point.trainable:,}",
    )


def _score_interval(result: Result, item: Point | Baseline) -> str:
    low, high = (
        score_text(result, end) if end is not None and math.isfinite(end) else ""
        for end in (item.low, item.high)
    )
    return _bracketed(low, high)


def _bracketed(low: str, high: str) -> str:
    return f"[{low}, {high}]" if low and high else ""


def _recovered(result: Result, score: float) -> float:
    gain = result.baseline.mean - result.floor_score
    return (score - result.floor_score) / gain if gain else math.nan


def _lora(result: Result) -> list[RenderableType]:
    """The configuration for fine-tuning, as text to copy, and what differs."""
    if not result.lora:
        return []
    notes = [Text(f"Note: {clean(note)}") for note in result.lora.get("notes", ())]
    return [Text(), Text("for fine-tuning", style="dim"), *map(Text, lora_lines(result)), *notes]


def _share(share: float | None) -> str:
    text = _bare(share)
    return f"{text} %" if text else "-"


def _bare(share: float | None) -> str:
    """A recovery in percent, without its sign; far outside 0 to 100 % it says nothing."""
    if share is None or not math.isfinite(share):
        return ""
    if abs(share) >= 100:
        return ">9999" if share > 0 else "<-9999"
    return f"{round(100 * share, 1) + 0.0:.1f}"


def _written(result: Result) -> str:
    if result.folder is None:
        return ""
    there = [name for name in FILES if (result.folder / name).is_file()]
    return f"{clean(result.folder)}: {', '.join(there)}" if there else ""
