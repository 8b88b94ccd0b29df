"""Which versions measured, and when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rankprobe.calibration.measuring import Job
from rankprobe.calibration.plan import Planned
from rankprobe.evidence_file import load_facts


def provenance(tasks: Sequence[Planned], folder: Path) -> dict[str, str]:
    """Versions and dates of the first measurements; where they differ, all of them.

    Raises:
        ArtifactError: A file is damaged.
    """
    found: dict[str, set[str]] = {}
    for planned in tasks:
        made = load_facts(Job(planned, "first").file(folder))["provenance"]
        for name, value in made.items():
            found.setdefault(name, set()).add(str(value))
    return {name: _range(name, sorted(values)) for name, values in found.items()}


def _range(name: str, values: list[str]) -> str:
    if name == "date" and len(values) > 1:
        return f"{values[0]} to {values[-1]}"
    return ", ".join(values)
