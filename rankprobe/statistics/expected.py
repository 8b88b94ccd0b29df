"""What a pilot makes one expect of every integer rank: its recovery, and the noise of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from rankprobe.errors import ConfigError, Problem
from rankprobe.records import Point, Result
from rankprobe.statistics.components import (
    Noise,
    interpolated,
    moderate,
    point_noises,
    pooled,
    usable_points,
)

Values = NDArray[np.float64]

_NEAR = 2  # measured ranks on each side of the crossing whose noise is pooled
_PRIOR_DEGREES = 4.0
_TIE = 1e-12


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
        return int(self.ranks[np.argmax(self.surplus >= -_TIE)])

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

    The fitted curve says how recovery goes on between measured ranks, in log-rank. It is bent
    towards the measured recoveries, made monotone, as far as they differ from it by more than
    their noise: as they are, a few repeats show steps and plateaus that another pilot would not.

    Args:
        result: The pilot.
        share: Share of full training's gain that a rank must reach.

    Raises:
        ConfigError: The pilot names no rank, or nothing can be read from its points.
    """
    points = usable_points(result)
    _refuse_hopeless(result, points)
    raw = np.array([point.recovery.mean for point in points])
    spread = np.array([max(p.recovery.high - p.recovery.low, 1e-9) for p in points])
    smooth = np.asarray(isotonic_regression(raw, weights=spread**-2.0).x)
    measured = [point.rank for point in points]
    _refuse_without_crossing(measured, smooth - share)
    noises = point_noises(result, points)
    crossing = int(np.argmax(smooth >= share - _TIE))
    near = pooled(noises[max(crossing - _NEAR, 0) : crossing + _NEAR])
    moderated = [
        moderate(noise, near, degrees=len(point.scores) - 1, prior_degrees=_PRIOR_DEGREES)
        for noise, point in zip(noises, points, strict=True)
    ]
    ranks = np.arange(measured[0], measured[-1] + 1)
    recovery = _recovery(result, np.array(measured, float), smooth, spread, ranks.astype(float))
    if recovery[-1] < share - _TIE:  # the measured points cross: the curve may not deny it
        recovery = np.interp(np.log(ranks), np.log(measured), smooth)
    return Expected(
        ranks=ranks,
        surplus=recovery - share,
        noise=interpolated(moderated, measured, ranks),
        measured=tuple(measured),
        near=near,
    )


def _refuse_hopeless(result: Result, points: tuple[Point, ...]) -> None:
    """Refuse a result that more repeats do not make better."""
    verdict = result.minimal_rank.verdict
    if verdict in _HOPELESS:
        message, hint = _HOPELESS[verdict]
    elif len(points) < 2:
        message = "has fewer than two ranks whose recovery is known with an interval"
        hint = "measure more ranks before planning repeats"
    else:
        return
    raise ConfigError(Problem(f"this result {message}", hint=hint))


def _refuse_without_crossing(measured: list[int], surplus: Values) -> None:
    """Refuse a result whose ranks all lie on one side of the target."""
    first, last = measured[0], measured[-1]
    if surplus[-1] < -_TIE:
        message = f"none up to {last}, the largest measured, reaches the target"
        hint = f"measure larger ranks first, such as --ranks {last},{2 * last}"
    elif surplus[0] >= -_TIE and first > 1:
        message = f"the smallest measured, {first}, reaches the target"
        smaller = sorted({1, (1 + first) // 2, first})
        hint = f"measure smaller ranks first, such as --ranks {','.join(map(str, smaller))}"
    else:
        return
    raise ConfigError(Problem(f"this result names no rank: {message}", hint=hint))


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


def _recovery(
    result: Result, measured: Values, recovery: Values, spread: Values, ranks: Values
) -> Values:
    """Recoveries at ranks between measured ones: the fitted curve, bent towards the points.

    What the points differ by from the curve is kept in the share that James and Stein keep of
    means that differ from a prior guess: none while it is no more than noise.

    Args:
        result: Has the fitted curve.
        measured: Measured ranks.
        recovery: Recoveries there, ascending.
        spread: Widths of their intervals.
        ranks: Where to say what is expected.
    """
    curve, gain = result.curve, result.baseline.mean - result.floor_score

    def fitted(at: Values) -> Values:
        if len(curve.ranks) < 2:
            return np.interp(np.log(at), np.log(measured), recovery)
        scores = np.interp(np.log(at), np.log(curve.ranks), curve.mean)
        return np.asarray((scores - result.floor_score) / gain)

    missed = recovery - fitted(measured)
    errors = spread / 4.0  # an interval of 95 % is about four standard errors wide
    surprise = float(np.sum((missed / errors) ** 2))
    keep = max(0.0, 1.0 - len(measured) / surprise) if surprise > 0.0 else 0.0
    bent = fitted(ranks) + keep * np.interp(np.log(ranks), np.log(measured), missed)
    return np.maximum.accumulate(bent)
