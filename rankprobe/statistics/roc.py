"""Area under the ROC curve, in O(n log n), with each example's influence on it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import DataError

Array = NDArray[Any]
Values = NDArray[np.float64]


def log_odds(outputs: Array, target: Array) -> Array:  # noqa: ARG001
    """Log of p/(1-p) of each class, (n, classes) float32; of class 1, (n,), for two classes.

    Only the order of scores matters to a ROC curve; probabilities would tie at 1.

    Args:
        outputs: Logits, (n, classes).
        target: Unused; a metric may need it.
    """
    logits = np.asarray(outputs, dtype=np.float64)
    if logits.shape[1] == 2:
        return np.asarray(logits[:, 1] - logits[:, 0], dtype=np.float32)
    rows, top = np.arange(len(logits)), logits.argmax(axis=1)
    best = logits[rows, top]
    weights = np.exp(logits - best[:, None])
    others = weights.sum(axis=1, keepdims=True) - weights
    # The best class against the rest needs its own sum: 1 + rest - 1 would lose the rest.
    rest = logits.copy()
    rest[rows, top] = -np.inf
    second = rest.max(axis=1)
    log_rest = second + np.log(np.exp(rest - second[:, None]).sum(axis=1))
    others[rows, top] = 1.0
    odds = logits - best[:, None] - np.log(others)
    odds[rows, top] = best - log_rest
    return np.asarray(odds, dtype=np.float32)


def _midranks(scores: Array) -> Values:
    """Ranks from 1, ties sharing their mean."""
    _, index, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[index], dtype=np.float64)


def _placements(scores: Array, positive: NDArray[np.bool_]) -> Values:
    """Influence values of the area under one ROC curve, from DeLong's placement values.

    E. DeLong et al., Biometrics 44 (1988) 837; in O(n log n) by midranks, as in X. Sun and
    W. Xu, IEEE Signal Processing Letters 21 (2014) 1389.
    """
    n, ups = len(scores), int(positive.sum())
    downs = n - ups
    placed = _midranks(scores)
    placed[positive] = (placed[positive] - _midranks(scores[positive])) / downs
    placed[~positive] = 1.0 - (placed[~positive] - _midranks(scores[~positive])) / ups
    area = placed[positive].mean()
    weights = np.where(positive, n / ups, n / downs)
    values: Values = area + weights * (placed - area)
    return values


def auroc(scores: Array, target: Array) -> Values:
    """Influence values of the area under the ROC curve, (n,); one-vs-rest mean over classes.

    Raises:
        DataError: The targets hold a single class.
    """
    classes = _at_least_two_classes(target)
    if scores.ndim == 1:
        return _placements(scores, target == 1)
    total = np.zeros(len(target))
    for label in classes:
        total += _placements(scores[:, label], target == label)
    return total / len(classes)


def chance_auroc(train_target: Array, target: Array) -> Values:  # noqa: ARG001
    """One half for every example, (n,).

    Raises:
        DataError: The targets hold a single class.
    """
    _at_least_two_classes(target)
    return np.full(len(target), 0.5)


def _at_least_two_classes(target: Array) -> Array:
    classes = np.unique(target)
    if len(classes) < 2:
        raise DataError(
            f"auroc needs at least two classes in every split, but one of {len(target)} "
            f"examples holds only class {classes[0]}; use a larger or stratified split, or write "
            "`metric: accuracy`"
        )
    return classes
