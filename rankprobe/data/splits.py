"""Dividing examples into training, validation and test."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config_data import SplitConfig
from rankprobe.data.examples import FREE, TEST, TRAIN, VALIDATION, Rows
from rankprobe.errors import DataError

DEFAULT_SHARES = {TEST: 0.2, VALIDATION: 0.1}
NAMES = {TRAIN: "training", VALIDATION: "validation", TEST: "test"}
WORDS = {
    "train": TRAIN,
    "training": TRAIN,
    "validation": VALIDATION,
    "valid": VALIDATION,
    "val": VALIDATION,
    "dev": VALIDATION,
    "test": TEST,
}


def divided(
    split: SplitConfig,
    fixed: NDArray[np.int8],
    by: NDArray[Any] | None,
    strata: NDArray[np.int64] | None,
    holder: str,
) -> tuple[Rows, Rows, Rows]:
    """Rows of training, validation and test, each ascending.

    Args:
        split: How to divide.
        fixed: (n,) examples that were given a split already; the others are `FREE`.
        by: (n,) values of the column to divide by.
        strata: (n,) classes whose shares are kept alike in every split.
        holder: Where the examples come from, for messages.

    Raises:
        DataError: A split would be empty.
    """
    where = fixed.copy()
    if split.column and by is not None:
        where = _words(by, split.column, holder)
    sizes = _sizes(split, where, cut_test=not split.column)
    free = np.flatnonzero(where == FREE)
    if split.column:
        # The column leaves nothing free; what it does not name is cut from its training rows.
        free = np.flatnonzero(where == TRAIN)
    if sizes and split.group and by is not None:
        _assign_groups(where, by, sizes, split, holder)
    elif sizes and split.time and by is not None:
        _assign_in_order(where, np.argsort(by, kind="stable"), sizes)
    elif sizes:
        _assign_strata(where, free, strata, sizes, split.seed, holder)
    where[where == FREE] = TRAIN
    rows = [np.flatnonzero(where == part) for part in (TRAIN, VALIDATION, TEST)]
    for part, name in NAMES.items():
        if len(rows[part]) == 0:
            raise DataError(f"the {name} split of {holder} is empty; change `data.split`")
    return rows[TRAIN], rows[VALIDATION], rows[TEST]


def divided_apart(
    split: SplitConfig,
    fixed: NDArray[np.int8],
    strata: NDArray[np.int64] | None,
    alike: NDArray[np.intp],
    holder: str,
) -> tuple[Rows, Rows, Rows]:
    """As `divided`, with examples that are alike in one split.

    Shares are then of examples that differ. One that was given a split stays in it, whatever it
    is like.

    Args:
        split: How to divide: by shares.
        fixed: (n,) as for `divided`.
        strata: (n,) as for `divided`; the first of several alike stands for all.
        alike: (n,) equal for examples that are alike, at least 0.
        holder: Where the examples come from, for messages.
    """
    own = -1 - np.arange(len(fixed))
    codes = np.where(fixed == FREE, alike, own)
    first, member = np.unique(codes, return_index=True, return_inverse=True)[1:]
    order = np.argsort(first)  # so that without copies the division is that of `divided`
    parts = divided(
        split, fixed[first[order]], None, None if strata is None else strata[first[order]], holder
    )
    where = np.empty(len(first), dtype=np.int8)
    for part, rows in enumerate(parts):
        where[order[rows]] = part
    train, validation, test = (np.flatnonzero(where[member] == p) for p in range(len(parts)))
    return train, validation, test


def check_shares(
    split: SplitConfig, fixed: NDArray[np.int8], by: NDArray[Any] | None, holder: str
) -> None:
    """Refuse a share that is written down for a split whose rows are given.

    Args:
        split: How to divide.
        fixed: (n,) as for `divided`.
        by: (n,) as for `divided`.
        holder: Where the examples come from, for messages.

    Raises:
        DataError: There is one; it would decide nothing.
    """
    where = _words(by, split.column, holder) if split.column and by is not None else fixed
    for part, key in ((TEST, "test"), (VALIDATION, "validation")):
        share = getattr(split, key)
        if isinstance(share, float | int) and (where == part).any():
            raise DataError(
                f"{holder} comes with {NAMES[part]} rows of its own, and `data.split.{key}` asks "
                f"for a share of {share:g}; remove the share, or the rows"
            )


def described(
    split: SplitConfig, fixed: NDArray[np.int8], by: NDArray[Any] | None, *, stratified: bool
) -> str:
    """How `divided` divides, in words for people."""
    if split.column and by is not None:
        where = _words(by, split.column, "")
        how = f"as the column `{split.column}` names them"
        cut = "" if (where == VALIDATION).any() else "validation"
    else:
        free = [part for part in (TEST, VALIDATION) if not (fixed == part).any()]
        given = [NAMES[part] for part in (TEST, VALIDATION) if part not in free]
        how = f"{' and '.join(given)} rows as given" if given else ""
        cut = " and ".join(NAMES[part] for part in free if given)
        if not free:
            return how
    if how and not cut:
        return how
    drawn = f"at random{', with the shares of the classes kept' if stratified else ''}"
    if split.group:
        drawn = f"by `{split.group}`, with no group in two splits"
    drawn += f", seed {split.seed}"
    if split.time:
        drawn = f"in the order of `{split.time}`, the latest rows for the test"
    return f"{how}; {cut} {drawn}" if how else drawn


def _words(by: NDArray[Any], column: str, holder: str) -> NDArray[np.int8]:
    """The splits that a column names."""
    words = [str(value).strip().lower() for value in by.tolist()]
    strange = next((i for i, word in enumerate(words) if word not in WORDS), None)
    if strange is not None:
        raise DataError(
            f"the split column `{column}` in {holder} holds {str(by[strange])!r} in row "
            f"{strange + 1}; write train, validation or test in every row"
        )
    return np.array([WORDS[word] for word in words], dtype=np.int8)


def _sizes(split: SplitConfig, where: NDArray[np.int8], *, cut_test: bool) -> dict[int, int]:
    """How many rows test and validation still need; a split that was given needs none."""
    pool = int((where == (FREE if cut_test else TRAIN)).sum())
    asked = {TEST: split.test, VALIDATION: split.validation}
    if not cut_test:
        del asked[TEST]
    sizes = {}
    for part, share in asked.items():
        if pool and not (where == part).any():
            wanted = share if isinstance(share, float | int) else DEFAULT_SHARES[part]
            sizes[part] = max(1, int(np.floor(pool * wanted + 0.5)))
    return sizes


def _assign_strata(
    where: NDArray[np.int8],
    free: Rows,
    strata: NDArray[np.int64] | None,
    sizes: dict[int, int],
    seed: int,
    holder: str,
) -> None:
    """Draw each split with the classes' own shares, leaving each class one row to train on."""
    classes = strata[free] if strata is not None else np.zeros(len(free), dtype=np.int64)
    order = shuffled(len(free), seed)
    order = order[np.argsort(classes[order], kind="stable")]
    left = np.unique(classes, return_counts=True)[1]
    by_class = np.split(free[order], np.cumsum(left)[:-1])
    if sum(sizes.values()) > len(free) - len(left):
        wanted = " and ".join(f"{size} for {NAMES[part]}" for part, size in sizes.items())
        raise DataError(
            f"{holder} has too few rows to divide: {len(free)}, of which {wanted} are asked and "
            f"{len(left)} must stay to train on; change `data.split`, or add rows"
        )
    start = np.zeros(len(left), dtype=int)
    counts = left.copy()
    for part, size in sizes.items():
        taken = _allocated(counts, size, left - 1)
        for rows, first, count in zip(by_class, start, taken, strict=True):
            where[rows[first : first + count]] = part
        start += taken
        left -= taken


