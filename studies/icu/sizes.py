"""The same series on states of several sizes: does a smaller network need a higher rank?"""

from __future__ import annotations

from pathlib import Path

import yaml

from rankprobe.records import Result
from rankprobe.reporting.wording import minimal_words, percent, score_text
from studies.catalogue import SIZES, Measurement, find
from studies.markdown import not_measured, table
from studies.nine.published import PUBLISHED, SMALL_ICU

PUBLISHED_LINE = (
    f"published: rank {PUBLISHED['icu'].smallest(0.95)} reaches 95 % with a state of 256, rank "
    f"{SMALL_ICU.smallest(0.95)} with one of 32"
)


def block(root: Path) -> str:
    """A row a size, the smallest first."""
    found = [(m, m.result(root)) for m in (find("icu"), *SIZES)]
    measured = [(_state(m, root), result) for m, result in found if result is not None]
    rows = [_row(state, result) for state, result in sorted(measured, key=lambda pair: pair[0])]
    missing = [m.name for m, result in found if result is None]
    names = ["state", "full training", "rank 1 recovers", "r* at 95 %", "r* at 99 %", "parameters"]
    parts = [table(names, rows)] if rows else []
    if missing:
        parts.append(not_measured(f"python -m studies.run {' '.join(missing)}"))
    return "\n\n".join([*parts, f"- {PUBLISHED_LINE}"])


def _state(measurement: Measurement, root: Path) -> int:
    """Width of the state, as the settings say."""
    settings = yaml.safe_load(measurement.config(root).read_text(encoding="utf-8"))
    hidden: int = {**settings["backbone"], **measurement.changes.get("backbone", {})}["hidden"]
    return hidden


def _row(state: int, result: Result) -> list[str]:
    first = result.points[0].recovery
    recovered = f"{percent(round(first.mean, 3))} [{100 * first.low:.1f}, {100 * first.high:.1f}]"
    return [
        str(state),
        score_text(result, result.baseline.mean),
        recovered,
        *(minimal_words(result.targets[key]) for key in ("0.95", "0.99")),
        f"{result.baseline.parameters:,}",
    ]
