"""What one process needs to train and score members of a task."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rankprobe.data.task import Task
from rankprobe.errors import TrainingError
from rankprobe.lowrank import count_trainable
from rankprobe.records import Member, Run
from rankprobe.search.cohorts import Bytes, Cohort, compose
from rankprobe.statistics.metrics import METRICS, standard_error
from rankprobe.training import Score, TrainingData, TrainingProtocol, train
from rankprobe.training.chance import draws_masks
from rankprobe.training.loop import batches_per_epoch
from rankprobe.training.rollout import Rollouts
from rankprobe.user_code import UserCode

Tick = Callable[[int], None]


@dataclass(eq=False)
class Bench:
    """Backbone, data and protocol together; tensors are made once in each process.

    Attributes:
        backbone: The network.
        task: The data.
        protocol: How to train.
        code: The code of the user's that defines the network, if any.
        keep: Largest size in bytes of trained tensors that come back with a run.
    """

    backbone: nn.Module
    task: Task
    protocol: TrainingProtocol
    code: UserCode | None = None
    keep: int = 0
    _data: TrainingData | None = field(default=None, repr=False)

    @cached_property
    def parameters(self) -> int:
        """Number of weights of the backbone."""
        return count_trainable(self.backbone)

    @cached_property
    def draws_masks(self) -> bool:
        """Whether the backbone draws random numbers while training, as dropout does."""
        return draws_masks(self.backbone, torch.from_numpy(self.task.train.x[:32]))

    def cohorts(self, members: Iterable[Member], *, bytes_of: Bytes) -> list[Cohort]:
        """Who of the members trains with whom."""
        return compose(
            members,
            bytes_of=bytes_of,
            parameters=self.parameters,
            draws_masks=self.draws_masks or bool(self.task.context),
        )

    def training_data(self) -> TrainingData:
        """The task as tensors on the protocol's device."""
        data = TrainingData.of(
            self.task, device=self.protocol.device, weights=self.protocol.class_weights
        )
        if self.task.metric != "episode_return":
            return data
        return replace(data, rollout=Rollouts(self.task, data, self))

    def train(
        self,
        members: Sequence[Member],
        tick: Tick | None = None,
        protocols: Sequence[TrainingProtocol] = (),
    ) -> tuple[Run, ...]:
        """Train a cohort, or a baseline alone; ``protocols`` are as `rankprobe.training.train`."""
        if self._data is None:
            self._data = self.training_data()
        return train(
            members,
            backbone=self.backbone,
            data=self._data,
            protocol=self.protocol,
            score=self,
            tick=tick,
            keep=self.keep,
            protocols=protocols,
        )

    def compact(self, outputs: NDArray[Any], target: NDArray[Any]) -> NDArray[Any]:
        """What the metric keeps of outputs in original units."""
        return METRICS[self.task.metric].compact(outputs, target)

    def __call__(self, split: Literal["validation", "test"], predictions: NDArray[Any]) -> Score:
        """Score what was kept of a split's outputs, in the task's metric."""
        values = METRICS[self.task.metric].influence(predictions, self.targets(split))
        return Score(float(values.mean()), standard_error(values), predictions)

    def targets(self, split: Literal["train", "validation", "test"]) -> NDArray[Any]:
        """What the metric compares with: targets, or nothing for each episode of a policy."""
        if self.task.metric == "episode_return":
            assert self.task.environment is not None
            return np.zeros(self.task.environment.episodes)
        values: NDArray[Any] = getattr(self.task, split).y
        return values

    def steps(self, member: Member) -> int:
        """Optimiser steps of a member."""
        return member.epochs * batches_per_epoch(len(self.task.train), self.protocol.batch_size)

    def __getstate__(self) -> dict[str, Any]:
        network = pickle.dumps(self.backbone)  # apart, for its classes may be the user's code
        return {**self.__dict__, "_data": None, "backbone": network}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if state["code"] is not None:
            state["code"].function(TrainingError)
        # What this reads, the coordinator has just written.
        self.__dict__ = {**state, "backbone": pickle.loads(state["backbone"])}  # noqa: S301
