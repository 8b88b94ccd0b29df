import math
from pathlib import Path

import numpy as np
import pytest

from rankprobe.errors import TrainingError
from rankprobe.records import Member
from rankprobe.search.driver import Driver
from rankprobe.search.epochs import choose_epochs, still_rising
from rankprobe.search.learning_rate import tune
from rankprobe.search.rates import EXTENSIONS, Rates, grid
from rankprobe.statistics.minimal_rank import find_minimal_rank
from tests.search.fakes import FakeExecutor, laboratory, make_task, saturating, search


def drive(executor: FakeExecutor, **changes: object) -> Driver:
    driver = Driver(laboratory(executor), search(**changes))
    driver.run()
    return driver


def measured(driver: Driver) -> list[int]:
    return [item.rank for item in driver.evidence().ranks if item.rank is not None]


@pytest.mark.parametrize("planted", [1, 2, 3, 5, 7, 8, 11, 16, 23, 47])
def test_the_search_closes_in_on_the_planted_rank(planted: int) -> None:
    driver = drive(FakeExecutor(make_task(), saturating(planted)))
    answer = find_minimal_rank(driver.evidence(), target=0.95)
    assert (answer.verdict, answer.value) == ("resolved", planted)
    assert max(measured(driver)) > planted  # one rung past the crossing
    if planted > 1:
        assert planted - 1 in measured(driver)


def test_a_curve_that_never_crosses_is_followed_to_the_largest_useful_rank() -> None:
    driver = drive(FakeExecutor(make_task(), saturating(1000)), largest=48)
    assert measured(driver) == [1, 2, 4, 8, 16, 32, 48]
    answer = find_minimal_rank(driver.evidence(), target=0.95)
    assert (answer.verdict, answer.low) == ("above_largest", 49)


def test_a_single_rank_between_two_is_measured_whatever_the_noise() -> None:
    """Ranks 2 to 4 stand within noise of the target: without rank 3 there would be a hole."""

    def accuracy(member: Member) -> float:
        curve = {None: 0.96, 0: 0.1, 1: 0.905, 2: 0.9119, 3: 0.912, 4: 0.9125}
        return curve.get(member.rank, 0.95)

    task = make_task(100)
    driver = drive(FakeExecutor(task, accuracy))
    answer = find_minimal_rank(driver.evidence(), target=0.95)
    assert "imprecise" in answer.flags
    assert {1, 2, 3, 4} <= set(measured(driver))


def test_the_choice_of_a_rate_is_judged_in_pairs() -> None:
    """Errors of the difference between rates, from the test predictions of the same trainings."""

    def accuracy(member: Member) -> float:
        if member.rank is None or member.rank == 0:
            return 0.96
        return {0.01: 0.9, 0.0032: 0.9, 0.032: 0.8}.get(member.learning_rate, 0.5)

    driver = drive(FakeExecutor(make_task(), accuracy), ranks=(2,))
    row = driver.evidence().ranks[0]
    errors = {item.learning_rate: item.paired_error for item in row.candidates}
    chosen = errors.pop(row.learning_rate)
    assert chosen == 0.0
    same = 0.0032 if row.learning_rate == 0.01 else 0.01
    assert errors[same] == pytest.approx(0.0, abs=0.003)
    # A tenth of the examples, others in each of two repeats, are wrong at this rate alone: sd
    # 0.3 over the root of 2, on 1,000 validation examples.
    assert errors[0.032] == pytest.approx(0.3 / np.sqrt(2 * 1000), rel=0.1)


def test_listed_ranks_are_measured_exactly() -> None:
    driver = drive(FakeExecutor(make_task(), saturating(6)), ranks=(2, 8, 16))
    assert measured(driver) == [2, 8, 16]


def test_refine_off_leaves_the_ladder_as_it_is() -> None:
    driver = drive(FakeExecutor(make_task(), saturating(6)), refine=False)
    assert measured(driver) == [1, 2, 4, 8, 16]


def test_repeats_take_turns_with_the_scaffolds_and_the_baseline_has_none() -> None:
    executor = FakeExecutor(make_task(), saturating(6))
    driver = Driver(laboratory(executor, scaffolds=3), search(repeats=5, epochs=None, scaffolds=3))
    driver.run()
    assert all(m.scaffold == (m.repeat % 3 if m.rank is not None else 0) for m in executor.trained)
    assert {m.scaffold for m in executor.trained} == {0, 1, 2}
    assert all(np.isfinite(item.scores).all() for item in driver.evidence().ranks)
    assert all(rate.repeats == 2 for rate in driver.rates())


