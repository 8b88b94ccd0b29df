"""Where each rank stands against the target, and which rank crosses it first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import TrainingError
from rankprobe.statistics.table import Floor, Row, ScoreTable
from rankprobe.statistics.variance import Estimate, Moments, Values

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Criterion:
    """What a rank must reach: ``gain(r) >= share * gain(full) - margin``.

    Attributes:
        share: Share of full training's gain over the floor.
        margin: Distance that is allowed besides, in the metric's units.
    """

    share: float
    margin: float = 0.0

    @classmethod
    def of(cls, target: float, epsilon: float | None) -> Criterion:
        """The share ``target``; with an epsilon the loss-based form: as good but for epsilon."""
        return cls(target) if epsilon is None else cls(1.0, epsilon)

    def surplus(self, pair: Moments) -> Estimate:
        """How far the first mean of a pair is above what the second one asks of it."""
        return pair.contrast(1.0, -self.share).shifted(self.margin)


@dataclass(frozen=True, eq=False)
class Standing:
    """Where one rank stands against the target.

    Attributes:
        row: The rank.
        pair: Moments of its gain and of full training's gain over the floor.
        surplus: At or above 0 the rank reaches the target.
        level: One-sided confidence level of a decision.
    """

    row: Row
    pair: Moments
    surplus: Estimate
    level: float

    @property
    def reaches(self) -> bool:
        """By its mean; an exact tie, but for rounding, counts."""
        return self.surplus.mean >= -_ROUNDING

    @property
    def surely_below(self) -> bool:
        """Below the target by more than noise; never with a single repeat."""
        return self.pair.n_repeats > 1 and self.surplus.high(self.level) < 0.0

    @property
    def surely_reaches(self) -> bool:
        """At the target or above by more than noise; never with a single repeat.

        This is the non-inferiority test against full training, the target being the margin.
        """
        return self.pair.n_repeats > 1 and self.surplus.low(self.level) >= 0.0

    @property
    def p_value(self) -> float | None:
        """One-sided p-value of that test; ``None`` with a single repeat."""
        return self.surplus.p_value() if self.pair.n_repeats > 1 else None


def stand(
    table: ScoreTable, *, criterion: Criterion, floor: Floor, confidence: float
) -> list[Standing]:
    """Every rank against the target, ascending.

    Raises:
        TrainingError: No rank shares a finished repeat with full training and floor.
    """
    floor_values = table.floor_values(floor)
    standings = []
    for row in table.rows:
        pair = table.gains(row, table.baseline, floor=floor_values)
        if pair is not None:
            level = (1.0 + confidence) / 2.0
            standings.append(Standing(row, pair, criterion.surplus(pair), level))
    if not standings:
        raise TrainingError(
            "no rank shares a finished repeat with both full training and the head alone; "
            "write `floor: chance`, or measure more repeats"
        )
    return standings


def find_crossing(standings: list[Standing]) -> int | None:
    """Index of the first rank that reaches the target and is not contradicted by later ones."""
    surplus = np.array([item.surplus.mean for item in standings])
    index = int(first_crossings(surplus[None], precision(standings))[0])
    return index if index < len(standings) else None


def precision(standings: list[Standing]) -> Values:
    """Weight of each rank in the isotonic curve, (ranks,): one over its variance, at most 1e6."""
    variance = np.array([item.surplus.error**2 for item in standings])
    least = max(1e-6 * float(variance.max()), 1e-300)
    return np.asarray(least / np.maximum(variance, least))


def first_crossings(surplus: Values, weights: Values) -> NDArray[np.intp]:
    """Index of the first rank at which each curve, made monotone, is at or above 0.

    The surpluses are made monotone in rank by weighted isotonic regression, so a lucky rank
    followed by worse ones does not count, and one unlucky rank among good ones does not either.
    The regression is never computed: a block of it starts where every mean from there on, up
    to whichever rank, is at or above 0. The first rank of a pooled block is never worse than
    the block, so the rank named has itself a surplus of at least 0.

    Args:
        surplus: (curves, ranks).
        weights: (ranks,).

    Returns:
        (curves,); the number of ranks where a curve does not reach 0.
    """
    total = np.cumsum(weights * (surplus + _ROUNDING), axis=1)
    before = np.concatenate([np.zeros((len(total), 1)), total[:, :-1]], axis=1)
    lowest = np.minimum.accumulate(total[:, ::-1], axis=1)[:, ::-1]
    reached = lowest >= before
    return np.asarray(
        np.where(reached.any(axis=1), reached.argmax(axis=1), surplus.shape[1]), dtype=np.intp
    )
