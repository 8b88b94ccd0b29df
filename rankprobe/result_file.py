"""Results as versioned JSON, in and out."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rankprobe.errors import ArtifactError
from rankprobe.records import (
    Baseline,
    Curve,
    Interval,
    MinimalRank,
    Point,
    Rate,
    Result,
    TaskSummary,
    Variant,
)
from rankprobe.records.bounds import within_bounds
from rankprobe.records.grid import GRID_FILE

SCHEMA = 1


def result_to_json(result: Result) -> str:
    """JSON text, keys in the order of the contract; numbers that are not finite are null."""
    data = {"schema": SCHEMA, **_plain(dataclasses.replace(result, folder=None, evidence=None))}
    del data["folder"], data["evidence"]
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def result_from_json(text: str, *, folder: Path | None = None) -> Result:
    """Read a result of any known schema version.

    Args:
        text: What `result_to_json` made.
        folder: The run folder that it came from.

    Raises:
        ArtifactError: Not JSON, not a result, or of an unknown schema.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ArtifactError(
            f"this is not JSON ({error}); give a run folder or a result.json"
        ) from None
    if not isinstance(data, dict) or "schema" not in data:
        raise ArtifactError("this JSON is not a rankprobe result: it has no `schema`")
    if data.pop("schema") != SCHEMA:
        raise ArtifactError(
            f"this result has another schema than {SCHEMA}, the one this version reads; "
            "measure again, or read it with the version that wrote it"
        )
    try:
        task = TaskSummary(**data["task"])
        # Older versions let limits leave what scores can be.
        records = {
            "task": task,
            "baseline": within_bounds(_tupled(Baseline, data["baseline"]), task.metric),
            "points": tuple(within_bounds(_point(point), task.metric) for point in data["points"]),
            "minimal_rank": _minimal_rank(data["minimal_rank"]),
            "curve": within_bounds(_tupled(Curve, data["curve"]), task.metric),
            "targets": {k: _minimal_rank(v) for k, v in data["targets"].items()},
            "rates": tuple(Rate(**rate) for rate in data["rates"]),
            "sensitivity": tuple(_variant(item) for item in data.get("sensitivity", ())),
        }
        return Result(**{**data, **records, "folder": folder})
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"this result is damaged or incomplete: {error}") from None


def load_result(path: str | Path) -> Result:
    """Read a result from a run folder or a ``result.json``.

    Raises:
        ArtifactError: There is none, or it cannot be read.
    """
    path = Path(path)
    file = path / "result.json" if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        if (path / GRID_FILE).is_file():
            runs = sorted(inner.parent for inner in path.glob("*/result.json"))
            such = f", such as {runs[0]}" if runs else ""
            raise ArtifactError(
                f"{path} holds a grid, and this takes one measurement: name the run folder of a "
                f"combination{such}"
            ) from None
        reason = error.strerror or str(error)
        raise ArtifactError(
            f"{file}: {reason}; give a run folder or a result.json that `rankprobe measure` wrote"
        ) from None
    except UnicodeDecodeError:
        raise ArtifactError(f"{file}: not a text file, so not a result.json") from None
    try:
        return result_from_json(text, folder=file.parent)
    except ArtifactError as error:
        raise ArtifactError(f"{file}: {error}") from None


def _plain(value: Any) -> Any:
    """Dataclasses, tuples and NumPy scalars as JSON knows them; non-finite numbers as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def _tupled(kind: type[Any], data: Mapping[str, Any]) -> Any:
    """Build a record, with JSON's lists as the tuples that the frozen records hold."""
    return kind(
        **{key: tuple(item) if isinstance(item, list) else item for key, item in data.items()}
    )


def _minimal_rank(data: Mapping[str, Any]) -> MinimalRank:
    pairs = tuple((rank, share) for rank, share in data.get("distribution", ()))
    minimal: MinimalRank = _tupled(MinimalRank, {**data, "distribution": pairs})
    return minimal


def _variant(data: Mapping[str, Any]) -> Variant:
    pairs = tuple((rank, recovery) for rank, recovery in data["recoveries"])
    minimal = _minimal_rank(data["minimal_rank"])
    return Variant(**{**data, "minimal_rank": minimal, "recoveries": pairs})


def _point(data: Mapping[str, Any]) -> Point:
    over = data.get("over_chance")
    intervals = {
        "recovery": Interval(**data["recovery"]),
        "over_chance": None if over is None else Interval(**over),
    }
    point: Point = _tupled(Point, {**data, **intervals})
    return point
