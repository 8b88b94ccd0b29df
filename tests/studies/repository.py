"""A repository with the project's own READMEs and made-up results, to publish and redraw in."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from rankprobe.calibration.linear import PlantedTask
from rankprobe.records import Result
from studies.catalogue import ROOT, find
from studies.planted.report import RESULTS as PLANTED
from studies.planted.report import Outcome, Outcomes
from studies.speed.report import RESULTS as SPEED
from studies.speed.report import Speed, Timing
from tests.reporting.examples import make

MADE = {"date": "2026-05-01", "threads": "2", "torch": "2.13.0", "numpy": "2.4.0"}


def copy_documents(repository: Path) -> Path:
    """READMEs and settings of the studies, without any results; returns the studies' folder."""
    studies = repository / "studies"
    for file in [*ROOT.rglob("README.md"), *ROOT.rglob("*.yaml")]:
        target = studies / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return studies


def result(name: str, **changes: object) -> Result:
    """A result of a measurement of the catalogue."""
    made = make(name, **changes)  # type: ignore[arg-type]
    return replace(made, provenance={**made.provenance, "device": "cpu"})


def commit(studies: Path, name: str, **changes: object) -> Result:
    """Put a made-up result where the committed one belongs."""
    made = result(name, **changes)
    folder = find(name).results(studies)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(made.to_json())
    return made


def commit_outcomes(studies: Path) -> Outcomes:
    """Put made-up outcomes of two planted tasks, one found and one missed, where they belong."""
    found = Outcome(
        task=PlantedTask(k=2, d=6, m=4, n=200),
        recovery=(0.5, 1.0, 1.0, 1.0),
        expected=2,
        margin=0.05,
        value=2,
        low=2,
        high=3,
        verdict="resolved",
        flags=(),
        ranks=(1, 2, 4),
        measured=(0.51, 0.999, 0.998),
        baseline=0.98,
        epochs=40,
        seconds=60.0,
    )
    missed = replace(
        found,
        task=PlantedTask(k=3, d=6, m=4, n=200, decay=0.5),
        margin=0.01,
        value=None,
        low=5,
        high=None,
        verdict="above_largest",
    )
    settings = {**MADE, "settings": "defaults"}
    outcomes = Outcomes((found, missed), 0.95, settings)
    _write(studies / PLANTED, outcomes.to_json())
    return outcomes


def commit_speed(studies: Path) -> Speed:
    """Put made-up timings where they belong."""
    timings = (
        Timing("single members", 1, 6.4, 1.0, 211.0, 0.22, 0.5, 0.4, 0.1),
        Timing("cohort of 30", 30, 2.0, 3.2, 110.0, 0.37, 0.45, 0.5, 0.05),
    )
    speed = Speed(timings, 150.0, 40, {**MADE, "machine": "a processor"})
    _write(studies / SPEED, speed.to_json())
    return speed


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
