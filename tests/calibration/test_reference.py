from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rankprobe.calibration.read import reference_rank
from rankprobe.calibration.reference import ReferencePoint, load_reference, reference_points
from rankprobe.errors import ArtifactError
from tests.statistics.planted import accuracy_evidence
from tests.test_evidence_file import r2_evidence


def test_recovery_is_the_ratio_of_mean_scores() -> None:
    evidence = r2_evidence()
    (one, two) = reference_points(evidence)
    scores = [item.scores.mean() for item in (*evidence.ranks, evidence.baseline)]
    assert (one["rank"], two["rank"]) == (1, 2)
    assert one["recovery"] == pytest.approx(scores[0] / scores[2])
    assert two["recovery"] == pytest.approx(scores[1] / scores[2])
    assert one["repeats"] == 3


def test_errors_are_those_that_other_draws_show() -> None:
    """The spread of the ratio over many tables against the mean of its estimates."""
    ratios, errors = [], []
    for seed in range(200):
        random = np.random.default_rng(seed)
        evidence = accuracy_evidence({1: 0.7}, full=0.9, wobble=0.0, examples=400, repeats=2)
        target = evidence.target_values
        right = random.random((2, 400))

        def labels(share: float, row: np.ndarray, target: np.ndarray = target) -> np.ndarray:
            return np.where(row < share, target, target + 1).astype(np.int16)

        from dataclasses import replace

        rank = replace(evidence.ranks[0], predictions=tuple(labels(0.7, row) for row in right))
        full = replace(evidence.baseline, predictions=tuple(labels(0.9, row) for row in right))
        (point,) = reference_points(replace(evidence, ranks=(rank,), baseline=full))
        ratios.append(point["recovery"])
        errors.append(point["over_examples"])
    assert np.mean(errors) == pytest.approx(np.std(ratios), rel=0.1)


def test_a_failed_repeat_is_left_out() -> None:
    evidence = accuracy_evidence({1: 0.5, 2: 0.9}, failed={1: (0,), 2: tuple(range(5))})
    (point,) = reference_points(evidence)
    assert (point["rank"], point["repeats"]) == (1, 4)


def test_margins_follow_student_where_repeats_decide() -> None:
    assert ReferencePoint(0.9, 0.0, 0.01, 5).margin() == pytest.approx(0.0196, abs=1e-4)
    assert ReferencePoint(0.9, 0.01, 0.0, 5).margin() == pytest.approx(0.02776, abs=1e-4)
    assert ReferencePoint(0.9, 0.0, 0.0, 5).margin() == 0


@pytest.mark.parametrize(
    ("recoveries", "rank"),
    [
        ({1: 0.5, 2: 0.9, 3: 0.96}, 3),
        ({1: 0.96, 2: 0.99}, 1),
        ({1: 0.5, 2: 0.9, 4: 0.96}, None),
        ({1: 0.5, 2: 0.9}, None),
        ({}, None),
    ],
)
def test_the_rank_that_a_reference_finds(recoveries: dict[int, float], rank: int | None) -> None:
    points = {key: ReferencePoint(value, 0, 0, 5) for key, value in recoveries.items()}
    assert reference_rank(points) == rank


def test_a_reference_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "reference.json"
    points = reference_points(r2_evidence())
    file.write_text(json.dumps({"facts": {"seconds": 1}, "points": points}))
    loaded, facts = load_reference(file)
    assert facts == {"seconds": 1}
    assert loaded[2].recovery == pytest.approx(points[1]["recovery"])
    file.write_text("{}")
    with pytest.raises(ArtifactError, match=r"reference\.json: damaged"):
        load_reference(file)
