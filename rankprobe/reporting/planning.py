"""A plan on a terminal of 80 columns. Importing this does not import matplotlib."""

from __future__ import annotations

import shlex
from pathlib import PurePath

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rankprobe.records import MinimalRank
from rankprobe.records.plan import Plan, PlannedRow
from rankprobe.reporting.printing import COLUMNS
from rankprobe.reporting.wording import clean, duration, interval_words, percent

_INDENT = "    "
_SOURCES = {
    "repeats": "one repeat",
    "test_set": "test set",
    "learning_rate": "choice of the learning rate",
    "scaffolds": "scaffold seeds",
}


def plan_summary(plan: Plan) -> RenderableType:
    """The answer, the table of repeats, and what the prediction rests on.

    Args:
        plan: From `rankprobe.planning.make.make_plan`.

    Returns:
        A rich renderable; text from data is plain text in it, never markup.
    """
    parts: list[RenderableType] = [Text(plan_headline(plan), style="bold"), Text(), _table(plan)]
    parts += [Text(), *(Text(line) for line in plan_notes(plan)), Text()]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    facts = [
        ("ranks", _ranks(plan)),
        ("noise", _noise(plan)),
        ("memory", _memory(plan)),
        ("from", _sources(plan)),
    ]
    for name, text in facts:
        if text:
            grid.add_row(name, Text(text))
    return Group(*parts, grid)


def plan_headline(plan: Plan) -> str:
    """The answer in one line that begins with the task's name."""
    name, wish = clean(plan.task), _wish(plan.wished)
    if plan.enough is not None:
        return f"{name}: {plan.enough} repeats should give an interval {wish}"
    return f"{name}: no number of repeats gives an interval {wish}"


def plan_rows(plan: Plan) -> list[tuple[str, ...]]:
    """One row a number of repeats, its cells named by `header`."""
    return [_row(plan, row) for row in plan.rows]


def header(plan: Plan) -> tuple[str, ...]:
    """Names of the columns of `plan_rows`."""
    interval = (f"{percent(plan.confidence)} interval",) if plan.value is not None else ()
    new = ("new",) if plan.pilot_repeats else ()
    return ("repeats", *interval, "width", "trainings", *new, "time", "")


def plan_notes(plan: Plan) -> list[str]:
    """Full sentences: what limits, what is borrowed, and that this is a prediction."""
    notes = []
    if plan.enough is None:
        notes.append(f"{_limit(plan)} {_examples(plan)}")
    if plan.thinned > 1:
        notes.append(
            f"Note: The interval holds many ranks, so only some are to be measured; it can come "
            f"out up to {_count(plan.thinned - 1, 'rank')} wider at each end than the table says."
        )
    if plan.differing:
        keys = ", ".join(plan.differing)
        notes.append(
            f"Note: The pilot was measured with other settings than the dataset.yaml's ({keys}): "
            "the prediction is for the pilot's."
        )
    if plan.estimated:
        notes.append(
            "Note: The result does not carry its variance by source, so repeats and test set are "
            "told apart by the scatter of scores: the same `rankprobe measure` again adds it "
            "and trains nothing."
        )
    return [*notes, *_basis(plan), _ASSUMPTIONS]


_ASSUMPTIONS = (
    "This is a prediction: it takes curve and noise as they are known, though few "
    "repeats tell both roughly, takes every rank of the interval and its neighbours to be "
    "measured, and uses Student's t. It tells the median: many measurements come out wider."
)


def _basis(plan: Plan) -> list[str]:
    others = plan.sources[1:] if plan.pilot_repeats else plan.sources
    median = f"the median over {_count(len(others), 'result')} of other tasks"
    borrowed = {
        "pilot": "",
        "pilot_borrowed_noise": (
            f"Note: The pilot has one repeat, so the noise of repeats is borrowed: {median}."
        ),
        "past_results": (
            f"Note: There is no pilot of this task. Noise is borrowed, {median}, and the width is "
            "the median over their curves; make a pilot with `rankprobe measure dataset.yaml "
            "--repeats 2`."
        ),
    }[plan.basis]
    return [borrowed] if borrowed else []


def _limit(plan: Plan) -> str:
    count = f"the {plan.test_examples:,} test examples"
    if plan.limit is None:
        return f"However many the repeats, the interval stays open with {count}."
    if plan.limit <= plan.wished:
        return "It would take more than 1,000 repeats."
    return (
        f"However many the repeats, the interval stays {_ranks_wide(plan.limit)} wide with "
        f"{count}; {plan.plateau:,} repeats reach that."
    )


