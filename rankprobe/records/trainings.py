"""Trainings: what is asked for, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

Status = Literal["finished", "diverged", "failed"]


@dataclass(frozen=True, order=True)
class Member:
    """One training: a rank, a learning rate, a repeat and a scaffold.

    Attributes:
        rank: Adapter rank; 0 trains what is trained beside adapters, the head; ``None`` is the
            baseline (every weight).
        learning_rate: Peak learning rate.
        repeat: Index of the repeat: initialisation, data order and dropout masks.
        epochs: Passes over the training split.
        scaffold: Index of the scaffold seed (`rankprobe.lowrank.Scaffold.sibling`), not the
            seed; 0 for the baseline, which has no frozen weights.
    """

    rank: int | None
    learning_rate: float
    repeat: int
    epochs: int
    scaffold: int = 0


def scaffold_index(rank: int | None, repeat: int, scaffolds: int) -> int:
    """Index of the scaffold seed that a repeat of a rank uses, of so many: they take turns."""
    return 0 if rank is None else repeat % scaffolds


@dataclass(frozen=True)
class Run:
    """What became of one member. Scores are in the task's metric, in its own units.

    Attributes:
        member: The member that was trained.
        status: ``finished``, or why there is no score.
        reason: One sentence when the status is not ``finished``.
        validation: Metric on the validation split after the last step.
        validation_error: Its standard error over the validation examples.
        test: Metric on the test split after the last step.
        history: (epoch, validation metric) at a few evenly spaced epochs, the last included.
        trainable: Number of trained parameters.
        seconds: Its share of the wall time of its cohort.
        predictions: Test predictions in the metric's compact form
            (`rankprobe.statistics.metrics.Metric.compact`); first axis: test examples.
        tensors: Trained tensors by parameter name in the network that was trained, float32, at
            the member's own rank, and running statistics by buffer name; ``None`` where they
            are not kept.
    """

    member: Member
    status: Status
    reason: str = ""
    validation: float | None = None
    validation_error: float | None = None
    test: float | None = None
    history: tuple[tuple[float, float], ...] = ()
    trainable: int = 0
    seconds: float = 0.0
    predictions: NDArray[Any] | None = field(default=None, repr=False, compare=False)
    tensors: Mapping[str, NDArray[Any]] | None = field(default=None, repr=False, compare=False)
