"""Who trains with whom: deterministic from the members and their sizes alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from rankprobe.records import Member

LARGEST_COHORT = 32
SMALL_BASELINES = 100_000  # weights of all baselines that train together
MEMORY = 2 << 30  # bytes that a cohort's tensors may take


def compose(
    members: Iterable[Member], *, bytes_per_member: int, baseline_parameters: int
) -> list[tuple[Member, ...]]:
    """Split members into cohorts.

    Members of one repeat and one length train together, rank 0 apart from other ranks. A
    baseline of some size trains alone, because on a CPU it gains nothing from company; a small
    one, where starting an operation takes longer than doing it, does gain. A cohort is cut where
    it would pass the limits above; by rank first, so that little is padded. Inside a cohort
    members of one rate stand side by side, which the optimiser likes.

    Args:
        members: Members in any order; the result does not depend on it.
        bytes_per_member: Memory that one member takes.
        baseline_parameters: Number of weights of the backbone.
    """
    size = max(1, min(LARGEST_COHORT, MEMORY // max(1, bytes_per_member)))
    baselines = max(1, min(size, SMALL_BASELINES // baseline_parameters))
    cohorts: list[tuple[Member, ...]] = []
    for kind, group in groupby(sorted(set(members), key=_order), key=_kind):
        limit = baselines if kind[2] == 0 else size
        cohorts += [_by_rate(part) for part in _even_parts(list(group), limit)]
    return cohorts


def _kind(member: Member) -> tuple[int, int, int]:
    """Repeat, length, and 0 for a baseline, 1 for rank 0, 2 for other ranks."""
    return member.repeat, member.epochs, 0 if member.rank is None else 1 + (member.rank > 0)


def _order(member: Member) -> tuple[tuple[int, int, int], int, float]:
    return _kind(member), member.rank or 0, member.learning_rate


def _even_parts(members: Sequence[Member], limit: int) -> list[Sequence[Member]]:
    """Neighbouring parts of at most ``limit`` members, as even as they can be."""
    count = -(-len(members) // limit)
    edges = [round(len(members) * k / count) for k in range(count + 1)]
    return [members[a:b] for a, b in pairwise(edges)]


def _by_rate(members: Sequence[Member]) -> tuple[Member, ...]:
    return tuple(sorted(members, key=lambda m: (m.learning_rate, m.rank or 0)))