def _examples(plan: Plan) -> str:
    if plan.examples is None:
        return (
            "More test examples alone would not do either: what is left is the choice of the "
            "learning rate, which fewer rates or more validation examples may make surer, or a "
            "recovery too near the target."
        )
    repeats, count = plan.examples
    return f"With {repeats} repeats about {count:,} test examples would be needed."


def _table(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in header(plan):
        table.add_column(Text(name), justify="right", overflow="fold")
    for row, cells in zip(plan.rows, plan_rows(plan), strict=True):
        style = "bold" if row.repeats == plan.enough else None
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return table


def _row(plan: Plan, row: PlannedRow) -> tuple[str, ...]:
    predicted = MinimalRank(plan.value, row.low, row.high, plan.confidence, "resolved")
    interval = (interval_words(predicted),) if plan.value is not None else ()
    new = (f"{row.new:,}" if row.new else "-",) if plan.pilot_repeats else ()
    return (
        f"{row.repeats:,}",
        *interval,
        "open" if row.width is None else f"{row.width:g}",
        f"{row.trainings:,}",
        *new,
        "-" if row.seconds is None or not row.new else duration(row.seconds),
        "enough" if row.repeats == plan.enough else "",
    )


def _planned_repeats(plan: Plan) -> int:
    """The number of repeats that the ranks are named for."""
    return plan.enough or min(plan.plateau, max(row.repeats for row in plan.rows))


def _ranks(plan: Plan) -> str:
    if not plan.ranks:
        return ""
    listed = ", ".join(str(rank) for rank in plan.ranks)
    return f"{listed}: those of the interval at {_planned_repeats(plan)} repeats, and neighbours"


def command_lines(plan: Plan, config: str) -> list[str]:
    """The measurement that goes on from the pilot, on lines of its own: none where none helps.

    They are to be copied, so they are broken with a backslash, and must not be laid out.

    Args:
        plan: From `rankprobe.planning.make.make_plan`.
        config: Path of the task's file.
    """
    if not plan.ranks or plan.enough is None:
        return []
    listed = ",".join(str(rank) for rank in plan.ranks)
    repeats = max(_planned_repeats(plan), plan.pilot_repeats)
    parts = [
        f"rankprobe measure {shlex.quote(config)}",
        f"--repeats {repeats}",
        f"--ranks {listed}",
    ]
    if (folder := _pilot_folder(plan)) is not None:
        parts.append(f"--out {shlex.quote(folder)}")
    lines = [parts[0]]
    for part in parts[1:]:
        if len(_INDENT) + len(f"{lines[-1]} {part}") <= COLUMNS - 2:
            lines[-1] += f" {part}"
        else:
            lines[-1] += " \\"
            lines.append(f"{_INDENT}{part}")
    return [f"{_INDENT}{line}" for line in lines]


def _pilot_folder(plan: Plan) -> str | None:
    """The folder to go on in; one of other settings would be refused."""
    if not plan.pilot_repeats or plan.differing:
        return None
    pilot = PurePath(clean(plan.sources[0]))
    if pilot.suffix != ".json":
        return str(pilot)
    return str(pilot.parent) if pilot.name == "result.json" else None


def _noise(plan: Plan) -> str:
    parts = [
        f"{_SOURCES[name]} {100 * value:.2g} %" for name, value in plan.noise.items() if value > 0
    ]
    return f"standard deviation of the recovery: {', '.join(parts)}" if parts else "none seen"


def _memory(plan: Plan) -> str:
    if plan.bytes is None:
        return ""
    return f"about {plan.bytes / 1e6:,.0f} MB beside the program itself, whatever the repeats"


def _sources(plan: Plan) -> str:
    first, *others = (clean(name) for name in plan.sources)
    words = ", ".join((first, *others))
    if plan.pilot_repeats:
        words = f"the pilot {first} ({_count(plan.pilot_repeats, 'repeat')})"
        words += f", and {', '.join(others)}" if others else ""
    if plan.unused:
        words += f"; not needed: {', '.join(clean(name) for name in plan.unused)}"
    return words


def _wish(wished: int) -> str:
    return "of a single rank" if wished == 0 else f"at most {_ranks_wide(wished)} wide"


def _ranks_wide(width: float) -> str:
    return "1 rank" if width == 1 else f"{width:g} ranks"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
