"""What the statistics say: points, full training, the minimal rank, the curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal[
    "resolved",
    "at_or_below_smallest",
    "above_largest",
    "not_monotone",
    "no_signal",
    "baseline_suspect",
]


@dataclass(frozen=True)
class Interval:
    """A mean with the limits of its confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    """Scores at one rank, at the rank's own learning rate, one score a repeat.

    Attributes:
        rank: Adapter rank.
        mean: Mean score, in the metric's units.
        low: Lower end of its interval.
        high: Upper end of its interval.
        scores: One a finished repeat.
        learning_rate: The rank's own rate.
        trainable: Number of trained parameters.
        recovery: Share of full training's gain over the floor.
        flags: What the reader should know beside it.
        over_chance: The same with chance as the floor.
        p_value: One-sided p-value of the non-inferiority test against full training, the margin
            being the target: small when the rank surely reaches it. ``None`` with one repeat.
        non_inferior: Whether that test rejects at (1 - confidence) / 2.
        variance: Variance of the recovery by source: ``repeats`` (initialisation and order),
            ``scaffolds`` (several scaffold seeds alone), ``test_set``, ``learning_rate``.
    """

    rank: int
    mean: float
    low: float
    high: float
    scores: tuple[float, ...]
    learning_rate: float
    trainable: int
    recovery: Interval
    flags: tuple[str, ...] = ()
    over_chance: Interval | None = None
    p_value: float | None = None
    non_inferior: bool | None = None
    variance: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Baseline:
    """Scores of the backbone trained in full, one a repeat."""

    mean: float
    low: float
    high: float
    scores: tuple[float, ...]
    learning_rate: float
    parameters: int
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class MinimalRank:
    """The smallest rank that reaches the target, or the verdict that says why there is none.

    Attributes:
        value: The rank; ``None`` unless the verdict allows one.
        low: Lower end of the interval; ``None`` when open below.
        high: Upper end of the interval; ``None`` when open above.
        confidence: Level of the interval.
        verdict: One of the six verdicts.
        flags: What the reader should know beside it.
        degrees_of_freedom: Trained adapter parameters at ``value``.
        share: The same as a share of all parameters of the backbone.
        non_inferior: Smallest measured rank from which on every rank passes the
            non-inferiority test at the target's margin; ``None`` when none does.
        distribution: Share of the resamples that name each measured rank, as (rank, share);
            the rank is ``None`` for those that cross above the largest.
    """

    value: int | None
    low: int | None
    high: int | None
    confidence: float
    verdict: Verdict
    flags: tuple[str, ...] = ()
    degrees_of_freedom: int | None = None
    share: float | None = None
    non_inferior: int | None = None
    distribution: tuple[tuple[int | None, float], ...] = ()


@dataclass(frozen=True)
class Variant:
    """The minimal rank under one changed setting, as `measure --sensitivity` finds it.

    Attributes:
        setting: What was changed: ``epochs``, ``batch_size``, ``weight_decay``, ``scaffold``.
        value: What it was changed to, in words.
        minimal_rank: The answer under it.
        recoveries: (rank, recovery) of the ranks measured under it.
    """

    setting: str
    value: str
    minimal_rank: MinimalRank
    recoveries: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Curve:
    """The fitted saturation curve on a grid of ranks, for drawing; it never names the rank.

    Attributes:
        forms: One mapping a saturating form: name, parameters, weight, trouble.
        continuous_rank: Where the averaged curve crosses the target; ``None`` if it does not.
        ranks: Grid of ranks, ascending, at least 1.
        mean: Averaged curve on the grid, in the metric's units.
        low: Lower limit of the band.
        high: Upper limit of the band.
    """

    forms: tuple[Mapping[str, Any], ...] = ()
    continuous_rank: float | None = None
    ranks: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Rate:
    """Learning-rate sensitivity: one candidate rate of one rank (``None``: the baseline)."""

    rank: int | None
    learning_rate: float
    validation: float | None
    repeats: int
    failed: int
    chosen: bool
