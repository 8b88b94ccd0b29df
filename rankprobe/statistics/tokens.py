"""Scores of language models: per token, while texts are the examples that are resampled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Values = NDArray[np.float64]

_LARGEST = 300.0  # nats a token: exp of more is no number, or its square is none


def token_losses(outputs: Array, target: Array) -> Array:  # noqa: ARG001
    """Summed negative log-likelihood, in nats, and number of tokens of each text, (n, 2)."""
    return np.asarray(outputs, dtype=np.float32)


def cross_entropy(losses: Array, target: Array) -> Values:  # noqa: ARG001
    """Mean loss of a token, a ratio of means over texts, linearised, (n,)."""
    sums, counts = (np.asarray(losses[:, k], dtype=np.float64) for k in (0, 1))
    ratio = sums.sum() / counts.sum()
    values: Values = ratio + (sums - ratio * counts) / counts.mean()
    return values


def perplexity(losses: Array, target: Array) -> Values:
    """Exp of the mean loss of a token, linearised, (n,); infinite where it overflows."""
    return _exponential(cross_entropy(losses, target))


def chance_cross_entropy(train_target: Array, target: Array) -> Values:
    """Loss of the training frequencies of tokens, half a token added to each, (n,)."""
    size = int(max(train_target.max(), target.max())) + 1
    counts = np.bincount(train_target[train_target >= 0], minlength=size) + 0.5
    losses = -np.log(counts / counts.sum())
    there = target >= 0
    sums = np.where(there, losses[np.where(there, target, 0)], 0.0).sum(axis=1)
    return cross_entropy(np.stack([sums, there.sum(axis=1)], axis=1), target)


def chance_perplexity(train_target: Array, target: Array) -> Values:
    """Exp of `chance_cross_entropy`, linearised, (n,)."""
    return _exponential(chance_cross_entropy(train_target, target))


def _exponential(values: Values) -> Values:
    """Exp of a mean, as values whose mean it is: exp(m) (1 + v_i - m)."""
    mean = float(values.mean())
    if mean >= _LARGEST:
        return np.full(len(values), np.inf)
    influence: Values = np.exp(mean) * (1.0 + values - mean)
    return influence
