"""A sequential design: where more repeats narrow the interval most, and when to stop.

Each step looks at everything measured so far and at nothing else. Ranks that nobody measured
come first where such a gap decides an end of the interval. Then repeats: for every rank that
the interval holds, and for all of them together, the fewest repeats are sought with which the
interval is projected to be narrower (`rankprobe.statistics.projection`), and the move that
narrows it most a training gets one batch. Full training, and the head where it is the floor,
come along, since repeats are compared in pairs.

Looking at scores again and again until an interval is narrow can make it too sure of itself. How
sure was simulated on score tables, with up to 60 trainings added (tests/search/test_sequential.py
repeats a part). With precision 1 the interval covered the true rank in 204 of 204 designs that
ended as ``precise`` after adding repeats to 5, and in 184 of 186 that began with 3 repeats and
had no noise but theirs; with precision 0 in 53 of 53. So its level is left as it is. Within a
fifth of a step of a tie, without noise of examples, it did in 168 of 171 with precision 1 from
5 repeats. With precision 0 from 3 repeats it did there in 32 of the 39 that ended as
``precise`` and in 173 of all 181, of which 179 had it at first: near a tie a single rank is
better not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from rankprobe.search.refine import between
from rankprobe.statistics.evidence import Evidence, RankEvidence
from rankprobe.statistics.minimal_rank import find_minimal_rank
from rankprobe.statistics.projection import ENDLESS, Projection

Stopped = Literal["precise", "budget", "test_set", "grid", "no_crossing"]

BATCH = 2  # repeats added at a time
LEAST = 3  # repeats of a rank before it may decide an end of the interval
_LASTING = 0.9  # share of an error that repeats cannot take away, from which on it is left alone
_LOOK_AHEAD = tuple(BATCH << k for k in range(9))  # more repeats that a projection tries


@dataclass(frozen=True)
class Means:
    """What the design may spend.

    Attributes:
        left: Trainings left of the budget.
        new_rank: Trainings that a rank may take that was not measured yet.
        largest: Largest rank that may be measured; ``None``: none but those that are.
    """

    left: int
    new_rank: int
    largest: int | None


@dataclass(frozen=True)
class Step:
    """What to do next: one of the three.

    Attributes:
        stopped: Why the design ends.
        ranks: Ranks to measure.
        repeats: Number of repeats, in all, that each of these is to have; 0 is the head,
            ``None`` full training.
    """

    stopped: Stopped | None = None
    ranks: tuple[int, ...] = ()
    repeats: Mapping[int | None, int] = field(default_factory=dict)


def next_step(
    evidence: Evidence, *, question: Mapping[str, Any], precision: int, means: Means
) -> Step:
    """What narrows the interval of the minimal rank most, or why nothing should.

    Args:
        evidence: Everything measured so far.
        question: As `find_minimal_rank` takes it.
        precision: Wished ``high - low``.
        means: What may be spent.

    Returns:
        The step. Reasons to stop: ``precise``, narrow enough; ``budget``, spent; ``test_set``,
        repeats cannot decide any rank that the interval holds; ``grid``, the listed ranks are
        too far apart; ``no_crossing``, there is no interval.
    """
    answer = find_minimal_rank(evidence, **question)
    if answer.verdict == "no_signal" and _planned(evidence, None) < LEAST:
        return _spend(evidence, {None: LEAST}, question, means)
    if answer.value is None:
        return Step("no_crossing")
    look, low, high = Projection.of(evidence, **question), answer.low, answer.high
    inside = [rank for rank in look.ranks if (low or 1) <= rank <= (high or rank)]
    few: dict[int | None, int] = {r: LEAST for r in inside if _planned(evidence, r) < LEAST}
    if few:
        return _spend(evidence, few, question, means)
    if low is not None and high is not None and high - low <= precision:
        return Step("precise")
    tried = {item.rank for item in evidence.ranks}  # also those of which no repeat finished
    gaps = _gaps(look.ranks, low, high, means.largest)
    missing = [rank for rank in gaps if rank not in tried]
    if affordable := missing[: max(means.left, 0) // means.new_rank]:
        return Step(ranks=tuple(affordable))
    move = _best_move(evidence, look, inside)
    if not move and missing:
        return Step("budget")
    if not move and answer.value - _below(look, answer.value) - 1 > precision:
        return Step("grid")
    if not (move := move or _doubtful(look, inside)):
        return Step("test_set")
    batch = _batch(evidence.scaffolds)
    wanted: dict[int | None, int] = {rank: _planned(evidence, rank) + batch for rank in move}
    return _spend(evidence, wanted, question, means)


def describe(evidence: Evidence, *, question: Mapping[str, Any]) -> dict[str, Any]:
    """What a finished design came to, ready for JSON.

    Returns:
        ``narrowest``, the width that the interval is projected to keep however many repeats are
        added, in ranks (``None``: open, or no interval); ``repeats``, the number of each rank
        and of full training.
    """
    everything = sorted(_everything(evidence), key=lambda item: (item.rank is None, item.rank or 0))
    return {
        "narrowest": _narrowest(Projection.of(evidence, **question)),
        "repeats": {
            "full" if item.rank is None else str(item.rank): _planned(evidence, item.rank)
            for item in everything
        },
    }


def _narrowest(look: Projection) -> int | None:
    if look.crossing is None:
        return None
    low, high = look.interval(dict.fromkeys(look.ranks, ENDLESS))
    return None if low is None or high is None else high - low


def _gaps(measured: list[int], low: int | None, high: int | None, largest: int | None) -> list[int]:
    """Ranks to measure where an end of the interval is where it is for want of a measured rank."""
    if largest is None:
        return []
    first = next((rank for rank in measured if rank >= (low or 1)), measured[-1])
    inside = between((low or 1) - 1, first)
    if high is None:
        inside += [min(2 * measured[-1], largest)] if measured[-1] < largest else []
    else:
        inside += between(max((rank for rank in measured if rank < high), default=0), high)
    return sorted(set(inside))


def _best_move(evidence: Evidence, look: Projection, inside: list[int]) -> tuple[int, ...]:
    """The ranks among which a batch of repeats is best spent; none if repeats do not help."""
    now = _number(look, *look.interval())
    best: tuple[float, tuple[int, ...]] = (0.0, ())
    moves = [(rank,) for rank in inside]
    for move in [*moves, tuple(inside)] if len(inside) > 1 else moves:
        if _number(look, *look.interval(dict.fromkeys(move, ENDLESS))) >= now:
            continue
        for more in _LOOK_AHEAD:
            narrowed = now - _number(look, *look.interval(dict.fromkeys(move, more)))
            if narrowed > 0:
                gain = narrowed / _cost(evidence, move, more)
                best = max(best, (gain, move), key=lambda item: item[0])
                break
    return best[1]


def _doubtful(look: Projection, inside: list[int]) -> tuple[int, ...]:
    """The rank whose mean may still move with its repeats, which no projection foresees."""
    rank = min(inside, key=look.lasting_error)
    return (rank,) if look.lasting_error(rank) < _LASTING else ()


def _below(look: Projection, rank: int) -> int:
    """The largest measured rank below a rank; 0 if none is."""
    return max((other for other in look.ranks if other < rank), default=0)


def _cost(evidence: Evidence, move: tuple[int, ...], more: int) -> int:
    """Trainings of ``more`` repeats for each rank of a move, full training included."""
    top = max(_planned(evidence, rank) for rank in move) + more
    return more * len(move) + max(0, top - _planned(evidence, None))


def _spend(
    evidence: Evidence, wanted: Mapping[int | None, int], question: Mapping[str, Any], means: Means
) -> Step:
    """The step that brings ranks, and what they are compared with, to a number of repeats."""
    most, totals = max(wanted.values()), {**wanted}
    beside: list[int | None] = [None, 0] if question.get("floor") == "head" else [None]
    totals |= {rank: most for rank in beside if _planned(evidence, rank) < most}
    cost = sum(total - _planned(evidence, rank) for rank, total in totals.items())
    return Step(repeats=totals) if cost <= means.left else Step("budget")


def _batch(scaffolds: int) -> int:
    """A batch that gives every scaffold as many repeats."""
    return -(-BATCH // scaffolds) * scaffolds


def _planned(evidence: Evidence, rank: int | None) -> int:
    item = next(item for item in _everything(evidence) if item.rank == rank)
    return len(item.scores) if item.planned is None else item.planned


def _everything(evidence: Evidence) -> Iterator[RankEvidence]:
    yield from (*evidence.ranks, evidence.baseline)
    if evidence.head is not None:
        yield evidence.head


def _number(look: Projection, low: int | None, high: int | None) -> int:
    """A width that can be compared: an open end lies twice as far as the largest rank."""
    return (2 * look.ranks[-1] if high is None else high) - (low or 0)
