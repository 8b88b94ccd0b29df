"""The committed calibration in Markdown."""

from __future__ import annotations

from pathlib import Path

from rankprobe.calibration.goals import covers
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
    parts = [headline(calibration), table(goal_header(), goal_rows(calibration.goals))]
    return "\n\n".join([*parts, *_near_ties(calibration)])


def _near_ties(calibration: Calibration) -> list[str]:
    """Where the instrument is weakest: tasks with a recovery next to the target."""
    ties = [outcome for outcome in calibration.outcomes if outcome.stratum == "near tie"]
    if not ties:
        return []
    exact, covered = sum(outcome.exact for outcome in ties), sum(map(covers, ties))
    return [
        (
            f"Of its {len(ties)} near ties, where a recovery lies within 0.02 of the target, "
            f"{100 * exact / len(ties):.0f} % are exact and {100 * covered / len(ties):.0f} % are "
            "covered by the interval."
        )
    ]


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
