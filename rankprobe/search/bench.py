"""What one process needs to train and score members of a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray
from torch import nn

from rankprobe.data.task import Task
from rankprobe.records import Member, Run
from rankprobe.statistics.metrics import METRICS, standard_error
from rankprobe.training import Score, TrainingData, TrainingProtocol, train

Tick = Callable[[int], None]


@dataclass(eq=False)
class Bench:
    """Backbone, data and protocol together; tensors are made once in each process."""

    backbone: nn.Module
    task: Task
    protocol: TrainingProtocol
    _data: TrainingData | None = field(default=None, repr=False)

    def train(self, members: Sequence[Member], tick: Tick | None = None) -> tuple[Run, ...]:
        """Train a cohort, or a baseline alone."""
        if self._data is None:
            self._data = TrainingData.of(self.task, device=self.protocol.device)
        return train(
            members,
            backbone=self.backbone,
            data=self._data,
            protocol=self.protocol,
            score=self.score,
            tick=tick,
        )

    def score(self, split: Literal["validation", "test"], outputs: NDArray[Any]) -> Score:
        """Score outputs, (n, outputs) in original units, in the task's metric."""
        metric = METRICS[self.task.metric]
        target = getattr(self.task, split).y
        predictions = metric.compact(outputs, target)
        error = standard_error(metric, predictions, target)
        return Score(metric.score(predictions, target), error, predictions)

    def steps(self, member: Member) -> int:
        """Optimiser steps of a member."""
        return member.epochs * -(-len(self.task.train) // self.protocol.batch_size)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_data": None}
