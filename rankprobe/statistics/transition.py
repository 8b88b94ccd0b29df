"""The transition rank: where a scaffold that is drawn again and again catches up with a static one.

An adapter of low rank lives off its scaffold, so a scaffold that changes under it costs much; one
of high rank carries the task by itself, and loses little. The smallest rank at which

    gain(resampled, r) >= share * gain(static, r)

holds, gains being counted from the floor, is a second reading of how complex a task is: it asks
for no full training. Where that is, and how sure, follows what is done for the minimal rank:
the surplus of the one over a share of the other is made monotone in rank, and repeats, test
examples and choices of learning rates are drawn again, the same ones for every rank and for both
scaffolds (`rankprobe.statistics.resampling`, which also says how few repeats are corrected for).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rankprobe.records import Interval, Result
from rankprobe.records.transition import Transition, TransitionPoint, TransitionVerdict
from rankprobe.statistics.evidence import Evidence
from rankprobe.statistics.guards import FEW_REPEATS, first_fall, is_wide, ordered, share_by_rank
from rankprobe.statistics.minimal_rank import rank_interval
from rankprobe.statistics.paired import PairedTables, pair_results
from rankprobe.statistics.resampling import correlation_of, draw_surplus
from rankprobe.statistics.standing import (
    Criterion,
    Standing,
    find_crossing,
    first_crossings,
    precision,
)
from rankprobe.statistics.variance import Values, ratio

_FLAGS_OF_POINTS = {"not_converged": "adapter_not_converged", "rate_at_edge": "rate_at_edge"}


@dataclass(frozen=True)
class _Answer:
    """What is read off the ranks that take part."""

    verdict: TransitionVerdict
    value: int | None = None
    low: int | None = None
    high: int | None = None
    flags: frozenset[str] = frozenset()
    distribution: tuple[tuple[int | None, float], ...] = ()


def find_transition(
    static: Result,
    resampled: Result,
    *,
    share: float = 0.95,
    confidence: float = 0.95,
    evidence: tuple[Evidence, Evidence] | None = None,
    labels: tuple[str, str] = ("static", "resampled"),
) -> Transition:
    """The transition rank of two measurements that differ in their scaffold alone.

    Args:
        static: Measured with a static scaffold.
        resampled: The same with a resampled one.
        share: Share of the static scaffold's gain over the floor, to be reached at equal rank.
        confidence: Level of the interval.
        evidence: What both were read from, where it is at hand.
        labels: What to call them.

    Returns:
        The answer over the ranks that both measured; there must be one.
    """
    tables = pair_results(static, resampled, evidence=evidence)
    standings = _standings(tables, Criterion(share), confidence)
    level = (1.0 + confidence) / 2.0
    # Where the static scaffold gains nothing, a share of it says nothing.
    read = [item for item in standings if item.pair.contrast(0.0, 1.0).low(level) > 0.0]
    if not read or static.minimal_rank.verdict == "no_signal":
        read, answer = [], _Answer("no_signal")
    else:
        answer = _answer(tables, read, share, confidence)
    flags = set(answer.flags) | _common_flags(static, resampled, tables, read)
    if 0 < len(read) < len(standings):
        flags.add("static_at_floor")
    points = [_point(static, resampled, item, read, level) for item in standings]
    return Transition(
        task=static.task.name,
        static=labels[0],
        resampled=labels[1],
        metric=static.task.metric,
        higher_is_better=static.higher_is_better,
        share=share,
        floor=static.floor,
        floor_score=static.floor_score,
        value=answer.value,
        low=answer.low,
        high=answer.high,
        confidence=confidence,
        verdict=answer.verdict,
        flags=ordered(flags),
        basis=tables.basis,
        repeats=tables.repeats,
        points=tuple(points),
        distribution=answer.distribution,
    )


def _standings(tables: PairedTables, criterion: Criterion, confidence: float) -> list[Standing]:
    """Every rank of the resampled scaffold against the same rank of the static one."""
    level, standings = (1.0 + confidence) / 2.0, []
    for rank in tables.ranks:
        row = tables.second[rank]
        pair = tables.gains(row, tables.first[rank])
        if pair is not None:
            standings.append(Standing(row, pair, criterion.surplus(pair), level))
    return standings


def _answer(
    tables: PairedTables, standings: list[Standing], share: float, confidence: float
) -> _Answer:
    """Verdict, value and interval, in the order of precedence of the minimal rank's verdicts."""
    fall = first_fall(
        standings,
        lambda one, other, level: _surely_closer(tables, one, other, share, level),
        confidence=confidence,
    )
    rising = standings[:fall]
    crossing = find_crossing(rising)
    draws = draw_surplus(rising, _correlation(tables, rising, share))
    index = first_crossings(draws, precision(rising))
    shares = np.bincount(index, minlength=len(rising) + 1) / len(index)
    distribution = share_by_rank(rising, shares)
    if crossing is None:
        if fall is not None:
            return _Answer("not_monotone", distribution=distribution)
        last = standings[-1]
        flags = frozenset() if last.surely_below else frozenset({"imprecise"})
        past = last.row.rank + 1
        return _Answer("above_largest", None, past, None, flags, distribution)
    value = rising[crossing].row.rank
    low, high = rank_interval(rising, crossing, shares, confidence)
    if crossing == 0 and value > 1 and fall is None:
        flags = frozenset() if high == value else frozenset({"imprecise"})
        return _Answer("at_or_below_smallest", None, None, value, flags, distribution)
    before = rising[crossing - 1].row.rank if crossing else 0
    raised = {"imprecise": is_wide(value, low, high), "grid": value != before + 1}
    raised["smaller_rank_reaches"] = any(item.reaches for item in rising[:crossing])
    flags = frozenset(name for name, is_so in raised.items() if is_so)
    verdict: TransitionVerdict = "resolved" if fall is None else "not_monotone"
    return _Answer(verdict, value, low, high, flags, distribution)


