"""Short names of a grid's combinations, fit for folders."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

_TAKEN = ("comparison", "cohorts.jsonl", "grid.json", "predictions", "sensitivity", "weights")


def names_of(vary: Mapping[str, Sequence[Any]]) -> list[str]:
    """A short name a combination, fit for a folder, from its values."""
    counts = Counter(word(value, "") for values in vary.values() for value in values)
    words = [
        [word(value, key if _needs_key(value, counts) else "") for value in values]
        for key, values in vary.items()
    ]
    names: list[str] = []
    for parts in product(*words):
        name = "-".join(parts)[:80].strip("-") or "combination"
        taken = {other.lower() for other in names}
        wanted, number = name, 2
        while name.lower() in taken or name.lower() in _TAKEN:
            name, number = f"{wanted}-{number}", number + 1
        names.append(name)
    return names


def _needs_key(value: Any, counts: Counter[str]) -> bool:
    """Whether a value says too little by itself: a number, a switch, a word used twice."""
    speaks = isinstance(value, str) or (isinstance(value, dict) and value)
    return not speaks or counts[word(value, "")] > 1


def word(value: Any, key: str) -> str:
    """A value as a part of a name, after its setting's own name where a key is given."""
    if isinstance(value, dict):
        parts = [
            word(item, "" if isinstance(item, str) else str(name)) for name, item in value.items()
        ]
        text = "-".join(parts) or "default"
    elif isinstance(value, list):
        text = "-".join(word(item, "") for item in value) or "none"
    elif isinstance(value, bool) or value is None:
        text = {True: "on", False: "off", None: "none"}[value]
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    text = re.sub(r"[^A-Za-z0-9_.+-]+", "_", text).strip("._-") or "value"
    return f"{key.rpartition('.')[2]}-{text}" if key else text
