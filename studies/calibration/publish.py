"""Measure the full calibration, and put it among the committed results."""

from __future__ import annotations

from pathlib import Path

from rankprobe.calibration.report import load_calibration, summary
from rankprobe.calibration.run import calibrate
from rankprobe.errors import ArtifactError
from rankprobe.progress import Watch
from rankprobe.reporting.folder import write_whole
from rankprobe.reporting.printing import show
from studies.calibration.report import RESULTS
from studies.catalogue import ROOT
from studies.pictures import draw_all
from studies.readme import refresh

SEED = 20261126
"""Of the committed run: no trial has drawn it, and `rankprobe calibrate` does not by itself."""


def measure_and_publish(folder: Path, *, workers: int | None, root: Path = ROOT) -> Path:
    """Measure what is missing, print the report and publish it.

    Raises:
        ConfigError, TrainingError, StoreError, ArtifactError: As `calibrate` and `publish`.
    """
    with Watch() as watch:
        calibration = calibrate(folder, seed=SEED, small=False, workers=workers, progress=watch)
    show(summary(calibration))
    return publish(folder, root=root)


def publish(folder: Path, *, root: Path = ROOT) -> Path:
    """Copy a finished full calibration to the study, and redraw and rewrite what shows it.

    Args:
        folder: Folder of ``rankprobe calibrate``.
        root: Folder of the studies.

    Returns:
        The committed file.

    Raises:
        ArtifactError: It is not finished, or it is the short form.
        StoreError: The results cannot be written.
    """
    file = folder / "calibration.json"
    if not file.is_file():
        raise ArtifactError(f"{folder}: not finished, there is no calibration.json yet")
    calibration = load_calibration(file)
    if calibration.small:
        raise ArtifactError(f"{folder}: this is the small calibration; publish a full one")
    path = write_whole(root / RESULTS, calibration.to_json().encode())
    draw_all(root)
    refresh(root)
    return path
