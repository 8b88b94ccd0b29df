"""Which ranks to measure next: the ladder, then the gap that brackets the crossing."""

from __future__ import annotations

from collections.abc import Collection

from rankprobe.records import MinimalRank

FIRST_RUNGS = 4  # 1, 2, 4, 8 share cohorts
_FEW = 3  # ranks between two measured ones that are all measured at once


def first_rungs(largest: int) -> list[int]:
    """The ranks that the ladder starts with: powers of two up to the largest useful rank."""
    rungs = [1 << k for k in range(FIRST_RUNGS)]
    return sorted({min(rung, largest) for rung in rungs})


def next_rungs(measured: Collection[int], crossing: int | None, largest: int) -> list[int]:
    """The ladder's next rungs; none once a rung above the crossing is measured.

    Args:
        measured: Ranks measured so far.
        crossing: The smallest rank that reaches the target; ``None`` if none does.
        largest: Largest useful rank.
    """
    top = max(measured)
    if top >= largest or (crossing is not None and top > crossing):
        return []
    rungs = [top * 2] if crossing is not None else [top * 2, top * 4]
    return sorted({min(rung, largest) for rung in rungs})


def between(below: int, reaching: int) -> list[int]:
    """Ranks to measure between a rank below the target and one that reaches it.

    All of them when they are few, which also shows the curve beside the crossing; else the
    middle one.
    """
    inside = list(range(below + 1, reaching))
    return inside if len(inside) <= _FEW else [(below + reaching) // 2]


def beside(answer: MinimalRank, measured: Collection[int], largest: int) -> list[int]:
    """Unmeasured neighbours of the minimal rank that would narrow a wide interval."""
    if answer.value is None:
        return []
    wanted = []
    if answer.low is not None and answer.low < answer.value - 1:
        wanted.append(answer.value - 2)
    if answer.high is None or answer.high > answer.value:
        wanted.append(answer.value + 1)
    return [rank for rank in wanted if 1 <= rank <= largest and rank not in measured]
