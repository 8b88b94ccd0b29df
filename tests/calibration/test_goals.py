from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtrit

from rankprobe.calibration.breakdown import breakdowns
from rankprobe.calibration.goals import Goal, goals, width_ratio
from rankprobe.calibration.outcomes import Checked, Outcome
from rankprobe.calibration.proportions import binomial, clustered
from rankprobe.calibration.reference import ReferencePoint
from tests.calibration.examples import answer, checked, control, outcome


def goal(outcomes: list[Outcome], what: str) -> Goal:
    return next(item for item in goals(outcomes) if what in item.what)


def some(count: int, wrong: int = 0) -> list[Outcome]:
    good = [outcome(index) for index in range(count - wrong)]
    return good + [outcome(index, found=answer(5)) for index in range(wrong)]


def test_binomial_limits_are_those_of_clopper_and_pearson() -> None:
    share = binomial(240, 250)
    assert (share.low, share.high) == pytest.approx((0.92767, 0.98069), abs=1e-4)
    assert binomial(0, 40).high == pytest.approx(1 - 0.025 ** (1 / 40))
    assert (binomial(0, 40).low, binomial(40, 40).high) == (0, 1)
    assert (binomial(0, 0).low, binomial(0, 0).high) == (0, 1)


def test_points_of_one_task_count_as_what_they_tell() -> None:
    """Tasks whose points all agree are worth one case each, whatever the number of points."""
    together = clustered([[True] * 10] * 19 + [[False] * 10])
    assert (together.hits, together.total) == (190, 200)
    alone = binomial(19, 20)
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high), abs=0.01)
    mixed = clustered([[True] * 19 + [False]] * 10)
    assert mixed.value == 0.95
    spread = np.random.default_rng(0).random((200, 10)) < 0.95
    independent = clustered(spread.tolist())
    plain = binomial(int(spread.sum()), 2000)
    assert independent.low == pytest.approx(plain.low, abs=0.004)


def test_clustered_intervals_cover_when_tasks_differ() -> None:
    random = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        shares = random.beta(9, 1, 60)
        low_high = clustered([(random.random(8) < share).tolist() for share in shares])
        hits += low_high.low <= 0.9 <= low_high.high
    assert 270 <= hits <= 298


@pytest.mark.parametrize(
    ("count", "wrong", "verdict"),
    [
        (150, 0, "met"),
        (150, 7, "met"),
        (150, 8, "not met"),
        (149, 0, "too few to say"),
        (40, 2, "too few to say"),
        (40, 8, "not met"),
        (0, 0, "too few to say"),
    ],
)
def test_exact_ranks(count: int, wrong: int, verdict: str) -> None:
    found = goal(some(count, wrong), "exact r*")
    assert (found.verdict, found.cases) == (verdict, count)


def test_coverage_needs_its_lower_limit_too() -> None:
    covers = "interval of r* covers"
    assert goal(some(200, 8), covers).verdict == "met"
    assert goal(some(200, 8), covers).low == pytest.approx(0.9227, abs=1e-3)
    assert goal(some(200, 11), covers).verdict == "not met"
    withheld = [outcome(found=control().found)] * 10
    assert goal(some(200) + withheld, covers).value == pytest.approx(200 / 210)


def test_teachers_count_where_their_reference_has_a_rank() -> None:
    teachers = [outcome(kind="teacher", stratum="confirmed", found=answer(5))]
    teachers += [outcome(kind="teacher", stratum="unconfirmed", found=answer(9))]
    teachers += [outcome(kind="teacher", stratum="unconfirmed", reference_rank=None)]
    assert goal(teachers, "interval of r* covers").cases == 2
    assert goal(teachers, "exact r*").cases == 0
    # Coverage of recovery needs no planted truth, so it leaves none out.
    points = [outcome(kind="teacher", stratum="unconfirmed", points=(checked(),))]
    assert goal(points, "interval of recovery").cases == 1


@pytest.mark.parametrize(
    ("missed", "tasks", "verdict"),
    [(1, 100, "met"), (0, 100, "not met"), (3, 100, "not met"), (0, 5, "too few to say")],
)
def test_recovery_may_cover_neither_too_little_nor_too_much(
    missed: int, tasks: int, verdict: str
) -> None:
    points = (checked(),) * (20 - missed) + (checked(reference=0.93),) * missed
    found = goal([outcome(points=points)] * tasks, "interval of recovery")
    assert found.verdict == verdict
    assert found.cases == 20 * tasks


def test_the_margin_of_the_reference_counts_in_squares() -> None:
    from dataclasses import replace

    point = replace(checked(reference=0.9249), reference_margin=0.015)
    assert point.covered
    assert not replace(point, reference=0.9251).covered
    assert not replace(point, reference=0.8749).covered
    assert replace(point, reference=0.8751).covered
    assert replace(point, low=None, reference=0.1).covered
    assert not replace(point, low=None, reference=1.9).covered


