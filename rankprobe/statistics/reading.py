"""The whole reading of a measurement: points, baseline, minimal ranks and the curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rankprobe.records import Baseline, Curve, MinimalRank, Point
from rankprobe.records.bounds import within_bounds
from rankprobe.statistics.evidence import Evidence
from rankprobe.statistics.fit import fit_curve
from rankprobe.statistics.guards import beats_baseline
from rankprobe.statistics.minimal_rank import find_bracket, minimal_rank
from rankprobe.statistics.standing import Criterion, Standing, stand
from rankprobe.statistics.table import Floor, Row, ScoreTable, resolve_floor, tabulate
from rankprobe.statistics.variance import ratio


@dataclass(frozen=True)
class Reading:
    """What the statistics say of a measurement; the matching part of `records.Result`.

    Attributes:
        baseline: Full training.
        points: One a rank that shares a finished repeat with full training, ascending.
        minimal_rank: The answer at the target.
        targets: The answer at every target, keyed by its shortest decimal.
        curve: The fitted curve.
        floor: ``none``, ``chance`` or ``head``.
        floor_score: Score of the floor; 0 for ``none``.
        chance_score: Score of chance.
        head_score: Mean score of rank 0; ``None`` when not measured.
    """

    baseline: Baseline
    points: tuple[Point, ...]
    minimal_rank: MinimalRank
    targets: Mapping[str, MinimalRank]
    curve: Curve
    floor: Floor
    floor_score: float
    chance_score: float
    head_score: float | None


def read_evidence(
    evidence: Evidence,
    *,
    target: float,
    epsilon: float | None = None,
    floor: str = "auto",
    targets: Sequence[float] = (0.9, 0.95, 0.99),
    confidence: float = 0.95,
    seed: int = 0,
) -> Reading:
    """Read a measurement.

    Args:
        evidence: What was measured.
        target: Share of full training's gain over the floor that a rank must reach.
        epsilon: When given, the minimal rank must come within this of full training instead,
            in the metric's units.
        floor: ``auto``, ``none``, ``chance`` or ``head``.
        targets: Other targets to answer for.
        confidence: Level of all intervals.
        seed: Of the resamples (choices of learning rates, band of the curve).

    Returns:
        The reading. A recovery whose gain of full training over the floor is not clearly above
        0 has infinite limits, and a NaN mean when that gain is not above 0 at all. With a single
        repeat the intervals of scores and recoveries hold the noise of the test set alone,
        under the flag ``few_repeats``.

    Raises:
        ConfigError: A floor that the metric or the measurement does not allow.
        TrainingError: Nothing to compare: full training or every rank failed.
    """
    resolved = resolve_floor(evidence.metric, floor)
    table = tabulate(evidence, seed=seed)
    criterion = Criterion.of(target, epsilon)
    standings = stand(table, criterion=criterion, floor=resolved, confidence=confidence)

    def answered(asked: Criterion) -> MinimalRank:
        return minimal_rank(table, criterion=asked, floor=resolved, confidence=confidence)

    answers = {repr(float(q)): answered(Criterion(q)) for q in sorted({*targets, target})}
    among = len(standings)
    points = tuple(
        read_point(table, item, confidence=confidence, among=among) for item in standings
    )
    floor_score = float(np.nanmean(table.floor_values(resolved)))
    baseline = read_baseline(table, confidence=confidence)
    answer = answers[repr(float(target))] if epsilon is None else answered(criterion)
    below, reaching = find_bracket(table, standings, confidence=confidence)
    curve = fit_curve(
        np.array([float(point.rank) for point in points]),
        np.array([point.mean for point in points]),
        np.array([table.score(item.row).error for item in standings]),
        higher_is_better=table.metric.higher_is_better,
        crossing=None if answer.value is None or reaching is None else (below, reaching),
        level=floor_score
        + criterion.share * (baseline.mean - floor_score)
        - table.metric.sign * criterion.margin,
        confidence=confidence,
        seed=seed,
    )
    return Reading(
        baseline=baseline,
        points=points,
        minimal_rank=answer,
        targets=answers,
        curve=within_bounds(curve, evidence.metric),
        floor=resolved,
        floor_score=floor_score,
        chance_score=float(evidence.chance.mean()),
        head_score=table.score(table.head).mean if table.head else None,
    )


def read_point(table: ScoreTable, standing: Standing, *, confidence: float, among: int) -> Point:
    """One rank's scores and recovery; ``among`` so many ranks, for tests that are shared."""
    row = standing.row
    flags = _row_flags(row)
    if beats_baseline(standing, confidence=confidence, among=among):
        flags += ("adapter_beats_baseline",)
    score, level = table.score(row), (1.0 + confidence) / 2.0
    recovery = ratio(standing.pair, level)
    over_chance = table.gains(row, table.baseline, floor=table.floor_values("chance"))
    assert over_chance is not None, "a standing has a repeat to compare"
    point = Point(
        rank=row.rank,
        mean=score.mean,
        low=score.low(level),
        high=score.high(level),
        scores=_finished_scores(row),
        learning_rate=row.evidence.learning_rate,
        trainable=row.evidence.trainable,
        recovery=recovery,
        flags=flags,
        over_chance=ratio(over_chance, level),
        p_value=standing.p_value,
        non_inferior=standing.surely_reaches if standing.p_value is not None else None,
        variance=_variance(standing),
    )
    return within_bounds(point, table.metric.name)


def _variance(standing: Standing) -> dict[str, float]:
    """Variance of a recovery by source, to first order; empty where there is no recovery."""
    first, second = (float(value) for value in standing.pair.mean)
    if second <= 0.0:
        return {}
    parts = standing.pair.sources(1.0, -first / second)
    return {source: part / second**2 for source, part in parts.items()}


def read_baseline(table: ScoreTable, *, confidence: float) -> Baseline:
    """Full training's scores."""
    row = table.baseline
    score, level = table.score(row), (1.0 + confidence) / 2.0
    baseline = Baseline(
        mean=score.mean,
        low=score.low(level),
        high=score.high(level),
        scores=_finished_scores(row),
        learning_rate=row.evidence.learning_rate,
        parameters=row.evidence.trainable,
        flags=_row_flags(row),
    )
    return within_bounds(baseline, table.metric.name)


def _row_flags(row: Row) -> tuple[str, ...]:
    failed = ("failed_members",) if row.evidence.failed else ()
    return (*row.evidence.flags, *failed)


def _finished_scores(row: Row) -> tuple[float, ...]:
    return tuple(float(score) for score in row.evidence.scores[row.finished])
