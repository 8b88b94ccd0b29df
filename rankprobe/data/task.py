"""The task: arrays, splits, metric and content hash, whatever source they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Objective = Literal["classification", "regression"]


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a task.

    Attributes:
        x: Inputs, (n, ...), float32.
        y: Targets: (n,) int64 class indices, or (n, outputs) float32 in original units.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Task:
    """A task, ready to train on. Statistics of preprocessing come from ``train`` alone.

    Attributes:
        name: Name of the task.
        objective: ``classification`` or ``regression``.
        metric: Name of the metric, a key of `rankprobe.statistics.metrics.METRICS`.
        train: Training split.
        validation: Split that learning rates are chosen on.
        test: Split that scores are reported on.
        outputs: Number of outputs of the network: classes, or columns of the target.
        classes: Names of the classes, in the order of their indices; empty for regression.
        flags: ``imbalanced``, ``duplicates_across_splits`` or ``mostly_duplicates``,
            ``time_across_splits``.
        preprocessing: How raw columns became inputs, for people: name to description.
        division: How the examples were divided, for people.
    """

    name: str
    objective: Objective
    metric: str
    train: Split
    validation: Split
    test: Split
    outputs: int
    classes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    preprocessing: Mapping[str, str] | None = None
    division: str = ""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.train.x.shape[1:]

    @property
    def hash(self) -> str:
        """sha256 over everything that decides a score: arrays, splits, objective, metric."""
        digest = hashlib.sha256(f"{self.objective}|{self.metric}|{self.outputs}".encode())
        for split in (self.train, self.validation, self.test):
            for array in (split.x, split.y):
                digest.update(f"|{array.dtype.str}{array.shape}|".encode())
                digest.update(np.ascontiguousarray(array).view(np.uint8).data)
        return digest.hexdigest()
