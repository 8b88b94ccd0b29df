"""Which files, columns and arrays a configuration names, and which of them are missing."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rankprobe.config_problems import nearest
from rankprobe.config_sources import table_suffix
from rankprobe.errors import ConfigError, Problem

if TYPE_CHECKING:
    from rankprobe.config import TaskConfig
    from rankprobe.config_data import DataConfig

Where = Callable[..., str]
_FOLDERS = ("images", "series", "tokens", "trajectories")  # sources whose path may be a folder
_COLUMNS = ("id", "time", "channel", "value", "smiles")


def missing_names(data: DataConfig, folder: Path, where: Where) -> Iterator[Problem]:
    """A problem for every file, column or array that is named and not there.

    Only what names things in a file is looked at; a file that cannot be read at all is left to
    the reading of it.

    Args:
        data: The data's settings.
        folder: What paths are relative to.
        where: Place of a key of ``data``, for messages.
    """
    if data.source == "huggingface":
        return  # a name on the hub is no file
    folders = data.source in _FOLDERS
    absent = [p for p in paths(data, folder) if not (p.is_file() or (folders and p.is_dir()))]
    for path in absent:
        if path.is_dir():
            hint = f"name a file, or a `source` that reads folders: {', '.join(_FOLDERS)}"
            yield Problem(f"the file `{path}` is a folder, not a file", where("path"), hint)
        else:
            yield Problem(f"the file `{path}` is not there", where("path"), _neighbour(path))
    for key in ("labels", "edges", "tokenizer", "policy"):
        name = getattr(data, key)
        if name is not None and ":" not in name and not (folder / name).is_file():
            path = folder / name
            yield Problem(f"the file `{path}` is not there", where(key), _neighbour(path))
    if absent or data.path is None or isinstance(data.path, tuple):
        return
    if (known := names_in(folder / data.path)) is not None:
        yield from _missing(data, known, where)


def check_columns(config: TaskConfig, known: list[str]) -> None:
    """See that the columns that are named are there, in a table whose header was not looked at.

    Raises:
        ConfigError: Some are not.
    """
    assert config.data is not None
    problems = list(_missing(config.data, known, lambda *keys: config.where("data", *keys)))
    if problems:
        raise ConfigError(problems)


def _missing(data: DataConfig, known: list[str], where: Where) -> Iterator[Problem]:
    holder = str(data.path)
    what = "array" if Path(holder).suffix.lower() == ".npz" else "column"
    for keys, name in _wanted(data):
        if name not in known:
            yield missing_name(name, known, what, holder, where(*keys))


def missing_name(name: str, known: list[str], what: str, holder: str, where: str) -> Problem:
    """The problem of one name that is not there, with the names that are."""
    known = [other for other in known if other]
    listed = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    hint = nearest(name, known) or f"{what}s that are there: {listed}"
    return Problem(f"there is no {what} `{name}` in {holder}", where, hint)


def paths(data: DataConfig, folder: Path) -> list[Path]:
    """The files that hold the data."""
    given = data.path if isinstance(data.path, tuple) else (data.path,)
    return [folder / path for path in given if path is not None]


def names_in(path: Path) -> list[str] | None:
    """Names of the arrays or columns in a file; ``None`` where they cannot be read."""
    try:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                return [name.removesuffix(".npy") for name in archive.namelist()]
        if path.suffix.lower() == ".parquet":
            from pyarrow import parquet

            return [str(name) for name in parquet.read_schema(path).names]
        if table_suffix(path.name) not in (".csv", ".tsv"):
            return None
        from rankprobe.data.frames import read_header

        return read_header(path)
    except (ImportError, OSError, ValueError, zipfile.BadZipFile):
        return None


def _wanted(data: DataConfig) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every name the settings give, with its key under ``data``."""
    for key in _COLUMNS:
        yield from _listed((key,), getattr(data, key))
    if data.labels is not None:
        return  # the other names are of columns in that second table
    for key in ("features", "target"):
        yield from _listed((key,), getattr(data, key))
    for key in ("column", "group", "time"):
        yield from _listed(("split", key), getattr(data.split, key))
    for key in ("test", "validation") if data.source in ("arrays", "images") else ():
        part = getattr(data.split, key)
        yield from _listed(("split", key), part if isinstance(part, tuple) else None)


def _listed(
    keys: tuple[str, ...], value: str | tuple[str, ...] | None
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield keys, value
    for index, name in enumerate(value if isinstance(value, tuple) else ()):
        yield (*keys, index), name


def _neighbour(path: Path) -> str:
    try:
        entries = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"the folder {path.parent} is not there either; paths are relative to the settings"
    return nearest(path.name, sorted(entries)) or "paths are relative to the folder of the settings"
