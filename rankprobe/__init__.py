"""Measure how complex a task is: the smallest adapter rank that keeps up with full training.

Examples:
    ``rankprobe.measure("dataset.yaml").minimal_rank.value``

    ``rankprobe.measure(x, y, search={"repeats": 3}).plot()``

    ``rankprobe.compare("runs/letters", "runs/digits").frame()``

    ``rankprobe.load("model.safetensors")``
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rankprobe.api import measure, seed_gated
from rankprobe.api_compare import compare
from rankprobe.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    RankprobeError,
    StoreError,
    TrainingError,
)
from rankprobe.readings import capacity, transition
from rankprobe.records import Result
from rankprobe.records.capacity import Capacity
from rankprobe.records.comparison import Comparison
from rankprobe.records.grid import Grid
from rankprobe.records.transition import Transition
from rankprobe.result_file import load_result

if TYPE_CHECKING:
    from rankprobe.artifact.merging import merge
    from rankprobe.artifact.reading import load

__version__ = "0.1.0"

__all__ = [
    "ArtifactError",
    "Capacity",
    "Comparison",
    "ConfigError",
    "DataError",
    "Grid",
    "RankprobeError",
    "Result",
    "StoreError",
    "TrainingError",
    "Transition",
    "capacity",
    "compare",
    "load",
    "load_result",
    "measure",
    "merge",
    "seed_gated",
    "transition",
]

_WITH_TORCH = {"load": "reading", "merge": "merging"}


def __getattr__(name: str) -> Any:
    """Names that need torch are imported when they are first used."""
    if name not in _WITH_TORCH:
        raise AttributeError(f"module `rankprobe` has no attribute `{name}`")
    from importlib import import_module

    return getattr(import_module(f"rankprobe.artifact.{_WITH_TORCH[name]}"), name)
