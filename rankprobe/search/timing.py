"""How long a cohort's training takes here: a few steps and some of an evaluation, timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from numpy.typing import NDArray

from rankprobe.records import Member
from rankprobe.search.bench import Bench
from rankprobe.training import Score, TrainingData
from rankprobe.training.build import build_cohort
from rankprobe.training.loop import CHECKPOINTS, Batches, evaluated
from rankprobe.training.objectives import loss_gradient
from rankprobe.training.rollout import Rollouts
from rankprobe.training.trainees import Cohort

_STEPS = 3  # timed steps of a cohort, after one that warms up
_ACTIONS = 8  # timed steps of episodes, after the first


@dataclass(frozen=True)
class Times:
    """Seconds that a cohort's training takes.

    Attributes:
        steps: In optimiser steps.
        evaluations: On the validation split at every checkpoint, and on the test split.
    """

    steps: float
    evaluations: float


def cohort_times(bench: Bench, data: TrainingData, members: Sequence[Member]) -> Times:
    """What a cohort takes; its steps are the median of a few."""
    with _forked(bench):
        cohort = _built(bench, data, members)
        step = sorted(_steps(bench, data, members, cohort, _STEPS + 1)[1:])[_STEPS // 2]
        evaluations = _evaluations(bench, data, cohort, bench.steps(members[0]))
    return Times(step * bench.steps(members[0]), evaluations)


def one_step(bench: Bench, data: TrainingData, members: Sequence[Member]) -> None:
    """Step once, to see that it can be done."""
    with _forked(bench):
        _steps(bench, data, members, _built(bench, data, members), 1)


def _steps(
    bench: Bench, data: TrainingData, members: Sequence[Member], cohort: Cohort, count: int
) -> list[float]:
    batches = Batches(data, bench.protocol, [member.repeat for member in members])
    times = []
    for step in range(count):
        start = time.perf_counter()
        x, y = batches.at(step)
        outputs = cohort.outputs(x, batches.mask_seed(step), apart=batches.apart)
        gradient = loss_gradient(outputs, y, data.class_weights, gaps=data.gaps)
        outputs.backward(gradient)  # type: ignore[no-untyped-call]
        cohort.update(1.0)
        times.append(time.perf_counter() - start)
    return times


def _evaluations(bench: Bench, data: TrainingData, cohort: Cohort, steps: int) -> float:
    """Seconds of all evaluations of a training of so many steps."""
    if isinstance(data.rollout, Rollouts):
        return 2 * _episodes(data, data.rollout, cohort)  # validated at the end, and tested
    x, y = data.validation_x, data.validation_y
    part = min(cohort.chunk(x), len(x))  # as much as is evaluated at once
    few = replace(data, validation_x=x[:part], validation_y=y[:part])
    examples = min(CHECKPOINTS, steps) * len(x) + len(data.test_x)
    return _seconds(cohort, few, _Unscored(bench)) * examples / part


def _episodes(data: TrainingData, rollouts: Rollouts, cohort: Cohort) -> float:
    """Seconds of all episodes of a split, were each as long as the longest that is known."""
    first, more = (
        _seconds(cohort, replace(data, rollout=rollouts.cut(length)), rollouts.score)
        for length in (1, 1 + _ACTIONS)
    )
    return first + max(0.0, more - first) / _ACTIONS * (rollouts.longest - 1)


def _seconds(cohort: Cohort, data: TrainingData, score: Any) -> float:
    """Seconds of an evaluation on the validation split, after one that warms up."""
    evaluated(cohort, data, score, "validation")
    start = time.perf_counter()
    evaluated(cohort, data, score, "validation")
    return time.perf_counter() - start


class _Unscored:
    """Keeps what the metric needs of outputs, and gives no score to a part of a split."""

    def __init__(self, bench: Bench) -> None:
        self.compact = bench.compact

    def __call__(self, _split: Literal["validation", "test"], predictions: NDArray[Any]) -> Score:
        return Score(0.0, 0.0, predictions)


def _built(bench: Bench, data: TrainingData, members: Sequence[Member]) -> Cohort:
    return build_cohort(bench.backbone, members, bench.protocol, data.train_x[:2], dtype=data.dtype)


def _forked(bench: Bench) -> Any:
    return torch.random.fork_rng(["cuda"] if bench.protocol.device.startswith("cuda") else [])
