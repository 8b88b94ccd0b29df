"""Who trains with whom: deterministic from the members and their sizes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, pairwise
from typing import Any, TypeVar

from rankprobe.lowrank.layers import SMALL_LAYER
from rankprobe.records import Member

LARGEST_COHORT = 32
# Weights of a network whose repeats train together: no layer has more than a small one, for in
# large layers the shared product of the raw input is worth more.
SMALL_NETWORK = SMALL_LAYER
LARGEST_SMALL_COHORT = 128  # members of such a network; more gain nothing
SMALL_BASELINES = 100_000  # weights of all baselines that train together
MEMORY = 2 << 30  # bytes that a cohort's tensors may take

# Members of a larger network that train together on different frozen weights, which are of little
# use to each other. Measured on one thread, milliseconds a member-step apart and together: MNIST
# medium, four weights with 4 members each 4.8 and 3.9, with 20 members each in pairs 5.2 and 6.2;
# 64-64-32 1.24 and 0.54, 0.58 and 0.47.
LARGEST_MIXED = 16

Cohort = tuple[Member, ...]
M = TypeVar("M", bound=Member)
Bytes = Callable[[int | None], int]  # memory that a member of a rank takes while training


def compose(
    members: Iterable[M],
    *,
    bytes_of: Bytes,
    parameters: int,
    draws_masks: bool,
    lane: Callable[[M], int] = lambda _: 0,
    copy: int = 0,
) -> list[tuple[M, ...]]:
    """Split members into cohorts.

    Members of one length and one scaffold train together, rank 0 apart from other ranks.
    Repeats train apart, because members of one repeat share the product of the raw input; but
    where a network is so small that starting an operation takes longer than doing it, and draws
    no masks, which belong to one repeat, they train together. A baseline of some size trains
    alone, because on a CPU it gains nothing from company; a small one does gain. A cohort is cut
    where it would pass the limits above; by rank first, so that little is padded. Inside a cohort
    members of one rate stand side by side, which the optimiser likes.

    Args:
        members: Members in any order; the result does not depend on it.
        bytes_of: Memory that a member of a rank takes; in a cohort all take that of the largest.
        parameters: Number of weights of the backbone.
        draws_masks: Whether the backbone draws random numbers while training.
        lane: Which frozen weights a member has, where not all have the same.
        copy: Bytes of these weights: a cohort of several lanes holds those of each.
    """
    merged = parameters <= SMALL_NETWORK and not draws_masks
    largest = LARGEST_SMALL_COHORT if merged else LARGEST_COHORT
    baselines = max(1, min(largest, SMALL_BASELINES // parameters))

    def kind(member: M) -> tuple[int, int, int, int]:
        """Repeat, length, scaffold, and 0 for a baseline, 1 for rank 0, 2 for other ranks."""
        which = 0 if member.rank is None else 1 + (member.rank > 0)
        return 0 if merged else member.repeat, member.epochs, member.scaffold, which

    def order(member: M) -> tuple[Any, ...]:
        own = (member.rank or 0, member.learning_rate, member.repeat)
        return kind(member), *own, getattr(member, "combination", 0)

    def side_by_side(part: Sequence[M]) -> tuple[M, ...]:
        return tuple(sorted(part, key=lambda m: (lane(m), m.learning_rate, order(m))))

    cohorts: list[tuple[M, ...]] = []
    for (*_, which), group in groupby(sorted(set(members), key=order), key=kind):
        most = LARGEST_MIXED if parameters > SMALL_BASELINES else largest
        for together in _mixed(list(group), lane, most):
            each = max(1, *(bytes_of(rank) for rank in {m.rank for m in together}))
            fitting = _fitting(each, copy if which else 0, len(set(map(lane, together))))
            limit = max(1, min(largest if which else baselines, fitting))
            cohorts += [side_by_side(part) for part in _even_parts(together, limit)]
    return cohorts


def cohort_bytes(
    cohort: Sequence[M], *, bytes_of: Bytes, lane: Callable[[M], int] = lambda _: 0, copy: int = 0
) -> int:
    """Memory that a cohort takes while training, beside its first frozen weights.

    Args:
        cohort: Members with adapters.
        bytes_of: As `compose`.
        lane: As `compose`.
        copy: As `compose`.
    """
    each = max(bytes_of(rank) for rank in {member.rank for member in cohort})
    return each * len(cohort) + copy * (len(set(map(lane, cohort))) - 1)


def _fitting(each: int, copy: int, lanes: int) -> int:
    """Members that fit into memory, of which every further lane brings a copy with it."""
    few = (MEMORY + copy) // (each + copy)
    return few if few < lanes else (MEMORY - copy * (lanes - 1)) // each


def _mixed(members: Sequence[M], lane: Callable[[M], int], most: int) -> list[list[M]]:
    """Members of all lanes together, or of as many whole lanes as make ``most`` members."""
    lanes: dict[int, list[M]] = {}
    for member in members:
        lanes.setdefault(lane(member), []).append(member)
    if len(lanes) == 1 or len(members) <= most or most > LARGEST_MIXED:
        return [list(members)]
    packs: list[list[M]] = [[]]
    for _, own in sorted(lanes.items()):
        if packs[-1] and len(packs[-1]) + len(own) > most:
            packs.append([])
        packs[-1] += own
    return packs


def _even_parts(members: Sequence[M], limit: int) -> list[Sequence[M]]:
    """Neighbouring parts of at most ``limit`` members, as even as they can be."""
    count = -(-len(members) // limit)
    edges = [round(len(members) * k / count) for k in range(count + 1)]
    return [members[a:b] for a, b in pairwise(edges)]
