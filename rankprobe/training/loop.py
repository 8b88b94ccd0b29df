"""The training loop: one for cohorts and baselines alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rankprobe.lowrank.randomness import Key, integer_seed, permutation
from rankprobe.training.augmentation import augmented
from rankprobe.training.objectives import loss_gradient, scored_outputs

if TYPE_CHECKING:
    from rankprobe.training.data import TrainingData
    from rankprobe.training.protocol import Score, Scorer, TrainingProtocol
    from rankprobe.training.trainees import Cohort

CHECKPOINTS = 8  # evenly spaced evaluations on the validation split, the last step included


def fit(
    cohort: Cohort,
    data: TrainingData,
    protocol: TrainingProtocol,
    score: Scorer,
    *,
    epochs: int,
    tick: Callable[[int], None] | None = None,
) -> list[tuple[float, list[Score | None]]]:
    """Train to the end.

    Data order and dropout masks depend on (seed, repeat, step) alone, so members of one
    repeat share them whatever cohort they are in. Seeds torch's own generators: the caller
    forks them.

    Returns:
        (epoch, one validation score a member, ``None`` where there is none) at
        `CHECKPOINTS` evenly spaced steps; at the last step alone where policies are rolled out.
    """
    batches = Batches(data, protocol, cohort.repeats)
    total = epochs * batches.per_epoch
    looks = 1 if data.rollout is not None else CHECKPOINTS  # rolling out takes long
    checkpoints = {math.ceil(total * k / looks) for k in range(1, looks + 1)}
    history: list[tuple[float, list[Score | None]]] = []
    for step in range(total):
        x, y = batches.at(step)
        cohort.begin(step, batches.per_epoch)
        outputs = cohort.outputs(x, batches.mask_seed(step), apart=batches.apart)
        gradient = loss_gradient(outputs, y, data.class_weights, gaps=data.gaps)
        outputs.backward(gradient)  # type: ignore[no-untyped-call]
        cohort.update(batches.rate_factor(step, total))
        if step + 1 in checkpoints:
            scores = evaluated(cohort, data, score, "validation")
            history.append(((step + 1) / batches.per_epoch, scores))
            if all(value is None for value in scores):
                break
        if tick is not None and (step + 1) % 16 == 0:
            tick(16 * cohort.size)
    return history


def batches_per_epoch(examples: int, size: int) -> int:
    """Batches an epoch; a last one of a single example joins the one before.

    Batch normalisation has nothing to say about a single example.
    """
    whole, rest = divmod(examples, size)
    return max(1, whole + (rest > 1 or (rest == 1 and size == 1)))


class Batches:
    """The batches of a cohort: every member's are those of its repeat.

    Args:
        data: The task.
        protocol: Seed and size of a batch, and the schedule.
        repeats: Repeats, one a member.

    Attributes:
        apart: Whether there are several repeats, so that every member has a batch of its own.
        per_epoch: Batches an epoch.
    """

    def __init__(
        self, data: TrainingData, protocol: TrainingProtocol, repeats: Sequence[int]
    ) -> None:
        self.data, self.protocol = data, protocol
        self.seed, self.size = protocol.seed, protocol.batch_size
        self.repeats = sorted(set(repeats))
        self.apart = len(self.repeats) > 1
        self.per_epoch = batches_per_epoch(len(data.train_x), self.size)
        device = data.train_x.device
        self._of = torch.tensor([self.repeats.index(k) for k in repeats], device=device)
        self._epoch, self._orders = -1, self._of

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a step, (batch, ...), or (members, batch, ...) when apart."""
        epoch, index = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            n, device = len(self.data.train_x), self.data.train_x.device
            keys: list[Key] = [["order", self.seed, k, epoch] for k in self.repeats]
            orders = np.stack([permutation(key, n) for key in keys])
            self._epoch, self._orders = epoch, torch.from_numpy(orders).to(device)
        last = index == self.per_epoch - 1
        rows = self._orders[:, index * self.size : None if last else (index + 1) * self.size]
        x = self._augmented(self._rows(self.data.train_x, rows), step)
        y = self._rows(self.data.train_y, rows)
        if not self.apart:
            return x[0], y[0]
        # Members get copies of their repeat's batch in one piece: faster than row by row.
        return x.index_select(0, self._of), y.index_select(0, self._of)

    def _rows(self, values: Tensor, rows: Tensor) -> Tensor:
        """(repeats, batch, ...)."""
        return values.index_select(0, rows.reshape(-1)).view(*rows.shape, *values.shape[1:])

    def _augmented(self, x: Tensor, step: int) -> Tensor:
        if self.data.augment == "none":
            return x
        seeds = [integer_seed(["augment", self.seed, k, step]) for k in self.repeats]
        return torch.stack(
            [
                augmented(batch, self.data.augment, seed)
                for batch, seed in zip(x, seeds, strict=True)
            ]
        )

    def rate_factor(self, step: int, total: int) -> float:
        """Learning rate at a step of so many, as a share of the peak rate: `rate_factor`."""
        protocol = self.protocol
        return rate_factor(
            step,
            total,
            protocol.schedule,
            per_epoch=self.per_epoch,
            decay=protocol.decay,
            warmup=protocol.warmup,
        )

    def mask_seed(self, step: int) -> int:
        """Seed of a step's dropout masks; several repeats have no masks, and get any."""
        return integer_seed(["mask", self.seed, self.repeats[0], step])


def rate_factor(
    step: int,
    total: int,
    schedule: str,
    *,
    per_epoch: int = 1,
    decay: float = 0.9,
    warmup: float = 0.0,
) -> float:
    """Learning rate at a step, as a share of the peak rate: linear warm-up, then the schedule.

    Args:
        step: From 0.
        total: Number of steps.
        schedule: ``cosine`` to zero, ``constant``, or ``exponential``.
        per_epoch: Steps an epoch.
        decay: Factor after every epoch, of ``exponential``.
        warmup: Share of all steps.
    """
    warming = math.ceil(warmup * total)
    if step < warming:
        return (step + 1) / (warming + 1)
    if schedule == "constant":
        return 1.0
    if schedule == "exponential":
        return float(decay ** ((step - warming) // per_epoch))
    return 0.5 * (1 + math.cos(math.pi * (step - warming) / (total - warming)))


def evaluated(
    cohort: Cohort, data: TrainingData, score: Scorer, split: Literal["validation", "test"]
) -> list[Score | None]:
    """One score a member; ``None`` where outputs or the score are not finite.

    Outputs are handed on part by part, so that none of their full number is ever held.
    """
    if data.rollout is not None:
        return data.rollout(cohort, split)
    x, y = data.held_out(split)
    kept: list[list[NDArray[Any]]] = [[] for _ in range(cohort.size)]
    finite = [True] * cohort.size
    start = 0
    for outputs in cohort.evaluate(x):
        target = y[start : start + outputs.shape[1]]
        start += outputs.shape[1]
        good = outputs.isfinite().flatten(1).all(dim=1).tolist()
        values = scored_outputs(data.objective, outputs * data.scale + data.shift, target)
        of_target = target.cpu().numpy()
        for index, value in enumerate(values.cpu().numpy()):
            finite[index] = finite[index] and good[index]
            if finite[index]:
                kept[index].append(score.compact(value, of_target))
    scores = [
        score(split, np.concatenate(parts)) if good else None
        for parts, good in zip(kept, finite, strict=True)
    ]
    return [None if value is None or not math.isfinite(value.value) else value for value in scores]
