"""Grids as versioned JSON, in and out; and results wherever they lie, be it inside a grid."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rankprobe.errors import ArtifactError
from rankprobe.records import Result
from rankprobe.records.grid import GRID_FILE, Grid
from rankprobe.result_file import load_result, result_from_json, result_to_json
from rankprobe.statistics.compare import compare_results

SCHEMA = 1


def made_grid(
    name: str,
    vary: Mapping[str, tuple[Any, ...]],
    settings: Mapping[str, Mapping[str, Any]],
    results: Mapping[str, Result],
    *,
    cost: Mapping[str, float],
    folder: Path | None,
) -> Grid:
    """A grid of results, compared with each other."""
    comparison = compare_results(list(results.values()), list(results))
    return Grid(name, vary, settings, results, comparison, cost, folder)


def grid_to_json(grid: Grid, *, results: bool = True) -> str:
    """JSON text.

    Args:
        grid: A finished grid.
        results: Whether with all results, or only the names of their folders.
    """
    combinations = []
    for name, result in grid.results.items():
        item: dict[str, Any] = {"name": name, "settings": grid.settings[name]}
        if results:
            item["result"] = json.loads(result_to_json(result))
        combinations.append(item)
    data = {
        "schema": SCHEMA,
        "kind": "grid",
        "name": grid.name,
        "vary": grid.vary,
        "combinations": combinations,
        "comparison": json.loads(grid.comparison.to_json()),
        "cost": grid.cost,
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def grid_from_json(text: str, *, folder: Path | None = None) -> Grid:
    """Read a grid of any known schema version.

    Args:
        text: What `grid_to_json` made.
        folder: The folder that it came from, which holds results that are not in the text.

    Raises:
        ArtifactError: Not JSON, not a grid, of an unknown schema, or without a result.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ArtifactError(f"this is not JSON ({error}); give the folder of a grid") from None
    if not isinstance(data, dict) or data.get("kind") != "grid":
        raise ArtifactError("this JSON is not a rankprobe grid: it has no `kind: grid`")
    if data.get("schema") != SCHEMA:
        raise ArtifactError(
            f"this grid has another schema than {SCHEMA}, the one this version reads; "
            "measure again, or read it with the version that wrote it"
        )
    try:
        results = {_checked(item["name"]): _result(item, folder) for item in data["combinations"]}
        return made_grid(
            data["name"],
            {key: tuple(values) for key, values in data["vary"].items()},
            {item["name"]: item["settings"] for item in data["combinations"]},
            results,
            cost=data["cost"],
            folder=folder,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ArtifactError(f"this grid is damaged or incomplete: {error}") from None


def is_grid(path: str | Path) -> bool:
    """Whether a path is the folder of a grid, or its file."""
    path = Path(path)
    return (path / GRID_FILE).is_file() or (path.name == GRID_FILE and path.is_file())


def load_grid(path: str | Path) -> Grid:
    """Read a grid from its folder or its ``grid.json``.

    Raises:
        ArtifactError: There is none, or it cannot be read.
    """
    path = Path(path)
    file = path / GRID_FILE if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise ArtifactError(
            f"{file}: {reason}; give a folder that `rankprobe measure` wrote for a file with `vary`"
        ) from None
    try:
        return grid_from_json(text, folder=file.parent)
    except ArtifactError as error:
        raise ArtifactError(f"{file}: {error}") from None


def load_results(paths: Iterable[str | Path]) -> list[Result]:
    """Read results; of a grid, those of all its combinations.

    Raises:
        ArtifactError: One cannot be read.
    """
    results: list[Result] = []
    for path in paths:
        results += load_grid(path).results.values() if is_grid(path) else [load_result(path)]
    return results


def _result(item: Mapping[str, Any], folder: Path | None) -> Result:
    own = None if folder is None else folder / item["name"]
    if "result" in item:
        return result_from_json(json.dumps(item["result"]), folder=own)
    if own is None:
        raise ArtifactError(f"it has no result of `{item['name']}`")
    return load_result(own)


def _checked(name: Any) -> str:
    """The name of a folder inside the grid's, and nowhere else."""
    if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"{name!r} names no combination")
    return name
