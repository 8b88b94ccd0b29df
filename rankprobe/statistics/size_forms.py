"""How a quantity may go with the size of a network: three forms, weighed against each other.

The errors of the values are known, each from the interval of its minimal rank, so that the
misfit of a form is a chi-square and Akaike's criterion needs no correction for their number
(K. P. Burnham and D. R. Anderson, *Model Selection and Multimodel Inference*, 2.4). Values that
scatter about every form by more than their errors have the misfit divided by that scatter, as
in their QAIC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rankprobe.records.capacity import SizeForm
from rankprobe.statistics.variance import Values

_POWERS = np.geomspace(0.2, 5.0, 49)
_PARAMETERS = {"constant": 1, "power": 2, "levelling": 3}


@dataclass(frozen=True, eq=False)
class FittedForms:
    """The forms, and the scatter about the best of them.

    Attributes:
        forms: All three.
        scatter: Chi-square of the closest form over its degrees of freedom, at least 1.
    """

    forms: tuple[SizeForm, ...]
    scatter: float


def fit_forms(sizes: Values, logs: Values, errors: Values) -> FittedForms:
    """Fit a constant, a power law and one that levels off.

    Args:
        sizes: Sizes, (n,), each above 0.
        logs: Values as log2, (n,).
        errors: Their standard errors, (n,), each above 0.
    """
    count, weights = len(sizes), 1.0 / errors**2
    found: dict[str, tuple[dict[str, float], float, str]] = {}
    if count >= 1:
        mean = float(np.average(logs, weights=weights))
        found["constant"] = {"a": 2.0**mean}, float(weights @ (logs - mean) ** 2), ""
    if count >= 3:
        intercept, slope = line(np.log2(sizes), logs, weights)
        left = logs - intercept - slope * np.log2(sizes)
        found["power"] = {"a": 2.0**intercept, "c": -slope}, float(weights @ left**2), ""
    if count >= 4:
        parameters, misfit = fit_levelling(sizes, logs[None], errors)
        a, b, c = (float(value) for value in parameters[0])
        if np.isfinite(misfit[0]):
            trouble = "" if _POWERS[0] < c < _POWERS[-1] else "c at the end of its range"
            found["levelling"] = {"a": a, "b": b, "c": c}, float(misfit[0]), trouble
    free = {name: count - _PARAMETERS[name] for name in found}
    scatters = [found[name][1] / left for name, left in free.items() if left > 0]
    scatter = max(1.0, min(scatters, default=1.0))
    criteria = {name: item[1] / scatter + 2 * _PARAMETERS[name] for name, item in found.items()}
    least = min(criteria.values(), default=0.0)
    relative = {name: float(np.exp((least - value) / 2)) for name, value in criteria.items()}
    total = sum(relative.values())
    forms = tuple(
        SizeForm(name, *found[name][:2], relative[name] / total, found[name][2])
        if name in found
        else SizeForm(name, {}, None, 0.0, _missing(name, count))
        for name in _PARAMETERS
    )
    return FittedForms(forms, scatter)


def _missing(name: str, count: int) -> str:
    if count <= _PARAMETERS[name]:
        return f"it needs {_PARAMETERS[name] + 1} sizes with a value"
    return "no limit above 0 fits"


def line(x: Values, y: Values, weights: Values) -> tuple[float, float]:
    """Intercept and slope of weighted least squares."""
    middle = np.average(x, weights=weights)
    slope = float(weights @ ((x - middle) * y) / (weights @ (x - middle) ** 2))
    return float(np.average(y, weights=weights)) - slope * float(middle), slope


def fit_levelling(sizes: Values, logs: Values, errors: Values) -> tuple[Values, Values]:
    """The form q = a + b s^-c with a > 0, fitted to many sets of values at once.

    For each c of a grid a and b follow by least squares, relative errors being constant; the c
    whose misfit in log2 is least is taken.

    Args:
        sizes: Sizes, (n,).
        logs: Values as log2, (sets, n).
        errors: Standard errors of the values, (n,).

    Returns:
        a, b and c, (sets, 3), and the misfit, (sets,), infinite where no a above 0 fits.
    """
    values = 2.0**logs
    weights = 1.0 / (errors * values) ** 2
    total = weights.sum(axis=1)
    best = np.full((len(logs), 3), np.nan)
    least = np.full(len(logs), np.inf)
    for power in _POWERS:
        base = sizes**-power
        middle = (weights @ base) / total
        mean = (weights * values).sum(axis=1) / total
        away = base - middle[:, None]
        b = (weights * away * values).sum(axis=1) / (weights * away**2).sum(axis=1)
        a = mean - b * middle
        fitted = a[:, None] + b[:, None] * base
        valid = (a > 0.0) & (fitted > 0.0).all(axis=1)
        left = logs - np.log2(np.where(fitted > 0.0, fitted, 1.0))
        misfit = np.where(valid, ((left / errors) ** 2).sum(axis=1), np.inf)
        better = misfit < least
        best[better] = np.column_stack([a, b, np.full(len(a), power)])[better]
        least = np.where(better, misfit, least)
    return best, least
