"""The fitted curve: planted forms, named trouble, band, and what it may not contradict."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankprobe.records import Curve
from rankprobe.statistics.fit import fit_curve
from rankprobe.statistics.forms import FORMS, fit_on_grid
from tests.statistics.planted import Values

RANKS = np.array([1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0, 64.0])


def _fit(scores: Values, *, ranks: Values = RANKS, error: float = 0.002, **given_: Any) -> Curve:
    settings_: dict[str, Any] = {"higher_is_better": True, "crossing": None, "level": 0.9} | given_
    return fit_curve(ranks, scores, np.full(len(ranks), error), **settings_)


def _form(curve: Curve, name: str) -> dict[str, Any]:
    return dict(next(form for form in curve.forms if form["name"] == name))


def _at(curve: Curve, rank: float) -> float:
    return float(np.interp(rank, curve.ranks, curve.mean))


PLANTED = {
    "power law": ([1.3], 0.95 - 0.6 * RANKS**-1.3),
    "exponential": ([5.0], 0.95 - 0.6 * np.exp(-(RANKS - 1) / 5.0)),
    "Hill": ([4.0, 2.5], 0.95 - 0.6 / (1 + (RANKS / 4.0) ** 2.5)),
    "Weibull": ([4.0, 1.7], 0.95 - 0.6 * np.exp(-((RANKS / 4.0) ** 1.7))),
}


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_form_is_found_with_its_parameters(name: str) -> None:
    shapes, scores = PLANTED[name]
    curve = _fit(scores)
    form = _form(curve, name)
    assert form["weight"] == max(entry["weight"] for entry in curve.forms)
    assert list(form["parameters"].values()) == pytest.approx([0.95, 0.6, *shapes], rel=1e-3)
    assert form["trouble"] == ""
    assert [_at(curve, rank) for rank in RANKS] == pytest.approx(scores, abs=0.01)


def test_weights_sum_to_one_and_prefer_fewer_parameters() -> None:
    curve = _fit(PLANTED["exponential"][1])
    weights = {form["name"]: form["weight"] for form in curve.forms}
    assert sum(weights.values()) == pytest.approx(1.0)
    # Both fit exactly: AICc of ten points and 3 or 4 parameters is 10 or 16.
    assert weights["Weibull"] / weights["exponential"] == pytest.approx(np.exp(-3.0), rel=0.02)


def test_losses_fall_and_their_parameters_are_in_their_own_units() -> None:
    _, scores = PLANTED["power law"]
    up, down = _fit(scores), _fit(-scores, higher_is_better=False)
    assert down.mean == pytest.approx([-value for value in up.mean])
    assert down.low == pytest.approx([-value for value in up.high])
    assert np.all(np.array(down.low) <= np.array(down.high))
    parameters = _form(down, "power law")["parameters"]
    assert parameters["ceiling"] == pytest.approx(-0.95, rel=1e-3)
    assert parameters["drop"] == pytest.approx(-0.6, rel=1e-3)


def test_too_few_points_leave_a_form_out_and_say_so() -> None:
    curve = _fit(PLANTED["power law"][1][:5], ranks=RANKS[:5])
    assert _form(curve, "power law")["weight"] > 0
    assert _form(curve, "Hill") == {
        "name": "Hill",
        "parameters": {},
        "weight": 0.0,
        "trouble": "too few points: 5 measured, 6 needed",
    }


def test_the_isotonic_fit_stands_in_for_few_points() -> None:
    ranks, scores = np.array([1.0, 2.0, 4.0, 8.0]), np.array([0.2, 0.6, 0.5, 0.9])
    curve = _fit(scores, ranks=ranks)
    assert _form(curve, "isotonic")["weight"] == 1.0
    assert [_at(curve, rank) for rank in ranks] == pytest.approx([0.2, 0.55, 0.55, 0.9])
    assert np.all(np.diff(curve.mean) >= 0)


def test_a_form_that_misses_a_point_is_named_and_left_out() -> None:
    staircase = np.array([0.1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.9, 0.9])
    curve = _fit(staircase)
    assert "misses the measured point at rank" in _form(curve, "power law")["trouble"]
    assert _form(curve, "isotonic")["weight"] == 1.0
    assert _at(curve, 4.0) == pytest.approx(0.5)
    assert "isotonic" not in [form["name"] for form in _fit(PLANTED["Hill"][1]).forms]


def test_a_parameter_at_its_bound_is_named() -> None:
    step = np.where(RANKS < 3, 0.1, 0.9)
    trouble = {form["name"]: form["trouble"] for form in _fit(step, error=0.05).forms}
    assert trouble["Hill"] == "at a bound: steepness"


def test_a_flat_curve_does_not_identify_its_shape() -> None:
    curve = _fit(np.full(len(RANKS), 0.5))
    assert curve.mean == pytest.approx(np.full(len(curve.mean), 0.5), abs=1e-3)
    for form in curve.forms:
        assert form["trouble"] == "not identified: other parameters fit as well"


def test_parameters_that_trade_against_each_other_are_not_identified() -> None:
    """Three points of the tail: where the curve started from cannot be told."""
    tail = np.array([40.0, 44.0, 48.0, 52.0, 56.0, 60.0, 64.0])
    curve = _fit(0.9 - 2.0 / tail, ranks=tail, error=0.0001)
    trouble = [form["trouble"] for form in curve.forms]
    assert "not identified: other parameters fit as well" in trouble


def test_the_band_has_the_width_of_the_noise() -> None:
    _, scores = PLANTED["Hill"]
    wide, narrow = _fit(scores, error=0.02), _fit(scores, error=0.002)
    for curve, error in ((wide, 0.02), (narrow, 0.002)):
        low, mean, high = (np.array(part) for part in (curve.low, curve.mean, curve.high))
        assert np.all(low <= mean)
        assert np.all(mean <= high)
        assert 1.0 * error < np.median(high - low) < 4.0 * error


def test_the_band_covers_the_planted_curve() -> None:
    _, truth = PLANTED["Weibull"]
    generator = np.random.default_rng(0)
    covered = []
    for _ in range(20):
        curve = _fit(truth + 0.01 * generator.standard_normal(len(RANKS)), error=0.01)
        low = np.interp(RANKS, curve.ranks, curve.low)
        high = np.interp(RANKS, curve.ranks, curve.high)
        covered += list((low <= truth) & (truth <= high))
    assert np.mean(covered) > 0.85


def test_the_grid_of_ranks_holds_every_measured_rank() -> None:
    curve = _fit(PLANTED["Hill"][1])
    assert set(RANKS) <= set(curve.ranks)
    assert list(curve.ranks) == sorted(curve.ranks)
    assert (curve.ranks[0], curve.ranks[-1]) == (1.0, 64.0)


def test_continuous_rank_is_where_the_curve_crosses() -> None:
    _, scores = PLANTED["exponential"]
    exact = 1 + 5.0 * np.log(0.6 / 0.05)
    curve = _fit(scores, crossing=(12, 16), level=0.9)
    assert curve.continuous_rank == pytest.approx(exact, rel=0.02)


def test_continuous_rank_of_a_loss() -> None:
    _, scores = PLANTED["exponential"]
    curve = _fit(-scores, higher_is_better=False, crossing=(12, 16), level=-0.9)
    assert curve.continuous_rank == pytest.approx(1 + 5.0 * np.log(0.6 / 0.05), rel=0.02)


def test_continuous_rank_of_rank_one_and_of_none() -> None:
    _, scores = PLANTED["Hill"]
    assert _fit(scores, crossing=(None, 1)).continuous_rank == 1.0
    assert _fit(scores, crossing=(None, 4)).continuous_rank is None
    assert _fit(scores, crossing=None).continuous_rank is None


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.floats(0.0, 0.4), min_size=4, max_size=10),
    level=st.floats(0.05, 0.95),
    error=st.floats(0.0, 0.05),
)
def test_continuous_rank_never_contradicts_the_points(
    steps: list[float], level: float, error: float
) -> None:
    scores = np.cumsum(steps)
    if scores[-1] == 0:
        return
    scores = scores / scores[-1]
    reaching = int(np.flatnonzero(scores >= level)[0])
    if reaching == 0:
        return
    ranks = RANKS[: len(scores)]
    crossing = (int(ranks[reaching - 1]), int(ranks[reaching]))
    curve = _fit(scores, ranks=ranks, error=error, crossing=crossing, level=level)
    assert curve.continuous_rank is not None
    assert crossing[0] < curve.continuous_rank <= crossing[1]
    json.dumps([curve.forms, curve.ranks, curve.mean, curve.low, curve.high], allow_nan=False)


def test_the_fit_is_seeded() -> None:
    _, scores = PLANTED["Hill"]
    assert _fit(scores, seed=1) == _fit(scores, seed=1)
    assert _fit(scores, seed=1).low != _fit(scores, seed=2).low


def test_ten_points_take_less_than_a_second_and_a_half() -> None:
    start = time.process_time()
    _fit(PLANTED["Weibull"][1], error=0.01)
    assert time.process_time() - start < 1.5


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_forms_decay_from_one_towards_zero(form: Any) -> None:
    ranks = np.geomspace(1, 1e4, 50)
    decay = form.decay(ranks, form.grid(64.0))
    assert decay.shape == (len(form.grid(64.0)), 50)
    assert np.all((decay >= 0) & (decay <= 1))
    assert np.all(np.diff(decay, axis=1) <= 0)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_the_grid_fit_equals_weighted_least_squares(form: Any) -> None:
    generator = np.random.default_rng(0)
    shapes = form.grid(64.0)[len(form.grid(64.0)) // 2 :][:1]
    samples = np.sort(generator.random((3, len(RANKS))), axis=1)
    weights = generator.random(len(RANKS)) + 0.1
    fit = fit_on_grid(form, shapes, RANKS, samples, weights)
    design = np.stack([np.ones(len(RANKS)), -form.decay(RANKS, shapes)[0]], axis=1)
    root = np.sqrt(weights)
    for k, sample in enumerate(samples):
        solution, misfit, *_ = np.linalg.lstsq(design * root[:, None], sample * root, rcond=None)
        assert [fit.ceiling[k], fit.drop[k]] == pytest.approx(solution)
        assert fit.misfit[k] == pytest.approx(misfit[0])
