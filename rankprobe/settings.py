"""Settings before they are checked: plain nested data, and where each of them was given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rankprobe.yaml_source import Keys

Settings = dict[str, Any]
Where = Callable[[Keys], str]


@dataclass(frozen=True)
class Origin:
    """Where settings came from, for messages. It takes no part in comparing configurations.

    Attributes:
        folder: What paths in the settings are relative to.
        file: The file, if they came from one.
        lines: Line of each key in the file.
        given_apart: Keys that were given beside the file and replace what it says.
    """

    folder: Path = field(default=Path(), compare=False)
    file: Path | None = field(default=None, compare=False)
    lines: Mapping[Keys, int] = field(default_factory=dict, compare=False)
    given_apart: tuple[Keys, ...] = field(default=(), compare=False)

    def where(self, keys: Keys) -> str:
        """``file:line`` of the key, or of the nearest key above it; else the dotted key."""
        apart = any(keys[: len(key)] == key for key in self.given_apart)
        if self.file is None or apart:
            return ".".join(str(key) for key in keys)
        for end in range(len(keys), 0, -1):
            if line := self.lines.get(keys[:end]):
                return f"{self.file}:{line}"
        return str(self.file)


def plain(value: Any) -> Any:
    """Settings given in Python as YAML would hold them: no tuples, paths or NumPy scalars."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return str(value) if isinstance(value, Path) else value


def merged(base: Settings, over: Settings) -> Settings:
    """``base`` with the leaves of ``over`` in their places."""
    result = dict(base)
    for key, value in over.items():
        under = result.get(key)
        if isinstance(value, dict) and isinstance(under, dict):
            result[key] = merged(under, value)
        else:
            result[key] = value
    return result


def leaves(settings: Settings, at: Keys = ()) -> Iterator[Keys]:
    """The paths of keys down to everything that is no mapping."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*at, key))
        else:
            yield (*at, key)
