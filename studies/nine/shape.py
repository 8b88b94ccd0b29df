"""The shape of a curve of recovery in words: does it rise with the rank, and does it flatten?

A reading to be reported, not a test: where a curve does otherwise, the words say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rankprobe.records import Interval, Result
from studies.nine.published import Published, share

# What a published mean, which comes without an interval, may fall by chance; and how much a curve
# must rise to be called anything but flat. As a share of full training.
NOISE = 0.03


@dataclass(frozen=True)
class Spot:
    """A share of full training at a rank, with its limits.

    Attributes:
        rank: Adapter rank.
        mean: The share.
        low: Its lower limit.
        high: Its upper limit.
    """

    rank: int
    mean: float
    low: float
    high: float


def published_spots(published: Published) -> list[Spot]:
    """A published curve, half of `NOISE` to each side."""
    shares = [(rank, published.recovery(rank)) for rank in published.scores]
    return [Spot(rank, mean, mean - NOISE / 2, mean + NOISE / 2) for rank, mean in shares]


def measured_spots(result: Result, published: Published | None = None) -> list[Spot]:
    """A measured curve as recovery over chance; ranks without a score are left out.

    Beside a published one whose guess is not known it is full training's loss over the rank's.
    """
    spots = []
    for point in result.points:
        if not math.isfinite(point.mean):
            continue
        if published is not None and published.guess is None:
            ends = sorted(share(end, result.baseline.mean, None) for end in (point.low, point.high))
            mean = share(point.mean, result.baseline.mean, None)
        else:
            over = point.over_chance or _over_chance(result, point.recovery)
            mean, ends = over.mean, [over.low, over.high]
        spots.append(Spot(point.rank, mean, ends[0], ends[1]))
    return spots


def _over_chance(result: Result, recovery: Interval) -> Interval:
    """Recovery over chance from recovery over another floor: both are linear in the score."""
    full, floor, chance = result.baseline.mean, result.floor_score, result.chance_score

    def moved(recovered: float) -> float:
        return share(floor + recovered * (full - floor), full, chance)

    return Interval(moved(recovery.mean), moved(recovery.low), moved(recovery.high))


def reading(spots: Sequence[Spot]) -> str:
    """The shape in words, then the figures that it was read from."""
    if len(spots) < 2:
        return "has too few ranks for a shape"
    steps = list(pairwise(spots))
    falls = [after for before, after in steps if after.high < before.low]
    gains = [_gain(before, after) for before, after in steps]
    rise = max(spot.mean for spot in spots) - spots[0].mean
    if falls:
        ranks = ", ".join(str(spot.rank) for spot in falls)
        words = f"falls again by more than noise at rank {ranks}"
    elif rise < NOISE:
        words = "stays flat from the smallest rank on"
    elif len(steps) == 1:
        words = "rises, in one step, which says nothing of flattening"
    elif gains[-1] < gains[0]:
        words = "rises and flattens"
    else:
        words = "rises, and does not flatten yet"
    rising = sum(after.mean > before.mean for before, after in steps)
    return (
        f"{words} (higher at {rising} of {len(steps)} steps; a doubling of the rank gains "
        f"{100 * gains[0]:.1f} points at first, {100 * gains[-1]:.1f} at last)"
    )


def _gain(before: Spot, after: Spot) -> float:
    return (after.mean - before.mean) / math.log2(after.rank / before.rank)
