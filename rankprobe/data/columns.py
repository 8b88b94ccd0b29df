"""Columns of tables that a source needs by name: found, complete, as numbers or times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.data.names import missing_name
from rankprobe.data.table import divider, target_column
from rankprobe.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

_FEW = 5


def named_column(frame: pd.DataFrame, name: str, holder: str, where: str) -> pd.Series[Any]:
    """A column of a table.

    Args:
        frame: The table.
        name: Name of the column.
        holder: Where the table is, for messages.
        where: Place of the setting that names it.

    Raises:
        ConfigError: There is no such column.
    """
    if name not in frame.columns:
        known = [str(other) for other in frame.columns]
        raise ConfigError(missing_name(name, known, "column", holder, where))
    return frame[name]


def first_few(values: Sequence[Any]) -> str:
    """The first of many values, each of them short, and a sign that there are more."""
    few = [repr(v[:40]) if isinstance(v, str) else str(v) for v in values[:_FEW]]
    return ", ".join([*few, "..."] if len(values) > _FEW else few)


def check_complete(column: pd.Series[Any], name: str, holder: str) -> None:
    """Refuse a column that is missing in some rows.

    Raises:
        DataError: It is; the message names the first such row.
    """
    missing = column.isna().to_numpy()
    if missing.any():
        raise DataError(
            f"the column `{name}` in {holder} is missing in {int(missing.sum())} of "
            f"{len(missing)} rows, the first in row {int(missing.argmax()) + 1}"
        )


def number_column(
    column: pd.Series[Any], name: str, holder: str, *, gaps: bool = False
) -> NDArray[np.float64]:
    """A column as finite numbers.

    Args:
        column: The column.
        name: Its name.
        holder: Where it is, for messages.
        gaps: Whether it may be missing in some rows, and is NaN there.

    Raises:
        DataError: It holds something else.
    """
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.isinf(values) | (np.isnan(values) & ~(column.isna().to_numpy() & gaps))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(
            f"the column `{name}` in {holder} needs numbers, and holds "
            f"{str(column.iloc[row])!r} in row {row + 1}"
        )
    return values


def time_column(column: pd.Series[Any], name: str, holder: str) -> NDArray[np.float64]:
    """Times (rows,) as numbers; dates as days since 1970.

    Raises:
        DataError: It holds something else.
    """
    from pandas.api import types

    if types.is_numeric_dtype(column.dtype):
        return number_column(column, name, holder)
    import pandas as pd

    check_complete(column, name, holder)
    try:
        dates = pd.to_datetime(column, utc=True)
    except ValueError as error:
        raise DataError(
            f"the column `{name}` in {holder} holds no times: {str(error).splitlines()[0]}"
        ) from None
    days = (dates - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    return np.asarray(days, dtype=np.float64)


def targets_of(
    frame: pd.DataFrame, names: list[str], config: TaskConfig, holder: str
) -> NDArray[Any]:
    """The target columns, (rows,) or (rows, outputs).

    Raises:
        ConfigError: A column is not there.
        DataError: A column cannot serve as a target.
    """
    where = config.where("data", "target")
    columns = [
        target_column(named_column(frame, name, holder, where), name, config, holder)
        for name in names
    ]
    return columns[0] if len(columns) == 1 else np.stack(columns, axis=1)


def divider_of(frame: pd.DataFrame, config: TaskConfig, holder: str) -> NDArray[Any] | None:
    """The values of the column that the settings divide by, if there is one.

    Raises:
        ConfigError: The column is not there.
        DataError: It is missing in some row, or holds no times where they are needed.
    """
    assert config.data is not None
    split = config.data.split
    if not split.by:
        return None
    column = named_column(frame, split.by, holder, config.where("data", "split"))
    return divider(column, split.by, holder, in_time=bool(split.time))
