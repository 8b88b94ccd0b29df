"""What was measured, in the form the statistics read: scores and predictions, rank by rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import TrainingError

TUNING_REPEATS = 2
"""A rate is chosen by the mean validation score of this many repeats, the first ones."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One learning rate tried at one rank. Arrays are aligned by repeat; NaN: failed, not run.

    Attributes:
        learning_rate: The rate.
        validation: Validation scores, (repeats,).
        validation_error: Their standard errors over the validation examples, (repeats,).
        test: Test scores of the same trainings, (repeats,).
        paired_error: Standard error, from the finite validation set, of the difference between
            the mean validation scores of this rate and the chosen one on the tuning repeats.
            ``None`` where it is not known.
    """

    learning_rate: float
    validation: NDArray[np.float64]
    validation_error: NDArray[np.float64]
    test: NDArray[np.float64]
    paired_error: float | None = None


@dataclass(frozen=True, eq=False)
class RankEvidence:
    """Everything measured at one rank, at its chosen learning rate.

    Attributes:
        rank: Adapter rank; 0: head alone; ``None``: full training.
        learning_rate: The chosen rate.
        scores: Test scores, (repeats,), aligned by repeat across ranks; NaN for a failed repeat.
        predictions: Test predictions in the metric's compact form, one a repeat; ``None``
            exactly where the score is NaN.
        trainable: Number of trained parameters.
        adapter_parameters: Those of them that belong to adapters (A, B and beta).
        flags: ``not_converged``, ``rate_at_edge``.
        candidates: Every rate tried; empty when the rate was given.
        planned: Number of repeats that were trained, the first ones; ``None``: all of them. The
            scores of those that were not are NaN, and no failure.
    """

    rank: int | None
    learning_rate: float
    scores: NDArray[np.float64]
    predictions: tuple[NDArray[Any] | None, ...] = field(repr=False)
    trainable: int
    adapter_parameters: int = 0
    flags: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = field(default=(), repr=False)
    planned: int | None = None

    @property
    def failed(self) -> int:
        """How many of the repeats that were trained have no score."""
        return int(np.isnan(self.scores[: self.planned]).sum())

    def __post_init__(self) -> None:
        finished = [bool(np.isfinite(score)) for score in self.scores]
        if finished != [prediction is not None for prediction in self.predictions]:
            raise ValueError(
                f"rank {self.rank}: every finished repeat needs a score and predictions, "
                "a failed one has NaN and None"
            )


@dataclass(frozen=True, eq=False)
class Evidence:
    """A measurement as the statistics see it.

    Attributes:
        metric: Key of `rankprobe.statistics.metrics.METRICS`.
        ranks: Measured ranks, ascending, each at least 1.
        baseline: Full training.
        target_values: Targets of the test split, first axis: examples.
        chance: `Metric.chance_influence` on the test split, (examples,); its mean is the score.
        head: Rank 0, when measured.
        flags: Flags of the data: ``imbalanced``, ``duplicates_across_splits`` and others.
        scaffolds: Number of scaffold seeds; repeat k has scaffold k modulo this number.
    """

    metric: str
    ranks: tuple[RankEvidence, ...]
    baseline: RankEvidence
    target_values: NDArray[Any] = field(repr=False)
    chance: NDArray[np.float64] = field(repr=False)
    head: RankEvidence | None = None
    flags: tuple[str, ...] = ()
    scaffolds: int = 1

    def __post_init__(self) -> None:
        ranks = [item.rank for item in self.ranks]
        if not ranks or any(rank is None or rank < 1 for rank in ranks):
            raise ValueError(f"evidence needs ranks of at least 1, not {ranks}")
        if ranks != sorted(set(ranks), key=lambda rank: rank or 0):
            raise ValueError(f"ranks must ascend without repetition, not {ranks}")
        rest = [self.baseline] if self.head is None else [self.baseline, self.head]
        if len({len(item.scores) for item in [*self.ranks, *rest]}) != 1:
            raise ValueError("scores must be aligned by repeat: give every rank the same length")


def choose_rate(candidates: Sequence[Candidate], *, higher_is_better: bool) -> Candidate:
    """The candidate with the best mean validation score over the tuning repeats.

    A rate at which one of them failed is not eligible, unless that is so at every rate:
    then the rates with the most finished repeats compete. Of rates that tie the middle one is
    taken: on a plateau the smallest is the one that hardly trains.

    Raises:
        TrainingError: No candidate finished a single tuning repeat.
    """
    eligible = eligible_rates(candidates)
    if not eligible:
        rates = ", ".join(f"{candidate.learning_rate:g}" for candidate in candidates)
        raise TrainingError(
            f"training diverged or failed at every learning rate tried ({rates}); "
            "check the scale of the inputs and targets, or set a smaller `learning_rate`"
        )
    sign = 1.0 if higher_is_better else -1.0
    best = max(sign * _tuning_score(item) for item in eligible)
    tied = [item for item in eligible if sign * _tuning_score(item) == best]
    return sorted(tied, key=lambda item: item.learning_rate)[(len(tied) - 1) // 2]


def eligible_rates(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that may be chosen: those with the most finished tuning repeats."""
    finished = [int(np.isfinite(item.validation[:TUNING_REPEATS]).sum()) for item in candidates]
    most = max(finished, default=0)
    return [item for item, count in zip(candidates, finished, strict=True) if 0 < count == most]


