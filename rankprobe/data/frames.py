"""Files of rows and columns as they stand, before any column means anything."""

from __future__ import annotations

import gzip
import json
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankprobe.config_sources import table_suffix
from rankprobe.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

EXTRA = "reading tables needs more packages: pip install 'rankprobe[table]'"


def read_frame(path: Path, *, alone: bool = False) -> pd.DataFrame:
    """The whole table, its columns named as in the file; a single one only where it is ``alone``.

    Raises:
        DataError: The file cannot be read, or its columns cannot be told apart.
    """
    try:
        import pandas as pd
        import pyarrow as pa
    except ImportError:
        raise DataError(EXTRA) from None
    try:
        frame, names = _as_stored(path)
    except pd.errors.EmptyDataError:
        raise DataError(f"{path} is empty") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except pd.errors.ParserWarning:
        raise DataError(f"{path}: a row has more values than there are column names") from None
    except (OSError, EOFError, ValueError, zlib.error, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as a table: {str(error).strip()}") from None
    if twice := [name for name in names if names.count(name) > 1]:
        raise DataError(f"{path} has two columns named `{twice[0]}`; rename one of them")
    if not names:
        raise DataError(f"{path} is empty")
    if len(names) < 2 and not alone:
        raise DataError(
            f"{path} has one column only, `{names[0]}`; columns are separated by commas in .csv "
            "and by tabs in .tsv, and a target needs a feature beside it"
        )
    frame.columns = pd.Index(names)
    return frame.reset_index(drop=True)


def _as_stored(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """A table and the names of its columns, whatever the format raises."""
    import pandas as pd

    if path.suffix.lower() == ".parquet":
        frame = pd.read_parquet(path)
    elif table_suffix(path.name) in (".jsonl", ".ndjson"):
        frame = pd.DataFrame(_objects(path))
    else:
        names = read_header(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, sep=_separator(path), index_col=False, low_memory=False)
        return frame, names
    return frame, [str(name) for name in frame.columns]


def read_header(path: Path) -> list[str]:
    """Column names as they stand in the first row of a CSV or TSV file."""
    import pandas as pd

    row = pd.read_csv(
        path, sep=_separator(path), header=None, nrows=1, dtype=str, keep_default_na=False
    )
    return [str(name) for name in row.iloc[0]]


def _objects(path: Path) -> list[dict[str, Any]]:
    """The JSON object on each line, with no guess at dates or numbers in text."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            row = json.loads(line) if line.strip() else {}
        except json.JSONDecodeError as error:
            raise ValueError(f"line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no JSON object, such as {{'text': ..., 'y': ...}}")
        rows += [row] if row else []
    return rows


def _separator(path: Path) -> str:
    return "\t" if table_suffix(path.name) == ".tsv" else ","