def test_closed_forms_are_held_against_the_interval_alone() -> None:
    from dataclasses import replace

    assert checked().covers_closed_form
    assert replace(checked(), closed_form=0.93).covers_closed_form is False
    assert replace(checked(), closed_form=None).covers_closed_form is None


def test_widths() -> None:
    assert width_ratio(outcome(found=answer(3, 3, 4))) == 1
    assert width_ratio(outcome(expected=16, found=answer(16, 14, 18))) == 1
    assert width_ratio(outcome(found=answer(3, 3, None))) == 0  # an answer of its own
    narrow, wide = outcome(found=answer(3, 3, 4)), outcome(found=answer(3, 2, 5))
    assert goal([narrow] * 11 + [wide] * 10, "median width, r* up to 8").verdict == "met"
    assert goal([narrow] * 10 + [wide] * 11, "median width, r* up to 8").verdict == "not met"
    assert goal([narrow] * 5, "median width, r* up to 8").verdict == "too few to say"
    large = outcome(expected=16, found=answer(16, 13, 18))
    found = goal([large] * 30, "r* above 8")
    assert (found.verdict, found.cases, found.value) == ("not met", 30, 5 / 16)


@pytest.mark.parametrize(
    ("count", "alarms", "verdict"),
    [(40, 0, "met"), (40, 1, "not met"), (39, 0, "too few to say"), (3, 1, "not met")],
)
def test_controls(count: int, alarms: int, verdict: str) -> None:
    controls = [control(index) for index in range(count - alarms)]
    controls += [control(found=answer(2))] * alarms
    assert goal(controls, "controls").verdict == verdict


@pytest.mark.parametrize(
    ("count", "apart", "verdict"),
    [(60, 3, "met"), (60, 4, "not met"), (10, 1, "too few to say"), (10, 6, "not met")],
)
def test_two_runs(count: int, apart: int, verdict: str) -> None:
    twice = [outcome(again=answer(4, 3, 5))] * (count - apart)
    twice += [outcome(again=answer(4))] * apart
    assert goal(twice, "disagree").verdict == verdict


def test_a_run_without_an_interval_disagrees_with_one_that_has_it() -> None:
    assert goal([outcome(again=control().found)], "disagree").value == 1.0
    neither = outcome(found=control().found, again=control().found)
    assert goal([neither], "disagree").value == 0.0


@pytest.mark.parametrize(("narrowed", "low", "high"), [(1.0, 0.935, 0.97), (0.7, 0.0, 0.925)])
def test_coverage_of_recovery_sees_an_interval_that_is_too_narrow(
    narrowed: float, low: float, high: float
) -> None:
    """Luck in training alone, 5 repeats against a reference of 12, as teachers have it."""
    random = np.random.default_rng(0)
    points = []
    for _ in range(4000):
        own, other = random.standard_normal(5), random.standard_normal(12)
        half = narrowed * stdtrit(4, 0.975) * own.std(ddof=1) / np.sqrt(5)
        reference = ReferencePoint(0.0, other.std(ddof=1) / np.sqrt(12), 0.0, 12)
        mean = float(own.mean())
        points.append(
            Checked(
                2, mean, mean - half, mean + half, float(other.mean()), reference.margin(), None, ""
            )
        )
    assert low <= np.mean([point.covered for point in points]) <= high


def test_breakdowns_name_every_part() -> None:
    outcomes = [
        outcome(0, points=(checked(), checked(reference=0.95))),
        outcome(1, stratum="near tie", decay=0.8, noise=0.5, n=20_000, found=answer(4, 3, 5)),
        outcome(2, kind="teacher", stratum="unconfirmed", decay=None),
        control(3),
    ]
    tables = breakdowns(outcomes)
    assert tables["kind"] == [
        ("linear, clear", "1", "100 %", "100 %", "100 %", "0", "50.0 % of 2"),
        ("linear, near tie", "1", "0 %", "100 %", "100 %", "2", ""),
        ("teacher, unconfirmed", "1", "100 %", "100 %", "100 %", "0", ""),
    ]
    assert [row[0] for row in tables["examples"]] == ["1,000 to 1,999", "5,000 to 20,000"]
    assert [row[0] for row in tables["noise"]] == ["10 to 25 %", "25 to 50 %"]
    assert [row[:2] for row in tables["spectrum"]] == [("0.8^i", "1"), ("flat", "1")]
    assert [(row[0], row[5]) for row in tables["repeats"]] == [
        ("2 repeats", "2"),
        ("3 repeats", "1"),
        ("5 repeats", "0"),
    ]
