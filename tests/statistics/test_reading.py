"""The whole reading: points, baseline, targets, floors, and what it imports."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from rankprobe.records import Baseline, Point
from rankprobe.statistics.reading import Reading, read_evidence
from tests.statistics.planted import accuracy_evidence, loss_evidence

CURVE = {1: 0.40, 2: 0.70, 4: 0.85, 5: 0.90, 6: 0.95, 8: 0.955, 16: 0.958}


def test_points_and_baseline() -> None:
    flags: dict[int | None, tuple[str, ...]] = {5: ("not_converged",)}
    reading = read_evidence(accuracy_evidence(CURVE, flags=flags), target=0.95)
    assert [point.rank for point in reading.points] == list(CURVE)
    point = reading.points[3]
    assert point.mean == pytest.approx(0.9)
    assert point.low < 0.9 < point.high
    assert np.mean(point.scores) == pytest.approx(0.9)
    assert len(point.scores) == 5
    assert (point.learning_rate, point.trainable) == (0.01, 350)
    assert point.flags == ("not_converged",)
    assert point.recovery.mean == pytest.approx(0.9 / 0.96)
    assert point.recovery.low < 0.9 / 0.96 < point.recovery.high
    assert reading.baseline.mean == pytest.approx(0.96)
    assert reading.baseline.parameters == 10_000
    assert reading.baseline.low < 0.96 < reading.baseline.high


def test_every_target_is_answered_under_its_shortest_decimal() -> None:
    reading = read_evidence(accuracy_evidence(CURVE), target=0.7)
    assert list(reading.targets) == ["0.7", "0.9", "0.95", "0.99"]
    assert reading.minimal_rank == reading.targets["0.7"]
    assert [answer.value for answer in reading.targets.values()] == [2, 5, 6, 8]


@pytest.mark.parametrize(
    ("floor", "name", "score"),
    [("auto", "none", 0.0), ("chance", "chance", 0.1), ("head", "head", 0.3)],
)
def test_floor_and_reference_scores(floor: str, name: str, score: float) -> None:
    reading = read_evidence(accuracy_evidence(CURVE, head=0.3), target=0.95, floor=floor)
    assert reading.floor == name
    assert reading.floor_score == pytest.approx(score)
    assert reading.chance_score == pytest.approx(0.1)
    assert reading.head_score == pytest.approx(0.3)
    assert reading.points[0].recovery.mean == pytest.approx((0.4 - score) / (0.96 - score))


def test_without_rank_zero_there_is_no_head_score() -> None:
    assert read_evidence(accuracy_evidence(CURVE), target=0.95).head_score is None


def test_limits_stop_at_the_best_possible_score() -> None:
    reading = read_evidence(accuracy_evidence({1: 1.0}, full=1.0, examples=50), target=0.95)
    assert reading.points[0].high == 1.0
    assert reading.points[0].low < 1.0
    losses = {1: np.full((3, 50), 0.01), None: np.full((3, 50), 0.01)}
    losses[1][:, 0] = 1.0
    point = read_evidence(loss_evidence(losses, chance=2.0), target=0.95).points[0]
    assert point.low == 0.0
    assert point.high > point.mean


def test_limits_stop_at_the_worst_possible_score() -> None:
    evidence = accuracy_evidence(
        {1: 0.02, 2: 0.1, 4: 0.5, 8: 0.7}, full=0.8, repeats=2, examples=40, wobble=0.02
    )
    reading = read_evidence(evidence, target=0.95)
    assert reading.points[0].low == 0.0
    assert reading.points[0].high > reading.points[0].mean
    assert all(0.0 <= low <= high <= 1.0 for low, high in _ends(reading))


def test_the_band_of_the_curve_stops_at_what_scores_can_be() -> None:
    means = {1: 0.02, 2: 0.3, 4: 0.9, 5: 0.99, 6: 1.0, 8: 1.0, 16: 1.0}
    curve = read_evidence(
        accuracy_evidence(means, full=1.0, examples=60, wobble=0.0), target=0.95
    ).curve
    assert curve.ranks
    inside = zip(curve.low, curve.mean, curve.high, strict=True)
    assert all(min(0.0, mean) <= low and high <= max(1.0, mean) for low, mean, high in inside)


def _ends(reading: Reading) -> list[tuple[float, float]]:
    measured: list[Point | Baseline] = [*reading.points, reading.baseline]
    return [(float(item.low), float(item.high)) for item in measured]


def test_failed_repeats_and_ranks_that_win_are_flagged_on_their_points() -> None:
    evidence = accuracy_evidence({1: 0.4, 2: 0.99}, failed={1: (0,), None: (1,)})
    reading = read_evidence(evidence, target=0.95)
    assert reading.points[0].flags == ("failed_members",)
    assert len(reading.points[0].scores) == 4
    assert reading.points[1].flags == ("adapter_beats_baseline",)
    assert reading.baseline.flags == ("failed_members",)


def test_a_rank_that_failed_throughout_has_no_point() -> None:
    reading = read_evidence(accuracy_evidence(CURVE, failed={4: (0, 1, 2, 3, 4)}), target=0.95)
    assert 4 not in [point.rank for point in reading.points]


def test_a_curve_comes_with_every_verdict() -> None:
    for curve in ({1: 0.1}, {4: 0.95}, {1: 0.2, 2: 0.3}, CURVE):
        reading = read_evidence(accuracy_evidence(curve), target=0.95)
        assert len(reading.curve.ranks) == len(reading.curve.mean) > 0
        named = reading.minimal_rank.value is not None
        assert (reading.curve.continuous_rank is not None) == named


@pytest.mark.parametrize(("floor", "level"), [("none", 0.912), ("chance", 0.917)])
def test_the_continuous_rank_is_at_the_level_of_the_target(floor: str, level: float) -> None:
    evidence = accuracy_evidence({1: 0.4, 2: 0.6, 4: 0.8, 8: 0.95})
    reading = read_evidence(evidence, target=0.95, floor=floor)
    expected = 4 * 2 ** ((level - 0.8) / 0.15)
    assert reading.curve.continuous_rank == pytest.approx(expected, rel=1e-3)


def test_the_same_evidence_reads_the_same() -> None:
    first, second = (
        asdict(read_evidence(accuracy_evidence(CURVE), target=0.95, seed=3)) for _ in range(2)
    )
    assert first == second


def test_statistics_import_neither_torch_nor_the_search() -> None:
    code = (
        "import sys, rankprobe.statistics.reading as _; "
        "print([m for m in ('torch', 'optuna', 'pandas', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_metrics_import_numpy_alone() -> None:
    code = "import sys, rankprobe.statistics.metrics as _; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
