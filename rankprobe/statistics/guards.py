"""What could make the number mean something else: falls, ties, and flags."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rankprobe.statistics.standing import Criterion, Standing
from rankprobe.statistics.table import Floor, ScoreTable

FEW_REPEATS = 3
"""Below this many repeats a result is flagged `few_repeats`."""
SIGNAL_LEVEL = 0.999
"""One-sided level at which full training must beat chance by the noise of the test set."""

FLAGS = (
    "adapter_beats_baseline",
    "imprecise",
    "unresolved_tie",
    "smaller_rank_reaches",
    "grid",
    "adapter_not_converged",
    "rate_at_edge",
    "few_repeats",
    "failed_members",
    "imbalanced",
    "duplicates_across_splits",
    "mostly_duplicates",
    "time_across_splits",
)
"""Flags of a minimal rank in the order in which they are told; others follow."""


def has_signal(table: ScoreTable, *, confidence: float) -> bool:
    """Whether full training beats chance by more than noise, whatever the floor.

    By the noise of repeats and examples together at the usual level, and by that of the test
    examples alone at 1 in 1,000. Where labels have nothing to do with inputs only the second is
    noise, whatever the networks learned; at 2.5 % one such task in forty would get a rank.
    """
    gain = table.gains(table.baseline, floor=table.floor_values("chance"))
    assert gain is not None, "the table has a baseline"
    level = (1.0 + confidence) / 2.0
    return (
        gain.contrast(1.0).low(level) > 0.0
        and gain.over_examples(1.0).low(max(SIGNAL_LEVEL, level)) > 0.0
    )


def head_reaches(table: ScoreTable, *, criterion: Criterion, floor: Floor) -> bool:
    """Whether the head alone, rank 0, already reaches the target on average."""
    if table.head is None or floor == "head":
        return False
    pair = table.gains(table.head, table.baseline, floor=table.floor_values(floor))
    return pair is not None and criterion.surplus(pair).mean >= 0.0


def find_fall(table: ScoreTable, standings: Sequence[Standing], *, confidence: float) -> int | None:
    """Index of the first rank that falls below the target again by more than noise.

    It must be surely below the target and surely worse than an earlier rank that reaches it.
    """
    return first_fall(
        standings,
        lambda one, other, level: surely_better(table, one, other, level=level),
        confidence=confidence,
    )


def first_fall(
    standings: Sequence[Standing],
    better: Callable[[Standing, Standing, float], bool],
    *,
    confidence: float,
) -> int | None:
    """Index of the first rank that is surely below, and worse than an earlier one that reaches.

    Args:
        standings: One a rank, ascending.
        better: Whether the first is better than the second by more than noise, at a level; the
            level is shared among the ranks past the first that reaches (Bonferroni).
        confidence: Of the whole statement.
    """
    reached = [index for index, item in enumerate(standings) if item.reaches]
    if not reached:
        return None
    later = range(reached[0] + 1, len(standings))
    level = 1.0 - (1.0 - confidence) / 2.0 / max(len(later), 1)
    for index in later:
        item = standings[index]
        if not item.surely_below or item.surplus.high(level) >= 0.0:
            continue
        if any(better(standings[k], item, level) for k in reached if k < index):
            return index
    return None


def surely_better(table: ScoreTable, one: Standing, other: Standing, *, level: float) -> bool:
    """Whether a rank scores better than another by more than noise, repeat by repeat."""
    pair = table.gains(one.row, other.row, floor=table.floor_values("none"))
    return pair is not None and pair.n_repeats > 1 and pair.contrast(1.0, -1.0).low(level) > 0.0


def beats_baseline(standing: Standing, *, confidence: float, among: int) -> bool:
    """Whether an adapter beats full training by more than noise, one of ``among`` such tests."""
    level = 1.0 - (1.0 - confidence) / 2.0 / among
    return standing.pair.n_repeats > 1 and standing.pair.contrast(1.0, -1.0).low(level) > 0.0


def is_tied(
    table: ScoreTable, standings: list[Standing], crossing: int, interval: tuple[int, int | None]
) -> bool:
    """Whether the named rank cannot be told from a neighbour that the interval holds too.

    Neighbours are the measured ranks next to it. Tied are two ranks of which neither scores
    better than the other by more than noise: the target lies in the noise of both, and which
    of them is named is luck. A single repeat says nothing about that.
    """
    if standings[crossing].pair.n_repeats < FEW_REPEATS - 1:
        return False
    low, high = interval
    for index in (crossing - 1, crossing + 1):
        if not 0 <= index < len(standings):
            continue
        rank = standings[index].row.rank
        if rank < low or (high is not None and rank > high):
            continue
        lower, upper = sorted((index, crossing))
        level = standings[crossing].level
        if not surely_better(table, standings[upper], standings[lower], level=level):
            return True
    return False


def is_wide(value: int, low: int | None, high: int | None) -> bool:
    """Wider than one rank up to rank 8, than a quarter of the rank above; or open."""
    return low is None or high is None or high - low > (1 if value <= 8 else value / 4)


def deciding_flags(
    table: ScoreTable, standings: list[Standing], crossing: int | None, *, confidence: float
) -> set[str]:
    """Flags that do not depend on the verdict; ranks next to the crossing decide it."""
    flags = set(table.evidence.flags)
    last = len(standings) - 1 if crossing is None else crossing
    deciding = standings[max(last - 1, 0) : last + 1]
    raised = {flag for item in deciding for flag in item.row.evidence.flags}
    flags |= {"adapter_not_converged"} if "not_converged" in raised else set()
    flags |= {"rate_at_edge"} & raised
    if any(item.reaches for item in standings[:crossing]):
        flags.add("smaller_rank_reaches")
    if min(item.pair.n_repeats for item in deciding) < FEW_REPEATS:
        flags.add("few_repeats")
    among = len(standings)
    if any(beats_baseline(item, confidence=confidence, among=among) for item in standings):
        flags.add("adapter_beats_baseline")
    measured = [*table.evidence.ranks, table.evidence.baseline]
    if any(item.failed for item in measured):
        flags.add("failed_members")
    return flags


def ordered(flags: set[str]) -> tuple[str, ...]:
    """Flags in the order in which they are told."""
    return (*(flag for flag in FLAGS if flag in flags), *sorted(flags - set(FLAGS)))


def non_inferior_from(standings: list[Standing]) -> int | None:
    """Smallest rank from which on every rank passes the non-inferiority test.

    Tests go from the largest rank down and stop at the first that fails, a fixed sequence, so
    the whole of them errs no more often than one (W. Maurer, L. Hothorn and W. Lehmacher,
    Biometrie in der chemisch-pharmazeutischen Industrie 6 (1995) 3).
    """
    passing = None
    for item in reversed(standings):
        if not item.surely_reaches:
            break
        passing = item.row.rank
    return passing


def share_by_rank(
    standings: list[Standing], shares: np.ndarray
) -> tuple[tuple[int | None, float], ...]:
    """Shares of resamples that are not 0 with their ranks; ``None`` above the largest."""
    ranks: list[int | None] = [*(item.row.rank for item in standings), None]
    return tuple(
        (rank, round(float(share), 6))
        for rank, share in zip(ranks, shares, strict=True)
        if share > 0.0
    )
