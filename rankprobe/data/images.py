"""The source ``images``: a folder for every class, IDX files, an .npz file, or a table of files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from rankprobe.config import TaskConfig
from rankprobe.config_sources import TABLES, table_suffix
from rankprobe.data.arrays import Pair, examples_from_pairs, read_arrays
from rankprobe.data.columns import divider_of
from rankprobe.data.examples import FREE, TEST, TRAIN, VALIDATION, Examples
from rankprobe.data.frames import read_frame
from rankprobe.data.idx import read_idx
from rankprobe.data.names import check_columns, paths
from rankprobe.data.pictures import Stored, decoded, picture_fields
from rankprobe.data.splits import WORDS
from rankprobe.data.table import last_free, listed, target_column
from rankprobe.errors import ConfigError, DataError, Problem

_SUFFIXES = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
_IGNORED = ("thumbs.db", "desktop.ini")  # what file managers leave behind, beside hidden files
_FILES = ("file", "filename", "path", "image", "picture", "photo")
_LAYOUTS = (
    "give a folder that holds one folder a class, a pair of IDX files such as "
    "[images, labels], an .npz file, or a table of files and labels"
)


def read_images(config: TaskConfig) -> Examples:
    """Read the pictures under ``data.path``.

    Raises:
        DataError: A file that is damaged or no picture, pictures of different sizes, or a layout
            that is none of those above.
        ConfigError: A setting that means nothing to the layout, or a column that is not there.
    """
    assert config.data is not None
    files = paths(config.data, config.folder)
    path = files[0]
    if len(files) == 1 and path.suffix.lower() == ".npz":
        return read_arrays(config, partial(picture_fields, config.data))
    if len(files) == 1 and table_suffix(path.name) in TABLES:
        return _from_table(config, path)
    for key in ("features", "target"):
        if getattr(config.data, key) is not None:
            raise ConfigError(
                Problem(
                    f"`data.{key}` means nothing to pictures without a table",
                    config.where("data", key),
                    "remove it",
                )
            )
    if len(files) == 2:
        return _from_idx(config, *files)
    if not path.is_dir():
        raise DataError(f"{path} cannot be read as pictures: {_LAYOUTS}")
    if named := [file for file in path.glob("*train-images*") if file.is_file()]:
        return _from_published(config, path, named)
    return _from_folders(config, path)


def _from_idx(config: TaskConfig, images: Path, labels: Path) -> Examples:
    return _from_pairs(
        config, f"{images.name}, {labels.name}", (read_idx(images), read_idx(labels))
    )


def _from_published(config: TaskConfig, folder: Path, named: list[Path]) -> Examples:
    """The four files of MNIST, by the names that they were published under."""
    if len(named) > 1:
        one, other = sorted(path.name for path in named)[:2]
        raise DataError(f"{folder} holds {one} and {other}; leave one of them")

    def beside(*parts: tuple[str, str]) -> Path:
        name = named[0].name
        for old, new in parts:
            name = name.replace(old, new)
        return folder / name

    labels = (("train-images", "train-labels"), ("idx3", "idx1"))
    train = read_idx(named[0]), read_idx(beside(*labels))
    for word in ("t10k", "test"):
        held = beside(("train-images", f"{word}-images"))
        if held.exists():
            answers = beside(("train-images", f"{word}-labels"), ("idx3", "idx1"))
            test = read_idx(held), read_idx(answers)
            return _from_pairs(config, folder.name, train, test)
    return _from_pairs(config, folder.name, train)


def _from_pairs(config: TaskConfig, holder: str, train: Pair, test: Pair | None = None) -> Examples:
    assert config.data is not None
    return examples_from_pairs(
        train,
        config,
        holder=holder,
        test=test,
        names=("images", "labels"),
        read=partial(picture_fields, config.data),
    )


def _from_folders(config: TaskConfig, path: Path) -> Examples:
    """A folder for every class, or for every split and in it for every class."""
    assert config.data is not None
    splits = {folder: WORDS.get(folder.name.lower()) for folder in _folders(path)}
    if not splits:
        raise DataError(f"{path} holds no folders: {_LAYOUTS}")
    parts = set(splits.values())
    if parts > {TRAIN, None}:  # `train` alone beside others may be a class of pictures
        strange = next(folder for folder, part in splits.items() if part is None)
        raise DataError(
            f"{strange} lies beside folders that are named after splits, and is none; move it away"
        )
    divided = TRAIN in parts and None not in parts
    stored: list[tuple[str, Stored]] = []
    labels, fixed = [], []
    for folder, part in splits.items() if divided else [(path, None)]:
        for label in _folders(folder):
            pictures = sorted(picture_files(label))
            if not pictures:
                raise DataError(f"the folder {label} holds no pictures; fill or remove it")
            stored += [(str(picture), picture) for picture in pictures]
            labels += [label.name] * len(pictures)
            fixed += [part if part in (VALIDATION, TEST) else FREE] * len(pictures)
    if not stored:
        raise DataError(f"{path} holds no pictures: {_LAYOUTS}")
    return Examples(
        holder=path.name,
        target="folder",
        y=np.array(labels, dtype=np.str_),
        fixed=np.array(fixed, dtype=np.int8),
        by=None,
        **picture_fields(config.data, decoded(stored, config.data), "pictures", path.name),
    )


def _folders(path: Path) -> list[Path]:
    """The folders in a folder; a picture beside them would have no class."""
    inside = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    folders = [entry for entry in inside if entry.is_dir()]
    for entry in inside if folders else ():
        if entry.suffix.lower() in _SUFFIXES and entry not in folders:
            raise DataError(f"{entry} lies beside folders of classes; move it into one, or away")
    return folders


def is_picture(path: Path) -> bool:
    """Whether a path is a picture by its name."""
    return path.suffix.lower() in _SUFFIXES and not path.is_dir()


def picture_files(folder: Path) -> Iterator[Path]:
    """Every picture in a folder and the folders in it."""
    for path in folder.rglob("*"):
        hidden = path.name.startswith(".") or path.name.lower() in _IGNORED
        if path.is_dir() or hidden:
            continue
        if path.suffix.lower() not in _SUFFIXES:
            raise DataError(f"{path} lies among pictures and is none; move it away")
        yield path


def _from_table(config: TaskConfig, path: Path) -> Examples:
    """A table with the file and the label of every picture; files are relative to the table."""
    assert config.data is not None
    data, frame = config.data, read_frame(path)
    check_columns(config, [str(name) for name in frame.columns])
    for key in ("features", "target"):
        if len(named := listed(getattr(data, key))) > 1:
            raise ConfigError(
                Problem(
                    f"pictures need one column as `data.{key}`, not {len(named)}",
                    config.where("data", key),
                    f"name one of {', '.join(named)}",
                )
            )
    names = listed(data.features) or [
        name for name in map(str, frame.columns) if name.lower() in _FILES
    ]
    column = (names or [str(frame.columns[0])])[0]
    target = (listed(data.target) or [last_free(frame, {column, data.split.by}, path.name)])[0]
    stored: list[tuple[str, Stored]] = []
    for row, name in enumerate(frame[column].tolist()):
        file = path.parent / str(name)
        if not file.is_file():
            raise DataError(f"{path} names {name} in row {row + 1}, and {file} is not there")
        stored.append((str(file), file))
    return Examples(
        holder=path.name,
        target=target,
        y=target_column(frame[target], target, config, path.name),
        fixed=np.full(len(frame), FREE, dtype=np.int8),
        by=divider_of(frame, config, path.name),
        **picture_fields(data, decoded(stored, data), column, path.name),
    )
