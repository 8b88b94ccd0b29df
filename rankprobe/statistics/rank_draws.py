"""Draws of where a result crosses its target, and what each rank means beside its network."""

from __future__ import annotations

import math

import numpy as np

from rankprobe.records import Result
from rankprobe.records.capacity import Quantity
from rankprobe.statistics.compare import has_resamples
from rankprobe.statistics.variance import Values

DRAWS = 4000


def draw_ranks(result: Result, number: int) -> tuple[Values, Values]:
    """Draws of where the target is crossed: the least and the greatest rank, (draws,) each.

    They are equal but for a crossing above the largest measured rank.
    """
    generator = np.random.default_rng([0, 5, number])
    cells = _cells(result)
    shares = np.array([share for *_, share in cells])
    chosen = generator.choice(len(cells), size=DRAWS, p=shares / shares.sum())
    low, high = np.array([cell[:2] for cell in cells])[chosen].T
    inside = np.isfinite(high)
    even = generator.random(DRAWS)
    spread = low * (np.where(inside, high, low) / low) ** even
    return spread, np.where(inside, spread, np.inf)


def _cells(result: Result) -> list[tuple[float, float, float]]:
    """(from, to, share): the ranks that each resample's rank stands for."""
    minimal = result.minimal_rank
    if not has_resamples(result):
        low = max(float((minimal.low or 1) - 1), 1.0)
        return [(low, math.inf if minimal.high is None else max(float(minimal.high), low), 1.0)]
    measured = sorted({point.rank for point in result.points})
    cells = []
    for rank, share in minimal.distribution:
        before = [m for m in measured if rank is None or m < rank]
        low = float(before[-1]) if before else 1.0
        cells.append((low, math.inf if rank is None else max(float(rank), 1.0), share))
    return cells


def at_ranks(quantity: Quantity, result: Result, ranks: Values) -> Values:
    """A quantity at ranks, which need not be whole; NaN where the width is not known."""
    if quantity == "rank":
        return ranks
    if quantity == "relative_rank":
        width = result.scope.get("largest_useful_rank")
        return ranks / width if width else np.full(len(ranks), math.nan)
    adapters = _adapters(result, ranks)
    return adapters if quantity == "degrees_of_freedom" else adapters / result.baseline.parameters


def _adapters(result: Result, ranks: Values) -> Values:
    """Trained adapter parameters at ranks: straight lines between those measured.

    A rank's trained parameters hold the head besides, which is what they exceed the minimal
    rank's degrees of freedom by; without those it is where the line of the smallest ranks ends.
    """
    minimal = result.minimal_rank
    measured = np.array([float(point.rank) for point in result.points])
    trained = np.array([float(point.trainable) for point in result.points])
    each = (trained[1] - trained[0]) / (measured[1] - measured[0]) if len(measured) > 1 else 0.0
    others = trained[0] - each * measured[0]
    at_value = [t for r, t in zip(measured, trained, strict=True) if r == minimal.value]
    if at_value and minimal.degrees_of_freedom is not None:
        others = at_value[0] - minimal.degrees_of_freedom
    start = max(trained[0] - others - each * measured[0], 0.0)
    found = np.interp(ranks, [0.0, *measured], [start, *(trained - others)])
    return np.asarray(np.where(np.isposinf(ranks), np.inf, np.maximum(found, 1.0)))
