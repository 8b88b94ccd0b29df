"""What the page of the seed-gated tasks shows of their results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studies.markdown import not_measured, table

HERE = Path(__file__).parent
OUTSIDE = ("ignored", "class")


def block(root: Path) -> str:
    """A row a seed, with and without the outside class."""
    folder = root / "scaffold" / "seed_gated" / "results"
    files = [folder / f"{outside}.json" for outside in OUTSIDE]
    if not all(file.is_file() for file in files):
        return not_measured("python -m studies.scaffold.seed_gated")
    lines: list[tuple[str, ...]] = []
    for outside, file in zip(OUTSIDE, files, strict=True):
        measured = json.loads(file.read_text(encoding="utf-8"))
        for rank in measured["ranks"]:
            lines += [_row(outside, rank["rank"], row) for row in rank["seeds"]]
    made = measured["provenance"]
    names = ("other digits", "rank", "seed", "its digits", "own", "elsewhere", "rejected")
    facts = (
        f"Means and standard deviations of {measured['repeats']} repeats, in percent of test "
        f"digits. Measured {made['date']} with torch {made['torch']}."
    )
    return f"{table(names, lines)}\n\n{facts}"


def _row(outside: str, rank: int, row: dict[str, Any]) -> tuple[str, ...]:
    return (
        outside,
        str(rank),
        str(row["seed"]),
        " ".join(row["classes"]),
        _percent(row["own"], row["own_deviation"]),
        _percent(row["elsewhere"], None),
        _percent(row["rejected"], row["rejected_deviation"]),
    )


def _percent(share: float | None, deviation: float | None) -> str:
    if share is None:
        return ""
    scatter = "" if deviation is None else f" ± {100 * deviation:.1f}"
    return f"{100 * share:.1f}{scatter}"
