"""The instrument finds ranks that were planted, with every setting at its default."""

from typing import Any

import pytest

import rankprobe
from rankprobe.calibration.linear import PlantedTask, plant_linear
from rankprobe.records import Result

STUDENT: dict[str, Any] = {"backbone": {"hidden": []}, "adapter": {"head": "adapter"}}


def measure(k: int, decay: float, seed: int) -> Result:
    task = plant_linear(PlantedTask(k=k, decay=decay, seed=seed))
    result: Result = rankprobe.measure(task.x, task.y, **STUDENT)
    return result


def test_a_flat_spectrum_of_rank_two() -> None:
    result = measure(2, 1.0, seed=101)
    answer = result.minimal_rank
    assert (answer.verdict, answer.low, answer.value, answer.high) == ("resolved", 2, 2, 2)
    assert answer.degrees_of_freedom == 2 * (32 + 24) + 1
    # The closed form: half of the variance at rank 1, all of what can be explained at rank 2.
    recovery = {point.rank: point.recovery.mean for point in result.points}
    assert recovery[1] == pytest.approx(0.5, abs=0.04)
    assert recovery[2] == pytest.approx(1.0, abs=0.005)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("k", "decay", "expected"),
    [(k, 1.0, k) for k in (2, 3, 5, 6, 8, 12)] + [(8, 0.8, 6)],
)
@pytest.mark.parametrize("seed", [11, 12])
def test_planted_ranks(k: int, decay: float, expected: int, seed: int) -> None:
    answer = measure(k, decay, seed).minimal_rank
    assert (answer.verdict, answer.value) == ("resolved", expected)
    assert answer.low is not None
    assert answer.high is not None
    assert answer.low <= expected <= answer.high
