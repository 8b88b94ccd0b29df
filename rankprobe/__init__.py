"""Measure how complex a task is: the smallest adapter rank that keeps up with full training.

Examples:
    ``rankprobe.measure("dataset.yaml").minimal_rank.value``

    ``rankprobe.measure(x, y, search={"repeats": 3}).plot()``

    ``rankprobe.compare("runs/letters", "runs/digits").frame()``
"""

from __future__ import annotations

from rankprobe.api import compare, measure, seed_gated
from rankprobe.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    RankprobeError,
    StoreError,
    TrainingError,
)
from rankprobe.records import Result
from rankprobe.records.comparison import Comparison
from rankprobe.records.grid import Grid
from rankprobe.result_file import load_result

__version__ = "0.1.0"

__all__ = [
    "ArtifactError",
    "Comparison",
    "ConfigError",
    "DataError",
    "Grid",
    "RankprobeError",
    "Result",
    "StoreError",
    "TrainingError",
    "compare",
    "load_result",
    "measure",
    "seed_gated",
]
