"""Scores of predicted values: outputs pooled on one scale, gaps in a target left out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import DataError

Array = NDArray[Any]
Values = NDArray[np.float64]


def predictions(outputs: Array, target: Array) -> Array:  # noqa: ARG001
    """Predicted values as they are stored, float32."""
    return np.asarray(outputs, dtype=np.float32)


def squared_error(values: Array, target: Array) -> Values:
    """Mean squared error of each example over its outputs, (n,)."""
    return _row_means(np.square(_columns(values) - _columns(target)))


def chance_squared_error(train_target: Array, target: Array) -> Values:
    """Squared errors of the training mean, (n,)."""
    return _row_means(np.square(_columns(target) - _column_means(_columns(train_target))))


def r2(values: Array, target: Array) -> Values:
    """1 - error / spread, a ratio of means, linearised: (e_i - ratio * s_i) / spread."""
    error, spread = squared_error(values, target), _spread(target)
    ratio = error.mean() / spread.mean()
    influence: Values = 1.0 - ratio - (error - ratio * spread) / spread.mean()
    return influence


def chance_r2(train_target: Array, target: Array) -> Values:  # noqa: ARG001
    """Zeros, (n,).

    Raises:
        DataError: All targets are equal.
    """
    _spread(target)
    return np.zeros(len(target))


def _columns(values: Array) -> Values:
    return np.asarray(values, dtype=np.float64).reshape(len(values), -1)


def _row_means(values: Values) -> Values:
    """Over what is there: a step that pads an episode has no target."""
    return np.asarray(np.nanmean(values, axis=1) if np.isnan(values).any() else values.mean(axis=1))


def _column_means(values: Values) -> Values:
    gaps = np.isnan(values)
    if not gaps.any():
        return np.asarray(values.mean(axis=0))
    counts = np.maximum(1, (~gaps).sum(axis=0))
    return np.asarray(np.where(gaps, 0.0, values).sum(axis=0) / counts)


def _spread(target: Array) -> Values:
    """Squared distance of each example from the split's mean, averaged over outputs."""
    columns = _columns(target)
    values = _row_means(np.square(columns - _column_means(columns)))
    if values.mean() == 0.0:
        raise DataError(
            f"r2 needs targets that vary, but all {len(target)} targets of a split are equal; "
            "use a larger split, or `metric: mse`"
        )
    return values
