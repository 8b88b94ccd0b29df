"""Whether a rank levels off with size: planted laws, censored sizes, forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from rankprobe.records import MinimalRank
from rankprobe.records.capacity import Capacity, Trend
from rankprobe.statistics.capacity import find_capacity
from rankprobe.statistics.size_forms import fit_forms
from studies.coverage.sizes import SIZES, Law, SimulatedSweep, draw_sweep, is_wrong


def sweep(
    law: Law, *, noise: float = 0.03, sizes: int = 6, dense: bool = True, seed: int = 0
) -> SimulatedSweep:
    generator = np.random.default_rng([17, seed])
    return draw_sweep(law, SIZES[sizes], noise=noise, generator=generator, dense=dense)


def without(swept: SimulatedSweep, place: int, minimal: MinimalRank) -> Capacity:
    """The sweep with another answer at one size."""
    results = list(swept.results)
    results[place] = replace(results[place], minimal_rank=minimal)
    labels = [f"{size:g}" for size in swept.sizes]
    return find_capacity(results, labels, swept.sizes, axis="size")


@pytest.mark.parametrize(
    ("law", "verdict"),
    [
        (lambda s: 20.0, "levels_off"),
        (lambda s: 20.0 + 0.5 * s**-2, "levels_off"),
        (lambda s: 24.0 * s**-0.5, "still_falling"),
        (lambda s: 20.0 * s**0.5, "still_rising"),
        (lambda s: 2.5, "undecided"),  # too coarse
        (lambda s: 0.5, "levels_off"),  # rank 1 everywhere
    ],
)
def test_a_planted_law_is_told(law: Law, verdict: Trend) -> None:
    capacity = sweep(law).capacity()
    trend = capacity.trend("rank")
    assert trend.verdict == verdict
    assert trend.over == (1.0, 2.0, 4.0)
    assert (trend.level is not None) == (verdict == "levels_off")
    assert ("at_rank_1" in trend.flags) == (law(1.0) < 1.0)


def test_the_level_and_the_limit_are_found() -> None:
    trend = sweep(lambda s: 20.0 + 2.0 * s**-2).capacity().trend("rank")
    assert trend.best is not None
    assert trend.best.name == "levelling"
    assert trend.limit is not None
    assert trend.limit.low < 20.0 < trend.limit.high
    assert trend.limit.high - trend.limit.low < 4.0


def test_normalised_forms_follow_the_network() -> None:
    """The simulated network has s widths of 256, 2 w parameters a rank, and 10 w + w^2 in all."""
    swept = sweep(lambda s: 16.0 * s)
    capacity = swept.capacity()
    verdicts = {trend.quantity: trend.verdict for trend in capacity.trends}
    assert verdicts["rank"] == verdicts["degrees_of_freedom"] == "still_rising"
    assert verdicts["relative_rank"] == verdicts["share"] == "levels_off"
    for item, result in zip(capacity.sizes, swept.results, strict=True):
        minimal, width = result.minimal_rank, round(256 * item.size)
        assert minimal.value is not None
        assert item.values["rank"].mean == minimal.value
        assert item.values["relative_rank"].mean == pytest.approx(minimal.value / width)
        assert item.values["degrees_of_freedom"].mean == minimal.degrees_of_freedom
        assert item.values["share"].mean == pytest.approx(minimal.share)


def test_sizes_are_put_in_order() -> None:
    swept = sweep(lambda s: 24.0 * s**-0.5)
    labels = [f"{size:g}" for size in swept.sizes]
    turned = find_capacity(swept.results[::-1], labels[::-1], swept.sizes[::-1], axis="size")
    assert turned.sizes == swept.capacity().sizes


def test_a_size_above_the_largest_rank_takes_part_by_its_limit() -> None:
    above = MinimalRank(None, 257, None, 0.95, "above_largest", distribution=((None, 1.0),))
    swept = sweep(lambda s: 24.0)
    capacity = without(swept, 5, above)
    trend = capacity.trend("rank")
    assert (trend.verdict, "censored" in trend.flags) == ("still_rising", True)
    assert trend.slope.low > 0.0
    assert math.isinf(trend.slope.high)
    last = capacity.sizes[5].values["rank"]
    assert math.isnan(last.mean)
    assert (last.low, last.high) == (257.0, math.inf)
    # The forms are fitted to the others.
    constant = next(form for form in trend.forms if form.name == "constant")
    assert constant.parameters["a"] == pytest.approx(23.5, abs=1.0)


@pytest.mark.parametrize("verdict", ["baseline_suspect", "no_signal"])
def test_a_size_without_a_rank_is_left_out_and_named(verdict: str) -> None:
    swept = sweep(lambda s: 20.0)
    capacity = without(swept, 5, MinimalRank(None, None, None, 0.95, verdict))  # type: ignore[arg-type]
    assert capacity.left_out == ("4",)
    assert capacity.sizes[5].values == {}
    trend = capacity.trend("rank")
    assert "largest_left_out" in trend.flags
    assert trend.over == (0.5, 1.0, 2.0)


def test_two_sizes_decide_nothing() -> None:
    swept = sweep(lambda s: 20.0 / s, sizes=4)
    nothing = MinimalRank(None, None, None, 0.95, "no_signal")
    results = [
        replace(result, minimal_rank=nothing) if k < 2 else result
        for k, result in enumerate(swept.results)
    ]
    trend = find_capacity(results, list("abcd"), swept.sizes, axis="size").trend("rank")
    assert (trend.verdict, "few_sizes" in trend.flags) == ("undecided", True)
    assert {form.name for form in trend.forms if form.parameters} == {"constant"}


def test_a_gap_of_the_ladder_is_doubt() -> None:
    assert sweep(lambda s: 20.0).capacity().trend("rank").verdict == "levels_off"
    wide = sweep(lambda s: 20.0, dense=False).capacity().trend("rank")
    assert wide.verdict == "undecided"


def test_forms_are_told_apart_when_they_can_be() -> None:
    sizes, errors = np.array(SIZES[6]), np.full(6, 0.03)
    laws = {
        "constant": np.full(6, 12.0),
        "power": 12.0 * sizes**-0.7,
        "levelling": 12.0 + 3.0 / sizes,
    }
    for name, values in laws.items():
        fitted = fit_forms(sizes, np.log2(values), errors)
        best = max(fitted.forms, key=lambda form: form.weight)
        assert best.name == name
        np.testing.assert_allclose(best.at(sizes), values, rtol=0.02)
        assert sum(form.weight for form in fitted.forms) == pytest.approx(1.0)
        assert fitted.scatter == 1.0


def test_scatter_beyond_the_errors_widens() -> None:
    sizes, errors = np.array(SIZES[6]), np.full(6, 0.03)
    wild = np.log2(12.0) + 0.3 * np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    assert fit_forms(sizes, wild, errors).scatter > 50.0


def test_verdicts_are_seldom_wrong() -> None:
    """`python -m studies.coverage` does it over 1,440 sweeps."""
    laws: list[Law] = [
        lambda s: 12.0,
        lambda s: 12.0 * s**-0.25,
        lambda s: 14.0 * s**-0.5,
        lambda s: 8.0 + 6.0 / s,
    ]
    wrong = covered = decided = 0
    for number in range(24):
        swept = sweep(laws[number % 4], noise=0.05 if number % 8 < 4 else 0.2, seed=number)
        trend = swept.capacity().trend("rank")
        slope = swept.slope(trend.over)
        wrong += is_wrong(trend.verdict, slope)
        covered += trend.slope.low <= slope <= trend.slope.high
        decided += trend.verdict != "undecided"
    assert wrong <= 1
    assert covered >= 21
    assert decided >= 10
