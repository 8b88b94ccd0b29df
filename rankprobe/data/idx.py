"""The IDX format, in which MNIST and its kin are published, plain or compressed by gzip."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import DataError

_BYTES = 0x08  # the code for unsigned bytes, which pictures and labels are


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array in an IDX file.

    Two zero bytes, a byte for the type, a byte for the number of dimensions, their sizes as
    big-endian 32-bit integers, then the values row by row
    (https://yann.lecun.org/exdb/mnist/index.html, "FILE FORMATS").

    Raises:
        DataError: The file cannot be read, is of another format, or is cut short.
    """
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}; fetch it again") from None
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[3] == 0 or len(raw) < 4 + 4 * raw[3]:
        raise DataError(f"{path} is not an IDX file; pictures in other formats go in a folder")
    if raw[2] != _BYTES:
        raise DataError(
            f"{path} holds values of IDX type {raw[2]:#04x}; only bytes (0x08) are read"
        )
    start = 4 + 4 * raw[3]
    shape = np.frombuffer(raw[4:start], dtype=">u4").tolist()
    values = np.frombuffer(raw, dtype=np.uint8)[start:]
    if len(values) != math.prod(shape):
        size = " x ".join(map(str, shape))
        raise DataError(f"{path} holds {len(values)} values, and says {size}; fetch it again")
    return values.reshape(shape)
