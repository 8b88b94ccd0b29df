"""The source ``arrays``: an .npz file, a pair of .npy files, or arrays in memory."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.data.examples import (
    FREE,
    TEST,
    VALIDATION,
    Encoded,
    Examples,
    Inputs,
    Rows,
    Scaler,
    Scaling,
    numbers,
    scaling_words,
)
from rankprobe.data.names import missing_name, paths
from rankprobe.errors import ConfigError, DataError, Problem

Pair = tuple[Any, Any]
# From inputs (n, ...), their name and their holder to the fields of `Examples` that tell how they
# are read.
Reader = Callable[[NDArray[Any], str, str], Mapping[str, Any]]


def read_arrays(config: TaskConfig, read: Reader | None = None) -> Examples:
    """Read ``data.path``.

    Args:
        config: Its data are an .npz file or a pair of .npy files.
        read: What makes inputs of an array; by default, numbers are taken as they are.

    Raises:
        DataError: The file cannot be read or holds pickled objects.
        ConfigError: An array that is named is not there.
    """
    assert config.data is not None
    files = paths(config.data, config.folder)
    with ExitStack() as stack:
        loaded = [_load(path, stack) for path in files]
        if len(files) == 2:
            holder = ", ".join(path.name for path in files)
            return examples_from_pairs((loaded[0], loaded[1]), config, holder=holder, read=read)
        archive, path = loaded[0], files[0]
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(f"{path} is not an .npz file; write it with numpy.savez")
        return examples_from_names(
            archive.files, lambda name: _member(archive, name, path), config, path.name, read
        )


def examples_from_names(
    names: Sequence[str],
    get: Callable[[str], Any],
    config: TaskConfig,
    holder: str,
    read: Reader | None = None,
) -> Examples:
    """Examples from named arrays.

    Args:
        names: Names of all arrays.
        get: The array of a name.
        config: Says which array is what; by default ``x`` and ``y``, and ``x_test``, ``y_test``,
            ``x_validation`` and ``y_validation`` where they are there.
        holder: Where the arrays are, for messages.
        read: What makes inputs of an array; by default, numbers are taken as they are.
    """
    assert config.data is not None
    data, split = config.data, config.data.split

    def named(name: str, *keys: str) -> Any:
        if name not in names:
            where = config.where("data", *keys)
            raise ConfigError(missing_name(name, list(names), "array", holder, where))
        return get(name)

    x, y = (
        key if isinstance(key, str) else default
        for key, default in ((data.features, "x"), (data.target, "y"))
    )
    by = split.by
    pairs: dict[str, Pair] = {}
    for part, given in (("test", split.test), ("validation", split.validation)):
        own = [f"{x}_{part}", f"{y}_{part}"]
        if isinstance(given, tuple):
            pairs[part] = named(given[0], "split", part), named(given[1], "split", part)
        elif given is None and not by and any(name in names for name in own):
            pairs[part] = named(own[0], "path"), named(own[1], "path")
        elif given is None and not split.column and any(name in names for name in own):
            raise ConfigError(_two_divisions(own, str(by), part, config, holder))
    return examples_from_pairs(
        (named(x, "features"), named(y, "target")),
        config,
        holder=holder,
        by=divider(named(by, "split"), by, holder, in_time=bool(split.time)) if by else None,
        names=(x, y),
        read=read,
        **pairs,
    )


def examples_from_pairs(
    train: Pair,
    config: TaskConfig,
    *,
    holder: str = "the data",
    test: Pair | None = None,
    validation: Pair | None = None,
    by: NDArray[Any] | None = None,
    names: tuple[str, str] = ("x", "y"),
    read: Reader | None = None,
) -> Examples:
    """Examples from pairs of inputs (n, ...) and targets (n,) or (n, outputs).

    ``read`` makes inputs of the arrays; by default, numbers are taken as they are.

    Raises:
        DataError: Lengths, shapes or types that do not fit each other.
    """
    pairs = [(FREE, "", train), (TEST, "_test", test), (VALIDATION, "_validation", validation)]
    xs, ys, fixed = [], [], []
    for part, suffix, pair in pairs:
        if pair is None:
            continue
        x, y = (_array(values, name + suffix) for values, name in zip(pair, names, strict=True))
        if len(x) != len(y):
            raise DataError(
                f"`{names[0]}{suffix}` in {holder} has {len(x)} rows and `{names[1]}{suffix}` has "
                f"{len(y)}; they must be as many"
            )
        xs.append(x)
        ys.append(y.astype(np.int64) if y.dtype.kind == "u" else y)
        fixed.append(np.full(len(x), part, dtype=np.int8))
    x, y = _joined(xs, names[0], holder), _joined(ys, names[1], holder)
    if by is not None and by.shape != (len(x),):
        raise DataError(
            f"the array to divide {holder} by has the shape {by.shape}; one value a row is needed"
        )
    if x.size == 0:
        raise DataError(f"`{names[0]}` in {holder} holds nothing: its shape is {x.shape}")
    fields = (read or partial(_numeric, config))(x, names[0], holder)
    return Examples(
        holder=holder, target=names[1], y=y, fixed=np.concatenate(fixed), by=by, **fields
    )


def _numeric(config: TaskConfig, x: NDArray[Any], name: str, holder: str) -> Mapping[str, Any]:
    """Numbers as inputs of any shape."""
    standardize = config.data.standardize if config.data else "auto"
    pixels = x.dtype == np.uint8
    wanted: Scaling = "pixels" if pixels else "features"
    how = wanted if standardize is True or (pixels and standardize == "auto") else "none"
    inputs = numbers(x, name, holder)
    fitted: dict[str, Any] = {"reads": "arrays", "name": name, "shape": list(x.shape[1:])}

    def encode(rows: Sequence[Rows]) -> Encoded:
        scaler = Scaler.fitted(_flat(inputs[rows[0]]), how)
        fitted.update(scaler.plain())
        done = f"{_shape(x)} {'pixels' if pixels else 'numbers'}, {scaling_words(scaler, how)}"
        return [scaler(_flat(inputs[part])) for part in rows], {name: done}

    return {"encode": encode, "form": lambda: {"fitted": fitted}}


def _two_divisions(own: list[str], by: str, part: str, config: TaskConfig, holder: str) -> Problem:
    """Rows given for a split, in data that are to be divided."""
    return Problem(
        f"{holder} holds `{own[0]}` and `{own[1]}`, and `data.split` divides by `{by}`: which "
        f"rows are for {part} is not clear",
        config.where("data", "split"),
        f"write a share beside it, such as `{part}: 0.2`, to divide `x` and `y` alone",
    )


def divider(values: Any, name: str, holder: str, *, in_time: bool) -> NDArray[Any]:
    """Values to divide by, none missing; times so that they sort as they follow each other.

    Raises:
        DataError: A value is missing, or text holds no times.
    """
    array = np.asarray(values)
    kind = array.dtype.kind
    if kind == "O":
        missing = np.array([value is None or value != value for value in array.ravel()])
    elif kind in "US":
        missing = np.char.str_len(array).ravel() == 0
    else:
        missing = np.isnat(array).ravel() if kind in "mM" else np.isnan(array).ravel()
    if missing.any():
        raise DataError(
            f"the array `{name}` in {holder} divides the data, but is missing in row "
            f"{int(missing.argmax()) + 1}"
        )
    if not in_time or kind in "biufmM":
        return array.astype(np.str_) if kind == "O" else array
    try:
        return array.astype("datetime64[us]")
    except ValueError as error:
        raise DataError(
            f"the array `{name}` in {holder} holds no times: {str(error).splitlines()[0]}; write "
            "them as numbers, or like 2021-03-28"
        ) from None


def read_archive(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file.

    Raises:
        DataError: It cannot be read, is no such file, or holds Python objects.
    """
    with ExitStack() as stack:
        archive = _load(path, stack)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(f"{path} is not an .npz file; write it with numpy.savez")
        return {name: _member(archive, name, path) for name in archive.files}


