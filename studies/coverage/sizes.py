"""Sweeps over sizes of a network whose minimal rank is known at every size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rankprobe.records import (
    Baseline,
    Curve,
    Interval,
    MinimalRank,
    Point,
    Result,
    TaskSummary,
    Verdict,
)
from rankprobe.records.capacity import Capacity, Quantity, Trend
from rankprobe.statistics.capacity import LEVEL, find_capacity

_WIDEST = 256
_LARGEST = 256

Law = Callable[[float], float]

SIZES: dict[int, tuple[float, ...]] = {
    4: (0.25, 0.5, 1.0, 2.0),
    5: (0.25, 0.5, 0.75, 1.0, 2.0),
    6: (0.125, 0.25, 0.5, 1.0, 2.0, 4.0),
}
LAWS: dict[str, Law] = {
    "12": lambda s: 12.0,  # noqa: ARG005
    "2.5": lambda s: 2.5,  # noqa: ARG005
    "10 + 0.3 s^-2": lambda s: 10.0 + 0.3 * s**-2,
    "8 + 6 s^-1": lambda s: 8.0 + 6.0 * s**-1,
    "12 s^-0.25": lambda s: 12.0 * s**-0.25,
    "14 s^-0.5": lambda s: 14.0 * s**-0.5,
    "12 s^-1": lambda s: 12.0 / s,
    "10 s^0.5": lambda s: 10.0 * s**0.5,
}
"""Where the target is crossed at a size s."""


@dataclass(frozen=True)
class SimulatedSweep:
    """One task at several sizes.

    Attributes:
        sizes: Sizes, ascending.
        results: One a size.
        crossings: Where the target is truly crossed, a rank that need not be whole, a size.
    """

    sizes: tuple[float, ...]
    results: tuple[Result, ...]
    crossings: tuple[float, ...]

    def capacity(self) -> Capacity:
        """What is read from the sweep."""
        labels = [f"{size:g}" for size in self.sizes]
        return find_capacity(self.results, labels, self.sizes, axis="size")

    def slope(self, over: Sequence[float], quantity: Quantity = "rank") -> float:
        """The true slope over some sizes, of log2 of a quantity a doubling of size."""
        x = np.log2(np.array(over))
        known = dict(zip(self.sizes, self.crossings, strict=True))
        y = np.log2([max(1.0, known[size]) for size in over])
        slope = float((x - x.mean()) @ y / ((x - x.mean()) ** 2).sum())
        return slope - 1.0 if quantity == "relative_rank" else slope


def is_wrong(verdict: Trend, slope: float) -> bool:
    """Whether a verdict claims what the true slope is not."""
    return {
        "levels_off": abs(slope) > LEVEL,
        "still_falling": slope >= 0.0,
        "still_rising": slope <= 0.0,
        "undecided": False,
    }[verdict]


def draw_sweep(
    law: Law,
    sizes: Sequence[float],
    *,
    noise: float,
    generator: np.random.Generator,
    dense: bool = True,
) -> SimulatedSweep:
    """A sweep whose crossings follow a law, each measured with an error.

    Args:
        law: Where the target is crossed at a size.
        sizes: Sizes, ascending.
        noise: Standard deviation of a measured crossing, in log2; the resamples know it.
        generator: Source of the errors.
        dense: Every rank was measured; else powers of two alone.
    """
    ladder = [*range(1, _LARGEST + 1)] if dense else [2**k for k in range(9)]
    crossings = tuple(law(size) for size in sizes)
    results = [
        _result(size, math.log2(crossing) + noise * generator.standard_normal(), noise, ladder)
        for size, crossing in zip(sizes, crossings, strict=True)
    ]
    return SimulatedSweep(tuple(sizes), tuple(results), crossings)


def _result(size: float, measured: float, noise: float, ladder: Sequence[int]) -> Result:
    draws = 2.0 ** (measured + noise * np.random.default_rng(0).standard_normal(4000))
    index = np.searchsorted(ladder, draws, side="left")
    counts = np.bincount(index, minlength=len(ladder) + 1) / len(draws)
    names: list[int | None] = [*ladder, None]
    pairs = tuple((r, float(c)) for r, c in zip(names, counts, strict=True) if c)
    place = int(np.searchsorted(ladder, 2.0**measured, side="left"))
    value = ladder[place] if place < len(ladder) else None
    cumulative = np.cumsum(counts)
    first, last = (int(np.searchsorted(cumulative, level)) for level in (0.025, 0.975))
    low = (ladder[first - 1] if first else 0) + 1
    high = ladder[last] if last < len(ladder) else None
    width = round(_WIDEST * size)
    parameters = 10 * width + width**2
    verdict: Verdict = "above_largest" if value is None else "resolved"
    minimal = MinimalRank(
        value,
        low,
        high,
        0.95,
        verdict,
        degrees_of_freedom=None if value is None else 2 * width * value,
        share=None if value is None else 2 * width * value / parameters,
        distribution=pairs,
    )
    blank = Interval(0.9, 0.9, 0.9)
    points = tuple(
        Point(rank, 0.9, 0.9, 0.9, (0.9, 0.9, 0.9), 0.01, 2 * width * rank + 50, blank)
        for rank in ladder
    )
    return Result(
        task=TaskSummary("sweep", "classification", "accuracy", 0, 0, 0, "sweep"),
        target=0.95,
        floor="none",
        floor_score=0.0,
        chance_score=0.1,
        head_score=None,
        higher_is_better=True,
        members={},
        baseline=Baseline(0.95, 0.95, 0.95, (0.95, 0.95, 0.95), 0.01, parameters),
        points=points,
        minimal_rank=minimal,
        curve=Curve(),
        targets={},
        rates=(),
        cost={},
        scope={"largest_useful_rank": width},
        provenance={},
    )
