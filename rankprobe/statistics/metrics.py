"""Metrics: what is stored of a prediction, its score, and each example's share in the score.

Every score is a mean of per-example *influence values*, so that its standard error over
examples, and that of any difference between two trainings scored on the same examples,
is a standard error of a mean. NumPy only: training calls these after every evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import DataError
from rankprobe.records.bounds import bounds_of
from rankprobe.statistics import regression, tokens
from rankprobe.statistics.roc import auroc, chance_auroc, log_odds

Array = NDArray[Any]
Values = NDArray[np.float64]


def _no_extremes(target: Array) -> float:  # noqa: ARG001  # continuous values need none
    return 0.0


@dataclass(frozen=True)
class Metric:
    """One metric, as functions of finite network outputs and targets of a split.

    Attributes:
        name: Key in `METRICS` and in dataset.yaml.
        objective: ``classification``, ``regression`` or ``next_token``.
        higher_is_better: Direction.
        compact: (outputs, target) -> what to store of a prediction; first axis: examples.
            Outputs are logits (n, classes), or predictions (n, outputs) in the target's units.
        influence: (compact, target) -> (n,) values. Their mean is the score; their standard
            deviation over sqrt(n) is its standard error (to first order, where the score is
            not itself a mean).
        chance_influence: (train target, target) -> (n,) values of chance: a model that knows
            the training targets and nothing of the inputs.
        pseudo_weight: target -> weight of the pseudo-examples that keep the variance of a
            proportion near 0 or 1 honest (`rankprobe.statistics.variance`); 0 for none.
    """

    name: str
    objective: Literal["classification", "regression", "next_token"]
    higher_is_better: bool
    compact: Callable[[Array, Array], Array]
    influence: Callable[[Array, Array], Values]
    chance_influence: Callable[[Array, Array], Values]
    pseudo_weight: Callable[[Array], float] = _no_extremes

    def score(self, compact: Array, target: Array) -> float:
        """Score of stored predictions on a split."""
        return float(self.influence(compact, target).mean())

    def chance(self, train_target: Array, target: Array) -> float:
        """Score of chance on a split.

        Raises:
            DataError: The metric is not defined on this split.
        """
        return float(self.chance_influence(train_target, target).mean())

    @property
    def perfect(self) -> float:
        """Best possible score; infinite where there is none."""
        smallest, largest = bounds_of(self.name)
        return largest if self.higher_is_better else smallest

    @property
    def sign(self) -> float:
        """+1 where higher is better, else -1."""
        return 1.0 if self.higher_is_better else -1.0


def standard_error(values: Values) -> float:
    """Standard error of the mean of influence values over examples; NaN where it has none."""
    if len(values) < 2 or not np.isfinite(values).all():
        return math.nan
    return float(values.std(ddof=1) / math.sqrt(len(values)))


# Accuracy and balanced accuracy: the predicted label is all that matters.


def _labels(outputs: Array, target: Array) -> Array:  # noqa: ARG001
    kind = np.int16 if outputs.shape[1] <= np.iinfo(np.int16).max else np.int32
    return np.asarray(outputs.argmax(axis=1), dtype=kind)


def _accuracy(labels: Array, target: Array) -> Values:
    return np.asarray(labels == target, dtype=np.float64)


def _chance_accuracy(train_target: Array, target: Array) -> Values:
    return np.asarray(target == np.bincount(train_target).argmax(), dtype=np.float64)


def _class_weights(target: Array) -> Values:
    """Weights n / (classes * n_c) of examples, over the classes that occur in the split."""
    _, index, counts = np.unique(target, return_inverse=True, return_counts=True)
    return np.asarray(len(target) / (len(counts) * counts[index]), dtype=np.float64)


def _balanced_accuracy(labels: Array, target: Array) -> Values:
    _, index, counts = np.unique(target, return_inverse=True, return_counts=True)
    correct = _accuracy(labels, target)
    recall = np.bincount(index, weights=correct) / counts
    values: Values = recall.mean() + _class_weights(target) * (correct - recall[index])
    return values


def _chance_balanced_accuracy(train_target: Array, target: Array) -> Values:  # noqa: ARG001
    return np.full(len(target), 1.0 / len(np.unique(target)))


def _rare_class_weight(target: Array) -> float:
    """Mean over classes of (n / (classes * n_c))^2: 1 for equal classes, more with rare ones."""
    _, counts = np.unique(target, return_counts=True)
    return float(np.mean((len(target) / (len(counts) * counts)) ** 2))


# Log-loss, in nats.


def _negative_log_likelihood(outputs: Array, target: Array) -> Array:
    logits = np.asarray(outputs, dtype=np.float64)
    best = logits.max(axis=1)
    log_sum = best + np.log(np.exp(logits - best[:, None]).sum(axis=1))
    return np.asarray(log_sum - logits[np.arange(len(target)), target], dtype=np.float32)


def _log_loss(losses: Array, target: Array) -> Values:  # noqa: ARG001
    return np.asarray(losses, dtype=np.float64)


def _chance_log_loss(train_target: Array, target: Array) -> Values:
    """Class frequencies, with half an example added to each class so that none is impossible."""
    classes = int(max(train_target.max(), target.max())) + 1
    counts = np.bincount(train_target, minlength=classes) + 0.5
    return np.asarray(-np.log(counts / counts.sum())[target], dtype=np.float64)


# Returns of a policy, in percent: 0 for random actions, 100 for whom it learned from.


def _returns(returns: Array, target: Array) -> Values:  # noqa: ARG001
    return np.asarray(returns, dtype=np.float64)


def _chance_return(train_target: Array, target: Array) -> Values:  # noqa: ARG001
    return np.zeros(len(target))


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            "classification",
            higher_is_better=True,
            compact=_labels,
            influence=_accuracy,
            chance_influence=_chance_accuracy,
            pseudo_weight=lambda target: 1.0,  # noqa: ARG005
        ),
        Metric(
            "balanced_accuracy",
            "classification",
            higher_is_better=True,
            compact=_labels,
            influence=_balanced_accuracy,
            chance_influence=_chance_balanced_accuracy,
            pseudo_weight=_rare_class_weight,
        ),
        Metric(
            "auroc",
            "classification",
            higher_is_better=True,
            compact=log_odds,
            influence=auroc,
            chance_influence=chance_auroc,
        ),
        Metric(
            "log_loss",
            "classification",
            higher_is_better=False,
            compact=_negative_log_likelihood,
            influence=_log_loss,
            chance_influence=_chance_log_loss,
        ),
        Metric(
            "r2",
            "regression",
            higher_is_better=True,
            compact=regression.predictions,
            influence=regression.r2,
            chance_influence=regression.chance_r2,
        ),
        Metric(
            "mse",
            "regression",
            higher_is_better=False,
            compact=regression.predictions,
            influence=regression.squared_error,
            chance_influence=regression.chance_squared_error,
        ),
        Metric(
            "perplexity",
            "next_token",
            higher_is_better=False,
            compact=tokens.token_losses,
            influence=tokens.perplexity,
            chance_influence=tokens.chance_perplexity,
        ),
        Metric(
            "cross_entropy",
            "next_token",
            higher_is_better=False,
            compact=tokens.token_losses,
            influence=tokens.cross_entropy,
            chance_influence=tokens.chance_cross_entropy,
        ),
        Metric(
            "episode_return",
            "regression",
            higher_is_better=True,
            compact=regression.predictions,
            influence=_returns,
            chance_influence=_chance_return,
        ),
    )
}

# Scores measured elsewhere: a score is all there is, and stands for one example.


def _given(score: Array, target: Array) -> Values:  # noqa: ARG001
    return np.asarray(score, dtype=np.float64)


def _unknown_chance(train_target: Array, target: Array) -> Values:  # noqa: ARG001
    raise DataError("the chance of a score measured elsewhere is not known; give its floor")


PLAIN: Mapping[str, Metric] = {
    name: Metric(
        name,
        "regression",
        higher_is_better=higher_is_better,
        compact=_given,
        influence=_given,
        chance_influence=_unknown_chance,
    )
    for name, higher_is_better in (("score", True), ("loss", False))
}
"""Metrics of scores that came without predictions; no dataset.yaml can name them."""


def find_metric(name: str) -> Metric:
    """The metric of this name, those of plain scores included."""
    return METRICS[name] if name in METRICS else PLAIN[name]
