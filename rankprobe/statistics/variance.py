"""Means of (repeats x examples) tables with honest standard errors, and ratios of them.

A score is the mean of a table with a row a repeat and a column a test example. Repeats and
examples are crossed random effects: another draw of either changes the score. For such a table

    Var(mean) = s_rows^2 / R + s_columns^2 / n + s_rest^2 / (R n)

is estimated without bias by ``V_rows + V_columns - V_rest``, from the variance of row means
over R, of column means over n, and of what is left over R n (Searle, Casella and McCulloch,
*Variance Components*, chapter 4). Each has a known number of degrees of freedom, combined by
Satterthwaite's rule into those of Student's t. Ranks, full training and floor share repeats
and examples, so everything is done on their differences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

from rankprobe.records import Interval

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """An estimated mean, its standard error and the error's degrees of freedom."""

    mean: float
    error: float
    degrees: float

    def low(self, level: float) -> float:
        """One-sided lower limit at a confidence level such as 0.975."""
        return self.mean - self._margin(level)

    def high(self, level: float) -> float:
        """One-sided upper limit."""
        return self.mean + self._margin(level)

    def p_value(self) -> float:
        """One-sided p-value of the hypothesis that the mean is not above 0."""
        if self.error == 0.0:
            return 0.0 if self.mean >= 0.0 else 1.0
        return float(stdtr(self.degrees, -self.mean / self.error))

    def shifted(self, by: float) -> Estimate:
        """The same estimate of a mean moved by a known amount."""
        return Estimate(self.mean + by, self.error, self.degrees)

    def _margin(self, level: float) -> float:
        return 0.0 if self.error == 0.0 else float(stdtrit(self.degrees, level)) * self.error


@dataclass(frozen=True, eq=False)
class Moments:
    """Means of k paired tables and the components of their covariance, each (k, k).

    Attributes:
        mean: Means, (k,).
        repeats: Covariance of row means, over R; zero for a single repeat, where it is unknown.
            Where several repeats share a scaffold, rows are scaffolds.
        examples: Covariance of column means, over n.
        rest: Covariance of what rows and columns leave, over R n: counted by both of them.
        tuning: Covariance from the choice of learning rates.
        n_repeats: R.
        n_examples: n.
        within: The part of ``repeats`` that comes from repeats of one scaffold; ``None`` where
            rows are repeats, and all of it does.
    """

    mean: Values
    repeats: Values
    examples: Values
    rest: Values
    tuning: Values
    n_repeats: int
    n_examples: int
    within: Values | None = None

    def contrast(self, *weights: float) -> Estimate:
        """The weighted sum of the k means, with its error.

        The variance is never taken below that of either margin, since the subtraction can
        overshoot in a small table.
        """
        w = np.array(weights)
        repeats, examples, rest, tuning = (
            float(w @ part @ w) for part in (self.repeats, self.examples, self.rest, self.tuning)
        )
        variance = max(repeats, examples, repeats + examples - rest) + tuning
        rows, columns = max(self.n_repeats - 1, 1), max(self.n_examples - 1, 1)
        scatter = (
            (repeats**2 + tuning**2) / rows + examples**2 / columns + rest**2 / (rows * columns)
        )
        degrees = variance**2 / scatter if scatter > 0.0 else float(columns)
        return Estimate(float(w @ self.mean), math.sqrt(variance), max(degrees, 1.0))

    def over_examples(self, *weights: float) -> Estimate:
        """The weighted sum with the error from other test examples, these trainings given."""
        w = np.array(weights)
        error = math.sqrt(float(w @ self.examples @ w))
        return Estimate(float(w @ self.mean), error, float(max(self.n_examples - 1, 1)))

    def sources(self, *weights: float) -> dict[str, float]:
        """The variance of a weighted sum by source; the parts add up to that of `contrast`.

        ``repeats`` falls with the number of repeats (what is of neither repeats nor examples
        is counted here), ``test_set`` with that of test examples, ``learning_rate`` with
        neither; ``scaffolds`` is there where several repeats share a scaffold.
        """
        w = np.array(weights)
        rows, columns, rest, tuning = (
            float(w @ part @ w) for part in (self.repeats, self.examples, self.rest, self.tuning)
        )
        parts = {"repeats": rows, "test_set": max(columns - rest, columns - rows, 0.0)}
        if self.within is not None:
            within = min(float(w @ self.within @ w), rows)
            parts |= {"repeats": within, "scaffolds": rows - within}
        return {**parts, "learning_rate": tuning}


