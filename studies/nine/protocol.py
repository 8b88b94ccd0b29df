"""What differs between the two protocols of a study: read from its settings, never by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rankprobe.config import TaskConfig
from rankprobe.config_rules import completed, spelled_out
from studies.markdown import table
from studies.nine.kinds import Kind

# Settings that say where data lies or what its columns are called, not how it is measured.
_NAMES = {
    "name",
    *(
        f"data.{key}"
        for key in ("path", "labels", "edges", "id", "time", "channel", "value", "smiles")
    ),
    *(f"data.{key}" for key in ("features", "target", "environment")),
}


def block(kind: Kind, root: Path) -> str:
    """A row a setting whose value is another in ``paper.yaml`` than in ``dataset.yaml``."""
    paper, small = (
        settings(root / kind.study / file) for file in ("paper.yaml", kind.measurement.file)
    )
    rows = [
        [f"`{key}`", _words(paper.get(key)), _words(small.get(key))]
        for key in dict.fromkeys([*paper, *small])
        if key not in _NAMES and paper.get(key) != small.get(key)
    ]
    return table(["setting", "paper.yaml", "dataset.yaml"], rows)


def settings(file: Path) -> dict[str, Any]:
    """Every setting of a file by its dotted key, those that it leaves at their default too."""
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    config = TaskConfig.model_validate(completed(spelled_out(document), file.stem))
    return _flat(config.model_dump(mode="json"))


def _flat(group: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in group.items():
        nested = isinstance(value, dict) and key != "learning_rate"
        flat |= _flat(value, f"{prefix}{key}.") if nested else {prefix + key: value}
    return flat


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_words(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "by default"
    return f"{value:g}" if isinstance(value, float) else str(value)
