"""Losses: their gradient for every member of a cohort, and what of the outputs is scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Objective = Literal["classification", "regression", "next_token"]


def loss_gradient(
    outputs: Tensor, target: Tensor, weights: Tensor | None = None, *, gaps: bool = False
) -> Tensor:
    """Gradient, with respect to the outputs, of each member's mean loss on a batch.

    Nobody asks for the loss itself, so it is not computed.

    Args:
        outputs: (members, batch, ..., outputs).
        target: (batch, ...) class indices, -1 where there is nothing to predict, or
            (batch, ..., outputs) values, NaN where there is none, shared by all members; or the
            same with a first axis of members.
        weights: (outputs,) weights of the classes. As with torch's ``pos_weight``, the weighted
            losses are divided by the number of examples, not by the sum of their weights.
        gaps: Whether there may be nothing to predict somewhere.

    Returns:
        The shape of the outputs, of cross-entropy or of the squared error.
    """
    outputs = outputs.detach()
    if target.is_floating_point():
        return _squared_error_gradient(outputs, target, gaps=gaps)
    labels = target.expand(outputs.shape[:-1]).unsqueeze(-1)
    if gaps:
        absent, labels = labels < 0, labels.clamp_min(0)
    minus_one = outputs.new_full((), -1.0).expand_as(labels)
    gradient = outputs.softmax(dim=-1).scatter_add_(-1, labels, minus_one)
    if weights is not None:
        gradient *= weights[labels]
    if not gaps:
        return gradient.div_(labels[0].numel())
    present = (~absent).flatten(1).sum(dim=1).clamp_min(1)
    each = present.view(-1, *(1 for _ in outputs.shape[1:]))
    return gradient.masked_fill_(absent, 0.0).div_(each)


def _squared_error_gradient(outputs: Tensor, target: Tensor, *, gaps: bool) -> Tensor:
    difference = outputs - target
    if not gaps:
        return difference.mul_(2 / outputs[0].numel())
    absent = target.isnan().expand(outputs.shape)
    present = (~absent).flatten(1).sum(dim=1).clamp_min(1)
    each = present.view(-1, *(1 for _ in outputs.shape[1:]))
    return difference.masked_fill_(absent, 0.0).mul_(2).div_(each)


def scored_outputs(objective: Objective, outputs: Tensor, target: Tensor) -> Tensor:
    """What a metric is told of the outputs of some examples.

    Args:
        objective: Of the task.
        outputs: (members, n, ..., outputs).
        target: The targets of these examples.

    Returns:
        The outputs; for ``next_token``, where a vocabulary is too much to hand on, (members, n, 2):
        the sum of negative log-likelihoods of each example's tokens, in nats, and their number.
    """
    if objective != "next_token":
        return outputs
    members = len(outputs)
    labels = target.expand(members, *target.shape)
    losses = F.cross_entropy(
        outputs.flatten(0, -2), labels.flatten(), ignore_index=-1, reduction="none"
    )
    sums = losses.view(labels.shape).flatten(2).sum(dim=2)
    counts = (labels >= 0).flatten(2).sum(dim=2)
    return torch.stack([sums, counts.to(sums)], dim=2)


def class_weights(
    wanted: Literal["none", "balanced"] | Sequence[float], labels: Tensor, classes: int
) -> Tensor | None:
    """Weights of the classes, (classes,); ``None`` where all are one.

    Args:
        wanted: ``balanced``: n / (classes * n_c), so that all classes weigh the same in all and
            the mean weight is 1; or the weights.
        labels: (n,) training labels.
        classes: Number of classes.
    """
    if wanted == "none":
        return None
    if wanted == "balanced":
        counts = torch.bincount(labels, minlength=classes)
        return len(labels) / (classes * counts.clamp_min(1).to(torch.float32))
    return torch.tensor([float(weight) for weight in wanted])
