"""The source ``huggingface``: a data set of the package `datasets`, on disk or from the hub.

Only data are read: `datasets` runs no loading scripts, and nothing here asks it to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.data.arrays import Pair, Reader, divider, examples_from_pairs
from rankprobe.data.examples import TEST, TRAIN, VALIDATION, Examples
from rankprobe.data.names import missing_name
from rankprobe.data.pictures import Stored, decoded, picture_fields
from rankprobe.data.splits import WORDS
from rankprobe.data.table import listed
from rankprobe.data.text import USUAL, text_fields
from rankprobe.errors import ConfigError, DataError, Problem

EXTRA = "data sets of Hugging Face need more packages: pip install 'rankprobe[huggingface]'"
_READERS = {
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet",
    ".arrow": "arrow",
}  # fmt: skip
_TARGETS = ("label", "labels", "target", "y")
_HIDDEN = -1  # the label of test rows whose answers are kept back


def read_huggingface(config: TaskConfig) -> Examples:
    """Read ``data.path``: a folder that ``save_to_disk`` wrote, data files, or a name on the hub.

    Splits of the data set are used where it has them. What kind of inputs the features are,
    pictures, text or numbers, is told by their type.

    Raises:
        DataError: The data set cannot be had, or has no features of one kind.
        ConfigError: A column that is named is not there.
    """
    assert config.data is not None
    data, holder = config.data, str(config.data.path)
    splits = _splits(config)
    train = splits[TRAIN]
    columns = list(train.column_names)
    target = _target(config, train, columns)
    features = _features(config, train, columns, target)
    by = data.split.column or data.split.group or data.split.time
    if by and len(splits) > 1:
        raise ConfigError(
            Problem(
                f"`data.split` divides by `{by}`, and {holder} comes in splits of its own",
                config.where("data", "split"),
                "remove it",
            )
        )
    kind, read = _reader(config, train, features, holder)
    pairs = {
        part: (_inputs(config, rows, features, kind, holder), _labels(rows, target, holder))
        for part, rows in splits.items()
    }
    kept = {part: pair for part, pair in pairs.items() if not _hidden(pair)}
    return examples_from_pairs(
        kept[TRAIN],
        config,
        holder=holder,
        test=kept.get(TEST),
        validation=kept.get(VALIDATION),
        by=divider(np.array(train[by][:]), by, holder, in_time=bool(data.split.time))
        if by
        else None,
        names=(", ".join(features), target),
        read=read,
    )


def _splits(config: TaskConfig) -> dict[int, Any]:
    """The rows of each split; a data set without splits is all training, to be divided."""
    loaded = _loaded(config)
    if not hasattr(loaded, "keys"):
        return {TRAIN: loaded}
    named = {WORDS[name.lower()]: loaded[name] for name in loaded if name.lower() in WORDS}
    if TRAIN in named:
        return named
    if len(loaded) == 1:
        return {TRAIN: next(iter(loaded.values()))}
    raise DataError(
        f"{config.data and config.data.path} has the splits {', '.join(loaded)}, and none of them "
        "is named train"
    )


def _loaded(config: TaskConfig) -> Any:
    """A data set, or one for each split."""
    assert config.data is not None
    assert isinstance(config.data.path, str)
    try:
        import datasets
    except ImportError:
        raise DataError(EXTRA) from None
    name, configuration = config.data.path, config.data.configuration
    path = config.folder / name
    try:
        if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
            return datasets.load_from_disk(str(path))
        if path.is_file():
            return _from_file(path)
        if path.is_dir():
            return datasets.load_dataset(str(path), configuration)
        return datasets.load_dataset(name, configuration)
    except DataError:
        raise
    except Exception as error:  # the hub, the network and every file format raise their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        where = "read" if path.exists() else "had from the hub, and is no file or folder here"
        raise DataError(
            f"the data set `{name}` cannot be {where}: {reason}\n    save it where there is a "
            "network with `datasets.load_dataset(...).save_to_disk(FOLDER)`, and name that folder"
        ) from None


def _from_file(path: Path) -> Any:
    import datasets

    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise DataError(f"{path} cannot be read; readable are {', '.join(_READERS)}")
    more = {"sep": "\t"} if suffix == ".tsv" else {}
    return datasets.load_dataset(_READERS[suffix], data_files=str(path), **more)


def _target(config: TaskConfig, rows: Any, columns: list[str]) -> str:
    assert config.data is not None
    given = listed(config.data.target)
    for name in given:
        _check_named(config, name, columns, "target")
    if given:
        return given[0]
    usual = [name for name in columns if name.lower() in _TARGETS]
    classes = [name for name in columns if hasattr(rows.features[name], "names")]
    return (usual or classes or columns)[0 if usual or classes else -1]


def _features(config: TaskConfig, rows: Any, columns: list[str], target: str) -> list[str]:
    """Columns that are read: those named, else one of pictures, else one of text, else numbers."""
    assert config.data is not None
    split = config.data.split
    for key, other in (("column", split.column), ("group", split.group), ("time", split.time)):
        if other:
            _check_named(config, other, columns, "split", key)
    given = listed(config.data.features)
    for name in given:
        _check_named(config, name, columns, "features")
    roles = {target, split.column, split.group, split.time}
    free = given or [name for name in columns if name not in roles]
    kinds = {name: _kind(rows.features[name]) for name in free}
    for kind in ("pictures", "text") if not given else ():
        able = [name for name in free if kinds[name] == kind]
        if able:
            return [min(able, key=lambda name: name.lower() not in USUAL)]
    chosen = [name for name in free if given or kinds[name] == "numbers"]
    if not chosen:
        raise DataError(f"{config.data.path} has no column of pictures, text or numbers")
    return chosen


def _check_named(config: TaskConfig, name: str, columns: list[str], *keys: str) -> None:
    assert config.data is not None
    if name not in columns:
        where = config.where("data", *keys)
        raise ConfigError(missing_name(name, columns, "column", str(config.data.path), where))


def _kind(feature: Any) -> str:
    """``pictures``, ``text``, ``numbers`` or nothing that is read."""
    import datasets

    if isinstance(feature, datasets.Image):
        return "pictures"
    if hasattr(feature, "names"):
        return "numbers"
    dtype = str(getattr(feature, "dtype", ""))
    if dtype in ("string", "large_string"):
        return "text"
    inner = getattr(feature, "feature", None)  # a list of values
    if inner is not None:
        return "numbers" if _kind(inner) == "numbers" else ""
    return "numbers" if dtype.startswith(("int", "uint", "float", "bool")) else ""


def _reader(
    config: TaskConfig, rows: Any, features: list[str], holder: str
) -> tuple[str, Reader | None]:
    """The kind of the features, and what makes inputs of them."""
    assert config.data is not None
    kinds = {_kind(rows.features[name]) for name in features}
    if len(kinds) > 1 or kinds == {""} or (kinds == {"pictures"} and len(features) > 1):
        listing = ", ".join(f"{name} ({rows.features[name]})" for name in features)
        raise DataError(f"the features of {holder} are not of one kind: {listing}; name fewer")
    kind = kinds.pop()
    if kind == "pictures":
        return kind, partial(picture_fields, config.data)
    return kind, partial(_text, config) if kind == "text" else None


def _text(config: TaskConfig, x: NDArray[Any], name: str, holder: str) -> Mapping[str, Any]:
    for row, text in enumerate(x.tolist()):
        if not isinstance(text, str):
            raise DataError(f"`{name}` in {holder} holds nothing in row {row + 1}; fill it in")
    return text_fields(config, x.tolist(), name)


def _inputs(
    config: TaskConfig, rows: Any, features: list[str], kind: str, holder: str
) -> NDArray[Any]:
    """(n, ...) pictures, texts or numbers."""
    if kind == "pictures":
        return _pictures(config, rows, features[0], holder)
    columns = [rows[name][:] for name in features]
    if kind == "text":
        result = np.empty(len(rows), dtype=object)
        for row, parts in enumerate(zip(*columns, strict=True)):
            result[row] = None if None in parts else "\n".join(parts)
        return result
    try:
        arrays = [np.array(column, dtype=np.float32) for column in columns]
    except (TypeError, ValueError):
        raise DataError(
            f"the numbers of {holder} cannot become an array: {', '.join(features)} hold lists of "
            "different lengths, or nothing in some rows"
        ) from None
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


def _pictures(config: TaskConfig, rows: Any, name: str, holder: str) -> NDArray[np.uint8]:
    import datasets

    assert config.data is not None
    stored: list[tuple[str, Stored]] = []
    for row, value in enumerate(rows.cast_column(name, datasets.Image(decode=False))[name]):
        if value is None:
            raise DataError(f"`{name}` in {holder} holds no picture in row {row + 1}")
        content: Stored = value["bytes"] if value["bytes"] is not None else Path(value["path"])
        stored.append((f"the picture in row {row + 1} of {holder}", content))
    return decoded(stored, config.data)


def _labels(rows: Any, target: str, holder: str) -> NDArray[Any]:
    """Targets as numbers, or as the names of their classes."""
    values: Sequence[Any] = rows[target][:]
    if any(value is None for value in values):
        row = next(row for row, value in enumerate(values) if value is None)
        raise DataError(f"the target `{target}` in {holder} is missing in row {row + 1}")
    y = np.array(values)
    names = getattr(rows.features[target], "names", None)
    if names is None or (y == _HIDDEN).any():
        return y
    return np.array([names[value] for value in values], dtype=np.str_)


def _hidden(pair: Pair) -> bool:
    """Whether the answers of a split are kept back, as those of public contests are."""
    y = np.asarray(pair[1])
    return bool(y.dtype.kind == "i" and len(y) and (y == _HIDDEN).all())
