"""What a data file holds, told by its name, its columns and their first values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rankprobe.config_sources import TABLES, table_suffix
from rankprobe.data.names import names_in

PROSE = 5  # words in a row, on average, from which text is read as text and not as a category
_ROWS = 500  # values that are looked at
_SERIES = {
    "id": ("id", "patient", "patient_id", "record", "recordid", "subject", "subject_id", "unit"),
    "time": ("time", "t", "hours", "minutes", "seconds", "days", "timestamp"),
    "channel": ("channel", "variable", "parameter", "sensor", "signal"),
    "value": ("value", "reading", "measurement"),
}
# Tokens of SMILES (Weininger 1988, OpenSMILES): atoms, ring closures, bonds, branches, a dot.
_TOKEN = re.compile(
    r"(?P<atom>\[[^\[\]\s]+\]|Br|Cl|[BCNOPSFI]|[bcnops]|\*)|(?P<ring>%\d\d|\d)|[-=#$:/\\~().]"
)


Columns = Mapping[str, Sequence[Any]]


def settings_of(data: Path, columns: Columns, label: str | None) -> dict[str, object]:
    """Settings under ``data`` beside the path, where the name of the file does not tell them.

    Args:
        data: The data.
        columns: What `columns_of` gives for it.
        label: The column to predict, where it is known.
    """
    if data.is_dir():
        return {"source": "images"}
    if label is None and data.suffix.lower() == ".jsonl":
        return {"source": "text"}
    if (series := _series(data, list(columns), label)) is not None:
        return series
    others = [name for name in columns if name and name != label]
    for name in others:
        if is_smiles(name, columns[name]):
            return {"source": "graphs", "smiles": name}
    if len(columns) == 2 and others and is_prose(columns[others[0]]):
        return {"source": "text", "features": others[0]}
    return {}


def columns_of(data: Path) -> Columns:
    """The columns of a table with their first values; none of what is no table.

    Raises:
        DataError: The table cannot be read.
    """
    if not data.is_file() or table_suffix(data.name) not in TABLES:
        return {}
    from rankprobe.data.frames import read_frame

    head = read_frame(data).head(_ROWS)
    return {str(name): head[name].dropna().tolist() for name in head.columns}


def is_prose(values: Sequence[Any]) -> bool:
    """Whether values are running text: some words in a row, and rows that differ."""
    if not values or not all(isinstance(value, str) for value in values):
        return False
    words = sum(len(value.split()) for value in values) / len(values)
    return words >= PROSE and len(set(values)) > len(values) / 2


def is_smiles(name: str, values: Sequence[Any]) -> bool:
    """Whether values are molecules written as SMILES, by their characters alone.

    Most must be written right; where the column is not called so, nearly all must, and many
    must have a ring, a branch or a bond that is written, which names and codes have not.
    """
    if not values or not all(isinstance(value, str) for value in values):
        return False
    right = [value for value in values if _is_written_right(value)]
    if "smiles" in name.lower():
        return len(right) > 0.8 * len(values)
    built = sum(bool(re.search(r"[(=#\[]|[CcNn]\d", value)) for value in right)
    return len(right) > 0.98 * len(values) and built > 0.3 * len(values)


def _is_written_right(text: str) -> bool:
    """Tokens of SMILES from end to end, with atoms, closed rings and closed branches."""
    end, atoms, rings, depth = 0, 0, Counter[str](), 0
    text = text.strip()
    for token in _TOKEN.finditer(text):
        if token.start() != end:
            return False
        end = token.end()
        atoms += token["atom"] is not None
        if token["ring"]:
            rings[token["ring"]] += 1
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if depth < 0:
            return False
    closed = all(count % 2 == 0 for count in rings.values())
    return end == len(text) and atoms > 0 and closed and depth == 0


def _series(data: Path, names: Sequence[str], label: str | None) -> dict[str, object] | None:
    """Settings of one row a reading: who, when, what and how much, and nothing else."""
    by_name = {name.lower(): name for name in names}
    found = {
        role: next((by_name[name] for name in known if name in by_name), None)
        for role, known in _SERIES.items()
    }
    if len(names) != len(_SERIES) or None in found.values() or label in names:
        return None
    roles: dict[str, object] = {role: name for role, name in found.items() if name != role}
    settings: dict[str, object] = {"source": "series", **roles}
    for stem in (f"{data.stem}_labels", "labels", "outcomes"):
        for suffix in (".csv", ".tsv", ".parquet"):
            beside = data.with_name(stem + suffix)
            if beside.is_file() and found["id"] in (names_in(beside) or []):
                return {**settings, "labels": beside.name}
    return settings
