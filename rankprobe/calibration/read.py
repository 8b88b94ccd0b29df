"""From what was kept of a task to its outcome: always read anew, so that statistics may change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rankprobe.calibration.controls import ControlTask
from rankprobe.calibration.linear import PlantedTask, margin, minimal_rank
from rankprobe.calibration.measuring import Job
from rankprobe.calibration.outcomes import Answer, Checked, Outcome
from rankprobe.calibration.plan import CLEAR, TARGET, Planned
from rankprobe.calibration.reference import ReferencePoint, load_reference
from rankprobe.errors import TrainingError
from rankprobe.evidence_file import first_repeats, load_evidence
from rankprobe.records import MinimalRank, Point
from rankprobe.statistics.evidence import Evidence
from rankprobe.statistics.minimal_rank import find_minimal_rank
from rankprobe.statistics.reading import read_evidence

FEWER = (2, 3)
"""Numbers of repeats that the evidence is read with besides all of them."""


def read_outcome(planned: Planned, folder: Path) -> Outcome:
    """Read a task whose measurements are all there.

    Raises:
        ArtifactError: A file is damaged.
    """
    evidence, facts = load_evidence(Job(planned, "first").file(folder))
    points, baseline = _points(evidence, planned.seed)
    seconds = float(facts["seconds"])
    reference: dict[int, ReferencePoint] = {}
    if "reference" in planned.roles:
        reference, more = load_reference(Job(planned, "reference").file(folder))
        seconds += float(more["seconds"])
    recovery = [float(value) for value in facts.get("recovery", ())]
    checked = _checked(points, planned, reference, recovery, "first")
    again = None
    if "again" in planned.roles:
        second, more = load_evidence(Job(planned, "again").file(folder))
        again = _answer(second)
        seconds += float(more["seconds"])
        points, _ = _points(second, planned.seed)
        checked += _checked(points, planned, reference, recovery, "again")
    by_reference = reference_rank(reference)
    expected, distance = _truth(planned, recovery, by_reference)
    repeats = len(evidence.baseline.scores)
    few = [count for count in FEWER if count < repeats]
    return Outcome(
        name=planned.name,
        kind=planned.kind,
        stratum=_stratum(planned, distance, by_reference),
        **_sizes(planned),
        expected=expected,
        distance=distance,
        reference_rank=by_reference,
        found=_answer(evidence),
        repeats=repeats,
        fewer=tuple((count, _answer(first_repeats(evidence, count))) for count in few),
        again=again,
        points=tuple(checked),
        baseline=None if baseline is None else round(baseline, 6),
        seconds=round(seconds, 1),
    )


def reference_rank(points: dict[int, ReferencePoint]) -> int | None:
    """The first rank whose mean reaches the target, if the rank before it was measured too."""
    reaching = [rank for rank in sorted(points) if points[rank].recovery >= TARGET]
    if not reaching or (reaching[0] > 1 and reaching[0] - 1 not in points):
        return None
    return reaching[0]


def _answer(evidence: Evidence) -> Answer:
    try:
        minimal: MinimalRank = find_minimal_rank(evidence, target=TARGET)
    except TrainingError:
        return Answer(None, None, None, "failed")
    return Answer(minimal.value, minimal.low, minimal.high, minimal.verdict, minimal.flags)


def _points(evidence: Evidence, seed: int) -> tuple[Sequence[Point], float | None]:
    try:
        reading = read_evidence(evidence, target=TARGET, targets=(), seed=seed)
    except TrainingError:
        return (), None
    return reading.points, reading.baseline.mean


def _checked(
    points: Sequence[Point],
    planned: Planned,
    reference: dict[int, ReferencePoint],
    recovery: Sequence[float],
    run: str,
) -> list[Checked]:
    """The preset ranks that this run and the reference measured.

    Where full training is not above 0 there is no recovery, and nothing to check.
    """
    return [
        Checked(
            rank=point.rank,
            mean=round(point.recovery.mean, 6),
            low=_bounded(point.recovery.low),
            high=_bounded(point.recovery.high),
            reference=round(reference[point.rank].recovery, 6),
            reference_margin=round(reference[point.rank].margin(), 6),
            closed_form=recovery[point.rank - 1] if recovery else None,
            run=run,
        )
        for point in points
        if point.rank in planned.presets
        and point.rank in reference
        and math.isfinite(point.recovery.mean)
    ]


def _bounded(limit: float) -> float | None:
    return round(limit, 6) if math.isfinite(limit) else None


def _truth(
    planned: Planned, recovery: Sequence[float], by_reference: int | None
) -> tuple[int | None, float | None]:
    """The minimal rank that is expected, and the distance of the nearest recovery.

    Of a teacher it is the reference's, where it has one: a rank below the planted one may reach
    the target, and training may not find what the planted rank can do.
    """
    if isinstance(planned.task, ControlTask):
        return None, None
    if not recovery:
        return by_reference or planned.task.k, None
    values = np.array(recovery)
    return minimal_rank(values, TARGET), round(margin(values, TARGET), 6)


def _stratum(planned: Planned, distance: float | None, by_reference: int | None) -> str:
    if isinstance(planned.task, ControlTask):
        return "control"
    if distance is not None:
        return "clear" if distance >= CLEAR else "near tie"
    return "confirmed" if by_reference == planned.task.k else "unconfirmed"


def _sizes(planned: Planned) -> dict[str, Any]:
    task = planned.task
    if isinstance(task, ControlTask):
        return {
            "k": None,
            "d": task.d,
            "m": task.classes or task.m,
            "n": task.n,
            "noise": 0.0,
            "decay": None,
        }
    return {
        "k": task.k,
        "d": task.d,
        "m": task.m,
        "n": task.n,
        "noise": task.noise,
        "decay": task.decay if isinstance(task, PlantedTask) else None,
    }