def moments(
    tables: Values,
    *,
    tuning: tuple[float, ...],
    scores: tuple[float, ...],
    pseudo_weight: float,
    scaffolds: NDArray[np.intp] | None = None,
) -> Moments:
    """Moments of k paired tables, (k, repeats, examples).

    Args:
        tables: The tables; gains over a floor, say.
        tuning: Variance that the choice of the learning rate adds to each mean, k values.
        scores: Mean scores behind the tables, k values; used with ``pseudo_weight`` alone.
        pseudo_weight: For a proportion: two pseudo-examples, half of one in each cell of the
            table of (right, wrong) by (right, wrong), enter the variance over examples but not
            the mean. Without them 36 right answers out of 36 would be certain (A. Agresti and
            Y. Min, Statistics in Medicine 24 (2005) 729). 0 for none.
        scaffolds: Index of the scaffold of each repeat, (repeats,). Where repeats share one, the
            scaffolds are the random draws, so their means stand in for the repeats.
    """
    within = None
    if scaffolds is not None and 1 < len(groups := np.unique(scaffolds)) < tables.shape[1]:
        within = _within(tables.mean(axis=2), scaffolds, groups)
        tables = np.stack([tables[:, scaffolds == g].mean(axis=1) for g in groups], axis=1)
    k, n_repeats, n_examples = tables.shape
    rows, columns = tables.mean(axis=2), tables.mean(axis=1)
    mean = rows.mean(axis=1)
    rest = np.zeros((k, k))
    repeats = np.zeros((k, k))
    if n_repeats > 1:
        repeats = np.cov(rows).reshape(k, k) / n_repeats
        left = (tables - rows[:, :, None] - columns[:, None, :] + mean[:, None, None]).reshape(
            k, -1
        )
        rest = left @ left.T / ((n_repeats - 1) * max(n_examples - 1, 1) * n_repeats * n_examples)
    examples = np.zeros((k, k))
    if n_examples > 1:
        examples = np.cov(columns).reshape(k, k) / n_examples
    examples = examples + pseudo_weight * _pseudo_examples(np.array(scores)) / n_examples**2
    return Moments(mean, repeats, examples, rest, np.diag(tuning), n_repeats, n_examples, within)


def _within(rows: Values, scaffolds: NDArray[np.intp], groups: NDArray[np.intp]) -> Values:
    """Covariance of the mean of scaffold means from repeats of one scaffold, (k, k).

    Args:
        rows: Row means, (k, repeats).
        scaffolds: Index of the scaffold of each repeat.
        groups: The indices that occur.
    """
    parts = [rows[:, scaffolds == g] for g in groups]
    free = sum(part.shape[1] - 1 for part in parts)
    left = np.concatenate([part - part.mean(axis=1, keepdims=True) for part in parts], axis=1)
    share = sum(1.0 / part.shape[1] for part in parts) / len(groups) ** 2
    return np.asarray(left @ left.T / free * share)


def _pseudo_examples(scores: Values) -> Values:
    """Summed products of deviations of half an example in each of the four cells, (k, k)."""
    products = np.outer(1.0 - 2.0 * scores, 1.0 - 2.0 * scores) / 2.0
    np.fill_diagonal(products, scores**2 + (1.0 - scores) ** 2)
    return products


def ratio(pair: Moments, level: float) -> Interval:
    """The ratio of the first mean to the second, with limits after E. C. Fieller (1954).

    The limits are where the test of ``first - ratio * second = 0`` just fails to reject, so a
    limit lies beyond a target exactly when the test at that target says so. Where the second
    mean is not clearly above 0 nothing is known of the ratio: limits are infinite, and the
    ratio NaN when the mean itself is not above 0.

    Args:
        pair: Moments of two tables.
        level: One-sided confidence level of each limit, such as 0.975.
    """
    first, second = (float(value) for value in pair.mean)
    if second <= 0.0:
        return Interval(math.nan, -math.inf, math.inf)
    mean = first / second
    if pair.contrast(0.0, 1.0).low(level) <= 0.0:
        return Interval(mean, -math.inf, math.inf)
    return Interval(mean, _limit(pair, level, mean, -1.0), _limit(pair, level, mean, 1.0))


def _limit(pair: Moments, level: float, mean: float, side: float) -> float:
    """Where the limit of the contrast on one side of the ratio crosses 0."""

    def beyond(rho: float) -> float:
        """Positive while ``rho`` cannot be told from the ratio; the estimate is 0 at the ratio."""
        estimate = pair.contrast(1.0, -rho)
        return estimate.high(level) if side > 0 else -estimate.low(level)

    if beyond(mean) <= 0.0:
        return mean
    step = 2.0 * pair.contrast(1.0, -mean).error / float(pair.mean[1])
    for _ in range(60):
        if beyond(mean + side * step) < 0.0:
            return float(brentq(beyond, mean, mean + side * step, xtol=1e-10))
        step *= 2.0
    return side * math.inf