def test_no_member_is_trained_twice() -> None:
    executor = FakeExecutor(make_task(), saturating(6))
    drive(executor, epochs=None)
    assert len(executor.trained) == len(set(executor.trained))


def test_every_rank_and_the_baseline_get_the_same_budget() -> None:
    executor = FakeExecutor(make_task(), saturating(6))
    driver = drive(executor, repeats=5)
    for rank in (None, 0, *measured(driver)):
        members = [m for m in executor.trained if m.rank == rank]
        assert len({m.learning_rate for m in members}) == len(grid(rank)), rank
        assert len(members) == 2 * len(grid(rank)) + 3, rank


def test_the_rate_is_chosen_on_validation_and_never_on_test() -> None:
    def test_score(member: Member) -> float:
        return 0.9 if member.learning_rate == 0.01 else 0.95

    def validation(member: Member) -> float:
        return 0.95 if member.learning_rate == 0.01 else 0.9

    tuned = tune(
        laboratory(FakeExecutor(make_task(), test_score, validation)), [4], epochs=20, repeats=2
    )
    assert tuned[4].learning_rate == 0.01


def test_the_rate_is_the_best_on_average_of_the_tuning_repeats() -> None:
    table = {(0.01, 0): 0.94, (0.01, 1): 0.94, (0.032, 0): 0.96, (0.032, 1): 0.90}

    def validation(member: Member) -> float:
        return table.get((member.learning_rate, member.repeat), 0.5)

    executor = FakeExecutor(make_task(), validation)
    tuned = tune(laboratory(executor), [4], epochs=20, repeats=2)
    assert tuned[4].learning_rate == 0.01


@pytest.mark.parametrize(
    ("best", "added"), [(0.32, [0.32, 1.0]), (0.0001, [0.00032, 0.0001, 3.2e-5])]
)
def test_the_grid_grows_while_the_best_rate_sits_at_its_edge(
    best: float, added: list[float]
) -> None:
    def accuracy(member: Member) -> float:
        return 0.9 - 0.05 * abs(math.log10(member.learning_rate / best))

    tuned = tune(laboratory(FakeExecutor(make_task(), accuracy)), [4], epochs=20, repeats=2)[4]
    assert tuned.learning_rate == best
    assert set(tuned.candidates) == {*grid(4), *added}
    assert not tuned.at_edge


def test_a_rate_still_at_the_edge_is_flagged_after_the_allowed_extensions() -> None:
    executor = FakeExecutor(make_task(), lambda m: 0.5 + 0.01 * math.log10(1e4 * m.learning_rate))
    tuned = tune(laboratory(executor), [4], epochs=20, repeats=2)[4]
    assert tuned.at_edge
    assert len(tuned.candidates) == len(grid(4)) + EXTENSIONS


def test_the_edge_of_a_plateau_is_no_edge() -> None:
    executor = FakeExecutor(make_task(), lambda m: 0.9 + 1e-5 * m.learning_rate)
    tuned = tune(laboratory(executor), [4], epochs=20, repeats=2)[4]
    assert tuned.learning_rate == tuned.candidates[-1]
    assert not tuned.at_edge


def test_given_rates_are_not_tuned() -> None:
    executor = FakeExecutor(make_task(), saturating(6))
    driver = drive(executor, rates=Rates((0.002,), (0.001,)), ranks=(2, 8))
    rates = {(m.rank is None, m.learning_rate) for m in executor.trained}
    assert rates == {(False, 0.002), (True, 0.001)}
    assert not any(item.candidates for item in driver.evidence().ranks)
    assert "rate_at_edge" not in driver.evidence().baseline.flags


def test_of_listed_rates_the_best_is_taken_and_none_is_added() -> None:
    executor = FakeExecutor(make_task(), saturating(6))
    rates = Rates((0.001, 0.003, 0.01), (0.0003, 0.001))
    driver = drive(executor, rates=rates, ranks=(2, 8))
    tried = {(m.rank is None, m.learning_rate) for m in executor.trained}
    assert {rate for full, rate in tried if not full} == {0.001, 0.003, 0.01}
    assert {rate for full, rate in tried if full} == {0.0003, 0.001}
    assert all(len(item.candidates) == 3 for item in driver.evidence().ranks)
    assert len(driver.evidence().baseline.candidates) == 2


