"""Irregular clinical series: measurements of people with and without fatty liver disease.

A stand-in for the records of an intensive care unit: measurements at irregular days, many
channels missing, and death as the target. The two tables are ``nafld1`` (people) and ``nafld2``
(measurements) of the R package survival.
"""

from __future__ import annotations

import io
import lzma
import math
import pickle
from typing import Any

from rankprobe.errors import DataError
from studies.fetching.dataset import gzipped, library, table

LAST_DAY = 365
FEWEST_MEASUREMENTS = 5
STATICS = ("age", "male", "weight", "height", "bmi")
# In these tables total cholesterol (`chol`) repeats HDL cholesterol and diastolic pressure
# (`dbp`) repeats systolic pressure, value by value: a copy under a wrong name adds nothing.
COPIES = {"chol": "hdl", "dbp": "sbp"}
# Values outside are slips of the pen: a systolic pressure of 13,682 mmHg is in the table.
PLAUSIBLE = {"sbp": (30.0, 300.0)}

# What a pickled table of numbers and names is made of, each by its full name: a prefix such
# as "pandas." would let in functions that open files or evaluate text.
_ALLOWED = {
    "builtins": {"slice"},
    "numpy": {"dtype", "ndarray"},
    "numpy._core.multiarray": {"_reconstruct"},
    "numpy._core.numeric": {"_frombuffer"},
    "pandas": {"DataFrame", "Index", "RangeIndex"},  # as pandas 3 names them
    "pandas.core.frame": {"DataFrame"},
    "pandas.core.indexes.base": {"Index", "_new_Index"},
    "pandas.core.indexes.range": {"RangeIndex"},
    "pandas.core.internals.managers": {"BlockManager"},
    "pandas._libs.internals": {"_unpickle_block"},
}


def icu(people: bytes, measurements: bytes) -> tuple[bytes, bytes]:
    """The series and the labels of those who are alive and observed after `LAST_DAY` days.

    Day 0 is a person's index date, the day of the diagnosis or, for a control, of the match's.
    Everything measured up to `LAST_DAY` is input, negative days included; nothing later is.
    The label is death after that day. ``futime`` counts the days from day 0 to death or to the
    last contact: it says who is at risk (``futime`` > `LAST_DAY`) and is no input, because the
    length of the observation tells the outcome. A label 0 means alive at the last contact,
    which is some people's second year and others' twentieth.

    Args:
        people: Pickled and xz-compressed ``nafld1``.
        measurements: The same of ``nafld2``.

    Returns:
        ``series.csv.gz`` with a row a measurement, ``id, time, channel, value``, the time in
        days, the mean where one channel was measured twice on a day; and ``labels.csv`` with a
        row a person, ``id, label`` and `STATICS`, empty where unknown.

    Raises:
        DataError: The content is no such table, or pandas is missing.
    """
    persons = _frame(people, ("id", "futime", "status", *STATICS))
    series = _frame(measurements, ("id", "days", "test", "value"))
    series = series[series["days"] <= LAST_DAY]
    # Counted with the copies, as rows of the table: that is how 10,775 people come out.
    counts = persons["id"].map(series.groupby("id").size()).fillna(0)
    persons = persons[(counts >= FEWEST_MEASUREMENTS) & (persons["futime"] > LAST_DAY)]
    series = _clean(series[series["id"].isin(persons["id"])])
    rows = zip(*(series[name] for name in ("id", "days", "test", "value")), strict=True)
    labels = zip(
        persons["id"],
        persons["status"],
        *([_number(value) for value in persons[name]] for name in STATICS),
        strict=True,
    )
    return (
        gzipped(table(("id", "time", "channel", "value"), ((*r[:3], _number(r[3])) for r in rows))),
        table(("id", "label", *STATICS), labels),
    )


def _clean(series: Any) -> Any:
    """Without copies and impossible values; one value a person, day and channel, in order."""
    _check_copies(series)
    series = series[~series["test"].isin(list(COPIES))]
    for channel, (low, high) in PLAUSIBLE.items():
        wrong = (series["test"] == channel) & ~series["value"].between(low, high)
        series = series[~wrong]
    return series.groupby(["id", "days", "test"], as_index=False, sort=True)["value"].mean()


def _check_copies(series: Any) -> None:
    """Refuse tables in which a channel that is left out says something of its own."""
    for copy, original in COPIES.items():
        first, second = (
            series[series["test"] == name].groupby(["id", "days"])["value"].mean()
            for name in (copy, original)
        )
        if not first.index.isin(second.index).all() or (
            (first - second.reindex(first.index)).abs().max() > 1e-9
        ):
            raise DataError(f"`{copy}` was left out as a copy of `{original}`, and is none")


def _frame(content: bytes, columns: tuple[str, ...]) -> Any:
    """A pickled table; only what a table is made of is built, and nothing is called besides.

    Raises:
        DataError: It holds anything else, or lacks a column.
    """
    pandas = library("pandas", "the clinical series")
    try:
        frame = _TableUnpickler(io.BytesIO(lzma.decompress(content))).load()
    except (lzma.LZMAError, pickle.UnpicklingError, EOFError) as error:
        raise DataError(f"a table of the clinical series cannot be read: {error}") from None
    if not isinstance(frame, pandas.DataFrame) or not set(columns) <= set(frame.columns):
        raise DataError(f"a table of the clinical series lacks a column of {', '.join(columns)}")
    return frame


class _TableUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # NumPy 1 called its inner package `core`; the old name works too, and warns.
        module = module.replace("numpy.core.", "numpy._core.")
        if name not in _ALLOWED.get(module, ()):
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no table needs")
        return super().find_class(module, name)


def _number(value: float) -> str:
    """Six digits: more than any of these was measured to; empty where unknown."""
    return "" if math.isnan(value) else f"{value:.6g}"
