"""Between what the scores of each metric can lie, and limits that stop there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from rankprobe.records.answers import Baseline, Curve, Point

Scored = TypeVar("Scored", Baseline, Curve, Point)

BOUNDS: Mapping[str, tuple[float, float]] = {
    "accuracy": (0.0, 1.0),
    "balanced_accuracy": (0.0, 1.0),
    "auroc": (0.0, 1.0),
    "log_loss": (0.0, math.inf),
    "r2": (-math.inf, 1.0),
    "mse": (0.0, math.inf),
    "perplexity": (1.0, math.inf),
    "cross_entropy": (0.0, math.inf),
}
"""The smallest and the largest possible score, by metric; any number where it is not named."""


def bounds_of(metric: str) -> tuple[float, float]:
    """The smallest and the largest possible score of a metric; infinite where there is none."""
    return BOUNDS.get(metric, (-math.inf, math.inf))


def within_bounds(item: Scored, metric: str) -> Scored:
    """A point, full training or curve whose limits stop at the ends of what scores can be.

    They never cross the mean that they are of. Limits that are not known stay so.
    """
    if isinstance(item, Curve):
        if not (item.low and item.high):
            return item
        ends = [_within(metric, *of) for of in zip(item.mean, item.low, item.high, strict=True)]
        low, high = zip(*ends, strict=True)
        return replace(item, low=low, high=high)
    low, high = _within(metric, item.mean, item.low, item.high)
    return replace(item, low=low, high=high)


def _within(metric: str, mean: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Limits of one score; all three may be ``None``, as JSON has numbers that are not finite."""
    smallest, largest = bounds_of(metric)
    if low is not None:
        low = min(max(low, smallest), low if mean is None else mean)
    if high is not None:
        high = max(min(high, largest), high if mean is None else mean)
    return low, high
