"""Ties, non-inferiority, epsilon and the level of a signal: where each fires and where not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rankprobe.statistics.minimal_rank import bracket, find_minimal_rank
from rankprobe.statistics.reading import read_evidence
from rankprobe.statistics.standing import Criterion
from tests.statistics.planted import Values, accuracy_evidence, loss_evidence

RISING = {1: 0.40, 2: 0.70, 4: 0.85, 5: 0.90, 6: 0.95, 8: 0.955, 16: 0.958}
"""Of 0.96, 95 % is 0.912: rank 6."""


def _steady(means: dict[int | None, float], *, swing: float = 0.001) -> dict[int | None, Values]:
    """Losses, (5, 100), whose repeats differ by ``swing`` in another order at each rank."""
    example = 0.001 * np.sin(np.arange(100.0))
    deviations = np.linspace(-1.0, 1.0, 5)
    return {
        rank: mean + example + swing * np.random.default_rng(index).permutation(deviations)[:, None]
        for index, (rank, mean) in enumerate(means.items())
    }


# Ties between neighbouring ranks


def test_neighbours_that_cannot_be_told_apart_are_a_tie() -> None:
    answer = find_minimal_rank(
        accuracy_evidence({**RISING, 5: 0.911, 6: 0.9125}, wobble=0.004), target=0.95
    )
    assert answer.value == 6
    assert "unresolved_tie" in answer.flags


def test_a_sure_crossing_is_no_tie() -> None:
    assert "unresolved_tie" not in find_minimal_rank(accuracy_evidence(RISING), target=0.95).flags


def test_a_neighbour_that_differs_surely_is_no_tie_though_the_target_is_near() -> None:
    """Rank 5 is surely below rank 6, but the noise of full training hides the target."""
    losses = _steady({1: 0.6, 4: 0.3, 5: 0.15, 6: 0.14, 8: 0.11}, swing=1e-4)
    losses |= _steady({None: 0.1}, swing=0.05)
    answer = find_minimal_rank(loss_evidence(losses, chance=1.0), target=0.95)
    assert (answer.value, answer.low) == (6, 5)
    assert "unresolved_tie" not in answer.flags


def test_neighbours_alike_but_both_surely_above_are_no_tie() -> None:
    answer = find_minimal_rank(accuracy_evidence({1: 0.4, 2: 0.95, 3: 0.95}), target=0.95)
    assert (answer.low, answer.high) == (2, 2)
    assert "unresolved_tie" not in answer.flags


# Smaller ranks that reach


def test_a_smaller_rank_that_reaches_but_is_not_named_is_told() -> None:
    pooled = accuracy_evidence({1: 0.4, 2: 0.9125, 3: 0.908, 4: 0.95}, wobble=0.004)
    answer = find_minimal_rank(pooled, target=0.95)
    assert answer.value == 4
    assert "smaller_rank_reaches" in answer.flags
    nowhere = accuracy_evidence({1: 0.4, 2: 0.9125, 3: 0.908}, wobble=0.004)
    answer = find_minimal_rank(nowhere, target=0.95)
    assert (answer.verdict, answer.value) == ("above_largest", None)
    assert "smaller_rank_reaches" in answer.flags


def test_no_smaller_rank_reaches_in_a_rising_curve() -> None:
    answer = find_minimal_rank(accuracy_evidence(RISING), target=0.95)
    assert "smaller_rank_reaches" not in answer.flags


# Non-inferiority


def test_the_test_is_students_at_the_margin_of_the_target() -> None:
    levels = np.array([0.13, 0.15, 0.14, 0.16, 0.135])[:, None]
    losses = {1: levels + np.zeros(50), None: np.full((5, 50), 0.1)}
    point = read_evidence(loss_evidence(losses, chance=1.0), target=0.95).points[0]
    surplus = (1.0 - losses[1].mean(axis=1)) - 0.95 * 0.9
    expected = stats.ttest_1samp(surplus, 0.0, alternative="greater").pvalue
    assert point.p_value == pytest.approx(expected)
    assert point.non_inferior is False


def test_a_rank_may_reach_the_target_and_not_be_shown_non_inferior() -> None:
    """The threshold rule asks for a mean at the target, the test for more than noise above it."""
    answer = find_minimal_rank(
        accuracy_evidence({**RISING, 6: 0.9125, 8: 0.955}, wobble=0.004), target=0.95
    )
    assert (answer.value, answer.non_inferior) == (6, 8)


def test_a_failed_t_test_is_not_equivalence() -> None:
    """Wide noise: not different from full training, and not shown to be as good either."""
    losses = _steady({1: 0.2, 2: 0.13, None: 0.1}, swing=0.2)
    reading = read_evidence(loss_evidence(losses, chance=1.0), target=0.95)
    assert reading.points[1].recovery.high > 1.0
    assert [point.non_inferior for point in reading.points] == [False, False]
    assert reading.minimal_rank.non_inferior is None


def test_every_rank_from_the_one_named_on_passes() -> None:
    sure = find_minimal_rank(accuracy_evidence(RISING), target=0.95)
    assert sure.non_inferior == 6
    dip = find_minimal_rank(
        accuracy_evidence({1: 0.4, 2: 0.95, 4: 0.9121, 8: 0.955}, wobble=0.004), target=0.95
    )
    assert (dip.value, dip.non_inferior) == (2, 8)


def test_a_single_repeat_tests_nothing() -> None:
    reading = read_evidence(accuracy_evidence(RISING, repeats=1), target=0.95)
    assert {(point.p_value, point.non_inferior) for point in reading.points} == {(None, None)}
    assert reading.minimal_rank.non_inferior is None


# Epsilon


def test_epsilon_is_a_distance_from_full_training() -> None:
    evidence = loss_evidence(_steady({1: 0.6, 2: 0.3, 3: 0.2, 4: 0.12, None: 0.1}), chance=1.0)
    for epsilon, value in ((0.6, 1), (0.25, 2), (0.12, 3), (0.05, 4)):
        answer = find_minimal_rank(evidence, target=0.95, epsilon=epsilon)
        assert (answer.verdict, answer.value) == ("resolved", value)
        assert bracket(evidence, target=0.95, epsilon=epsilon)[1] == value
    assert find_minimal_rank(evidence, target=0.95, epsilon=0.001).verdict == "above_largest"


def test_epsilon_leaves_the_targets_alone_and_moves_the_curve_s_crossing() -> None:
    evidence = accuracy_evidence({1: 0.4, 2: 0.6, 4: 0.8, 8: 0.95})
    reading = read_evidence(evidence, target=0.95, epsilon=0.2)
    assert reading.minimal_rank.value == 4
    assert list(reading.targets) == ["0.9", "0.95", "0.99"]
    assert reading.targets["0.95"].value == 8
    assert reading.curve.continuous_rank is not None
    assert 2 < reading.curve.continuous_rank <= 4


def test_a_criterion_is_a_share_or_a_distance() -> None:
    assert Criterion.of(0.9, None) == Criterion(0.9, 0.0)
    assert Criterion.of(0.9, 0.1) == Criterion(1.0, 0.1)


# Signal


def test_a_signal_at_one_in_forty_is_none_at_one_in_a_thousand() -> None:
    """A gain of 2.5 standard errors passes a 2.5 % test; shuffled labels do that now and then."""
    generator = np.random.default_rng(0)
    draws = generator.standard_normal(400)
    draws = (draws - draws.mean()) / draws.std(ddof=1)
    for errors, verdict in ((2.5, "no_signal"), (4.0, "resolved")):
        losses = 1.0 - errors / 20.0 + draws + np.zeros((5, 1))
        evidence = loss_evidence({1: losses, None: losses}, chance=1.0)
        assert find_minimal_rank(evidence, target=0.95).verdict == verdict


def test_two_repeats_that_differ_do_not_hide_a_signal() -> None:
    """Student's t of one degree of freedom at 1 in 1,000 would ask for 318 standard errors."""
    answer = find_minimal_rank(accuracy_evidence(RISING, repeats=2, wobble=0.01), target=0.95)
    assert answer.verdict == "resolved"


# Recovery over chance


def test_recovery_over_chance_is_always_there() -> None:
    reading = read_evidence(accuracy_evidence(RISING), target=0.95)
    point = reading.points[0]
    assert point.recovery.mean == pytest.approx(0.4 / 0.96)
    assert point.over_chance is not None
    assert point.over_chance.mean == pytest.approx(0.3 / 0.86)
    by_chance = read_evidence(accuracy_evidence(RISING), target=0.95, floor="chance").points[0]
    assert by_chance.over_chance == by_chance.recovery
