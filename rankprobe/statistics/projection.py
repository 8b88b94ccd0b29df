"""What the interval of the minimal rank would become with more repeats.

Scores that do not exist yet are not guessed: every mean stays where it is, and only its error is
projected. Of the variance of a mean of crossed effects (`rankprobe.statistics.variance`) the
parts of the repeats fall as one over their number, the part of the test examples and that of
the learning rate's choice stay, and Student's t gains the degrees of freedom of the new repeats.
The projected standings then go through the same resampling that the interval itself comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rankprobe.statistics.evidence import Evidence
from rankprobe.statistics.guards import find_fall
from rankprobe.statistics.minimal_rank import rank_interval
from rankprobe.statistics.resampling import resampled_crossings
from rankprobe.statistics.standing import Criterion, Standing, find_crossing, stand
from rankprobe.statistics.table import Floor, ScoreTable, resolve_floor, tabulate
from rankprobe.statistics.variance import Estimate, Moments

ENDLESS = 10_000
"""So many repeats that only the test set and the learning rate are left to doubt."""


@dataclass(frozen=True, eq=False)
class Projection:
    """The interval as a function of the repeats of each rank.

    Attributes:
        table: The scores.
        standings: The ranks, ascending, before any fall of the curve.
        crossing: Index of the first rank that reaches the target; ``None`` if none does.
        criterion: What a rank must reach.
        floor: What gains are counted from.
        confidence: Level of the interval.
    """

    table: ScoreTable
    standings: list[Standing]
    crossing: int | None
    criterion: Criterion
    floor: Floor
    confidence: float

    @classmethod
    def of(
        cls,
        evidence: Evidence,
        *,
        target: float,
        epsilon: float | None = None,
        floor: str = "auto",
        confidence: float = 0.95,
    ) -> Projection:
        """Tabulate a measurement once for every projection of it.

        Raises:
            ConfigError, TrainingError: As `rankprobe.statistics.minimal_rank.find_minimal_rank`.
        """
        table, resolved = tabulate(evidence), resolve_floor(evidence.metric, floor)
        criterion = Criterion.of(target, epsilon)
        standings = stand(table, criterion=criterion, floor=resolved, confidence=confidence)
        rising = standings[: find_fall(table, standings, confidence=confidence)]
        return cls(table, rising, find_crossing(rising), criterion, resolved, confidence)

    @property
    def ranks(self) -> list[int]:
        """The measured ranks before any fall, ascending."""
        return [item.row.rank for item in self.standings]

    def interval(self, added: Mapping[int, int] | None = None) -> tuple[int | None, int | None]:
        """The interval of the minimal rank if some ranks had more repeats.

        Args:
            added: How many more, by rank; full training is taken to have them too.

        Returns:
            As `MinimalRank.low` and `MinimalRank.high`.

        Raises:
            ValueError: No rank reaches the target, so there is no interval.
        """
        if self.crossing is None:
            raise ValueError("no measured rank reaches the target, so there is no interval")
        more = added or {}
        standings = [self._projected(item, more.get(item.row.rank, 0)) for item in self.standings]
        shares = resampled_crossings(
            self.table, standings, criterion=self.criterion, floor=self.floor
        )
        return rank_interval(standings, self.crossing, shares, self.confidence)

    def lasting_error(self, rank: int) -> float:
        """Share of a rank's standard error that stays however many repeats it gets."""
        item = next(item for item in self.standings if item.row.rank == rank)
        now = item.surplus.error
        return self._projected(item, ENDLESS).surplus.error / now if now > 0.0 else 1.0

    def _projected(self, item: Standing, added: int) -> Standing:
        """A standing after ``added`` more repeats of the rank and of full training."""
        if not added:
            return item
        now, then = self._compared(item), self._compared(item) + added
        if item.pair.within is None and (scaffolds := self.table.evidence.scaffolds) > 1:
            then = max(now, min(then, scaffolds))  # what further repeats bring is not known yet
        contrast = (1.0, -self.criterion.share)
        surplus = with_repeats(item.pair, *contrast, now=now, then=then)
        return replace(item, surplus=surplus.shifted(self.criterion.margin))

    def _compared(self, item: Standing) -> int:
        """Repeats that the rank, full training and the floor all finished."""
        finished = item.row.finished & self.table.baseline.finished
        if self.floor == "head" and self.table.head is not None:
            finished = finished & self.table.head.finished
        return int(finished.sum())


def with_repeats(pair: Moments, *weights: float, now: int, then: int) -> Estimate:
    """`Moments.contrast` as it would be with another number of repeats and the same means.

    Args:
        pair: Moments of paired tables.
        weights: Of the means.
        now: Repeats behind the moments, all scaffolds together.
        then: Repeats that there would be. Where repeats share scaffolds, no scaffold is added,
            and only the part from repeats of one scaffold falls.
    """
    w = np.array(weights)
    rows, columns, rest, tuning = (
        float(w @ part @ w) for part in (pair.repeats, pair.examples, pair.rest, pair.tuning)
    )
    gone = 1.0 - now / then
    if pair.within is None:
        count = then
        rows, columns = rows * (1.0 - gone), max(columns - rest * gone, 0.0)
        rest *= 1.0 - gone
    else:
        count = pair.n_repeats
        rows -= min(float(w @ pair.within @ w), rows) * gone
    of_contrast = Moments(
        mean=np.array([float(w @ pair.mean)]),
        repeats=np.array([[rows]]),
        examples=np.array([[columns]]),
        rest=np.array([[rest]]),
        tuning=np.array([[tuning]]),
        n_repeats=count,
        n_examples=pair.n_examples,
    )
    return of_contrast.contrast(1.0)
