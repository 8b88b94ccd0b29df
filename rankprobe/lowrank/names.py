"""Layers by name, where names may hold ``*``."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from rankprobe.errors import ConfigError, Problem


def covered(name: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern matches the name of a layer, or of a container that it is in."""
    parts = name.split(".")
    paths = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return any(fnmatchcase(path, pattern) for pattern in patterns for path in paths)


def check_patterns(setting: str, patterns: Sequence[str], names: Sequence[str]) -> None:
    """Every pattern covers a layer.

    Args:
        setting: Where the patterns were given, for the message.
        patterns: Names that may hold ``*``.
        names: Of all layers that may be meant.

    Raises:
        ConfigError: One that covers none; names the nearest layers.
    """
    problems = []
    for pattern in patterns:
        if not any(covered(name, [pattern]) for name in names):
            near = difflib.get_close_matches(pattern, names, n=4, cutoff=0.3) or list(names)[:4]
            problems.append(
                Problem(
                    f"`{setting}` names `{pattern}`, which no layer is called",
                    hint=f"nearest: {', '.join(near)}",
                )
            )
    if problems:
        raise ConfigError(problems)
