"""Predicted intervals against simulated ones, and the numbers of a plan one by one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import median_high

import numpy as np
import pytest

from rankprobe.errors import ConfigError
from rankprobe.records import MinimalRank, Result
from rankprobe.statistics.components import Noise, point_noises, usable_points
from rankprobe.statistics.expected import Expected, expect, share_to_reach
from rankprobe.statistics.plan import (
    enough_examples,
    enough_repeats,
    limit_width,
    plateau,
    predict,
    predicted_width,
    ranks_to_measure,
    width,
)
from tests.reporting.examples import examples, make
from tests.statistics.pilots import World, without_variance

LADDER = (1, 2, 4, 8, 16)
SEEDS = 30
WORLDS = {
    "both": World(over_repeats=0.02, over_examples=0.4),
    "repeats": World(over_repeats=0.05, over_examples=0.2),
    "test set": World(over_repeats=0.02, over_examples=0.8),
    "slow curve": World(over_repeats=0.03, over_examples=0.3, scale=5.0),
}


def steps(*surplus: float, repeats: float = 0.0, test_set: float = 0.0, start: int = 1) -> Expected:
    """Expected surpluses at ranks from ``start`` upwards, under one noise."""
    noise = Noise(repeats, test_set)
    ranks = np.arange(start, start + len(surplus))
    return Expected(ranks, np.array(surplus), (noise,) * len(ranks), (start, int(ranks[-1])), noise)


def foretold_width(pilots: Sequence[Result], repeats: int) -> float:
    """The median predicted width; a few unlucky pilots do not reach the target and say so."""
    cases = []
    for pilot in pilots:
        try:
            cases.append(expect(pilot, share=0.95))
        except ConfigError:
            continue
    assert len(cases) >= 0.85 * len(pilots)
    return median_high(
        width(*predict(case, repeats=repeats, examples=600, confidence=0.95)) for case in cases
    )


@pytest.mark.parametrize("world", WORLDS)
def test_pilots_predict_the_width_of_simulated_measurements(world: str) -> None:
    """Medians over 30 seeds agree within one rank, above 3 ranks within 40 % of the width.

    Two repeats do not tell the parts apart in results that do not carry them: those take three.
    """
    truth = WORLDS[world]
    seeds = range(SEEDS)
    pilots = {repeats: [truth.pilot(LADDER, repeats, seed) for seed in seeds] for repeats in (2, 3)}
    for repeats in (5, 10):
        found = median_high(truth.measured_width(range(1, 17), repeats, 1000 + k) for k in seeds)
        tolerance = max(1.0, 0.4 * found)
        old = [without_variance(pilot) for pilot in pilots[3]]
        for kind, given in (("2", pilots[2]), ("3", pilots[3]), ("3, old", old)):
            assert abs(foretold_width(given, repeats) - found) <= tolerance, (kind, repeats)


@pytest.mark.parametrize("told", [True, False])
def test_components_are_those_that_were_planted(told: bool) -> None:
    world = WORLDS["both"]
    pilots = [world.pilot(LADDER, 3, seed) for seed in range(SEEDS)]
    cases = [expect(p if told else without_variance(p), share=0.95).near for p in pilots]
    paired = 1.0 + 0.95**2  # of a rank and full training, over a gain of 2
    repeats = (world.over_repeats**2 + world.rest**2 / world.examples) * paired / 4.0
    test_set = world.over_examples**2 * (paired + 0.05**2) / 2.0 / 4.0
    assert np.median([case.repeats for case in cases]) == pytest.approx(repeats, rel=0.3)
    assert np.median([case.test_set for case in cases]) == pytest.approx(test_set, rel=0.1)


def test_more_repeats_narrow_what_repeats_blur_and_nothing_else() -> None:
    luck = steps(-0.03, -0.01, 0.01, 0.03, 0.05, repeats=0.02**2)
    assert predict(luck, repeats=2, examples=100, confidence=0.95) == (1, None)
    assert predict(luck, repeats=20, examples=100, confidence=0.95) == (3, 3)
    test = steps(-0.03, -0.01, 0.01, 0.03, 0.05, test_set=100 * 0.01**2)
    for repeats in (2, 1000):
        assert predict(test, repeats=repeats, examples=100, confidence=0.95) == (2, 4)
    assert predict(test, repeats=2, examples=10_000, confidence=0.95) == (3, 3)


def test_the_margin_is_students_with_satterthwaites_degrees() -> None:
    assert Noise(0.5, 0.0).error(2, 100) == pytest.approx((0.5, 1.0))
    assert Noise(0.5, 0.0).margin(2, 100, 0.975) == pytest.approx(12.706 * 0.5, rel=1e-4)
    assert Noise(0.0, 100.0).error(2, 100) == pytest.approx((1.0, 99.0))
    error, degrees = Noise(2.0, 100.0).error(2, 100)
    assert error == pytest.approx(math.sqrt(2.0))
    assert degrees == pytest.approx(4.0 / (1.0 + 1.0 / 99.0))
    assert Noise(0.0, 0.0).margin(2, 100, 0.975) == 0.0


def test_ends_stay_open_where_no_measured_rank_closes_them() -> None:
    above = steps(0.01, 0.05, repeats=1.0, start=4)
    assert predict(above, repeats=2, examples=100, confidence=0.95) == (None, None)
    assert width(None, 4) == width(3, None) == math.inf
    assert width(3, 4) == 1.0


def test_enough_repeats_is_the_smallest_number() -> None:
    case = (steps(-0.03, -0.01, 0.01, 0.03, 0.05, repeats=0.02**2),)
    found = enough_repeats(case, wished=1, examples=100, confidence=0.95)
    assert found is not None
    one_less = predicted_width(case, repeats=found - 1, examples=100, confidence=0.95)
    assert one_less > 1 >= predicted_width(case, repeats=found, examples=100, confidence=0.95)


def test_where_the_test_set_limits_examples_are_named_instead() -> None:
    case = (steps(-0.03, -0.01, 0.01, 0.03, 0.05, repeats=0.001**2, test_set=100 * 0.01**2),)
    assert enough_repeats(case, wished=1, examples=100, confidence=0.95) is None
    assert limit_width(case, examples=100, confidence=0.95) == 2.0
    assert plateau(case, examples=100, confidence=0.95) == 2
    found = enough_examples(case, wished=1, examples=100, confidence=0.95)
    assert found is not None
    repeats, count = found
    assert repeats == 5
    assert 300 <= count <= 500  # (1.96 * 0.01 / 0.01)^2 times as many, and a little
    assert predicted_width(case, repeats=5, examples=count, confidence=0.95) <= 1
    tie = (steps(-0.01, 0.0, 0.0, 0.0, 0.01, test_set=1.0),)
    assert enough_examples(tie, wished=1, examples=100, confidence=0.95) is None


def test_without_a_pilot_the_median_width_over_tasks_counts() -> None:
    narrow, wide = steps(-1.0, 1.0), steps(-1.0, 0.0, 0.0, 1.0, repeats=0.01)
    cases = (narrow, wide, wide)
    assert predicted_width(cases, repeats=5, examples=10, confidence=0.95) == 2.0
    cases = (narrow, narrow, steps(-1.0, 0.0, repeats=1.0))
    assert predicted_width(cases, repeats=5, examples=10, confidence=0.95) == 0.0


@pytest.mark.parametrize(
    ("low", "high", "ranks", "gap"),
    [
        (2, 4, (1, 2, 3, 4, 5), 1),
        (1, 1, (1, 2), 1),
        (None, 3, (1, 2, 3, 4), 1),
        (7, None, (6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16), 1),
        (9, 20, (8, 9, 10, 12, 13, 14, 15, 16, 17, 19, 20, 21), 2),
    ],
)
def test_ranks_to_measure(
    low: int | None, high: int | None, ranks: tuple[int, ...], gap: int
) -> None:
    assert ranks_to_measure(low, high, measured=(1, 2, 4, 8), largest=64) == (ranks, gap)


def test_no_rank_above_the_largest_useful_one_is_proposed() -> None:
    assert ranks_to_measure(3, 4, measured=(1, 2, 4), largest=4)[0] == (2, 3, 4)


def test_scatter_is_paired_with_full_trainings_repeats() -> None:
    """Ranks and full training go up and down together: the recovery hardly does."""
    result = make(ranks=(1, 2), worst=0.8, full=0.8)
    luck = (0.78, 0.79, 0.80, 0.81, 0.82)
    baseline = replace(result.baseline, mean=0.8, scores=luck)
    together = [replace(point, scores=luck) for point in result.points]
    apart = [replace(point, scores=luck[::-1]) for point in result.points]
    noises = [
        point_noises(replace(result, baseline=baseline, points=tuple(points)), points)[0]
        for points in (together, apart)
    ]
    assert noises[0].repeats < 1e-3 * noises[1].repeats


def test_the_fitted_curve_fills_gaps_and_points_correct_it() -> None:
    result = WORLDS["both"].pilot(LADDER, 3, 1)
    case = expect(result, share=0.95)
    assert list(case.ranks) == list(range(1, 17))
    assert (np.diff(case.surplus) >= 0.0).all()
    between = case.surplus[[4, 5, 6]] + 0.95
    assert between == pytest.approx([1 - np.exp(-r / 3.0) / 2.0 for r in (5, 6, 7)], abs=0.02)
    # A rank far from the curve, and measured well, is believed.
    points = list(result.points)
    low = replace(points[3].recovery, mean=0.90, low=0.8999, high=0.9001)
    points[3] = replace(points[3], recovery=low)
    bent = expect(replace(result, points=tuple(points)), share=0.95)
    assert bent.surplus[7] == pytest.approx(-0.05, abs=0.005)


def test_epsilon_is_a_share_of_what_full_training_gains() -> None:
    result = make(full=0.956, floor="chance", chance=0.038)
    assert share_to_reach(result) == 0.95
    gain = result.baseline.mean - 0.038
    assert share_to_reach(result, epsilon=0.01) == pytest.approx(1.0 - 0.01 / gain)
    assert share_to_reach(replace(result, epsilon=0.01)) == pytest.approx(1.0 - 0.01 / gain)
    assert share_to_reach(replace(result, epsilon=0.01), target=0.9) == 0.9


def test_points_without_limits_are_left_out() -> None:
    result = make(ranks=(1, 2, 4))
    lost = replace(result.points[0].recovery, low=-math.inf)
    points = (replace(result.points[0], recovery=lost), *result.points[1:])
    assert [p.rank for p in usable_points(replace(result, points=points))] == [2, 4]


_FIRST = "reaches the target\n    measure"


def _verdict(name: str) -> Result:
    return examples()[name]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (_verdict("no_signal"), "names no rank: full training does not beat chance"),
        (_verdict("suspect"), "names no rank: full training is not a safe reference"),
        (_verdict("not_monotone"), "has scores that fall after they reached the target"),
        (_verdict("largest"), f"none up to 64, the largest measured, {_FIRST} larger"),
        (_verdict("largest"), "ranks first, such as --ranks 64,128"),
        (_verdict("smallest"), f"the smallest measured, 4, {_FIRST} smaller"),
        (_verdict("smallest"), "ranks first, such as --ranks 1,2,4"),
        (make(ranks=(1,), minimal=MinimalRank(1, 1, None, 0.95, "resolved")), "fewer than two"),
    ],
)
def test_a_result_that_names_no_rank_says_what_to_do(result: Result, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expect(result, share=result.target)
    assert message in str(caught.value)