def _surely_closer(
    tables: PairedTables, one: Standing, other: Standing, share: float, level: float
) -> bool:
    """Whether the surplus at one rank is above that at another by more than noise."""
    rows = [row for item in (one, other) for row in (item.row, tables.first[item.row.rank])]
    joint = tables.gains(*rows)
    if joint is None or joint.n_repeats < 2:
        return False
    return joint.contrast(1.0, -share, -1.0, share).low(level) > 0.0


def _correlation(tables: PairedTables, standings: Sequence[Standing], share: float) -> Values:
    """How the surpluses of the ranks go together, (ranks, ranks): they share their luck."""
    count = len(standings)
    static = [tables.first[item.row.rank] for item in standings]
    joint = tables.gains(*(item.row for item in standings), *static)
    if joint is None:  # no repeat that all ranks finished: as if they were unrelated
        return np.eye(count)
    return correlation_of(joint, np.concatenate([np.eye(count), -share * np.eye(count)], axis=1))


def _common_flags(
    static: Result, resampled: Result, tables: PairedTables, read: Sequence[Standing]
) -> set[str]:
    """Flags that do not depend on the answer."""
    flags: set[str] = set()
    if any(len(item.points) != len(tables.ranks) for item in (static, resampled)):
        flags.add("ranks_left_out")
    if any(item.members.get("failed") for item in (static, resampled)):
        flags.add("failed_members")
    if min((item.pair.n_repeats for item in read), default=FEW_REPEATS) < FEW_REPEATS:
        flags.add("few_repeats")
    ranks = {item.row.rank for item in read}
    points = [p for item in (static, resampled) for p in item.points if p.rank in ranks]
    return flags | {_FLAGS_OF_POINTS[f] for p in points for f in p.flags if f in _FLAGS_OF_POINTS}


def _point(
    static: Result,
    resampled: Result,
    standing: Standing,
    read: Sequence[Standing],
    level: float,
) -> TransitionPoint:
    rank = standing.row.rank
    scores = [
        next(Interval(p.mean, p.low, p.high) for p in item.points if p.rank == rank)
        for item in (static, resampled)
    ]
    return TransitionPoint(
        rank=rank,
        static=scores[0],
        resampled=scores[1],
        share=ratio(standing.pair, level),
        reaches=standing.reaches,
        read=any(item is standing for item in read),
    )
