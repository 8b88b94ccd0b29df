"""Measure the planted tasks with default settings, and keep what came out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rankprobe.calibration.linear import (
    STUDENT,
    Matrix,
    Planted,
    PlantedTask,
    closed_form,
    margin,
    minimal_rank,
    plant_linear,
)
from rankprobe.records import Result
from rankprobe.reporting.folder import write_whole
from rankprobe.reporting.printing import show
from rankprobe.reporting.wording import percent
from studies.catalogue import ROOT
from studies.pictures import draw_all
from studies.planted.report import RESULTS, Outcome, Outcomes, summary
from studies.readme import refresh

TARGET = 0.95

# Flat spectra and one that decays, all alike otherwise; then other sizes, noises and spectra.
TASKS = (
    *(PlantedTask(k=k, seed=k) for k in (2, 3, 5, 6, 8, 12)),
    PlantedTask(k=8, decay=0.8, seed=8),
    PlantedTask(k=1, d=20, m=10, n=500, noise=0.5, seed=101),
    PlantedTask(k=4, d=16, m=40, n=1000, noise=0.3, seed=102),
    PlantedTask(k=6, d=16, m=12, n=800, decay=0.75, noise=0.2, seed=103),
    PlantedTask(k=8, d=40, m=20, n=3000, decay=0.95, noise=0.2, seed=104),
)


def measure_all(
    runs: Path, *, tasks: tuple[PlantedTask, ...] = TASKS, root: Path = ROOT
) -> Outcomes:
    """Measure every task, print the table, and write results, figure and README.

    Args:
        runs: A run folder for each task goes here; what they hold is gone on from.
        tasks: The tasks.
        root: Folder of the studies.

    Raises:
        TrainingError, StoreError: As `rankprobe.measure`; finished tasks are kept.
    """
    measured = []
    for task in tasks:
        planted = plant_linear(task)
        result = measure_one(task, planted, runs)
        measured.append(_outcome(task, result, closed_form(planted)))
        print(f"{task.name}: {measured[-1].found}", flush=True)
    outcomes = Outcomes(tuple(measured), TARGET, _provenance(result))
    write_whole(root / RESULTS, outcomes.to_json().encode())
    draw_all(root)
    refresh(root)
    show(summary(outcomes))
    return outcomes


def measure_one(task: PlantedTask, planted: Planted, runs: Path) -> Result:
    """Measure one task, through the public interface, with every setting at its default.

    Raises:
        TrainingError, StoreError: As `rankprobe.measure`.
    """
    import rankprobe

    result: Result = rankprobe.measure(
        planted.x,
        planted.y,
        name=task.name,
        out=runs / task.name,
        **STUDENT,
        search={"target": TARGET},
    )
    return result


def _outcome(task: PlantedTask, result: Result, recoveries: Matrix) -> Outcome:
    minimal = result.minimal_rank
    return Outcome(
        task=task,
        recovery=tuple(round(float(recovery), 6) for recovery in recoveries),
        expected=minimal_rank(recoveries, TARGET),
        margin=round(margin(recoveries, TARGET), 6),
        value=minimal.value,
        low=minimal.low,
        high=minimal.high,
        verdict=minimal.verdict,
        flags=tuple(minimal.flags),
        ranks=tuple(point.rank for point in result.points),
        measured=tuple(round(point.recovery.mean, 6) for point in result.points),
        baseline=round(result.baseline.mean, 6),
        epochs=int(result.scope["epochs"]),
        seconds=float(result.cost["seconds"]),
    )


def _provenance(result: Result) -> dict[str, str]:
    made = {key: str(result.provenance[key]) for key in ("rankprobe", "torch", "date", "threads")}
    settings = (
        f"defaults, {len(result.baseline.scores)} repeats, target {percent(TARGET)}; "
        "backbone {family: mlp, hidden: []}, adapter {head: adapter}"
    )
    return {**made, "numpy": np.__version__, "settings": settings}
