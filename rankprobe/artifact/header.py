"""The header of a safetensors file, read with suspicion before anything is allocated.

The layout: eight bytes with the length of the header, the header as JSON, the tensors one behind
the other. Everything declared is held against the size of the file. Nothing is executed.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import ArtifactError

LARGEST_HEADER = 1 << 26  # bytes; that of an ordinary artifact has some thousands
_AXES = 8
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
}
_PICKLES = (b"\x80", b"PK")  # how files of torch and of pickle begin


@dataclass(frozen=True)
class Entry:
    """Where a tensor lies.

    Attributes:
        dtype: Its type.
        shape: Its shape.
        start: Its first byte, from the end of the header.
        end: The byte after its last.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Header:
    """A header that fits its file.

    Attributes:
        path: The file.
        metadata: Texts by name.
        tensors: Tensors by name.
        start: First byte behind the header.
    """

    path: Path
    metadata: Mapping[str, str]
    tensors: Mapping[str, Entry]
    start: int

    def read(self, name: str) -> NDArray[Any]:
        """The values of a tensor, as they are stored.

        Raises:
            ArtifactError: The file cannot be read, or has become shorter.
        """
        entry = self.tensors[name]
        try:
            with self.path.open("rb") as file:
                file.seek(self.start + entry.start)
                raw = file.read(entry.end - entry.start)
        except OSError as error:
            raise ArtifactError(f"{self.path}: {error.strerror or error}") from None
        if len(raw) != entry.end - entry.start:
            raise ArtifactError(f"{self.path} ends inside the tensor `{name}`; get it again")
        return np.frombuffer(raw, dtype=entry.dtype).reshape(entry.shape)


def read_header(path: Path) -> Header:
    """The header of a file.

    Raises:
        ArtifactError: No such file, no safetensors, or a header that does not fit the file.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            first = file.read(8)
            length = _length(path, first, size)
            raw = file.read(length)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ArtifactError(f"{path}: {reason}; give a file that `rankprobe pack` wrote") from None
    content = _parsed(path, raw)
    metadata = content.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _damaged(path, "its metadata are no texts")
    tensors = {name: _entry(path, name, value) for name, value in content.items()}
    _check_places(path, tensors, size - 8 - length)
    return Header(path, metadata, tensors, 8 + length)


def _length(path: Path, first: bytes, size: int) -> int:
    """The declared length of the header.

    A pickled file begins with a byte that a length may begin with as well; as a length, its first
    eight bytes are far larger than any file.
    """
    if _is_text(first):
        raise ArtifactError(
            f"{path} is not an artifact of rankprobe; give the .safetensors file that "
            "`rankprobe pack` wrote"
        )
    if len(first) < 8:
        raise _damaged(path, "it ends inside its header")
    (length,) = struct.unpack("<Q", first)
    if length > LARGEST_HEADER and first.startswith(_PICKLES):
        raise ArtifactError(
            f"{path} looks like a pickled file, which can run code and is never read; an artifact "
            "is a .safetensors file that `rankprobe pack` wrote"
        )
    if length > LARGEST_HEADER:
        raise _damaged(
            path, f"its header is declared to have {length:,} bytes, of {LARGEST_HEADER:,} at most"
        )
    if length > size - 8:
        raise _damaged(path, "it ends inside its header")
    return int(length)


def _is_text(first: bytes) -> bool:
    """Whether a file begins like text: no length of a header does, whose last bytes are zero."""
    return bool(first) and all(byte >= 0x20 or byte in b"\t\n\r\f" for byte in first)


def _parsed(path: Path, raw: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            raise ValueError("a name is there twice")
        return made

    try:
        content = json.loads(raw.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:120]
        raise _damaged(path, f"its header is no JSON ({reason})") from None
    if not isinstance(content, dict):
        raise _damaged(path, "its header is no JSON object")
    return content


def _entry(path: Path, name: str, value: Any) -> Entry:
    def whole(number: Any) -> bool:
        return type(number) is int and 0 <= number < 1 << 62

    what = f"the tensor `{name[:200]}`"
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise _damaged(path, f"{what} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        known = ", ".join(_DTYPES)
        raise _damaged(path, f"{what} is of the type {str(dtype)[:40]}; known are {known}")
    if not isinstance(shape, list) or len(shape) > _AXES or not all(map(whole, shape)):
        raise _damaged(path, f"{what} has no shape of whole numbers")
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(whole, offsets)):
        raise _damaged(path, f"{what} has no place of two whole numbers")
    start, end = offsets
    if math.prod(shape) * _DTYPES[dtype].itemsize != end - start:
        raise _damaged(
            path, f"{what} of the shape {tuple(shape)} does not take the {end - start:,} bytes "
            "that it is given",
        )  # fmt: skip
    return Entry(_DTYPES[dtype], tuple(shape), start, end)


def _check_places(path: Path, tensors: Mapping[str, Entry], size: int) -> None:
    """Tensors lie one behind the other and fill the file: none overlap, nothing hides between."""
    at = 0
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != at:
            raise _damaged(path, f"the tensor `{name[:200]}` does not begin where one ends")
        if entry.end > size:
            raise _damaged(path, f"it ends inside the tensor `{name[:200]}`")
        at = entry.end
    if at != size:
        raise _damaged(path, f"{size - at:,} bytes behind its tensors belong to none")


def _damaged(path: Path, why: str) -> ArtifactError:
    return ArtifactError(f"{path} is damaged, or no artifact: {why}; get it or pack it again")