def _allocated(counts: NDArray[np.int_], size: int, room: NDArray[np.int_]) -> NDArray[np.int_]:
    """``size`` rows shared out in proportion to ``counts``, by largest remainder, within room."""
    quota = counts * (size / counts.sum())
    taken: NDArray[np.int_] = np.minimum(np.floor(quota).astype(int), room)
    while (missing := size - int(taken.sum())) > 0:
        due = np.where(taken < room, quota - taken, -np.inf)
        next_up = np.argsort(-due, kind="stable")[: min(missing, int((taken < room).sum()))]
        taken[next_up] += 1
    return taken


def _assign_groups(
    where: NDArray[np.int8],
    by: NDArray[Any],
    sizes: dict[int, int],
    split: SplitConfig,
    holder: str,
) -> None:
    """Draw whole groups until each split is as near its size as they allow."""
    groups, codes = np.unique(by, return_inverse=True)
    if len(groups) <= len(sizes):
        raise DataError(
            f"`{split.group}` in {holder} has only {len(groups)} groups; "
            f"a split by group needs at least {len(sizes) + 1}"
        )
    counts = np.bincount(codes)
    queue = list(shuffled(len(groups), split.seed))
    for later, (part, size) in zip(reversed(range(len(sizes))), sizes.items(), strict=True):
        taken = 0
        # One group stays for each later split and one for training; a group that would lead
        # further from the size than it stands now is left.
        while len(queue) > later + 1 and (taken == 0 or size - taken > counts[queue[-1]] / 2):
            group = queue.pop()
            where[codes == group] = part
            taken += int(counts[group])


def _assign_in_order(where: NDArray[np.int8], order: Rows, sizes: dict[int, int]) -> None:
    """Give the latest rows to test, those before them to validation."""
    end = len(order)
    for part, size in sizes.items():
        start = max(0, end - size)
        where[order[start:end]] = part
        end = start


def shuffled(count: int, seed: int) -> Rows:
    """A permutation that depends on the seed alone: Philox's raw stream never changes."""
    keys = np.random.Philox(key=seed).random_raw(count)
    return np.argsort(keys, kind="stable")
