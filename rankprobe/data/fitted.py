"""New data as inputs, by preprocessing that was fitted before and is all that is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rankprobe.config_sources import TABLES, table_suffix
from rankprobe.data.arrays import read_archive
from rankprobe.data.examples import Inputs, Scaler, numbers
from rankprobe.errors import DataError

Fitted = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class NewData:
    """New data, as a model reads them.

    Attributes:
        inputs: (n, ...), in the order of the file.
        notes: What they hold that training data did not, a line a column.
        files: What each was read from, relative to the folder given; empty where they are rows.
    """

    inputs: Inputs
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


Read = Callable[[Fitted, Path], NewData]


def read_inputs(fitted: Fitted, path: Path) -> NewData:
    """A file of new data as inputs.

    Args:
        fitted: `rankprobe.data.task.Task.fitted`, of the task that a model was trained on.
        path: A table, an .npz with the inputs, or a folder of pictures, as the model needs.

    Raises:
        DataError: The file cannot be read, or does not hold what the model reads.
    """
    if not path.exists():
        raise DataError(f"there is no file {path}; name the data to predict")
    data = _READERS[fitted["reads"]](fitted, path)
    if not len(data.inputs):
        raise DataError(f"{path} has no rows; there is nothing to predict")
    return data


def reads(fitted: Fitted | None) -> bool:
    """Whether new data can become inputs by this."""
    return fitted is not None and fitted.get("reads") in _READERS


def _array(fitted: Fitted, path: Path) -> NDArray[Any]:
    """The array of inputs in an .npz."""
    if path.suffix.lower() != ".npz":
        raise DataError(
            f"{path}: the model reads an .npz with the array `{fitted['name']}`; write one with "
            f"numpy.savez({path.stem!r}, {fitted['name']}=...)"
        )
    archive = read_archive(path)
    if fitted["name"] not in archive:
        there = ", ".join(archive) or "none"
        raise DataError(f"{path} has no array `{fitted['name']}`; its arrays: {there}")
    array = archive[fitted["name"]]
    if array.ndim == 0:
        raise DataError(f"`{fitted['name']}` in {path} is a single value; give one row an example")
    return array


def _arrays(fitted: Fitted, path: Path) -> NewData:
    array, shape = _array(fitted, path), tuple(fitted["shape"])
    if array.shape[1:] != shape:
        raise DataError(
            f"`{fitted['name']}` in {path} has examples of the shape {array.shape[1:]}, and the "
            f"model reads {shape}"
        )
    inputs = numbers(array, fitted["name"], str(path))
    return NewData(Scaler.of(fitted)(inputs[:, None] if inputs.ndim == 1 else inputs))


def _table(fitted: Fitted, path: Path) -> NewData:
    from rankprobe.data.fitted_table import table_inputs
    from rankprobe.data.frames import read_frame
    from rankprobe.data.unseen import unseen

    frame = read_frame(path, alone=True)
    return NewData(table_inputs(fitted, frame, path.name), unseen(fitted, frame))


def _pictures(fitted: Fitted, path: Path) -> NewData:
    from rankprobe.data.images import is_picture, picture_files
    from rankprobe.data.pictures import brought_to_form, decoded, scaled_pictures

    wanted = SimpleNamespace(size=fitted["size"], grey=fitted["grey"])
    data = cast("Any", wanted)
    files: list[Path] = []
    if is_picture(path):
        raise DataError(
            f"{path} is a single picture; name the folder that holds it, or an .npz with the array "
            f"`{fitted['name']}`"
        )
    if path.is_dir():
        files = sorted(picture_files(path))
        if not files:
            raise DataError(f"{path} holds no pictures; name a folder of some, or an .npz")
        pictures = decoded([(str(file), file) for file in files], data)
    else:
        pictures = brought_to_form(_array(fitted, path), fitted["name"], path.name, data)
    shape = tuple(fitted["shape"])
    if pictures.shape[1:] != shape:
        sizes = " x ".join(map(str, pictures.shape[1:]))
        raise DataError(
            f"{path} holds pictures of {sizes}, and the model reads {' x '.join(map(str, shape))} "
            "(channels, height, width)"
        )
    inputs = scaled_pictures(pictures, np.arange(len(pictures)), fitted["scales"])
    return NewData(inputs, files=tuple(file.relative_to(path).as_posix() for file in files))


def _texts(fitted: Fitted, path: Path) -> NewData:
    from rankprobe.data.frames import read_frame
    from rankprobe.data.text import column_texts, padded, token_ids
    from rankprobe.data.tokenizing import read_tokenizer

    if table_suffix(path.name) not in TABLES:
        raise DataError(f"{path} is no table; give one of {', '.join(TABLES)}")
    frame = read_frame(path, alone=True)
    for name in fitted["columns"]:
        if name not in frame.columns:
            there = ", ".join(map(str, frame.columns))
            raise DataError(f"{path} has no column `{name}`, which the model reads; it has {there}")
    parts = [column_texts(frame[name], name, path.name) for name in fitted["columns"]]
    texts = ["\n".join(row) for row in zip(*parts, strict=True)]
    tokenizer = read_tokenizer(fitted["tokenizer"])
    ids, _ = token_ids(tokenizer, texts, fitted["longest"])
    return NewData(padded(ids, fitted["width"]))


_READERS: Mapping[str, Read] = {
    "arrays": _arrays,
    "table": _table,
    "pictures": _pictures,
    "text": _texts,
}
