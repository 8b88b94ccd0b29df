"""Put a finished run among the committed results: ``python -m studies.publish runs/mnist``.

Committed are the result and its pictures, not the store and not the predictions.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rankprobe.config import TaskConfig, load_config, recorded_config
from rankprobe.config_grid import VariedConfig, load_any_config
from rankprobe.errors import ArtifactError
from rankprobe.grid_file import is_grid, load_grid
from rankprobe.records import Result
from rankprobe.records.grid import GRID_FILE
from rankprobe.reporting.folder import write_whole
from rankprobe.result_file import load_result
from studies.catalogue import ROOT, Measurement, find
from studies.command import guarded
from studies.pictures import draw_all
from studies.readme import refresh


def publish(run: Path, *, root: Path = ROOT) -> Path:
    """Copy a run's result to its study, and redraw and rewrite what shows it.

    Args:
        run: Run folder of a measurement of the catalogue.
        root: Folder of the studies.

    Returns:
        The folder of the committed result.

    Raises:
        ArtifactError: A run that is not finished, or that was made with other settings than
            the study's file holds.
        ConfigError: A run that belongs to no study.
        StoreError: The results cannot be written.
    """
    if is_grid(run):
        return _publish_grid(run, root)
    if run.is_dir() and not (run / "result.json").is_file():
        raise ArtifactError(f"{run}: not finished, there is no result.json yet; measure it again")
    result = load_result(run)
    measurement = find(result.task.name)
    _refuse_other_settings(result, measurement, run, root)
    folder = measurement.results(root)
    write_whole(folder / "result.json", result.to_json().encode())
    draw_all(root)
    refresh(root)
    return folder


def _publish_grid(run: Path, root: Path) -> Path:
    """Copy the results of all combinations, and what says which they are."""
    grid = load_grid(run)
    measurement = find(grid.name)
    file, folder = measurement.config(root), measurement.results(root)
    varied = load_any_config(file, overrides=measurement.overrides, trust=measurement.trust)
    wanted = varied.configs if isinstance(varied, VariedConfig) else {}
    if list(wanted) != list(grid.results):
        raise ArtifactError(
            f"{run}: measured with other combinations than {file} holds; measure it again as the "
            "file says"
        )
    for name, result in grid.results.items():
        _refuse(result, wanted[name], file, run / name)
    for name, result in grid.results.items():
        write_whole(folder / name / "result.json", result.to_json().encode())
    write_whole(folder / GRID_FILE, grid.to_json(results=False).encode())
    draw_all(root)
    refresh(root)
    return folder


def _refuse_other_settings(result: Result, measurement: Measurement, run: Path, root: Path) -> None:
    file = measurement.config(root)
    config = load_config(file, overrides=measurement.overrides, trust=measurement.trust)
    _refuse(result, config, file, run)


def _refuse(result: Result, config: TaskConfig, file: Path, run: Path) -> None:
    wanted = _comparable(config.model_dump(mode="json"))
    # Settings that are newer than the result have their defaults, which change nothing.
    recorded = recorded_config(result.provenance["configuration"], folder=file.parent)
    made = _comparable(recorded.model_dump(mode="json"))
    if wanted != made:
        keys = sorted(
            key for key in wanted.keys() | made.keys() if wanted.get(key) != made.get(key)
        )
        raise ArtifactError(
            f"{run}: measured with other settings than {file} holds, in `{'`, `'.join(keys)}`; "
            "measure it again as the file says"
        )


def _comparable(configuration: dict[str, Any]) -> dict[str, Any]:
    """A configuration without the number of repeats: more of them measure the same thing."""
    search = {key: value for key, value in configuration["search"].items() if key != "repeats"}
    return {**configuration, "search": search}


def main(arguments: Sequence[str] | None = None) -> int:
    """Publish the runs that are named; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.publish", description=publish.__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder")
    options = parser.parse_args(arguments)

    def work() -> None:
        for run in options.runs:
            print(publish(run))

    return guarded(work)


if __name__ == "__main__":
    raise SystemExit(main())
