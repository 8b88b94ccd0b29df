"""The smallest rank that reaches a target, its interval, and the verdict on both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from rankprobe.records import MinimalRank, Verdict
from rankprobe.statistics.evidence import Evidence
from rankprobe.statistics.guards import (
    deciding_flags,
    find_fall,
    has_signal,
    head_reaches,
    is_tied,
    is_wide,
    non_inferior_from,
    ordered,
    share_by_rank,
)
from rankprobe.statistics.resampling import resampled_crossings
from rankprobe.statistics.standing import Criterion, Standing, find_crossing, stand
from rankprobe.statistics.table import Floor, ScoreTable, resolve_floor, tabulate


def find_minimal_rank(
    evidence: Evidence,
    *,
    target: float,
    epsilon: float | None = None,
    floor: str = "auto",
    confidence: float = 0.95,
) -> MinimalRank:
    """The minimal rank alone, without the fitted curve.

    Args:
        evidence: What was measured.
        target: Share of full training's gain over the floor that a rank must reach.
        epsilon: When given, it must come within this of full training instead.
        floor: ``auto``, ``none``, ``chance`` or ``head``.
        confidence: Level of the interval.

    Raises:
        ConfigError: A floor that the metric or the measurement does not allow.
        TrainingError: Nothing to compare: full training or every rank failed.
    """
    table, resolved = tabulate(evidence), resolve_floor(evidence.metric, floor)
    criterion = Criterion.of(target, epsilon)
    return minimal_rank(table, criterion=criterion, floor=resolved, confidence=confidence)


def bracket(
    evidence: Evidence,
    *,
    target: float,
    epsilon: float | None = None,
    floor: str = "auto",
    confidence: float = 0.95,
) -> tuple[int | None, int | None]:
    """The measured ranks between which the target is crossed.

    Returns:
        The largest measured rank before the crossing, ``None`` if the smallest measured rank
        reaches the target; and the smallest that reaches it, ``None`` if none does. The second
        is `MinimalRank.value` unless a verdict withholds it.

    Raises:
        ConfigError, TrainingError: As `find_minimal_rank`.
    """
    table, resolved = tabulate(evidence), resolve_floor(evidence.metric, floor)
    criterion = Criterion.of(target, epsilon)
    standings = stand(table, criterion=criterion, floor=resolved, confidence=confidence)
    return find_bracket(table, standings, confidence=confidence)


def find_bracket(
    table: ScoreTable, standings: list[Standing], *, confidence: float
) -> tuple[int | None, int | None]:
    """The measured ranks on both sides of the crossing, as `bracket` returns them."""
    rising = standings[: find_fall(table, standings, confidence=confidence)]
    crossing = find_crossing(rising)
    if crossing is None:
        return standings[-1].row.rank, None
    return rising[crossing - 1].row.rank if crossing else None, rising[crossing].row.rank


def minimal_rank(
    table: ScoreTable, *, criterion: Criterion, floor: Floor, confidence: float
) -> MinimalRank:
    """Verdict, value and interval, in the order of precedence of the verdicts."""
    standings = stand(table, criterion=criterion, floor=floor, confidence=confidence)
    fall = find_fall(table, standings, confidence=confidence)
    # Past a fall the curve is not monotone, and the first crossing is what the definition asks.
    rising = standings[:fall]
    crossing = find_crossing(rising)
    flags = deciding_flags(table, standings, crossing, confidence=confidence)
    if head_reaches(table, criterion=criterion, floor=floor):
        flags.add("head_reaches_target")
    if not has_signal(table, confidence=confidence):
        return _answer("no_signal", confidence, flags)
    if {"not_converged", "rate_at_edge"} & set(table.evidence.baseline.flags):
        return _answer("baseline_suspect", confidence, flags)
    shares = resampled_crossings(table, rising, criterion=criterion, floor=floor)
    found: dict[str, Any] = {
        "non_inferior": non_inferior_from(rising),
        "distribution": share_by_rank(rising, shares),
    }
    if crossing is None and fall is not None:
        return replace(_answer("not_monotone", confidence, flags), **found)
    if crossing is None:
        last = standings[-1]
        flags |= set() if last.surely_below else {"imprecise"}
        answer = _answer("above_largest", confidence, flags, low=last.row.rank + 1)
        return replace(answer, **found)
    value = rising[crossing].row.rank
    low, high = rank_interval(rising, crossing, shares, confidence)
    if crossing == 0 and value > 1 and fall is None:
        flags |= set() if high == value else {"imprecise"}
        answer = _answer("at_or_below_smallest", confidence, flags, high=value)
        return replace(answer, **found)
    flags |= {"imprecise"} if is_wide(value, low, high) else set()
    flags |= {"unresolved_tie"} if is_tied(table, rising, crossing, (low or 1, high)) else set()
    flags |= {"grid"} if value != (rising[crossing - 1].row.rank if crossing else 0) + 1 else set()
    verdict: Verdict = "resolved" if fall is None else "not_monotone"
    adapters = rising[crossing].row.evidence.adapter_parameters
    return replace(
        _answer(verdict, confidence, flags, value=value, low=low, high=high),
        degrees_of_freedom=adapters,
        share=adapters / table.baseline.evidence.trainable,
        **found,
    )


def rank_interval(
    standings: list[Standing], crossing: int, shares: np.ndarray, confidence: float
) -> tuple[int | None, int | None]:
    """Where the resamples cross, less a tail on either side, as integers.

    A crossing at a measured rank may be at any integer after the measured rank before it, so
    ``low`` reaches down to that one; it is ``None``, open, when the smallest measured rank is
    above 1 and not excluded. ``high`` is ``None`` when the tail crosses above the largest rank.
    With a single repeat nothing is known of the noise, and the interval is open.
    """
    ranks = [item.row.rank for item in standings]
    tail = (1.0 - confidence) / 2.0
    if max(item.pair.n_repeats for item in standings) < 2:
        return 1 if ranks[0] == 1 else None, None
    by_rank = np.cumsum(shares[:-1])
    first = min(int(np.argmax(by_rank > tail)) if by_rank[-1] > tail else crossing, crossing)
    low = ranks[first - 1] + 1 if first else (1 if ranks[0] == 1 else None)
    enough = np.flatnonzero(by_rank >= 1.0 - tail)
    return low, ranks[max(int(enough[0]), crossing)] if len(enough) else None


def _answer(
    verdict: Verdict,
    confidence: float,
    flags: set[str],
    *,
    value: int | None = None,
    low: int | None = None,
    high: int | None = None,
) -> MinimalRank:
    return MinimalRank(value, low, high, confidence, verdict, ordered(flags))
