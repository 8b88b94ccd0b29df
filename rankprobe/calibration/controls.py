"""Controls: tasks whose targets were shuffled, so that there is nothing to learn and no rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rankprobe.calibration.linear import Arrays


@dataclass(frozen=True)
class ControlTask:
    """A task with shuffled targets, as its parameters.

    Attributes:
        classes: Number of classes; 0 for a regression.
        d: Number of inputs.
        m: Number of outputs of a regression.
        n: Number of examples.
        seed: Of the inputs, the targets and the shuffle.
    """

    classes: int
    d: int = 16
    m: int = 2
    n: int = 1000
    seed: int = 0

    @property
    def name(self) -> str:
        """A name that no other task has, fit for a folder."""
        what = f"classes{self.classes}" if self.classes else f"outputs{self.m}"
        return f"control-{what}-d{self.d}-n{self.n}-seed{self.seed}"

    @property
    def student(self) -> dict[str, Any]:
        """Settings of a measurement: a network smaller than the default one, to save time."""
        return {"backbone": {"family": "mlp", "hidden": [32, 16]}}


def plant_control(task: ControlTask) -> Arrays:
    """Inputs, and the targets that a linear rule gives to other inputs."""
    random = np.random.default_rng(task.seed)
    x = random.standard_normal((task.n, task.d)).astype(np.float32)
    rule = random.standard_normal((task.d, task.classes or task.m))
    values = x @ rule
    y = values.argmax(axis=1) if task.classes else values.astype(np.float32)
    return Arrays(x, y[random.permutation(task.n)], task.n)
