"""What a table of new data holds that the training rows did not, in words.

None of it stops a prediction: it is read as preprocessing reads it, and whoever predicts should
know how.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.data.fitted_table import Column, parsed_dates, width, without_nulls

if TYPE_CHECKING:
    import pandas as pd

_SHOWN, _LETTERS = 3, 30  # values that are named, and letters of each


def unseen(fitted: Mapping[str, Any], frame: pd.DataFrame) -> tuple[str, ...]:
    """A line for every column with values, or gaps, that training had none of.

    Args:
        fitted: From `rankprobe.data.fitted_table.described_table`.
        frame: New data that `rankprobe.data.fitted_table.table_inputs` reads.

    Returns:
        Each with the column, the number of rows, the first few values, and what they are read as;
        in the order of the table.
    """
    marked = {int(fitted["order"][place]) for place in fitted["marked"]}
    found: dict[str, list[str]] = {}
    start = 0
    for column in fitted["columns"]:
        places = range(start, start := start + width(column))
        values = frame[str(column["name"])]
        by_mark = not marked.isdisjoint(places)
        had_gaps = None in column["values"] if column["kind"] == "category" else by_mark
        found[str(column["name"])] = _parts(column, values, had_gaps=had_gaps)
    order = [name for name in map(str, frame.columns) if found.get(name)]
    return tuple(f"`{name}`: {'; '.join(found[name])}" for name in order)


def _parts(column: Column, values: pd.Series[Any], *, had_gaps: bool) -> list[str]:
    present = without_nulls(values)
    gaps = present.isna().to_numpy(dtype=bool)
    strange, what, read_as = _strange(column, present, gaps)
    parts = []
    if strange.any():
        parts.append(f"{_rows(strange)} {what} ({_examples(present[strange])}), read as {read_as}")
    if gaps.any() and not had_gaps:
        filled = read_as if column["kind"] == "category" else "the median of training"
        parts.append(f"{_rows(gaps)} no value, which training always had, read as {filled}")
    return parts


def _strange(
    column: Column, present: pd.Series[Any], gaps: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], str, str]:
    """Rows whose value is there and not known, what such a value is, and what it is read as."""
    if column["kind"] == "category":
        known, dropped = column["values"], column["dropped"]
        unknown = ~present.map(str).isin([value for value in known if value is not None])
        read_as = "none of those seen" if dropped is None else _quoted(known[dropped])
        return unknown.to_numpy(dtype=bool) & ~gaps, "values never seen in training", read_as
    if column["kind"] == "date":
        unread = parsed_dates(column, present).isna().to_numpy(dtype=bool)
        return unread & ~gaps, f"no date like {column['format']}", "missing"
    return np.zeros(len(gaps), dtype=bool), "", ""


def _rows(rows: NDArray[np.bool_]) -> str:
    count = int(rows.sum())
    return f"{count:,} row{'s' * (count > 1)} with"


def _examples(values: pd.Series[Any]) -> str:
    names = list(dict.fromkeys(map(str, values)))
    more = ", ..." if len(names) > _SHOWN else ""
    return ", ".join(map(_quoted, names[:_SHOWN])) + more


def _quoted(value: str | None) -> str:
    if value is None:
        return "no value"
    return repr(value if len(value) <= _LETTERS else f"{value[: _LETTERS - 3]}...")