def test_a_rate_that_diverges_is_not_chosen_and_stays_a_failure() -> None:
    executor = FakeExecutor(
        make_task(), saturating(2), diverges=lambda m: m.learning_rate in (0.01, 0.1)
    )
    driver = drive(executor)
    assert {item.learning_rate for item in driver.evidence().ranks}.isdisjoint({0.01, 0.1})
    failed = [rate for rate in driver.rates() if rate.failed]
    assert {rate.learning_rate for rate in failed} == {0.01, 0.1}
    assert all(rate.validation is None for rate in failed)


def test_divergence_everywhere_is_an_error_that_says_what_to_do() -> None:
    executor = FakeExecutor(make_task(), saturating(2), diverges=lambda _: True)
    with pytest.raises(TrainingError, match="diverged or failed at every learning rate"):
        drive(executor)


def test_the_length_doubles_until_full_training_gains_nothing() -> None:
    def accuracy(member: Member) -> float:
        return 0.6 + 0.3 * min(1.0, member.epochs / 120)

    executor = FakeExecutor(make_task(), accuracy)
    epochs, converged = choose_epochs(laboratory(executor))
    assert (epochs, converged) == (240, True)  # 30, 60, 120, and 240 that gains nothing


def test_a_baseline_that_never_converges_is_suspect() -> None:
    executor = FakeExecutor(make_task(), lambda m: min(0.99, 0.1 + 0.0005 * m.epochs))
    driver = drive(executor, epochs=None)
    assert "not_converged" in driver.evidence().baseline.flags
    answer = find_minimal_rank(driver.evidence(), target=0.95)
    assert (answer.verdict, answer.value) == ("baseline_suspect", None)


def test_all_ranks_train_as_long_as_the_baseline() -> None:
    executor = FakeExecutor(make_task(), saturating(3))
    driver = drive(executor, epochs=None)
    assert {m.epochs for m in executor.trained if m.rank is not None} == {driver.epochs}


def test_still_rising_compares_the_last_quarter_with_noise() -> None:
    from dataclasses import replace

    from tests.search.fakes import make_run

    lab = laboratory(FakeExecutor(make_task(), saturating(2)))
    flat = make_run(Member(None, 0.01, 0, 20), 0.9, 0.9, make_task().test.y)
    rising = replace(flat, history=((10.0, 0.5), (15.0, 0.8), (20.0, 0.9)))
    slow = replace(flat, history=((10.0, 0.5), (15.0, 0.893), (20.0, 0.9)))
    noisy = replace(rising, validation_error=0.06)
    assert still_rising(lab, [rising, rising])
    assert not still_rising(lab, [slow, slow])
    assert not still_rising(lab, [noisy, noisy])
    assert not still_rising(lab, [])
    # Three quarters of 71 steps an epoch end within a step, so the score is taken after it.
    early = replace(flat, history=((12.507, 0.8), (15.007, 0.893), (17.507, 0.9), (20.0, 0.9)))
    assert not still_rising(lab, [early, early])


@pytest.mark.parametrize("after", range(0, 14, 3))
def test_an_interrupted_search_ends_as_an_uninterrupted_one(tmp_path: Path, after: int) -> None:
    whole = FakeExecutor(make_task(), saturating(6))
    expected = drive(whole, epochs=None).evidence()

    first = FakeExecutor(make_task(), saturating(6), dies_after=after)
    lab = laboratory(first, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        Driver(lab, search(epochs=None)).run()
    lab.store.close()

    second = FakeExecutor(make_task(), saturating(6))
    lab = laboratory(second, tmp_path)
    evidence = Driver(lab, search(epochs=None)).run()
    lab.store.close()

    assert not set(first.trained) & set(second.trained)
    # Cohorts are the same in make-up and in order, so the numbers are the same to the bit.
    assert first.cohorts + second.cohorts == whole.cohorts
    assert [item.scores.tolist() for item in evidence.ranks] == [
        item.scores.tolist() for item in expected.ranks
    ]


def test_more_repeats_extend_a_measurement(tmp_path: Path) -> None:
    first = FakeExecutor(make_task(), saturating(3))
    lab = laboratory(first, tmp_path)
    Driver(lab, search(repeats=3)).run()
    lab.store.close()
    second = FakeExecutor(make_task(), saturating(3))
    lab = laboratory(second, tmp_path)
    evidence = Driver(lab, search(repeats=5)).run()
    lab.store.close()
    assert {m.repeat for m in second.trained} == {3, 4}
    assert all(len(item.scores) == 5 for item in evidence.ranks)


def test_the_head_is_measured_where_something_trains_at_rank_zero() -> None:
    assert drive(FakeExecutor(make_task(), saturating(2))).evidence().head is not None
    without = drive(FakeExecutor(make_task(), saturating(2)), with_head=False)
    assert without.evidence().head is None
