"""What a data file holds, told by its name, its columns and their first values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rankprobe.config_problems import nearest
from rankprobe.config_sources import TABLES, inferred_source, table_suffix
from rankprobe.data.names import names_in
from rankprobe.errors import ConfigError, Problem

PROSE = 5  # words in a row, on average, from which text is read as text and not as a category
_ROWS = 500  # values that are looked at
_SERIES = {
    "id": ("id", "patient", "patient_id", "record", "recordid", "subject", "subject_id", "unit"),
    "time": ("time", "t", "hours", "minutes", "seconds", "days", "timestamp"),
    "channel": ("channel", "variable", "parameter", "sensor", "signal"),
    "value": ("value", "reading", "measurement"),
}
_LABELS = (".csv", ".tsv", ".parquet")
# Names of columns that tell rows apart: id, index, patient_id, patientId.
_NAMES_ROWS = re.compile(r"(?i:(.*[_ .-])?id|index)|.*[a-z]I[dD]")
# Tokens of SMILES (Weininger 1988, OpenSMILES): atoms, ring closures, bonds, branches, a dot.
_TOKEN = re.compile(
    r"(?P<atom>\[[^\[\]\s]+\]|Br|Cl|[BCNOPSFI]|[bcnops]|\*)|(?P<ring>%\d\d|\d)|[-=#$:/\\~().]"
)


Columns = Mapping[str, Sequence[Any]]


def check_data(data: Path) -> None:
    """Refuse what is not there, and files that are no data.

    Raises:
        ConfigError: It is; the message says what can be read.
    """
    if not data.exists():
        hint = f"there is no folder {data.parent} either"
        if data.parent.is_dir():
            hint = nearest(data.name, sorted(entry.name for entry in data.parent.iterdir()))
        raise ConfigError(Problem("the file is not there", str(data), hint))
    if data.suffix.lower() in (".yaml", ".yml"):
        hint = f"`rankprobe check {data}` reads it; give `init` the data themselves"
        raise ConfigError(Problem("this is a file of settings, not data", str(data), hint))
    known = inferred_source({"path": data.name}) or table_suffix(data.name) in TABLES
    if not (known or data.is_dir()):
        hint = (
            "readable are tables (.csv, .tsv, .parquet, .jsonl), arrays (.npz), plain text (.txt) "
            "and folders of pictures; for others, write a dataset.yaml that names the `source`"
        )
        raise ConfigError(Problem("`init` does not know this kind of file", str(data), hint))


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


def identifiers(data: Path, columns: Columns, target: str) -> list[str]:
    """Columns that name the rows: called so, each value there once, and no measured quantity.

    Args:
        data: The table.
        columns: What `columns_of` gives for it.
        target: What is predicted, which is none of them.

    Raises:
        DataError: The table cannot be read.
    """
    likely = [
        name
        for name, values in columns.items()
        if name != target
        and _NAMES_ROWS.fullmatch(name)
        and len(set(values)) == len(values) > 0
        and not any(isinstance(value, float) for value in values)
    ]
    if not likely:
        return []
    from rankprobe.data.frames import read_frame

    frame = read_frame(data)
    return [name for name in likely if frame[name].is_unique]


def labels_beside(data: Path, own: str, label: str) -> list[str]:
    """Tables beside readings that have the column of their series and the one to predict."""
    files = (file for file in sorted(data.parent.iterdir()) if file.suffix.lower() in _LABELS)
    return [
        file.name
        for file in files
        if file != data and file.is_file() and {own, label} <= {*(names_in(file) or ())}
    ]


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
        for suffix in _LABELS:
            beside = data.with_name(stem + suffix)
            held = names_in(beside) or [] if beside.is_file() else []
            if found["id"] in held and (label is None or label in held):
                return {**settings, "labels": beside.name}
    fitting = labels_beside(data, str(found["id"]), label) if label is not None else []
    return {**settings, "labels": fitting[0]} if len(fitting) == 1 else settings
