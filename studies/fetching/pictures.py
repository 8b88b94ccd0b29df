"""Pictures: CIFAR-10, photographs of faces, and weights of a network trained on ImageNet."""

from __future__ import annotations

import io
import json
import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rankprobe.errors import DataError
from studies.fetching.dataset import Arrays, drawn

SMALL_TRAIN, SMALL_TEST = 1000, 200  # a class
TINY_TRAIN, TINY_TEST = 60, 50
PEOPLE, PHOTOGRAPHS = 40, 10
FACE = (112, 92)
_PGM = re.compile(rb"P5\s+(\d+)\s+(\d+)\s+(\d+)(?:\r\n|\s)")


def cifar10(*contents: bytes) -> Arrays:
    """CIFAR-10 from five training sheets, the test sheet, and the labels of both.

    Args:
        contents: PNGs with a picture a row, 32 x 32 pixels side by side in RGB, the last one
            the test pictures; then two JSON lists of classes, for training and for test.

    Returns:
        ``x`` (n, 3, 32, 32) uint8 and ``y`` (n,) int64, ``x_test`` and ``y_test`` likewise.

    Raises:
        DataError: Sheets of another shape, or other labels than pictures.
    """
    *sheets, test_sheet, labels, test_labels = contents
    x, x_test = np.concatenate([_sheet(sheet) for sheet in sheets]), _sheet(test_sheet)
    y, y_test = (np.array(json.loads(part), dtype=np.int64) for part in (labels, test_labels))
    if len(x) != len(y) or len(x_test) != len(y_test):
        raise DataError(
            f"{len(x):,} + {len(x_test):,} pictures, {len(y):,} + {len(y_test):,} labels"
        )
    return {"x": x, "y": y, "x_test": x_test, "y_test": y_test}


def cifar10_small(*contents: bytes) -> Arrays:
    """`SMALL_TRAIN` and `SMALL_TEST` pictures of each class, the latter of the official test."""
    return _part(cifar10(*contents), SMALL_TRAIN, SMALL_TEST)


def cifar10_tiny(*contents: bytes) -> Arrays:
    """The same with `TINY_TRAIN` and `TINY_TEST` pictures a class."""
    return _part(cifar10(*contents), TINY_TRAIN, TINY_TEST)


def _part(whole: Arrays, train_count: int, test_count: int) -> Arrays:
    train, test = drawn(whole["y"], train_count), drawn(whole["y_test"], test_count)
    return {
        "x": whole["x"][train],
        "y": whole["y"][train],
        "x_test": whole["x_test"][test],
        "y_test": whole["y_test"][test],
    }


def faces(*contents: bytes) -> Arrays:
    """Photographs of `PEOPLE` people, `PHOTOGRAPHS` each, in the order of the people.

    Returns:
        ``x`` (400, 112, 92) uint8, grey; ``y`` (400,) int64, the person.
    """
    x = np.stack([read_pgm(content) for content in contents])
    if x.shape[1:] != FACE or len(x) % PHOTOGRAPHS:
        raise DataError(f"the faces have the shape {x.shape}, not {PHOTOGRAPHS} of {FACE} a person")
    return {"x": x, "y": np.repeat(np.arange(len(x) // PHOTOGRAPHS), PHOTOGRAPHS)}


def read_pgm(content: bytes) -> NDArray[np.uint8]:
    """A grey picture (height, width) in binary PGM.

    Some of these files went through a copy in text mode, which put a carriage return before
    each line feed, pixels of value 10 included; that is undone.

    Raises:
        DataError: Another kind of file, or more or fewer pixels than it says.
    """
    head = _PGM.match(content)
    if head is None or int(head[3]) > 255:
        raise DataError("this is not a binary PGM picture of bytes")
    width, height = int(head[1]), int(head[2])
    body = content[head.end() :]
    excess = len(body) - width * height
    if excess > 0 and head[0].endswith(b"\r\n"):
        # A pixel 13 before a pixel 10 was left alone by that copy. Where there is one (in two
        # of the 400 files), nothing says which pair it is, and it is taken to be the last.
        body = body.replace(b"\r\n", b"\n", excess)
    if len(body) != width * height:
        raise DataError(f"this PGM picture is {width} x {height}, and holds {len(body)} pixels")
    return np.frombuffer(body, dtype=np.uint8).reshape(height, width)


def unchanged(content: bytes) -> tuple[bytes]:
    """A file as it is in the package."""
    return (content,)


def _sheet(content: bytes) -> NDArray[np.uint8]:
    """Pictures (n, 3, 32, 32) of a PNG with one of them in each row of pixels."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as png:
            if png.mode != "RGB" or png.width != 32 * 32:
                raise DataError(f"a sheet of pictures is {png.mode} and {png.width} pixels wide")
            rows = np.asarray(png, dtype=np.uint8)
    except (OSError, Image.DecompressionBombError) as error:
        raise DataError(f"a sheet of pictures cannot be read: {error}") from None
    return rows.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)
