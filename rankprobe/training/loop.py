"""The training loop: one for cohorts and baselines alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

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
    repeat: int,
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
    n = len(data.train_x)
    per_epoch = math.ceil(n / protocol.batch_size)
    total = epochs * per_epoch
    checkpoints = {math.ceil(total * k / CHECKPOINTS) for k in range(1, CHECKPOINTS + 1)}
    history: list[tuple[float, list[Score | None]]] = []
    for step in range(total):
        within = step % per_epoch
        if within == 0:
            key: Key = ["order", protocol.seed, repeat, step // per_epoch]
            order = torch.from_numpy(permutation(key, n)).to(data.train_x.device)
        rows = order[within * protocol.batch_size : (within + 1) * protocol.batch_size]
        seed = integer_seed(["mask", protocol.seed, repeat, step])
        outputs = cohort.outputs(data.train_x[rows], seed)
        loss(outputs, data.train_y[rows]).backward()  # type: ignore[no-untyped-call]
        cohort.update(rate_factor(step, total, protocol.schedule))
        if step + 1 in checkpoints:
            scores = _score(cohort.evaluate(data.validation_x), data, score)
            history.append(((step + 1) / per_epoch, scores))
            if all(value is None for value in scores):
                break
        if tick is not None and (step + 1) % 16 == 0:
            tick(16 * cohort.size)
    return history


def loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Sum over members of each member's mean loss on a batch.

    Args:
        outputs: (members, batch, outputs).
        target: (batch,) class indices, or (batch, outputs) values.
    """
    members, batch, width = outputs.shape
    if target.is_floating_point():
        return (outputs - target).square().sum() / (batch * width)
    labels = target.expand(members, batch).reshape(-1)
    return F.cross_entropy(outputs.reshape(-1, width), labels, reduction="sum") / batch


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
