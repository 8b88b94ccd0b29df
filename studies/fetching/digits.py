"""Handwritten digits: MNIST whole, and 5,000 of it."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import DataError
from studies.fetching.dataset import Arrays, drawn

TRAIN = 500  # a class


def mnist(
    train_images: bytes, train_labels: bytes, test_images: bytes, test_labels: bytes
) -> Arrays:
    """MNIST from its four files: images (n, 28, 28) uint8, labels (n,) int64."""
    return {
        "x": read_idx(train_images),
        "y": read_idx(train_labels).astype(np.int64),
        "x_test": read_idx(test_images),
        "y_test": read_idx(test_labels).astype(np.int64),
    }


def mnist_part(*contents: bytes) -> Arrays:
    """`TRAIN` of the training digits of each class, and all test digits."""
    whole = mnist(*contents)
    rows = drawn(whole["y"], TRAIN)
    return {**whole, "x": whole["x"][rows], "y": whole["y"][rows]}


def mnist5k(rows: bytes) -> Arrays:
    """5,000 digits from a gzipped table: 784 pixels and the label in each row.

    Raises:
        DataError: Rows of another shape, or values that are no pixels.
    """
    text = io.StringIO(gzip.decompress(rows).decode())
    numbers: NDArray[Any] = np.loadtxt(text, delimiter=",", ndmin=2)
    pixels, labels = numbers[:, :-1], numbers[:, -1]
    if pixels.shape[1] != 784 or not np.array_equal(pixels, pixels.astype(np.uint8)):
        raise DataError("the table of digits does not hold 784 pixels from 0 to 255 in each row")
    return {"x": pixels.astype(np.uint8).reshape(-1, 28, 28), "y": labels.astype(np.int64)}


def read_idx(content: bytes) -> NDArray[np.uint8]:
    """An array of bytes in IDX form: two zeros, type 8, the number of axes, their sizes, data.

    Raises:
        DataError: Another type, or more or less data than the sizes say.
    """
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise DataError("this is not an IDX file of bytes")
    start = 4 + 4 * content[3]
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], dtype=">u4"))
    values = np.frombuffer(content[start:], dtype=np.uint8)
    if values.size != np.prod(shape):
        raise DataError(f"this IDX file says that its shape is {shape}, and holds {values.size}")
    return values.reshape(shape)
