"""Made-up outcomes, and tasks small enough to measure for real."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rankprobe.calibration.controls import ControlTask
from rankprobe.calibration.goals import goals
from rankprobe.calibration.linear import PlantedTask
from rankprobe.calibration.outcomes import Answer, Checked, Outcome
from rankprobe.calibration.plan import Planned
from rankprobe.calibration.report import SCHEMA, Calibration
from rankprobe.records import Result

LINEAR = Planned("linear", PlantedTask(k=2, d=6, m=4, n=100, seed=3), (1, 2, 3), True, seed=7)
CONTROL = Planned("control", ControlTask(classes=3, d=4, n=120, seed=5), (), False, seed=8)

NOTHING = Answer(None, None, None, "no_signal")


def answer(value: int, low: int | None = None, high: int | None = None) -> Answer:
    return Answer(value, value if low is None else low, value if high is None else high, "resolved")


def checked(*, mean: float = 0.9, reference: float = 0.9, run: str = "first") -> Checked:
    return Checked(2, mean, mean - 0.02, mean + 0.02, reference, 0.0, 0.9, run)


def outcome(index: int = 0, **changes: Any) -> Outcome:
    made = Outcome(
        name=f"task{index}",
        kind="linear",
        stratum="clear",
        k=3,
        d=16,
        m=12,
        n=1000,
        noise=0.1,
        decay=1.0,
        expected=3,
        distance=0.05,
        reference_rank=3,
        found=answer(3),
        repeats=5,
        fewer=((2, answer(3, 2, 4)), (3, answer(3, 3, 4))),
        again=None,
        points=(),
        baseline=0.99,
        seconds=30.0,
    )
    return replace(made, **changes)


def control(index: int = 0, **changes: Any) -> Outcome:
    nothing: dict[str, Any] = dict.fromkeys(("k", "expected", "distance", "reference_rank"))
    settings = {"kind": "control", "stratum": "control", "decay": None, "found": NOTHING}
    return outcome(index, **{**nothing, "fewer": (), **settings, **changes})


def calibration(outcomes: tuple[Outcome, ...]) -> Calibration:
    return Calibration(
        schema=SCHEMA,
        seed=4,
        small=True,
        settings={"measured": "every setting at its default"},
        provenance={"rankprobe": "0.1", "date": "2026-05-01"},
        seconds=120.0,
        goals=goals(outcomes),
        outcomes=outcomes,
    )


def quick(measure: Callable[..., Result], asked: list[dict[str, Any]]) -> Callable[..., Result]:
    """The real measurement with so little training that a test can wait for it."""

    def measured(x: Any, y: Any, **settings: Any) -> Result:
        asked.append({**settings, "x": x, "y": y})
        search = settings.pop("search", {"ranks": [1, 2]})
        return measure(
            x,
            y,
            training={"epochs": 20, "learning_rate": 0.03, "batch_size": 32},
            search={**search, "repeats": 3},
            **settings,
        )

    return measured
