"""Evidence as paired tables of influence values, from which every number is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import ConfigError, Problem, TrainingError
from rankprobe.statistics.evidence import Evidence, RankEvidence, tuning_variance
from rankprobe.statistics.metrics import Metric, find_metric
from rankprobe.statistics.variance import Estimate, Moments, moments

Values = NDArray[np.float64]
Floor = Literal["none", "chance", "head"]


@dataclass(frozen=True, eq=False)
class Row:
    """One rank's influence values.

    Attributes:
        evidence: What they come from.
        values: (repeats, examples); rows of failed repeats are NaN.
        tuning: Variance from the choice of the learning rate.
    """

    evidence: RankEvidence
    values: Values
    tuning: float

    @property
    def rank(self) -> int:
        """The rank; 0 for full training, which has none."""
        return self.evidence.rank or 0

    @property
    def finished(self) -> NDArray[np.bool_]:
        """Which repeats have a score."""
        return np.isfinite(self.evidence.scores)


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """Evidence, tabulated once for all questions asked of it.

    Attributes:
        evidence: What it comes from.
        metric: The metric.
        rows: One a rank that shares at least one finished repeat with full training.
        baseline: Full training.
        head: Rank 0, when at least one repeat finished.
    """

    evidence: Evidence
    metric: Metric
    rows: tuple[Row, ...]
    baseline: Row
    head: Row | None

    def floor_values(self, floor: Floor) -> Values:
        """Influence values of the floor's score, to be subtracted: (repeats or 1, examples)."""
        if floor == "chance":
            return self.evidence.chance[None, :]
        if floor == "head":
            if self.head is None:
                raise ConfigError(
                    Problem(
                        "the floor is the head alone, but rank 0 has no finished repeat",
                        where="search.floor",
                        hint="measure again with `floor: head`, or write `floor: chance`",
                    )
                )
            return self.head.values
        return np.zeros((1, len(self.evidence.chance)))

    def gains(self, *rows: Row, floor: Values) -> Moments | None:
        """Moments of the gains of some rows over a floor, better being positive.

        Only repeats that all of them finished count, which keeps the pairing; ``None`` if there
        is no such repeat.
        """
        tables = self.metric.sign * (np.stack([row.values for row in rows]) - floor)
        finished = np.flatnonzero(np.isfinite(tables).all(axis=(0, 2)))
        if len(finished) == 0:
            return None
        # Full training has no scaffold, and nor has chance: their repeats are draws of their own.
        frozen = floor.shape[0] > 1 or any(row.evidence.rank is not None for row in rows)
        scaffolds = self.evidence.scaffolds if frozen else 1
        return moments(
            tables[:, finished, :],
            tuning=tuple(row.tuning for row in rows),
            scores=tuple(float(np.nanmean(row.values)) for row in rows),
            pseudo_weight=self.metric.pseudo_weight(self.evidence.target_values),
            scaffolds=finished % scaffolds if scaffolds > 1 else None,
        )

    def score(self, row: Row) -> Estimate:
        """Mean score of one row, in the metric's units."""
        gains = self.gains(row, floor=np.zeros((1, row.values.shape[1])))
        assert gains is not None, "rows without a finished repeat are left out"
        return gains.contrast(self.metric.sign)


def tabulate(evidence: Evidence, *, seed: int = 0) -> ScoreTable:
    """Influence values of everything measured.

    Args:
        evidence: The measurement; ranks without a repeat to compare are left out.
        seed: Of the resampled choices of learning rates.

    Raises:
        TrainingError: Full training has no finished repeat, or no rank shares one with it.
    """
    metric = find_metric(evidence.metric)
    row = _row_maker(evidence, metric, seed)
    baseline = row(evidence.baseline)
    if not baseline.finished.any():
        raise TrainingError(
            "full training diverged or failed in every repeat, so there is nothing to compare "
            "ranks with; set a smaller `learning_rate` or check the scale of the inputs"
        )
    rows = [row(item) for item in evidence.ranks]
    rows = [item for item in rows if (item.finished & baseline.finished).any()]
    if not rows:
        raise TrainingError(
            "no rank finished a repeat that full training finished too, so there is nothing to "
            "compare; set a smaller `learning_rate` or check the scale of the inputs"
        )
    head = row(evidence.head) if evidence.head is not None else None
    if head is not None and not head.finished.any():
        head = None
    return ScoreTable(evidence, metric, tuple(rows), baseline, head)


def resolve_floor(metric: str, floor: str) -> Floor:
    """What ``auto`` means for a metric: ``none`` for accuracy and r2, ``chance`` otherwise.

    Raises:
        ConfigError: ``none`` with a loss, of which a fraction means nothing.
    """
    zero_is_nothing = metric in ("accuracy", "r2")
    if floor == "auto":
        return "none" if zero_is_nothing else "chance"
    if floor == "none" and not find_metric(metric).higher_is_better:
        raise ConfigError(
            Problem(
                f"`floor: none` means nothing for {metric}, where lower is better",
                where="search.floor",
                hint="write `floor: chance` or `floor: head`",
            )
        )
    return cast(Floor, floor)


def _row_maker(evidence: Evidence, metric: Metric, seed: int) -> Callable[[RankEvidence], Row]:
    def row(item: RankEvidence) -> Row:
        values = np.full((len(item.scores), len(evidence.chance)), np.nan)
        for repeat, prediction in enumerate(item.predictions):
            if prediction is not None:
                values[repeat] = metric.influence(prediction, evidence.target_values)
        # Keyed by rank, so that one more rank leaves the numbers of the others alone.
        key = [seed, 0 if item.rank is None else item.rank + 1]
        tuning = tuning_variance(
            item.candidates,
            item.learning_rate,
            higher_is_better=metric.higher_is_better,
            generator=np.random.default_rng(key),
        )
        return Row(item, values, tuning)

    return row
