"""The training loop: one for cohorts and baselines alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from rankprobe.lowrank.randomness import Key, integer_seed, permutation

if TYPE_CHECKING:
    from rankprobe.training.protocol import Score, Scorer, TrainingData, TrainingProtocol
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
        (epoch, one validation score a member, ``None`` where outputs are not finite) at
        `CHECKPOINTS` evenly spaced steps.
    """
    batches = Batches(data, protocol, cohort.repeats)
    total = epochs * batches.per_epoch
    checkpoints = {math.ceil(total * k / CHECKPOINTS) for k in range(1, CHECKPOINTS + 1)}
    history: list[tuple[float, list[Score | None]]] = []
    for step in range(total):
        x, y = batches.at(step)
        outputs = cohort.outputs(x, batches.mask_seed(step), apart=batches.apart)
        outputs.backward(loss_gradient(outputs, y))  # type: ignore[no-untyped-call]
        cohort.update(rate_factor(step, total, protocol.schedule))
        if step + 1 in checkpoints:
            scores = _score(cohort.evaluate(data.validation_x), data, score)
            history.append(((step + 1) / batches.per_epoch, scores))
            if all(value is None for value in scores):
                break
        if tick is not None and (step + 1) % 16 == 0:
            tick(16 * cohort.size)
    return history


class Batches:
    """The batches of a cohort: every member's are those of its repeat.

    Args:
        data: The task.
        protocol: Seed and size of a batch.
        repeats: Repeats, one a member.

    Attributes:
        apart: Whether there are several repeats, so that every member has a batch of its own.
        per_epoch: Batches an epoch.
    """

    def __init__(
        self, data: TrainingData, protocol: TrainingProtocol, repeats: Sequence[int]
    ) -> None:
        self.data, self.seed, self.size = data, protocol.seed, protocol.batch_size
        self.repeats = sorted(set(repeats))
        self.apart = len(self.repeats) > 1
        self.per_epoch = math.ceil(len(data.train_x) / self.size)
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
        rows = self._orders[:, index * self.size : (index + 1) * self.size]
        x, y = self._rows(self.data.train_x, rows), self._rows(self.data.train_y, rows)
        return (x, y) if self.apart else (x[0], y[0])

    def _rows(self, values: Tensor, rows: Tensor) -> Tensor:
        batches = values.index_select(0, rows.reshape(-1)).view(*rows.shape, *values.shape[1:])
        # Members get copies of their repeat's batch in one piece: faster than row by row.
        return batches.index_select(0, self._of) if self.apart else batches

    def mask_seed(self, step: int) -> int:
        """Seed of a step's dropout masks; several repeats have no masks, and get any."""
        return integer_seed(["mask", self.seed, self.repeats[0], step])


def loss_gradient(outputs: Tensor, target: Tensor) -> Tensor:
    """Gradient, with respect to the outputs, of each member's mean loss on a batch.

    Nobody asks for the loss itself, so it is not computed.

    Args:
        outputs: (members, batch, outputs).
        target: (batch,) class indices or (batch, outputs) values, shared by all members; or
            the same with a first axis of members.

    Returns:
        (members, batch, outputs), of cross-entropy or of the squared error.
    """
    outputs = outputs.detach()
    members, batch, width = outputs.shape
    if target.is_floating_point():
        return (outputs - target).mul_(2 / (batch * width))
    labels = target.expand(members, batch).unsqueeze(2)
    minus_one = outputs.new_full((), -1.0).expand_as(labels)
    return outputs.softmax(dim=2).scatter_add_(2, labels, minus_one).div_(batch)


def rate_factor(step: int, total: int, schedule: str) -> float:
    """Learning rate at a step, as a share of the peak rate."""
    return 1.0 if schedule == "constant" else 0.5 * (1 + math.cos(math.pi * step / total))


def _score(outputs: Tensor, data: TrainingData, score: Scorer) -> list[Score | None]:
    finite = outputs.isfinite().flatten(1).all(dim=1).tolist()
    values = (outputs * data.scale + data.shift).cpu().numpy()
    return [
        score("validation", value) if good else None
        for value, good in zip(values, finite, strict=True)
    ]
