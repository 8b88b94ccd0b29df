"""Evidence as one file, so that a measurement can be read again when the statistics change.

A file is an .npz: the arrays, and under ``record`` everything else as JSON. Predictions of a
continuous target are kept as their residuals in half precision, which is exact to a thousandth of
each residual; all other numbers are kept as they are.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import ArtifactError
from rankprobe.reporting.folder import write_whole
from rankprobe.statistics.evidence import Candidate, Evidence, RankEvidence

Array = NDArray[Any]

FILE = "evidence.npz"
"""Its name in a run folder."""

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in (Evidence, RankEvidence, Candidate)}
_DAMAGE = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile, zlib.error)
_HALF = float(np.finfo(np.float16).max)


def write_evidence(path: Path, evidence: Evidence, facts: Mapping[str, Any]) -> Path:
    """Write evidence, whole or not at all.

    Args:
        path: The file.
        evidence: What was measured.
        facts: What else belongs to the measurement, as JSON values.

    Raises:
        StoreError: The file cannot be written.
    """
    arrays: dict[str, Array] = {}
    record = {"facts": dict(facts), "evidence": _packed(_residuals(evidence), arrays)}
    text = np.frombuffer(json.dumps(record).encode(), dtype=np.uint8)
    buffer = io.BytesIO()
    # NumPy's own types leave no room for arrays by name.
    np.savez_compressed(buffer, record=text, **cast(Any, arrays))
    return write_whole(path, buffer.getvalue())


def load_evidence(path: Path) -> tuple[Evidence, dict[str, Any]]:
    """The evidence of a file, and the facts beside it.

    Raises:
        ArtifactError: The file is damaged, or of another version.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        record = json.loads(arrays.pop("record").tobytes())
        evidence = _predictions(cast(Evidence, _unpacked(record["evidence"], arrays)))
        return evidence, dict(record["facts"])
    except _DAMAGE as error:
        raise damaged(path, error) from None


def load_facts(path: Path) -> dict[str, Any]:
    """The facts of a file alone.

    Raises:
        ArtifactError: The file is damaged, or of another version.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return dict(json.loads(archive["record"].tobytes())["facts"])
    except _DAMAGE as error:
        raise damaged(path, error) from None


def damaged(path: Path, error: Exception) -> ArtifactError:
    """What to say of a file of a calibration that cannot be read."""
    return ArtifactError(
        f"{path}: damaged, or of another version: remove it and run the command again, which "
        f"measures it anew ({error})"
    )


def first_repeats(evidence: Evidence, repeats: int) -> Evidence:
    """What the same measurement would have held with fewer repeats of the same ranks."""

    def cut(item: RankEvidence) -> RankEvidence:
        candidates = tuple(
            replace(
                candidate,
                validation=candidate.validation[:repeats],
                validation_error=candidate.validation_error[:repeats],
                test=candidate.test[:repeats],
            )
            for candidate in item.candidates
        )
        return replace(
            item,
            scores=item.scores[:repeats],
            predictions=item.predictions[:repeats],
            candidates=candidates,
        )

    return _each_rank(evidence, cut)


def _each_rank(evidence: Evidence, change: Any) -> Evidence:
    return replace(
        evidence,
        ranks=tuple(change(item) for item in evidence.ranks),
        baseline=change(evidence.baseline),
        head=None if evidence.head is None else change(evidence.head),
    )


def _residuals(evidence: Evidence) -> Evidence:
    """Continuous predictions as half-precision distances from the target."""
    target = evidence.target_values

    def residual(prediction: Array | None) -> Array | None:
        if prediction is None or prediction.shape != target.shape:
            return prediction
        if prediction.dtype.kind != "f" or target.dtype.kind != "f":
            return prediction
        distance: Array = prediction - target
        return distance.astype(np.float16) if np.abs(distance).max() < _HALF else distance

    def change(item: RankEvidence) -> RankEvidence:
        return replace(item, predictions=tuple(residual(part) for part in item.predictions))

    return _each_rank(evidence, change)


def _predictions(evidence: Evidence) -> Evidence:
    """The inverse of `_residuals`."""
    target = evidence.target_values

    def prediction(part: Array | None) -> Array | None:
        if part is None or part.dtype.kind != "f" or target.dtype.kind != "f":
            return part
        if part.shape != target.shape:
            return part
        return np.asarray(target + part.astype(target.dtype))

    def change(item: RankEvidence) -> RankEvidence:
        return replace(item, predictions=tuple(prediction(part) for part in item.predictions))

    return _each_rank(evidence, change)


def _packed(value: Any, arrays: dict[str, Array]) -> Any:
    """Plain JSON values, with every array moved into ``arrays`` and named by its place there."""
    if isinstance(value, np.ndarray):
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if type(value).__name__ in _KINDS:
        inside = {item.name: _packed(getattr(value, item.name), arrays) for item in fields(value)}
        return {"kind": type(value).__name__, "fields": inside}
    if isinstance(value, list | tuple):
        return [_packed(item, arrays) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpacked(value: Any, arrays: Mapping[str, Array]) -> Any:
    if isinstance(value, list):
        return tuple(_unpacked(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    inside = {name: _unpacked(item, arrays) for name, item in value["fields"].items()}
    return _KINDS[value["kind"]](**inside)
