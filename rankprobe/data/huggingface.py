"""The source ``huggingface``: a data set of the package `datasets`, on disk or from the hub.

Only data are read: `datasets` runs no loading scripts, and nothing here asks it to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.data.arrays import Pair, Reader, divider, examples_from_pairs
from rankprobe.data.examples import TEST, TRAIN, VALIDATION, Encoded, Examples, Rows
from rankprobe.data.hub import splits_of
from rankprobe.data.names import missing_name
from rankprobe.data.pictures import Stored, decoded, picture_fields
from rankprobe.data.splits import NAMES
from rankprobe.data.table import listed
from rankprobe.data.text import USUAL, text_fields
from rankprobe.errors import ConfigError, DataError, Problem

_TARGETS = ("label", "labels", "target", "y")
_SETTINGS = {
    "pictures": ("size", "grey", "augment"),
    "text": ("length", "vocabulary", "tokenizer"),
}
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
    splits = splits_of(config)
    train = splits[TRAIN]
    columns = list(train.column_names)
    target = _target(config, train, columns)
    features = _features(config, train, columns, target)
    by = data.split.by
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
    if TRAIN not in kept:
        raise DataError(
            f"the target `{target}` in {holder} is {_HIDDEN} in every training row: the answers "
            "are kept back; name another `target`"
        )
    examples = examples_from_pairs(
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
    hidden = [NAMES[part] for part in pairs if part not in kept]
    if not hidden:
        return examples

    def encode(rows: Sequence[Rows]) -> Encoded:
        parts, done = examples.encode(rows)
        note = f"the rows that are given have no answers ({_HIDDEN}), and others are drawn"
        return parts, {**done, **dict.fromkeys(hidden, note)}

    return replace(examples, encode=encode)


def _target(config: TaskConfig, rows: Any, columns: list[str]) -> str:
    assert config.data is not None
    given = listed(config.data.target)
    for name in given:
        _check_named(config, name, columns, "target")
    if len(given) > 1:
        raise ConfigError(
            Problem(
                f"data sets of Hugging Face have one target here, not {len(given)}",
                config.where("data", "target"),
                f"name one of {', '.join(given)}",
            )
        )
    if given:
        return given[0]
    roles = {config.data.split.by, *listed(config.data.features)}
    free = [name for name in columns if name not in roles] or columns
    usual = [name for name in free if name.lower() in _TARGETS]
    classes = [name for name in free if hasattr(rows.features[name], "names")]
    return (usual or classes or free)[0 if usual or classes else -1]


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
    roles = {target, split.by}
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
    for of, keys in _SETTINGS.items():
        for key in keys if of != kind else ():
            if key in config.data.model_fields_set:
                raise ConfigError(
                    Problem(
                        f"`data.{key}` is for {of}, and {', '.join(features)} of {holder} "
                        f"{'are' if kind == 'numbers' or len(features) > 1 else 'is'} {kind}",
                        config.where("data", key),
                        "remove it",
                    )
                )
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
    hidden = y == _HIDDEN
    if names is None or hidden.all():
        return y
    if hidden.any():
        raise DataError(
            f"the target `{target}` in {holder} is {_HIDDEN} (no answer) in {int(hidden.sum())} of "
            f"{len(y)} rows of one split, the first in row {int(hidden.argmax()) + 1}; remove them"
        )
    return np.array([names[value] for value in values], dtype=np.str_)


def _hidden(pair: Pair) -> bool:
    """Whether the answers of a split are kept back, as those of public contests are."""
    y = np.asarray(pair[1])
    return bool(y.dtype.kind == "i" and len(y) and (y == _HIDDEN).all())
