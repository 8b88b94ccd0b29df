"""What a pilot makes one expect of every integer rank: its recovery, and the noise of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from rankprobe.errors import ConfigError, Problem
from rankprobe.records import Result
from rankprobe.statistics.components import (
    Noise,
    interpolated,
    moderate,
    point_noise,
    pooled,
    usable_points,
)

Values = NDArray[np.float64]

_NEAR = 2  # measured ranks on each side of the crossing whose noise is pooled
_PRIOR_DEGREES = 4.0


@dataclass(frozen=True, eq=False)
class Expected:
    """What is expected at every integer rank between the smallest and the largest measured.

    Attributes:
        ranks: The integers, ascending, (ranks,).
        surplus: Expected recovery minus target, (ranks,); it never falls.
        noise: Components of the variance of each recovery.
        measured: Ranks that the pilot measured.
        near: The noise around the crossing.
    """

    ranks: NDArray[np.int64]
    surplus: Values
    noise: tuple[Noise, ...]
    measured: tuple[int, ...]
    near: Noise

    @property
    def value(self) -> int:
        """The smallest rank expected to reach the target."""
        return int(self.ranks[np.argmax(self.surplus >= -1e-12)])

    def with_noise(self, noise: Noise) -> Expected:
        """The same curve under another noise, one for all ranks."""
        return replace(self, noise=(noise,) * len(self.ranks), near=noise)

    def with_repeats(self, noise: Noise) -> Expected:
        """The same, but for the noise of the repeats."""
        return replace(
            self,
            noise=tuple(replace(own, repeats=noise.repeats) for own in self.noise),
            near=replace(self.near, repeats=noise.repeats),
        )


def share_to_reach(
    result: Result, *, target: float | None = None, epsilon: float | None = None
) -> float:
    """The share of full training's gain that a rank must reach, by default the result's own.

    Args:
        result: Says what full training gains.
        target: The share itself.
        epsilon: How near a rank must come to full training, in the metric's units.
    """
    if target is None and epsilon is None:
        target, epsilon = result.target, result.epsilon
    if epsilon is None:
        assert target is not None
        return target
    return 1.0 - epsilon / abs(result.baseline.mean - result.floor_score)


def expect(result: Result, *, share: float) -> Expected:
    """What a result makes one expect of a measurement of the same task.

    Measured recoveries, made monotone, are kept; between them the fitted curve says how they go
    on, in log-rank, corrected to pass through them.

    Args:
        result: The pilot.
        share: Share of full training's gain that a rank must reach.

    Raises:
        ConfigError: The pilot names no rank, or nothing can be read from its points.
    """
    points = usable_points(result)
    _check_readable(result, share)
    noises = [point_noise(result, point) for point in points]
    raw = np.array([point.recovery.mean for point in points])
    spread = np.array([max(p.recovery.high - p.recovery.low, 1e-9) for p in points])
    smooth = np.asarray(isotonic_regression(raw, weights=spread**-2.0).x)
    measured = [point.rank for point in points]
    ranks = np.arange(measured[0], measured[-1] + 1)
    recovery = _between(result, np.array(measured, float), smooth, ranks.astype(float))
    crossing = int(np.argmax(smooth >= share - 1e-12))
    near = pooled(noises[max(crossing - _NEAR, 0) : crossing + _NEAR])
    moderated = [
        moderate(noise, near, degrees=len(point.scores) - 1, prior_degrees=_PRIOR_DEGREES)
        for noise, point in zip(noises, points, strict=True)
    ]
    return Expected(
        ranks=ranks,
        surplus=recovery - share,
        noise=interpolated(moderated, measured, ranks),
        measured=tuple(measured),
        near=near,
    )


def _check_readable(result: Result, share: float) -> None:
    """Refuse a result whose curve does not cross the target in a way that repeats can sharpen."""
    message, hint = "", ""
    points, reached = usable_points(result), False
    if len(points) > 0:
        reached = max(point.recovery.mean for point in points) >= share - 1e-12
    verdict = result.minimal_rank.verdict
    if verdict in _HOPELESS:
        message, hint = _HOPELESS[verdict]
    elif len(points) < 2:
        message = "has fewer than two ranks whose recovery is known with an interval"
        hint = "measure more ranks before planning repeats"
    elif not reached:
        message = f"names no rank: none up to {points[-1].rank} reaches the target"
        hint = (
            f"measure larger ranks first, such as --ranks {points[-1].rank},{2 * points[-1].rank}"
        )
    elif points[0].recovery.mean >= share and points[0].rank > 1:
        message = f"names no rank: the smallest measured, {points[0].rank}, reaches the target"
        hint = "measure smaller ranks first, such as --ranks " + ",".join(
            str(rank) for rank in sorted({1, (1 + points[0].rank) // 2, points[0].rank})
        )
    if message:
        raise ConfigError(Problem(f"this result {message}", hint=hint))


_HOPELESS = {
    "no_signal": (
        "names no rank: full training does not beat chance, which repeats do not change",
        "look at data, learning rates and epochs first",
    ),
    "baseline_suspect": (
        "names no rank: full training is not a safe reference, which repeats do not change",
        "train for more epochs or widen the learning rates first",
    ),
    "not_monotone": (
        "has scores that fall after they reached the target, which repeats do not change",
        "look at the learning rates of the ranks that fall first",
    ),
}


def _between(result: Result, measured: Values, recovery: Values, ranks: Values) -> Values:
    """Recoveries at ranks between measured ones: the fitted curve, bent to pass through them."""
    curve, gain = result.curve, result.baseline.mean - result.floor_score

    def fitted(at: Values) -> Values:
        if len(curve.ranks) < 2:
            return np.zeros(len(at))
        scores = np.interp(np.log(at), np.log(curve.ranks), curve.mean)
        return np.asarray((scores - result.floor_score) / gain)

    missed = np.interp(np.log(ranks), np.log(measured), recovery - fitted(measured))
    left = np.searchsorted(measured, ranks, side="right") - 1
    right = np.searchsorted(measured, ranks, side="left")
    bent = np.clip(fitted(ranks) + missed, recovery[left], recovery[right])
    return np.maximum.accumulate(bent)
