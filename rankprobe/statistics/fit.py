"""The fitted curve: several saturating forms, averaged, with a band. It smooths and draws.

Forms are weighed by Akaike's criterion corrected for few points (K. P. Burnham and
D. R. Anderson, *Model Selection and Multimodel Inference*, chapter 2). An isotonic fit is the
check, since it follows any monotone curve, and the fallback where no form describes the points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, isotonic_regression, least_squares

from rankprobe.records import Curve
from rankprobe.statistics.forms import FORMS, Form, GridFit, fit_on_grid

Values = NDArray[np.float64]

_RESAMPLES = 300
_TOLERANCE = 0.01
"""Share of the range of the scores by which a smooth form may miss a point, beside its noise."""
_UNIDENTIFIED = "not identified: other parameters fit as well"
_UNFINISHED = "did not converge: the fit was still moving"


@dataclass(frozen=True, eq=False)
class FormFit:
    """One form fitted to the points; ``trouble`` is empty when all is well.

    Attributes:
        form: The form.
        fit: The fit, one sample; ``None`` when there are too few points for it.
        criterion: AICc; infinite for a form that is left out of the average.
        trouble: What to know before trusting the parameters.
    """

    form: Form
    fit: GridFit | None
    criterion: float
    trouble: str


def fit_curve(
    ranks: Values,
    means: Values,
    errors: Values,
    *,
    higher_is_better: bool,
    crossing: tuple[int | None, int] | None,
    level: float,
    confidence: float = 0.95,
    seed: int = 0,
) -> Curve:
    """Fit the curve of scores against rank.

    Args:
        ranks: Measured ranks, ascending, (points,).
        means: Mean scores, in the metric's units.
        errors: Their standard errors.
        higher_is_better: Direction of the metric.
        crossing: The measured ranks that bracket the target (the first ``None`` below the
            smallest measured rank); ``None`` when no rank is named.
        level: Score at the target, in the metric's units.
        confidence: Level of the band.
        seed: Of the resamples.
    """
    sign = 1.0 if higher_is_better else -1.0
    scores = sign * means
    tolerance = _TOLERANCE * float(np.ptp(scores)) or 1e-9
    noise = np.sqrt(errors**2 + tolerance**2)
    fits = [_fit_form(form, ranks, scores, noise) for form in FORMS]
    weights = _akaike_weights(np.array([fit.criterion for fit in fits]))
    grid = np.unique(np.concatenate([np.geomspace(ranks[0], ranks[-1], 65), ranks]))
    curve = _average(fits, weights, ranks, scores, noise, grid)
    fitted = np.interp(np.log(ranks), np.log(grid), curve)
    draws = np.random.default_rng(seed).standard_normal((_RESAMPLES, len(ranks)))
    curves = _refit(fits, weights, ranks, fitted + errors * draws, noise, grid)
    tail = 50.0 * (1.0 - confidence)
    low, high = np.percentile(curves, [tail, 100.0 - tail], axis=0)
    low, high = np.minimum(low, curve), np.maximum(high, curve)
    if sign < 0:
        low, high = -high, -low
    return Curve(
        forms=_describe(fits, weights, sign),
        continuous_rank=_continuous_rank(ranks, scores, grid, curve, crossing, sign * level),
        ranks=tuple(grid.tolist()),
        mean=tuple((sign * curve).tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
    )


def _fit_form(form: Form, ranks: Values, scores: Values, noise: Values) -> FormFit:
    """Fit by the grid, then by `scipy.optimize.least_squares` from its best point."""
    points, parameters = len(ranks), len(form.parameters)
    if points < parameters + 2:
        trouble = f"too few points: {points} measured, {parameters + 2} needed"
        return FormFit(form, None, np.inf, trouble)
    largest = float(ranks[-1])
    start = fit_on_grid(form, form.grid(largest), ranks, scores[None], noise**-2.0)
    bounds = np.log(np.array(form.bounds(largest)))

    def residuals(theta: Values) -> Values:
        decay = form.decay(ranks, np.exp(theta[2:]))
        return np.asarray((theta[0] - theta[1] * decay - scores) / noise)

    first = np.concatenate([start.ceiling, start.drop, np.log(start.shapes[0])])
    first[2:] = np.clip(first[2:], bounds[:, 0] + 1e-6, bounds[:, 1] - 1e-6)
    low = np.concatenate([[-np.inf, 0.0], bounds[:, 0]])
    high = np.concatenate([[np.inf, np.inf], bounds[:, 1]])
    found = least_squares(residuals, first, bounds=(low, high), x_scale="jac", max_nfev=100)
    misfit = float(2.0 * found.cost)
    theta = np.asarray(found.x)
    fit = GridFit(theta[:1], theta[1:2], np.exp(theta[None, 2:]), np.array([misfit]))
    missed = np.abs(residuals(theta))
    if missed.max() > 4.0:
        rank = ranks[missed.argmax()]
        return FormFit(form, fit, np.inf, f"misses the measured point at rank {rank:g}")
    criterion = (
        misfit + 2 * parameters + 2 * parameters * (parameters + 1) / (points - parameters - 1)
    )
    # The grid has already found the valley, so even an unfinished search is worth its weight.
    trouble = _trouble(form, theta, bounds, np.asarray(found.jac)) if found.success else _UNFINISHED
    return FormFit(form, fit, criterion, trouble)


def _trouble(form: Form, theta: Values, bounds: Values, jacobian: Values) -> str:
    """A parameter at its bound, or a direction in which the points say nothing."""
    lengths = np.linalg.norm(jacobian, axis=0)
    if lengths.min() <= 1e-9 * lengths.max():  # without a drop the shape moves nothing
        return _UNIDENTIFIED
    at_bound = (theta[2:] - bounds[:, 0] < 1e-3) | (bounds[:, 1] - theta[2:] < 1e-3)
    if at_bound.any():
        return f"at a bound: {', '.join(np.array(form.shapes)[at_bound])}"
    singular = np.linalg.svd(jacobian / lengths, compute_uv=False)
    return _UNIDENTIFIED if singular[-1] < 0.01 * singular[0] else ""


def _akaike_weights(criteria: Values) -> Values:
    """exp(-difference / 2), normalised; all zero when no form is usable."""
    if not np.isfinite(criteria).any():
        return np.zeros(len(criteria))
    weights = np.exp(-(criteria - criteria.min()) / 2.0)
    return np.asarray(weights / weights.sum())


def _average(
    fits: list[FormFit],
    weights: Values,
    ranks: Values,
    scores: Values,
    noise: Values,
    grid: Values,
) -> Values:
    """The weighted mean of the fitted forms on a grid, or the isotonic fit."""
    curve = np.zeros(len(grid))
    for item, weight in zip(fits, weights, strict=True):
        if weight > 0.0 and item.fit is not None:
            curve += weight * item.fit.curves(item.form, grid)[0]
    return curve if weights.any() else _isotonic(ranks, scores, noise, grid)


def _refit(
    fits: list[FormFit],
    weights: Values,
    ranks: Values,
    samples: Values,
    noise: Values,
    grid: Values,
) -> Values:
    """The same average for resampled points, forms weighed anew, (samples, grid)."""
    if not weights.any():
        return np.stack([_isotonic(ranks, sample, noise, grid) for sample in samples])
    usable = [
        (item.form, item.form.grid_around(item.fit.shapes[0], float(ranks[-1])))
        for item in fits
        if item.fit is not None and np.isfinite(item.criterion)
    ]
    again = [fit_on_grid(form, shapes, ranks, samples, noise**-2.0) for form, shapes in usable]
    size = [len(form.parameters) for form, _ in usable]
    penalty = np.array([2 * p + 2 * p * (p + 1) / (len(ranks) - p - 1) for p in size])
    criteria = np.stack([fit.misfit for fit in again]) + penalty[:, None]
    share = np.exp(-(criteria - criteria.min(axis=0)) / 2.0)
    share /= share.sum(axis=0)
    curves = np.stack(
        [fit.curves(form, grid) for (form, _), fit in zip(usable, again, strict=True)]
    )
    return np.asarray((share[:, :, None] * curves).sum(axis=0))


def _isotonic(ranks: Values, scores: Values, noise: Values, grid: Values) -> Values:
    """Isotonic regression, interpolated in log-rank."""
    smooth = isotonic_regression(scores, weights=noise.min() ** 2 / noise**2).x
    return np.asarray(np.interp(np.log(grid), np.log(ranks), smooth))


def _describe(fits: list[FormFit], weights: Values, sign: float) -> tuple[Mapping[str, Any], ...]:
    entries: list[dict[str, Any]] = []
    for item, weight in zip(fits, weights, strict=True):
        parameters: dict[str, float] = {}
        if item.fit is not None:
            values = [sign * item.fit.ceiling[0], sign * item.fit.drop[0], *item.fit.shapes[0]]
            pairs = zip(item.form.parameters, values, strict=True)
            parameters = {name: float(value) for name, value in pairs}
        entries.append(
            {
                "name": item.form.name,
                "parameters": parameters,
                "weight": float(weight),
                "trouble": item.trouble,
            }
        )
    if not weights.any():
        entries.append({"name": "isotonic", "parameters": {}, "weight": 1.0, "trouble": ""})
    return tuple(entries)


def _continuous_rank(
    ranks: Values,
    scores: Values,
    grid: Values,
    curve: Values,
    crossing: tuple[int | None, int] | None,
    level: float,
) -> float | None:
    """Where the curve crosses the target between the two measured ranks that bracket it.

    If the smooth curve crosses elsewhere it contradicts the measured points, and the straight
    line (in log-rank) between the two points serves instead; if they disagree too, since a
    pooled rank stands for its block, the upper of the two ranks.
    """
    if crossing is None:
        return None
    below, reaching = crossing
    if below is None:
        return float(reaching) if reaching == 1 else None
    left, right = np.log(below), np.log(reaching)
    lines = ((np.log(grid), curve), (np.log(ranks), scores))
    for x, y in lines:
        gap = np.interp([left, right], x, y) - level
        if gap[0] < 0.0 <= gap[1]:
            root = brentq(lambda at, x=x, y=y: float(np.interp(at, x, y)) - level, left, right)
            return float(min(max(np.exp(root), np.nextafter(below, np.inf)), reaching))
    return float(reaching)
