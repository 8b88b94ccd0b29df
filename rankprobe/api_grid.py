"""Measuring a grid of settings. Importing this does not import torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankprobe.api import described, save
from rankprobe.errors import ConfigError
from rankprobe.records.grid import Grid

if TYPE_CHECKING:
    from rankprobe.config import TaskConfig
    from rankprobe.config_grid import VariedConfig
    from rankprobe.data.task import Task


def measure_and_save_grid(
    config: VariedConfig,
    read: Callable[[TaskConfig], Task],
    *,
    folder: Path | None,
    sensitivity: bool = False,
    fresh: bool = False,
    **options: Any,
) -> Grid:
    """Measure a grid, and write what came out beside its stores.

    Args:
        config: The combinations.
        read: Reads the data of a combination.
        folder: Folder of the grid; ``None`` writes nothing.
        sensitivity: Refused: a combination's own run folder takes it.
        fresh: Throw away what the folder holds of these combinations.
        **options: As `rankprobe.search.grid.measure_grid`.

    Raises:
        ConfigError, DataError, StoreError: Found wrong before training starts.
        TrainingError: A failure while running, or when the results cannot be written; what
            finished is kept.
    """
    from rankprobe.evidence_file import FILE as EVIDENCE
    from rankprobe.grid_file import made_grid
    from rankprobe.reporting.wording import FILES
    from rankprobe.search.grid import measure_grid, tasks_of

    if sensitivity:
        raise ConfigError(
            "a grid varies settings already: leave out the sensitivity, or measure a combination "
            "by itself with it"
        )
    if fresh and folder is not None:
        for name in ("grid.json", "comparison.png", "report.html"):
            (folder / name).unlink(missing_ok=True)
        for combination in config.configs:
            for name in (*FILES, EVIDENCE):
                (folder / combination / name).unlink(missing_ok=True)
    tasks = tasks_of(config, read)
    results, cost = measure_grid(config, tasks, folder=folder, fresh=fresh, **options)
    done = {name: described(result) for name, result in results.items()}
    grid = made_grid(config.name, config.vary, config.settings, done, cost=cost, folder=folder)
    save(grid)
    return grid
