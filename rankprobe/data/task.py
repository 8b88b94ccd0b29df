"""The task: arrays, splits, metric and content hash, whatever source they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Objective = Literal["classification", "regression", "next_token"]
Kind = Literal["numbers", "tokens", "series", "graphs", "nodes", "windows"]
Sizes = Mapping[str, int | tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class Split:
    """One split of a task.

    Attributes:
        x: Inputs, (n, ...): float32, or int64 for tokens and indices.
        y: Targets: (n,) int64 class indices; (n, outputs) or (n, steps, outputs) float32 in
            original units, NaN where there is nothing to predict; (n, length) int64 next tokens,
            -1 where there is none.
    """

    x: NDArray[Any]
    y: NDArray[Any]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Environment:
    """Where a policy acts.

    Attributes:
        name: Name of a gymnasium environment.
        target_return: Return that the policy is asked for, in the environment's units.
        expert_return: Mean return of what it learned from: 100 % of a score.
        random_return: Mean return of random actions: 0 % of a score.
        return_scale: Divisor of returns in the inputs.
        state_mean: Mean of each state feature in training, taken off in the inputs.
        state_scale: Divisor of each state feature.
        episodes: Episodes that a score is the mean of.
    """

    name: str
    target_return: float
    expert_return: float
    random_return: float
    return_scale: float
    state_mean: tuple[float, ...]
    state_scale: tuple[float, ...]
    episodes: int = 10


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
        kind: How an example is to be read; see `rankprobe.backbones.Inputs`.
        sizes: What the shape of an example does not tell.
        context: Arrays that all examples share, such as a graph.
        augment: What is done to a batch of pictures while training.
        environment: Where a policy is rolled out, for the metric ``episode_return``.
        fitted: Preprocessing as JSON, by which new data become inputs; see
            `rankprobe.data.fitted`. ``None`` where it cannot be written so.
        notes: What of the data was left out, a sentence each, for people.
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
    kind: Kind = "numbers"
    sizes: Sizes = field(default_factory=dict)
    context: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    augment: str = "none"
    environment: Environment | None = None
    fitted: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return self.train.x.shape[1:]

    @property
    def hash(self) -> str:
        """sha256 over everything that decides a score: arrays, splits, objective, metric."""
        digest = hashlib.sha256(f"{self.objective}|{self.metric}|{self.outputs}".encode())
        if self.kind != "numbers" or self.augment != "none":  # others have hashes from before
            sizes = sorted(self.sizes.items())
            digest.update(f"|{self.kind}|{self.augment}|{sizes}|{self.environment}".encode())
        for name in sorted(self.context):
            array = self.context[name]
            digest.update(f"|{name}|{array.dtype.str}{array.shape}|".encode())
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
        for split in (self.train, self.validation, self.test):
            for array in (split.x, split.y):
                digest.update(f"|{array.dtype.str}{array.shape}|".encode())
                digest.update(np.ascontiguousarray(array).view(np.uint8).data)
        return digest.hexdigest()
