"""One measurement of a calibration: plant the arrays, measure them by the public way, keep it."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rankprobe.calibration.controls import ControlTask, plant_control
from rankprobe.calibration.linear import STUDENT, Arrays, PlantedTask, closed_form, plant_linear
from rankprobe.calibration.plan import FRESH, Planned, Role
from rankprobe.calibration.reference import reference_points
from rankprobe.calibration.teacher import TeacherTask, plant_teacher
from rankprobe.errors import RankprobeError
from rankprobe.evidence_file import write_evidence
from rankprobe.records import Result
from rankprobe.reporting.folder import write_whole

_SEEDS: Mapping[Role, int] = {"first": 0, "reference": 1, "again": 2}


@dataclass(frozen=True)
class Job:
    """One measurement.

    Attributes:
        planned: The task.
        role: ``first`` and ``again`` measure with every setting at its default; ``reference``
            measures the preset ranks and scores them on fresh examples.
    """

    planned: Planned
    role: Role

    def file(self, folder: Path) -> Path:
        """Where it is kept."""
        suffix = "json" if self.role == "reference" else "npz"
        return folder / "tasks" / self.planned.name / f"{self.role}.{suffix}"


def measure_job(job: Job, folder: Path) -> None:
    """Measure and keep it.

    Raises:
        DataError, TrainingError: It failed.
        StoreError: It cannot be written.
    """
    task, file = job.planned.task, job.file(folder)
    start = time.process_time()
    arrays, facts = _planted(task, fresh=FRESH if job.role == "reference" else 0)
    result = _measure(job, arrays)
    facts |= {
        # Of the processor: many measurements share the machine.
        "seconds": round(time.process_time() - start, 1),
        "members": result.cost["members"],
        "epochs": result.scope["epochs"],
        "provenance": {
            key: str(result.provenance[key]) for key in ("rankprobe", "torch", "numpy", "date")
        }
        | {"python": platform.python_version(), "machine": platform.machine()},
    }
    if job.role == "reference":
        points = reference_points(result.evidence)
        write_whole(file, json.dumps({"facts": facts, "points": points}, indent=1).encode())
    else:
        write_evidence(file, result.evidence, facts)


def split(arrays: Arrays, role: Role) -> tuple[slice, slice, slice]:
    """Rows to train on, to choose learning rates on, and to score on.

    The shares are the defaults. They are cut here and not by the measurement, so that the
    reference trains on the same rows.
    """
    n = arrays.n
    test, validation = round(0.2 * n), round(0.1 * n)
    train = n - test - validation
    scored = slice(n, None) if role == "reference" else slice(train + validation, n)
    return slice(train), slice(train, train + validation), scored


def _measure(job: Job, arrays: Arrays) -> Result:
    import rankprobe

    planned = job.planned
    train, validation, test = split(arrays, job.role)
    settings: dict[str, Any] = {**_student(planned), "seed": planned.seed + _SEEDS[job.role]}
    if job.role == "reference":
        # Luck in training is all but nothing in a linear task, and most of a teacher's noise.
        repeats = 12 if planned.kind == "teacher" else 5
        settings["search"] = {"ranks": list(planned.presets), "repeats": repeats}
    result: Result = rankprobe.measure(
        arrays.x[train],
        arrays.y[train],
        validation=(arrays.x[validation], arrays.y[validation]),
        test=(arrays.x[test], arrays.y[test]),
        device="cpu",
        name=planned.name,
        **settings,
    )
    return result


def _student(planned: Planned) -> Mapping[str, Any]:
    task = planned.task
    return STUDENT if isinstance(task, PlantedTask) else task.student


def _planted(
    task: PlantedTask | TeacherTask | ControlTask, *, fresh: int
) -> tuple[Arrays, dict[str, Any]]:
    """The arrays, and what is known of the task in closed form."""
    if isinstance(task, PlantedTask):
        planted = plant_linear(task, fresh=fresh)
        recovery: list[float] = np.round(closed_form(planted), 6).tolist()
        return planted, {"recovery": recovery}
    if isinstance(task, TeacherTask):
        return plant_teacher(task, fresh=fresh), {}
    return plant_control(task), {}


def start_worker() -> None:
    """Make a worker process train on one thread, leave Ctrl-C to its parent, and end with it."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, which would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def measured(job: Job, folder: Path) -> str | None:
    """`measure_job` for a worker process; returns what went wrong, which always travels back."""
    try:
        measure_job(job, folder)
    except RankprobeError as error:
        return f"{job.planned.name}, {job.role}: {error}"
    return None
