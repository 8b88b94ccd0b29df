"""A table's fitted preprocessing as JSON: what becomes of each column, without the training data.

Written down from what skrub's ``TableVectorizer`` fitted, and tried at once on rows that it has
encoded: a column of which this gives other numbers is one that cannot be written so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rankprobe.data.examples import Inputs, Scaler
from rankprobe.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

Column = dict[str, Any]
_PARTS = ("year", "month", "day", "hour", "minute", "second", "total_seconds")


def described_table(
    vectorizer: Any, imputer: Any, scaler: Scaler, rows: pd.DataFrame, vectors: Inputs
) -> dict[str, Any]:
    """Fitted preprocessing as JSON.

    Args:
        vectorizer: A fitted ``TableVectorizer``.
        imputer: What fills its gaps, a fitted ``SimpleImputer`` with indicators.
        scaler: What is done then.
        rows: Some rows.
        vectors: What the vectorizer made of them, (rows, numbers).

    Returns:
        What `table_inputs` reads; or the one entry ``refused``, which says why there is none.
    """
    columns: list[Column] = []
    for name in vectorizer.column_to_kind_:
        column = _described(name, vectorizer)
        if column is None:
            return {"refused": f"the column `{name}` is {_kind(name, vectorizer)}"}
        columns.append(column)
    if not np.isfinite(imputer.statistics_).all():
        return {"refused": "a column holds nothing in all training rows"}
    order = [str(name) for name in vectorizer.all_outputs_]
    places = {
        name: [order.index(each) for each in vectorizer.input_to_outputs_[name]]
        for name in vectorizer.column_to_kind_
    }
    made = _vectors(columns, rows, "the training rows")
    for column, numbers in zip(columns, made, strict=True):
        wanted = vectors[:, places[column["name"]]]
        if not np.array_equal(numbers, wanted, equal_nan=True):
            return {"refused": f"the column `{column['name']}` is encoded in a form of its own"}
    at = np.concatenate([places[column["name"]] for column in columns]).argsort()
    return {
        "reads": "table",
        "columns": columns,
        "order": at.tolist(),
        "fill": imputer.statistics_.tolist(),
        "marked": imputer.indicator_.features_.tolist(),
        **scaler.plain(),
    }


def table_inputs(fitted: Mapping[str, Any], frame: pd.DataFrame, holder: str) -> Inputs:
    """Inputs (rows, features) of a table.

    Args:
        fitted: From `described_table`.
        frame: The table; columns that are not needed are left alone.
        holder: Its file, for messages.

    Raises:
        DataError: A column is missing, or holds something else than it did in training.
    """
    columns: Sequence[Column] = fitted["columns"]
    missing = [column["name"] for column in columns if column["name"] not in frame.columns]
    if missing:
        there = ", ".join(map(str, frame.columns))
        raise DataError(
            f"{holder} has no column `{missing[0]}`, which the model reads; it has {there}"
        )
    vectors = np.concatenate(_vectors(columns, frame, holder), axis=1)[:, fitted["order"]]
    infinite = np.isinf(vectors)
    if infinite.any():
        names = [column["name"] for column in columns for _ in range(width(column))]
        name = names[fitted["order"][int(infinite.any(axis=0).argmax())]]
        row = int(infinite.any(axis=1).argmax()) + 1
        raise DataError(
            f"the column `{name}` in {holder} holds infinite or too large values, the first in "
            f"row {row}"
        )
    gaps = np.isnan(vectors)
    fill = np.asarray(fitted["fill"], dtype=np.float64)
    filled = np.where(gaps, fill, vectors)
    marks = gaps[:, fitted["marked"]]
    return Scaler.of(fitted)(np.concatenate([filled, marks], axis=1).astype(np.float32))


def _described(name: str, vectorizer: Any) -> Column | None:
    kind, steps = vectorizer.column_to_kind_[name], vectorizer.all_processing_steps_[name]
    made_by = vectorizer.transformers_[name]
    if kind == "numeric":
        return {"name": name, "kind": "number"}
    if kind == "low_cardinality":
        (values,), (dropped,) = made_by.categories_, made_by.drop_idx_
        texts = [None if value is None or value != value else str(value) for value in values]
        return {"name": name, "kind": "category", "values": texts, "dropped": _whole(dropped)}
    if kind == "datetime":
        formats = [step.format_ for step in steps if hasattr(step, "format_")]
        parts = list(made_by.extracted_features_)
        if len(formats) == 1 and set(parts) <= set(_PARTS):
            return {"name": name, "kind": "date", "format": formats[0], "parts": parts}
    return None


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _kind(name: str, vectorizer: Any) -> str:
    kind = vectorizer.column_to_kind_[name]
    return "text of many values" if kind == "high_cardinality" else f"of the kind {kind}"


def width(column: Column) -> int:
    """How many numbers a column becomes."""
    if column["kind"] == "category":
        return len(column["values"]) - (column["dropped"] is not None)
    return len(column["parts"]) if column["kind"] == "date" else 1


def _vectors(columns: Sequence[Column], frame: pd.DataFrame, holder: str) -> list[Inputs]:
    """(rows, numbers) of each column."""
    return [
        _MAKERS[column["kind"]](column, frame[str(column["name"])], holder) for column in columns
    ]


def _number(column: Column, values: pd.Series[Any], holder: str) -> Inputs:
    import pandas as pd

    if pd.api.types.is_bool_dtype(values.dtype):
        values = values.astype(float)
    numbers = pd.to_numeric(without_nulls(values), errors="coerce")
    wrong = (numbers.isna() & without_nulls(values).notna()).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"the column `{column['name']}` in {holder} needs numbers, and holds "
            f"{str(values.iloc[row])!r} in row {row + 1}"
        )
    with np.errstate(over="ignore"):
        return numbers.to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32)[:, None]


def _category(column: Column, values: pd.Series[Any], holder: str) -> Inputs:  # noqa: ARG001
    """One-hot; a category that training did not hold is all zeros."""
    known = column["values"]
    cleaned = without_nulls(values)
    codes = {value: index for index, value in enumerate(known)}
    hot = np.zeros((len(values), len(known)), dtype=np.float32)
    for row, (value, missing) in enumerate(zip(cleaned, cleaned.isna(), strict=True)):
        place = codes.get(None if missing else str(value))
        if place is not None:
            hot[row, place] = 1.0
    return hot if column["dropped"] is None else np.delete(hot, column["dropped"], axis=1)


def _date(column: Column, values: pd.Series[Any], holder: str) -> Inputs:
    import pandas as pd

    times = parsed_dates(column, values)
    wrong = (times.isna() & without_nulls(values).notna()).to_numpy()
    if len(wrong) and wrong.all():
        raise DataError(
            f"the column `{column['name']}` in {holder} needs dates like {column['format']}, and "
            f"holds {str(values.iloc[0])!r} in row 1"
        )
    parts = []
    for part in column["parts"]:
        if part == "total_seconds":
            numbers = (times - pd.Timestamp(0, tz=times.dt.tz)) / pd.Timedelta(seconds=1)
        else:
            numbers = getattr(times.dt, part)
        parts.append(numbers.to_numpy(dtype=np.float64, na_value=np.nan).astype(np.float32))
    return np.stack(parts, axis=1)


def parsed_dates(column: Column, values: pd.Series[Any]) -> pd.Series[Any]:
    """Times of a column of dates; none where a value is no date of its format."""
    import pandas as pd

    return pd.to_datetime(without_nulls(values), format=column["format"], errors="coerce")


def without_nulls(values: pd.Series[Any]) -> pd.Series[Any]:
    """Text that stands for nothing, such as ``?`` or ``N/A``, as nothing."""
    from pandas.api import types

    if not (types.is_string_dtype(values.dtype) or types.is_object_dtype(values.dtype)):
        return values
    text = values.astype("object")
    blank = text.map(lambda value: isinstance(value, str) and value.strip() in _NULLS)
    return text.where(~blank.to_numpy(dtype=bool), None)


_NULLS = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
     "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null", "NONE", "?", "...", "none"]
)  # fmt: skip
_MAKERS = {"number": _number, "category": _category, "date": _date}
