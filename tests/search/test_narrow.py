"""A sequential design in the hands of the driver: budget, uneven repeats, interruption."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rankprobe.lowrank.randomness import integer_seed
from rankprobe.records import Member
from rankprobe.search.driver import Driver
from rankprobe.search.narrow import DEFAULT_BUDGET
from rankprobe.search.rates import Rates
from rankprobe.statistics.minimal_rank import find_minimal_rank
from tests.search.fakes import Accuracy, FakeExecutor, laboratory, make_task, search

RATES = {"rates": Rates((0.01,), (0.003,))}


def near_tie(noise: float = 0.012) -> Accuracy:
    """Full training 0.96, so 0.912 is asked for: rank 3 is just below it, rank 4 just above."""
    means = {None: 0.96, 0: 0.5, 1: 0.80, 2: 0.86, 3: 0.906, 4: 0.918, 5: 0.93}

    def accuracy(member: Member) -> float:
        luck = integer_seed(["luck", member.rank or -1, member.repeat]) % 10_000 / 10_000 - 0.5
        return means.get(member.rank, 0.95) + noise * luck * 2.0

    return accuracy


def drive(executor: FakeExecutor, folder: Path | None = None, **changes: object) -> Driver:
    lab = laboratory(executor, folder)
    driver = Driver(lab, search(**{"precision": 0, **RATES, **changes}))
    try:
        driver.run()
    finally:
        lab.store.close()
    return driver


def executor(
    accuracy: Accuracy | None = None,
    *,
    dies_after: int | None = None,
    diverges: Callable[[Member], bool] = lambda _: False,
) -> FakeExecutor:
    task = make_task()
    return FakeExecutor(task, accuracy or near_tie(), dies_after=dies_after, diverges=diverges)


def test_without_a_precision_there_is_no_design() -> None:
    driver = drive(executor(), precision=None)
    assert driver.design == {}
    assert {item.planned for item in driver.evidence().ranks} == {3}


def test_repeats_are_added_until_the_interval_is_narrow() -> None:
    ordinary = drive(executor(), precision=None)
    before = find_minimal_rank(ordinary.evidence(), target=0.95)
    assert (before.low, before.high) != (4, 4)
    driver = drive(executor(), budget=1000)
    answer = find_minimal_rank(driver.evidence(), target=0.95)
    assert (answer.low, answer.value, answer.high) == (4, 4, 4)
    assert {"few_repeats", "failed_members"}.isdisjoint(answer.flags)
    design = driver.design
    assert design["stopped"] == "precise"
    assert (design["precision"], design["budget"], design["narrowest"]) == (0, 1000, 0)
    assert design["trainings"] == len(driver.laboratory.asked)
    assert max(design["repeats"]["3"], design["repeats"]["4"]) > 3
    assert design["repeats"]["1"] == 3  # far from the target
    assert design["repeats"]["full"] == max(design["repeats"].values())


def test_ranks_with_fewer_repeats_have_no_failures() -> None:
    evidence = drive(executor(), budget=1000).evidence()
    everything = [*evidence.ranks, evidence.baseline, evidence.head]
    longest = max(len(item.scores) for item in everything if item)
    for item in everything:
        assert item is not None
        assert item.failed == 0
        assert len(item.scores) == len(item.predictions) == longest
        assert int(np.isfinite(item.scores).sum()) == item.planned


def test_a_repeat_that_diverges_is_a_failure_and_the_design_goes_on() -> None:
    unlucky = executor(diverges=lambda m: m.rank == 4 and m.repeat == 3)
    evidence = drive(unlucky, budget=1000).evidence()
    failed = {item.rank: item.failed for item in evidence.ranks if item.failed}
    assert failed == {4: 1}


def test_the_budget_is_never_exceeded_and_its_default_is_a_multiple() -> None:
    ordinary = len(drive(executor(near_tie(0.05)), precision=None).laboratory.asked)
    for budget in (ordinary, ordinary + 1, ordinary + 7, ordinary + 20):
        driver = drive(executor(near_tie(0.05)), budget=budget)
        assert driver.design["stopped"] == "budget"
        assert driver.design["trainings"] == len(driver.laboratory.asked) <= budget
    driver = drive(executor(near_tie(0.05)))
    assert driver.design["budget"] == DEFAULT_BUDGET * ordinary
    assert ordinary < driver.design["trainings"] <= driver.design["budget"]


def test_a_budget_below_the_ordinary_measurement_adds_nothing() -> None:
    ordinary = drive(executor(), precision=None)
    driver = drive(executor(), budget=1)
    assert driver.design["stopped"] == "budget"
    assert driver.laboratory.asked == ordinary.laboratory.asked


def test_listed_ranks_get_repeats_and_no_company() -> None:
    driver = drive(executor(), ranks=(1, 3, 4, 8), budget=1000)
    assert [item.rank for item in driver.evidence().ranks] == [1, 3, 4, 8]
    assert len(driver.evidence().baseline.scores) > 3


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[FakeExecutor, Driver]:
    whole = executor()
    return whole, drive(whole, budget=90)


@pytest.mark.parametrize("after", [0, 5, 9, 14, 19])
def test_an_interrupted_design_ends_as_an_uninterrupted_one(
    tmp_path: Path, after: int, uninterrupted: tuple[FakeExecutor, Driver]
) -> None:
    whole, expected = uninterrupted
    assert len(whole.cohorts) > 20

    first = executor(dies_after=after)
    with pytest.raises(KeyboardInterrupt):
        drive(first, tmp_path, budget=90)
    second = executor()
    driver = drive(second, tmp_path, budget=90)

    assert first.cohorts + second.cohorts == whole.cohorts
    assert driver.design == expected.design
    for one, other in zip(driver.evidence().ranks, expected.evidence().ranks, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)


def test_a_larger_budget_goes_on_and_a_finished_store_trains_nothing(tmp_path: Path) -> None:
    noisy = near_tie(0.05)
    small = drive(executor(noisy), tmp_path, budget=60)
    more = executor(noisy)
    large = drive(more, tmp_path, budget=90)
    assert len(more.trained) == large.design["trainings"] - small.design["trainings"] > 0
    again = executor(noisy)
    # The smaller budget again: what the store holds beyond it is not looked at.
    assert drive(again, tmp_path, budget=60).design == small.design
    assert again.trained == []
