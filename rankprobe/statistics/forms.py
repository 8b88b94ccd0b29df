"""Saturating forms: score = ceiling - drop * decay(rank), decay falling towards 0.

The score is linear in ceiling and drop, so only the one or two shape parameters of the decay
need a search; a grid of them finds the best fit of many resamples at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Form:
    """One saturating form.

    Attributes:
        name: Its name.
        shapes: Names of the shape parameters, all positive.
        decay: (ranks, shapes) -> values in [0, 1]; shapes along the last axis, (..., s); result
            (..., ranks).
        bounds: Largest measured rank -> (low, high) of each shape parameter.
    """

    name: str
    shapes: tuple[str, ...]
    decay: Callable[[Values, Values], Values]
    bounds: Callable[[float], tuple[tuple[float, float], ...]]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters."""
        return ("ceiling", "drop", *self.shapes)

    def grid(self, largest: float) -> Values:
        """Shape parameters on a logarithmic grid within the bounds, (points, shapes)."""
        bounds = self.bounds(largest)
        counts = (96,) if len(bounds) == 1 else (40, 24)
        return _mesh([np.geomspace(*bound, n) for bound, n in zip(bounds, counts, strict=True)])

    def grid_around(self, shapes: Values, largest: float) -> Values:
        """A grid dense at given shapes, which it holds, and wide around them."""
        stretch = np.exp(2.0 * np.sinh(np.linspace(-4.0, 4.0, 41)) / np.sinh(4.0))
        bounds = self.bounds(largest)
        return _mesh(
            [np.clip(at * stretch, *bound) for at, bound in zip(shapes, bounds, strict=True)]
        )


def _mesh(axes: list[Values]) -> Values:
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=-1)


def _power_law(ranks: Values, shapes: Values) -> Values:
    return np.asarray(ranks ** -shapes[..., :1])


def _exponential(ranks: Values, shapes: Values) -> Values:
    return np.asarray(np.exp(-(ranks - 1.0) / shapes[..., :1]))


def _hill(ranks: Values, shapes: Values) -> Values:
    return np.asarray(1.0 / (1.0 + (ranks / shapes[..., :1]) ** shapes[..., 1:]))


def _weibull(ranks: Values, shapes: Values) -> Values:
    return np.asarray(np.exp(-((ranks / shapes[..., :1]) ** shapes[..., 1:])))


FORMS = (
    Form("power law", ("exponent",), _power_law, lambda _: ((0.02, 8.0),)),
    Form("exponential", ("scale",), _exponential, lambda largest: ((0.2, 8.0 * largest),)),
    Form(
        "Hill",
        ("half_rank", "steepness"),
        _hill,
        lambda largest: ((0.25, 8.0 * largest), (0.4, 8.0)),
    ),
    Form(
        "Weibull",
        ("scale", "steepness"),
        _weibull,
        lambda largest: ((0.25, 8.0 * largest), (0.25, 8.0)),
    ),
)


@dataclass(frozen=True, eq=False)
class GridFit:
    """Best fits of one form to many samples of scores, over a grid of shapes.

    Attributes:
        ceiling: (samples,).
        drop: (samples,), at least 0.
        shapes: (samples, shapes).
        misfit: Weighted sum of squared residuals, (samples,).
    """

    ceiling: Values
    drop: Values
    shapes: Values
    misfit: Values

    def curves(self, form: Form, ranks: Values) -> Values:
        """Fitted scores, (samples, ranks)."""
        curves: Values = self.ceiling[:, None] - self.drop[:, None] * form.decay(ranks, self.shapes)
        return curves


def fit_on_grid(
    form: Form, shapes: Values, ranks: Values, samples: Values, weights: Values
) -> GridFit:
    """Weighted least squares in closed form at every grid point; the best point is kept.

    Args:
        form: The form.
        shapes: The grid, (grid points, shapes).
        ranks: Measured ranks, (points,).
        samples: Scores, higher being better, (samples, points).
        weights: Inverse variances, (points,).
    """
    decay = form.decay(ranks, shapes)
    w = weights / weights.sum()
    decay_mean, sample_mean = decay @ w, samples @ w
    decay_left = decay - decay_mean[:, None]
    left = samples - sample_mean[:, None]
    spread = np.square(decay_left) @ w
    covariance = (decay_left * w) @ left.T
    # A decay that is flat over the measured ranks explains nothing: its drop is 0.
    usable = (spread > 1e-12)[:, None]
    drop = np.where(usable, -covariance / np.where(usable, spread[:, None], 1.0), 0.0)
    drop = np.maximum(drop, 0.0)
    misfit = np.square(left) @ w + 2.0 * drop * covariance + drop**2 * spread[:, None]
    best = misfit.argmin(axis=0)
    columns = np.arange(len(samples))
    drop = drop[best, columns]
    return GridFit(
        ceiling=sample_mean + drop * decay_mean[best],
        drop=drop,
        shapes=shapes[best],
        misfit=np.maximum(misfit[best, columns], 0.0) * weights.sum(),
    )
