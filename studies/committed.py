"""Committed results of studies that keep them in a form of their own: JSON, read back checked."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import TypeAdapter, ValidationError

from rankprobe.errors import ArtifactError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Results = TypeVar("Results")


def to_json(results: DataclassInstance) -> str:
    """All of it as JSON text."""
    return json.dumps(dataclasses.asdict(results), indent=1) + "\n"


def load(kind: type[Results], file: Path, *, command: str) -> Results | None:
    """The committed results of a file; ``None`` while there are none.

    Args:
        kind: The dataclass that it holds.
        file: Where they lie.
        command: What measures them again, for the message.

    Raises:
        ArtifactError: They cannot be read.
    """
    if not file.is_file():
        return None
    try:
        return TypeAdapter(kind).validate_json(file.read_bytes())
    except ValidationError as error:
        raise ArtifactError(
            f"{file}: damaged, or of another version, measure it again with `{command}`: "
            f"{error.errors()[0]['msg']}"
        ) from None