def _load(path: Path, stack: ExitStack) -> Any:
    """Load a NumPy file that holds no Python objects; an archive is read while the stack lasts."""
    try:
        return np.load(stack.enter_context(path.open("rb")), allow_pickle=False)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(_reason(path, error)) from None


def _member(archive: Any, name: str, path: Path) -> NDArray[Any]:
    try:
        return np.asarray(archive[name])
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(_reason(path, error, name)) from None


def _reason(path: Path, error: Exception, name: str = "") -> str:
    what = f"the array `{name}` in {path}" if name else str(path)
    if "Object arrays" in str(error):
        return (
            f"{what} holds pickled Python objects, which are not read because they can run code; "
            "save it as an array of numbers or text"
        )
    if "pickled" in str(error) or isinstance(error, zipfile.BadZipFile):
        return f"{what} is not a NumPy file, or is damaged; write it with numpy.savez or numpy.save"
    return f"{what} cannot be read: {error}"


def _array(values: Any, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError:
        raise DataError(f"`{name}` is ragged: its rows differ in length") from None
    if array.ndim == 0:
        raise DataError(f"`{name}` is a single value; give an array with one row an example")
    return array


def _joined(arrays: Sequence[NDArray[Any]], name: str, holder: str) -> NDArray[Any]:
    first = arrays[0]
    for other in arrays[1:]:
        if other.shape[1:] != first.shape[1:] or other.dtype.kind != first.dtype.kind:
            raise DataError(
                f"`{name}` in {holder} has rows of shape {first.shape[1:]} ({first.dtype}) for "
                f"training, but of shape {other.shape[1:]} ({other.dtype}) for another split"
            )
    return np.concatenate(arrays) if len(arrays) > 1 else first


def _flat(inputs: Inputs) -> Inputs:
    """Rows of a single number as rows of one feature."""
    return inputs[:, None] if inputs.ndim == 1 else inputs


def _shape(x: NDArray[Any]) -> str:
    return " x ".join(str(size) for size in x.shape[1:]) or "1"
