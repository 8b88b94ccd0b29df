"""The source ``table``: CSV, TSV or Parquet with numbers, categories, dates and missing values.

Columns become numbers by skrub's ``TableVectorizer``, fitted on the training rows alone: numbers
stay, dates give their parts, few-valued text is one-hot, many-valued text is embedded.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.config_data import DataConfig
from rankprobe.data.examples import FREE, Encoded, Examples, Inputs, Rows, Scaler
from rankprobe.data.fitted_table import described_table
from rankprobe.data.frames import EXTRA, read_frame
from rankprobe.data.names import paths
from rankprobe.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_TRIED = 1000  # rows that written-down preprocessing is tried on


def read_table(config: TaskConfig) -> Examples:
    """Read ``data.path``; the target is the last column without another role, unless one is named.

    Raises:
        DataError: The file cannot be read, or a column cannot serve.
    """
    assert config.data is not None
    data, path = config.data, paths(config.data, config.folder)[0]
    frame = read_frame(path)
    split = data.split
    by = split.by
    targets = listed(data.target) or [last_free(frame, {by}, path.name)]
    features = frame[listed(data.features) or _features(frame, data, targets)]
    if features.shape[1] == 0:
        raise DataError(f"{path.name} has no columns beside the target")
    columns = [target_column(frame[name], name, config, path.name) for name in targets]
    standardize = data.standardize is not False
    fitted: dict[str, Any] = {}
    return Examples(
        holder=path.name,
        target=", ".join(targets),
        y=columns[0] if len(columns) == 1 else np.stack(columns, axis=1),
        fixed=np.full(len(frame), FREE, dtype=np.int8),
        by=divider(frame[by], by, path.name, in_time=bool(split.time)) if by else None,
        encode=partial(_encoded, features, standardize, path.name, fitted),
        form=lambda: {"fitted": fitted},
    )


def listed(names: str | tuple[str, ...] | None) -> list[str]:
    """Names as a list: one, several or none."""
    return [names] if isinstance(names, str) else list(names or ())


def last_free(frame: pd.DataFrame, roles: set[str | None], holder: str) -> str:
    """The target where none is named: the last column that has no other role.

    Raises:
        DataError: Every column has one.
    """
    free = [name for name in map(str, frame.columns) if name not in roles]
    if not free:
        raise DataError(f"{holder} has no column left for the target; add one")
    return free[-1]


def _features(frame: pd.DataFrame, data: DataConfig, targets: list[str]) -> list[str]:
    """Every column that has no other role.

    A column without a name is the row number that pandas writes: it tells nothing about a row,
    but where rows are sorted by class it would tell the class.
    """
    roles = {*targets, data.split.by, ""}
    return [name for name in frame.columns if name not in roles]


def target_column(
    column: pd.Series[Any], name: str, config: TaskConfig, holder: str
) -> NDArray[Any]:
    """A target as numbers, truth values or text, with nothing missing."""
    from pandas.api import types

    what = f"the target `{name}` in {holder}"
    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(
            f"{what} is missing in {int(missing.sum())} of {len(missing)} rows, the first in row "
            f"{int(missing.argmax()) + 1}; fill them in or remove the rows"
        )
    if types.is_bool_dtype(column.dtype):
        return column.to_numpy(dtype=bool)
    if types.is_integer_dtype(column.dtype):
        return column.to_numpy(dtype=np.int64)
    if types.is_float_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64)
    if types.is_datetime64_any_dtype(column.dtype):
        raise DataError(f"{what} holds dates; a target is a class or a number")
    text = np.array([str(value) for value in column], dtype=np.str_)
    if config.objective != "classification":
        _check_stray_text(text, what)
    return text


def _check_stray_text(text: NDArray[Any], what: str) -> None:
    """Refuse a few words among numbers: they would turn a quantity into classes."""
    import pandas as pd

    stray = pd.to_numeric(pd.Series(text), errors="coerce").isna().to_numpy()
    if 0 < stray.sum() <= len(stray) / 2:
        row = int(stray.argmax())
        raise DataError(
            f"{what} holds the text {str(text[row])!r} among numbers in row {row + 1}; "
            "correct it, or write `objective: classification` if all are names of classes"
        )


def divider(column: pd.Series[Any], name: str, holder: str, *, in_time: bool) -> NDArray[Any]:
    """Values to divide by; times as numbers that sort as they follow each other."""
    import pandas as pd

    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(
            f"the column `{name}` in {holder} divides the data, but is missing in row "
            f"{int(missing.argmax()) + 1}"
        )
    if not in_time:
        return np.array([str(value) for value in column], dtype=np.str_)
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it guesses the format
            return pd.to_datetime(column, utc=True).astype("int64").to_numpy()
    except ValueError as error:
        raise DataError(
            f"the column `{name}` in {holder} holds no times: {str(error).splitlines()[0]}"
        ) from None


def _encoded(
    features: pd.DataFrame,
    standardize: bool,
    holder: str,
    fitted: dict[str, Any],
    rows: Sequence[Rows],
) -> Encoded:
    """Vectorise, fill in what is missing and mark it, standardise: all fitted on training."""
    try:
        from sklearn.impute import SimpleImputer
        from skrub import StringEncoder, TableVectorizer
    except ImportError:
        raise DataError(EXTRA) from None
    vectorizer = TableVectorizer(high_cardinality=StringEncoder(random_state=0))
    imputer = SimpleImputer(strategy="median", add_indicator=True)
    train = features.iloc[rows[0]]
    with warnings.catch_warnings():
        # Categories and dates unknown to training are no news: they become zeros and gaps.
        warnings.simplefilter("ignore")
        try:
            vectors = [vectorizer.fit_transform(train).to_numpy(dtype=np.float32)]
            vectors += [
                vectorizer.transform(features.iloc[part]).to_numpy(dtype=np.float32)
                for part in rows[1:]
            ]
        except (TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise DataError(f"the columns of {holder} cannot become numbers: {reason}") from None
        if vectors[0].shape[1] == 0:
            raise DataError(f"every feature of {holder} is missing in all training rows")
        _check_infinite(vectors, rows, vectorizer.all_outputs_, holder)
        imputer.fit(vectors[0])
        filled = [imputer.transform(part).astype(np.float32) for part in vectors]
        scaler = Scaler.fitted(filled[0], "features" if standardize else "none")
        tried = features.iloc[rows[-1][:_TRIED]], vectors[-1][:_TRIED]
        fitted.update(described_table(vectorizer, imputer, scaler, *tried))
    return [scaler(part) for part in filled], _described(vectorizer, features, standardize)


def _check_infinite(
    vectors: Sequence[Inputs], rows: Sequence[Rows], names: Sequence[str], holder: str
) -> None:
    bad = np.isinf(np.concatenate(vectors))
    if not bad.any():
        return
    name = int(bad.any(axis=0).argmax())
    wrong = np.sort(np.concatenate(rows)[bad[:, name]])
    raise DataError(
        f"the column `{names[name]}` in {holder} holds infinite or too large values in "
        f"{len(wrong)} of {len(bad)} rows, the first in row {wrong[0] + 1}; correct or empty them"
    )


def _described(vectorizer: Any, features: pd.DataFrame, standardize: bool) -> dict[str, str]:
    kinds = {
        "numeric": "number",
        "datetime": "date, by its parts",
        "low_cardinality": "category, one-hot",
        "high_cardinality": "text, embedded",
    }
    after = ", standardised" if standardize else ""
    described = {}
    for name in features.columns:
        kind = vectorizer.column_to_kind_.get(name)
        if kind is None:
            described[name] = "left out: nothing in it"
            continue
        outputs = len(vectorizer.input_to_outputs_[name])
        described[name] = f"{kinds[kind]}{f' ({outputs} inputs)' if outputs > 1 else ''}{after}"
    return described
