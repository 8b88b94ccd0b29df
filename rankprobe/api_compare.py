"""Comparing tasks. Importing this does not import torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rankprobe.errors import ConfigError, Problem
from rankprobe.records import Result
from rankprobe.records.comparison import Comparison
from rankprobe.records.grid import Grid


def compare(
    *results: Result | Grid | str | Path,
    anyway: bool = False,
    lower_is_better: bool = False,
    floor_score: float | None = None,
) -> Comparison:
    """Compare the minimal ranks of tasks.

    Args:
        *results: Results, run folders, result.json files, grids or their folders, or .csv files
            of scores measured elsewhere (see `rankprobe.statistics.foreign`); two tasks or more
            in all.
        anyway: Compare tasks that were not measured alike; what differs is in `scope`.
        lower_is_better: The scores of a .csv are losses.
        floor_score: Score of the floor of a .csv's scores; by default 0, needed for losses.

    Raises:
        ConfigError: Tasks that were not measured alike, fewer than two tasks, or a wrong .csv.
        ArtifactError: A result that cannot be read.
    """
    from rankprobe.config import TaskConfig
    from rankprobe.reporting.comparison import unique_labels
    from rankprobe.statistics.compare import compare_results
    from rankprobe.statistics.scope import refuse, scope_differences

    if (comparison := _of_one_grid(results)) is not None:
        return comparison
    if not any(map(_is_table, results)) and (lower_is_better or floor_score is not None):
        raise ConfigError(
            "--lower-is-better and --floor-score are about the scores of a .csv; give one, or "
            "leave them out: a result knows its own metric and floor"
        )
    read = _all_of(results, lower_is_better=lower_is_better, floor_score=floor_score)
    if len(read) < 2:
        found = "one task" if read else "no task"
        raise ConfigError(
            Problem(
                f"there is {found} to compare",
                hint="give two or more; `rankprobe figure` draws a single one",
            )
        )
    labels = unique_labels(read)
    defaults = TaskConfig().model_dump(mode="json")
    differences = scope_differences(read, labels, defaults=defaults)
    if not anyway:
        refuse(differences)
    return compare_results(read, labels, scope=differences)


def _of_one_grid(items: Sequence[Result | Grid | str | Path]) -> Comparison | None:
    """The comparison of a grid given alone: what varies in it is nothing to warn of."""
    from rankprobe.grid_file import is_grid, load_grid

    if len(items) != 1:
        return None
    (alone,) = items
    if isinstance(alone, str | Path):
        return load_grid(alone).comparison if is_grid(alone) else None
    return alone.comparison if isinstance(alone, Grid) else None


def _all_of(items: Sequence[Result | Grid | str | Path], **of_tables: Any) -> list[Result]:
    """Results, read where they are files; of a grid, those of all its combinations."""
    from rankprobe.grid_file import load_results

    read: list[Result] = []
    for item in items:
        if isinstance(item, Result):
            read.append(item)
        elif isinstance(item, Grid):
            read += item.results.values()
        elif _is_table(item):
            from rankprobe.statistics.foreign import read_scores  # scipy: half a second

            read += read_scores(item, **of_tables)
        else:
            read += load_results([item])
    return read


def _is_table(item: Result | Grid | str | Path) -> bool:
    return not isinstance(item, Result | Grid) and Path(item).suffix.lower() == ".csv"
