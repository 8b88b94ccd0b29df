"""Data of the ordering study: three real tables cut to one size, and generated targets.

Everything here is a function of its arguments alone. Each task gets ``x`` and ``y`` to learn
from (validation rows are cut from them by the measurement) and ``x_test``, ``y_test``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import DataError

Arrays = dict[str, NDArray[Any]]

PAIR = (3, 8)
DIGIT_ROWS = 800  # to learn from: about 70 % of the rows that hold a 3 or an 8
TABLE_ROWS = 5000  # to learn from, and as many again to test on: penbased has 10,992 in all
BITS, PARITY_BITS = 16, 4
PAIRS = 7  # odd, so that their sum is never 0
_SEED = 0


@dataclass(frozen=True)
class Table:
    """Rows of whole numbers with a class each.

    Attributes:
        x: (n, features) int64.
        y: (n,) class names.
    """

    x: NDArray[np.int64]
    y: NDArray[np.str_]


def read_keel(content: bytes, *, features: int) -> Table:
    """A table of a KEEL ``.dat`` file without its header: whole numbers, then the class.

    A row that is there several times is kept once: else some test rows were seen in training.

    Raises:
        DataError: Rows of another width, or values that are no whole numbers.
    """
    lines = [line for line in content.decode("ascii", "replace").splitlines() if line.strip()]
    rows = [[cell.strip() for cell in line.split(",")] for line in lines]
    if not rows or any(len(row) != features + 1 for row in rows):
        raise DataError(f"this is not a table with {features} numbers and a class in each row")
    try:
        x = np.array([row[:-1] for row in rows], dtype=np.str_).astype(np.int64)
    except ValueError as error:
        raise DataError(f"the table holds something other than whole numbers: {error}") from None
    return _distinct(Table(x, np.array([row[-1] for row in rows], dtype=np.str_)))


def digits_ten(content: bytes) -> Arrays:
    """Ten digits, as many rows to learn from as the pair has; the rest are test rows."""
    return _pictures(_optdigits(content))


def digits_pair(content: bytes) -> Arrays:
    """The rows of two digits."""
    table = _optdigits(content)
    two = np.isin(table.y, [str(digit) for digit in PAIR])
    return _pictures(Table(table.x[two], table.y[two]))


def digits_halves(content: bytes) -> Arrays:
    """The ten digits as two classes: 0 to 4 (0) against 5 to 9 (1)."""
    arrays = digits_ten(content)
    halves = {name: (arrays[name] > 4).astype(np.int64) for name in ("y", "y_test")}
    return {**arrays, **halves}


def digits_shuffled(content: bytes) -> Arrays:
    """The ten digits with their labels permuted over all rows: nothing is left to learn."""
    arrays = digits_ten(content)
    labels = np.concatenate([arrays["y"], arrays["y_test"]])
    labels = np.random.default_rng(_SEED).permutation(labels)
    learned = len(arrays["y"])
    return {**arrays, "y": labels[:learned], "y_test": labels[learned:]}


def letter(content: bytes) -> Arrays:
    """26 capital letters, 16 attributes."""
    return _numbers(read_keel(content, features=16))


def penbased(content: bytes) -> Arrays:
    """Ten digits written with a pen, 16 coordinates."""
    return _numbers(read_keel(content, features=16))


def linear() -> Arrays:
    """On which side of a plane through the middle a row of bits lies."""
    bits = distinct_bits(2 * TABLE_ROWS)
    return _halves(bits, linear_target(bits))


def parity() -> Arrays:
    """Whether an even number of the first few bits is 0; the other bits say nothing."""
    bits = distinct_bits(2 * TABLE_ROWS)
    return _halves(bits, parity_target(bits))


def pairs() -> Arrays:
    """Whether most of seven pairs of bits are alike in themselves; two bits say nothing."""
    bits = distinct_bits(2 * TABLE_ROWS)
    return _halves(bits, pairs_target(bits))


def distinct_bits(count: int) -> NDArray[np.float32]:
    """Rows of -1 and 1, no two alike, (count, BITS): so no test row was seen in training."""
    numbers = np.random.default_rng(_SEED).permutation(2**BITS)[:count]
    return (2 * ((numbers[:, None] >> np.arange(BITS)) & 1) - 1).astype(np.float32)


def linear_target(bits: NDArray[np.float32]) -> NDArray[np.int64]:
    """1 where a weighted sum of all bits is positive; the weights are normal numbers."""
    weights = np.random.default_rng(_SEED + 1).standard_normal(BITS)
    return (bits @ weights > 0).astype(np.int64)


def parity_target(bits: NDArray[np.float32]) -> NDArray[np.int64]:
    """1 where the product of the first `PARITY_BITS` bits is positive."""
    even: NDArray[np.bool_] = bits[:, :PARITY_BITS].prod(axis=1) > 0
    return even.astype(np.int64)


def pairs_target(bits: NDArray[np.float32]) -> NDArray[np.int64]:
    """1 where the sum of the products of the first `PAIRS` pairs of bits is positive."""
    used = bits[:, : 2 * PAIRS]
    most: NDArray[np.bool_] = (used[:, ::2] * used[:, 1::2]).sum(axis=1) > 0
    return most.astype(np.int64)


def _distinct(table: Table) -> Table:
    """The first of equal rows, class included, in their order."""
    codes = np.unique(table.y, return_inverse=True)[1]
    first = np.unique(np.column_stack([table.x, codes]), axis=0, return_index=True)[1]
    kept = np.sort(first)
    return Table(table.x[kept], table.y[kept])


def _optdigits(content: bytes) -> Table:
    table = read_keel(content, features=64)
    if table.x.min() < 0 or table.x.max() > 16:
        raise DataError("the table of digits does not hold 64 pixels from 0 to 16 in each row")
    return table


def _pictures(table: Table) -> Arrays:
    """Pixels (n, 8, 8) uint8: a measurement gives all of them one mean and scale."""
    learned, tested = _divided(len(table.y), DIGIT_ROWS, len(table.y) - DIGIT_ROWS)
    x, y = table.x.astype(np.uint8).reshape(-1, 8, 8), table.y.astype(np.int64)
    return {"x": x[learned], "y": y[learned], "x_test": x[tested], "y_test": y[tested]}


def _numbers(table: Table) -> Arrays:
    learned, tested = _divided(len(table.y), TABLE_ROWS, TABLE_ROWS)
    x = table.x.astype(np.float32)
    return {
        "x": x[learned],
        "y": table.y[learned],
        "x_test": x[tested],
        "y_test": table.y[tested],
    }


def _halves(x: NDArray[np.float32], y: NDArray[np.int64]) -> Arrays:
    half = len(x) // 2
    return {"x": x[:half], "y": y[:half], "x_test": x[half:], "y_test": y[half:]}


def _divided(rows: int, first: int, second: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Two disjoint sets of rows, drawn at random from a seed.

    Raises:
        DataError: Too few rows.
    """
    if second < 1 or first + second > rows:
        raise DataError(
            f"the table holds {rows:,} different rows; at least {first + max(second, 1):,} are "
            "needed"
        )
    order = np.random.default_rng(_SEED).permutation(rows)
    return np.sort(order[:first]), np.sort(order[first : first + second])
