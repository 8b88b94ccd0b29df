"""The report of a calibration: as a record, on a terminal, and in Markdown."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rankprobe.calibration.breakdown import HEADER, breakdowns, verdicts
from rankprobe.calibration.goals import Goal, planted, recovery_coverage, share_words
from rankprobe.calibration.outcomes import Outcome
from rankprobe.calibration.proportions import Share, binomial
from rankprobe.errors import ArtifactError
from rankprobe.reporting.wording import clean, duration

SCHEMA = 1
FILES = ("calibration.json", "calibration.md", "calibration.png")


@dataclass(frozen=True)
class Calibration:
    """A finished calibration, as written to ``calibration.json``.

    Attributes:
        schema: Version of this record.
        seed: Everything was drawn from it.
        small: Whether it is the short form, which is too small for most goals.
        settings: What was measured and how, in words.
        provenance: Versions and dates of the measurements.
        seconds: Processor time of all measurements.
        goals: Goal by goal.
        outcomes: Task by task.
    """

    schema: int
    seed: int
    small: bool
    settings: Mapping[str, str]
    provenance: Mapping[str, str]
    seconds: float
    goals: tuple[Goal, ...]
    outcomes: tuple[Outcome, ...]

    def to_json(self) -> str:
        """All of it as JSON text, one line a task."""
        record = dataclasses.asdict(self)
        lines = ",\n".join(json.dumps(outcome) for outcome in record.pop("outcomes"))
        head = json.dumps(record, indent=1).removesuffix("\n}")
        return f'{head},\n "outcomes": [\n{lines}\n ]\n}}\n'


def load_calibration(path: Path) -> Calibration:
    """Read a ``calibration.json``.

    Raises:
        ArtifactError: It is not there, damaged, or of another version.
    """
    try:
        found = TypeAdapter(Calibration).validate_json(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise ArtifactError(
            f"{path}: damaged, or of another version: {error.errors()[0]['msg']}"
        ) from None
    if found.schema != SCHEMA:
        raise ArtifactError(f"{path}: has schema {found.schema}; this version reads {SCHEMA}")
    return found


def goal_header() -> tuple[str, ...]:
    """Names of the columns of `goal_rows`."""
    return ("what", "goal", "measured, 95 % interval", "cases", "goal is")


def goal_rows(goals: Sequence[Goal]) -> list[tuple[str, ...]]:
    """Goal by goal as rows of text."""
    return [(g.what, g.goal, g.measured, f"{g.cases:,}", g.verdict) for g in goals]


def headline(calibration: Calibration) -> str:
    """How many goals are met, in one sentence."""
    verdicts_ = [goal.verdict for goal in calibration.goals]
    met, total = verdicts_.count("met"), len(verdicts_)
    missed = [goal.what for goal in calibration.goals if goal.verdict == "not met"]
    few = verdicts_.count("too few to say")
    if few == total:
        return f"Too few cases to say whether the {total} goals are met; none is excluded."
    words = f"{met} of {total} goals are met"
    words += f"; not met: {'; '.join(missed)}" if missed else ""
    words += f"; for {few} there are too few cases to say" if few else ""
    return words + "."


def facts(calibration: Calibration) -> dict[str, str]:
    """What else the reader should know, by name."""
    outcomes = calibration.outcomes
    known = planted(outcomes)
    teachers = [outcome for outcome in outcomes if outcome.kind == "teacher"]
    confirmed = sum(outcome.stratum == "confirmed" for outcome in teachers)
    by_reference = [o for o in known if o.reference_rank is not None]
    agree = sum(
        o.found.has_interval and o.found.covers(o.reference_rank or 0) for o in by_reference
    )
    withheld = sum(not outcome.found.has_interval for outcome in known)
    return {
        "tasks": ", ".join(
            f"{sum(o.kind == kind for o in outcomes)} {words}"
            for kind, words in (
                ("linear", "linear"),
                ("teacher", "teacher and student"),
                ("control", "with shuffled targets"),
            )
        ),
        "closed form": "the interval of recovery alone covers the closed form of linear tasks in "
        f"{share_words(_closed_form(known))}: it holds in the limit of many examples, and "
        "finite training misses it by more than a narrow interval",
        "reference": "the interval of r* covers the minimal rank of the reference in "
        f"{share_words(binomial(agree, len(by_reference)))}",
        "teachers": f"the reference reaches the target at the planted rank and not below it in "
        f"{confirmed} of {len(teachers)}; the truth of the others is the reference's own rank, "
        "and those without one are in no goal of r*",
        "withheld": f"{withheld} of {len(known)} planted tasks got no interval at all, and count "
        "as missed",
        "verdicts": ", ".join(
            f"{name.replace('_', ' ')} {count}" for name, count in verdicts(known).items()
        )
        or "none",
        "settings": "; ".join(f"{name}: {text}" for name, text in calibration.settings.items()),
        "made": f"seed {calibration.seed}, {duration(calibration.seconds)} of processor time; "
        + ", ".join(f"{name} {text}" for name, text in calibration.provenance.items()),
    }


def misses(outcomes: Sequence[Outcome]) -> list[str]:
    """The clear tasks that were not found exactly, and those whose interval is wrong."""
    lines = []
    for outcome in planted(outcomes):
        wrong = not outcome.found.covers(outcome.expected or 0)
        if not wrong and (outcome.exact or outcome.stratum == "near tie"):
            continue
        found = "no rank" if outcome.found.value is None else f"rank {outcome.found.value}"
        ends = [
            "open" if end is None else str(end) for end in (outcome.found.low, outcome.found.high)
        ]
        reference = (
            "" if outcome.reference_rank is None else f", reference {outcome.reference_rank}"
        )
        lines.append(
            f"{clean(outcome.name)}: expected {outcome.expected}, found {found} "
            f"({' to '.join(ends)}; {outcome.found.verdict.replace('_', ' ')}){reference}"
        )
    return lines


def summary(calibration: Calibration) -> RenderableType:
    """The report for a terminal of 80 columns."""
    parts: list[RenderableType] = [Text(headline(calibration), style="bold"), Text()]
    parts += [_goal_table(calibration), Text()]
    if tables := breakdowns(calibration.outcomes):
        parts += [_breakdown_table(tables), Text()]
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in facts(calibration).items():
        grid.add_row(name, Text(text))
    if lines := misses(calibration.outcomes):
        grid.add_row("misses", Text("\n".join(lines)))
    return Group(*parts, grid)


def markdown(calibration: Calibration) -> str:
    """The report in Markdown."""
    parts = [
        "# Calibration",
        f"**{headline(calibration)}**",
        "![planted ranks against found ones, and coverage](calibration.png)",
        body(calibration),
    ]
    return "\n\n".join(parts) + "\n"


def body(calibration: Calibration) -> str:
    """Tables and facts in Markdown, without the title and the figure."""
    parts = [markdown_table(goal_header(), goal_rows(calibration.goals))]
    for title, rows in breakdowns(calibration.outcomes).items():
        parts.append(markdown_table((f"by {title}", *HEADER[1:]), rows))
    parts.append(
        "exact, within 1, covers: share of the tasks whose minimal rank is found exactly, within "
        "one rank, inside its interval; width: median width of that interval; recovery: coverage "
        "of the intervals of recovery, and the number of points."
    )
    parts.append("\n".join(f"- {name}: {text}" for name, text in facts(calibration).items()))
    if lines := misses(calibration.outcomes):
        parts.append("Misses:\n\n" + "\n".join(f"- {line}" for line in lines))
    return "\n\n".join(parts)


def markdown_table(names: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """A table; the first column is aligned to the left, the others to the right."""
    lines = [names, [":--", *["--:"] * (len(names) - 1)], *cells]
    return "\n".join(f"| {' | '.join(cell.replace('|', '') for cell in line)} |" for line in lines)


def _closed_form(outcomes: Sequence[Outcome]) -> Share:
    def covered(outcome: Outcome) -> list[bool]:
        found = [point.covers_closed_form for point in outcome.points]
        return [item for item in found if item is not None]

    return recovery_coverage(outcomes, covered)


_STYLES = {"met": "green", "not met": "bold red", "too few to say": "yellow"}


def _goal_table(calibration: Calibration) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim", width=80)
    for index, name in enumerate(goal_header()):
        table.add_column(
            Text(name),
            justify="right" if index == 3 else "left",
            overflow="fold",
            no_wrap=index == 3,
        )
    for goal, cells in zip(calibration.goals, goal_rows(calibration.goals), strict=True):
        *rest, verdict = cells
        table.add_row(*(Text(cell) for cell in rest), Text(verdict, style=_STYLES[goal.verdict]))
    return table


def _breakdown_table(tables: Mapping[str, Sequence[tuple[Any, ...]]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for index, name in enumerate(HEADER):
        table.add_column(Text(name), justify="left" if index == 0 else "right", no_wrap=True)
    for title, rows in tables.items():
        table.add_row(Text(f"by {title}", style="dim"))
        for cells in rows:
            table.add_row(*(Text(cell) for cell in (f"  {cells[0]}", *cells[1:])))
    return table