def tuning_variance(
    candidates: Sequence[Candidate],
    learning_rate: float,
    *,
    higher_is_better: bool,
    generator: np.random.Generator,
) -> float:
    """Variance that the choice of the learning rate adds to a rank's mean test score.

    The choice is made again on validation scores with fresh noise (over repeats and over
    validation examples); the variance is that of the test scores, on the tuning repeats, of the
    rates so chosen. Zero where one rate stands out. Rates share repeats and validation examples,
    so their noise is that of their differences from the chosen rate: two rates that end in all
    but the same network differ in little else than what they are.
    """
    rates = [item for item in eligible_rates(candidates) if np.isfinite(_tuning_gap(item, item))]
    chosen = [item for item in rates if item.learning_rate == learning_rate]
    if not chosen or len(rates) < 2:
        return 0.0
    means = np.array([_tuning_score(item) for item in rates])
    noise = np.sqrt(_tuning_noise(rates, chosen[0]))
    draws = means + noise * generator.standard_normal((_CHOICES, len(rates)))
    again = (draws if higher_is_better else -draws).argmax(axis=1)
    gaps = np.array([_tuning_gap(item, chosen[0]) for item in rates])
    return float(gaps[again].var())


_CHOICES = 1000
_RIVALS = 2  # rates whose scatter over the tuning repeats is pooled


def _tuning_score(candidate: Candidate) -> float:
    return float(np.nanmean(candidate.validation[:TUNING_REPEATS]))


def _tuning_noise(rates: list[Candidate], chosen: Candidate) -> NDArray[np.float64]:
    """Variance of each rate's mean validation score beside the chosen rate's, (rates,).

    The scatter over two repeats is pooled over the rates that come nearest to the chosen one:
    a single one is too uncertain, and at a rate where a repeat collapsed, or that hardly trains,
    it is no chance to be the best. For the same reason no rate has an error over examples of
    more than twice theirs: wild predictions are no chance either.
    """
    if any(item.paired_error is None for item in rates):
        return np.full(len(rates), np.median([_unpaired_noise(item) for item in rates]))
    best = _tuning_score(chosen)
    others = [item for item in rates if item is not chosen]
    rivals = sorted(others, key=lambda item: abs(_tuning_score(item) - best))[:_RIVALS]
    scatter = np.mean([_over_repeats(item.validation - chosen.validation) for item in rivals])
    examples = np.array([item.paired_error for item in rates], dtype=np.float64) ** 2
    most = 4.0 * np.mean([examples[rates.index(item)] for item in rivals])
    return np.asarray(scatter + np.minimum(examples, most))


def _unpaired_noise(candidate: Candidate) -> float:
    """Variance of a mean validation score by itself, which errs on the wide side."""
    errors = candidate.validation_error[:TUNING_REPEATS]
    errors = errors[np.isfinite(errors)]
    examples = float(np.mean(errors**2)) if len(errors) else 0.0
    return _over_repeats(candidate.validation) + examples


def _over_repeats(scores: NDArray[np.float64]) -> float:
    """Variance of a mean over the tuning repeats, from their scatter; 0 for a single one."""
    tuning = scores[:TUNING_REPEATS]
    tuning = tuning[np.isfinite(tuning)]
    return float(tuning.var(ddof=1)) / len(tuning) if len(tuning) > 1 else 0.0


def _tuning_gap(candidate: Candidate, other: Candidate) -> float:
    gaps = candidate.test[:TUNING_REPEATS] - other.test[:TUNING_REPEATS]
    gaps = gaps[np.isfinite(gaps)]
    return float(gaps.mean()) if len(gaps) else float("nan")
