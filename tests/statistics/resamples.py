"""Results whose minimal rank carries resamples, drawn from a known truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rankprobe.records import Interval, MinimalRank, Point, Result, Verdict
from tests.reporting.examples import make

Distribution = Sequence[tuple[int | None, float]]

_PLAIN = make(ranks=(1,))


def resampled(
    name: str, distribution: Distribution, *, ranks: Sequence[int] = (), value: int | None = None
) -> Result:
    """A result on a ladder, with the resamples given; the value is the likeliest rank."""
    named = [rank for rank, _ in distribution if rank is not None]
    ladder = sorted({*ranks, *named})
    likeliest = max(distribution, key=lambda pair: pair[1])[0] if value is None else value
    verdict: Verdict = "resolved" if likeliest is not None else "above_largest"
    minimal = MinimalRank(
        value=likeliest,
        low=min(named, default=ladder[-1] + 1),
        high=None if any(rank is None for rank, _ in distribution) else max(named),
        confidence=0.95,
        verdict=verdict,
        degrees_of_freedom=None if likeliest is None else 1000 * likeliest,
        share=None if likeliest is None else 0.002 * likeliest,
        distribution=tuple(distribution),
    )
    points = tuple(
        Point(rank, 0.9, 0.9, 0.9, (0.9, 0.9), 0.01, 1000 * rank, Interval(0.96, 0.95, 0.97))
        for rank in ladder
    )
    return replace(
        _PLAIN, task=replace(_PLAIN.task, name=name, hash=name), points=points, minimal_rank=minimal
    )


def interval_only(name: str, value: int | None, low: int | None, high: int | None) -> Result:
    """A result as older versions wrote it: no resamples."""
    result = resampled(name, [(value or 8, 1.0)], ranks=(1, 2, 4, 8))
    verdict: Verdict = "resolved" if value else "above_largest"
    return replace(result, minimal_rank=MinimalRank(value, low, high, 0.95, verdict))


def withheld(name: str, verdict: Verdict) -> Result:
    """A result that names no rank."""
    result = resampled(name, [(4, 1.0)])
    return replace(result, minimal_rank=MinimalRank(None, None, None, 0.95, verdict))


def draw_result(
    name: str,
    ladder: Sequence[int],
    surplus: NDArray[np.float64],
    *,
    noise: float,
    generator: np.random.Generator,
    repeats: int = 5,
    resamples: int = 1000,
) -> Result:
    """One measurement of a task whose true surplus over the target is known, rank by rank.

    Half of the variance is full training's, shared by all ranks of a repeat, the other half is
    each rank's own. Resamples redraw the means from the observed covariance, as Student's t of
    the repeats' degrees of freedom, which is the small-sample correction; a sample's minimal
    rank is the first whose mean reaches the target.
    """
    draw = generator.standard_normal
    scores = surplus + noise * (draw((repeats, 1)) + draw((repeats, len(ladder)))) / np.sqrt(2)
    mean = scores.mean(axis=0)
    left = (scores - mean) / np.sqrt(repeats * (repeats - 1))
    wide = np.sqrt((repeats - 1) / generator.chisquare(repeats - 1, (resamples, 1)))
    again = mean + wide * (draw((resamples, repeats)) @ left)
    first = np.where(again.max(axis=1) >= 0, (again >= 0).argmax(axis=1), len(ladder))
    shares = np.bincount(first, minlength=len(ladder) + 1) / resamples
    names: list[int | None] = [*ladder, None]
    pairs = [(rank, float(share)) for rank, share in zip(names, shares, strict=True) if share]
    reached = np.flatnonzero(mean >= 0)
    value = ladder[int(reached[0])] if len(reached) else None
    return resampled(name, pairs, ranks=ladder, value=value)
