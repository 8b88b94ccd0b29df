"""The committed calibration in Markdown."""

from __future__ import annotations

from pathlib import Path

from rankprobe.calibration.report import (
    Calibration,
    body,
    goal_header,
    goal_rows,
    headline,
    load_calibration,
)
from studies.markdown import not_measured, table

RESULTS = Path("calibration/results/calibration.json")
PICTURE = Path("calibration/results/calibration.png")
_COMMAND = "python -m studies.calibration"


def load(root: Path) -> Calibration | None:
    """The committed calibration; ``None`` while there is none.

    Raises:
        ArtifactError: It cannot be read.
    """
    file = root / RESULTS
    return load_calibration(file) if file.is_file() else None


def headline_table(root: Path) -> str:
    """Goal by goal, with what is not met."""
    calibration = load(root)
    if calibration is None:
        return not_measured(_COMMAND)
    return "\n\n".join([headline(calibration), table(goal_header(), goal_rows(calibration.goals))])


def block(root: Path) -> str:
    """The whole report, with its figure."""
    calibration = load(root)
    if calibration is None:
        return not_measured(_COMMAND)
    picture = PICTURE.relative_to("calibration").as_posix()
    return "\n\n".join(
        [
            f"**{headline(calibration)}**",
            f"![planted ranks against found ones, and coverage]({picture})",
            body(calibration),
        ]
    )
