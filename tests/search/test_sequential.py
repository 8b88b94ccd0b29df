"""Where a sequential design adds repeats, and why it stops: a function of the evidence alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from rankprobe.search.sequential import BATCH, LEAST, Means, Step, describe, next_step
from rankprobe.statistics.evidence import Evidence, RankEvidence
from rankprobe.statistics.minimal_rank import find_minimal_rank
from tests.statistics.planted import Values, gaussian_losses

QUESTION = {"target": 0.95, "epsilon": None, "floor": "chance"}
PLENTY = Means(left=1000, new_rank=19, largest=None)
NAN = float("nan")


def losses(
    means: Mapping[int | None, float],
    *,
    seed: int = 0,
    over_repeats: float = 0.004,
    over_examples: float = 0.0,
    repeats: int = 60,
    examples: int = 80,
) -> dict[int | None, Values]:
    """Chance is 1.0 and full training 0.1 wherever these are used, so 0.145 is 95 %."""
    return gaussian_losses(
        means,
        repeats=repeats,
        examples=examples,
        over_repeats=over_repeats,
        over_examples=over_examples,
        rest=0.02,
        generator=np.random.default_rng(seed),
    )


def reveal(
    drawn: Mapping[int | None, Values],
    planned: Mapping[int | None, int],
    lost: Mapping[int | None, range] | None = None,
) -> Evidence:
    """The first repeats of every rank, as a design would have trained them."""
    longest = max(planned.values())
    n = next(iter(drawn.values())).shape[1]

    def row(rank: int | None) -> RankEvidence:
        kept = [
            drawn[rank][k] if k < planned[rank] and k not in (lost or {}).get(rank, ()) else None
            for k in range(longest)
        ]
        return RankEvidence(
            rank=rank,
            learning_rate=0.01,
            scores=np.array([NAN if values is None else values.mean() for values in kept]),
            predictions=tuple(kept),
            trainable=1000,
            adapter_parameters=10 * (rank or 0),
            planned=planned[rank],
        )

    return Evidence(
        metric="log_loss",
        ranks=tuple(row(rank) for rank in sorted(rank for rank in planned if rank)),
        baseline=row(None),
        target_values=np.zeros(n, dtype=np.int64),
        chance=np.full(n, 1.0),
        head=row(0) if 0 in planned else None,
    )


def step_of(evidence: Evidence, *, means: Means = PLENTY, precision: int = 1) -> Step:
    return next_step(evidence, question=QUESTION, precision=precision, means=means)


NEAR_TIE = {1: 0.4, 2: 0.149, 3: 0.142, 4: 0.11, None: 0.1}


def each(count: int, means: Mapping[int | None, float] = NEAR_TIE) -> dict[int | None, int]:
    return dict.fromkeys(means, count)


def test_repeats_go_to_ranks_that_the_interval_holds_and_to_full_training() -> None:
    evidence = reveal(losses(NEAR_TIE, over_repeats=0.01), each(4))
    answer = find_minimal_rank(evidence, target=0.95)
    step = step_of(evidence, precision=0)
    assert step.stopped is None
    assert not step.ranks
    assert step.repeats[None] == 4 + BATCH
    ranks = {rank for rank in step.repeats if rank is not None}
    assert ranks
    assert all((answer.low or 1) <= rank <= (answer.high or 4) for rank in ranks)
    assert set(step.repeats.values()) == {4 + BATCH}


def test_full_training_is_not_repeated_where_it_has_enough() -> None:
    planned = {**each(4), None: 9}
    step = step_of(reveal(losses(NEAR_TIE, over_repeats=0.01), planned), precision=0)
    assert step.repeats
    assert None not in step.repeats


def test_the_head_comes_along_where_it_is_the_floor() -> None:
    means = {**NEAR_TIE, 0: 1.0}
    evidence = reveal(losses(means, over_repeats=0.01), each(4, means))
    question = {**QUESTION, "floor": "head"}
    step = next_step(evidence, question=question, precision=0, means=PLENTY)
    assert step.repeats[0] == step.repeats[None] == 4 + BATCH
    assert 0 not in step_of(evidence, precision=0).repeats


def test_a_rank_closer_to_its_decision_is_repeated_first() -> None:
    # Rank 2 is 0.010 below the target, rank 3 only 0.001 above it: with precision 1 either
    # decision suffices, and that on rank 2 is cheaper.
    means = {1: 0.4, 2: 0.155, 3: 0.144, 4: 0.11, None: 0.1}
    drawn = losses(means, over_repeats=0.0, repeats=20)
    wobble = 0.012 * np.linspace(-1.0, 1.0, 4)[:, None]
    for rank, order in ((2, [0, 1, 2, 3]), (3, [1, 3, 0, 2]), (None, [2, 0, 3, 1])):
        drawn[rank][:4] += wobble[order]
    step = step_of(reveal(drawn, each(4, means)), precision=0)
    assert set(step.repeats) == {2, None}


def test_a_gap_that_decides_an_end_is_measured_before_anything_is_repeated() -> None:
    means = {1: 0.4, 2: 0.2, 4: 0.146, 8: 0.12, None: 0.1}
    evidence = reveal(losses(means), each(5, means))
    answer = find_minimal_rank(evidence, target=0.95)
    assert answer.high == 8
    assert step_of(evidence, means=Means(1000, 19, 64)).ranks == (3, 5, 6, 7)
    assert step_of(evidence, means=Means(40, 19, 64)).ranks == (3, 5)  # what is left allows two
    for left in (18, 0, -1, -30):  # the usual measurement may take more than the budget
        assert step_of(evidence, means=Means(left, 19, 64)).ranks == ()
    assert step_of(evidence).ranks == ()  # listed ranks are measured exactly


def test_an_interval_open_above_asks_for_the_next_rung() -> None:
    means = {1: 0.4, 2: 0.2, 4: 0.142, None: 0.1}
    evidence = reveal(losses(means, over_repeats=0.02, seed=1), each(5, means))
    assert find_minimal_rank(evidence, target=0.95).high is None
    # And for the rank that its lower end has not been measured at.
    assert step_of(evidence, means=Means(1000, 19, 64)).ranks == (3, 8)
    assert step_of(evidence, means=Means(1000, 19, 6)).ranks == (3, 6)
    assert step_of(evidence, means=Means(1000, 19, 4)).ranks == (3,)


def test_a_rank_of_which_no_repeat_finished_is_not_asked_for_again() -> None:
    means = {1: 0.4, 2: 0.2, 3: 0.2, 4: 0.1449, 8: 0.12, None: 0.1}
    evidence = reveal(losses(means), each(5, means), lost={3: range(5)})
    assert 3 not in step_of(evidence, means=Means(1000, 19, 64)).ranks


def test_few_repeats_decide_nothing() -> None:
    means = {1: 0.4, 2: 0.2, 3: 0.12, None: 0.1}
    step = step_of(reveal(losses(means), each(1, means)))
    assert step.repeats == {None: LEAST, 1: LEAST, 2: LEAST, 3: LEAST}
    quiet = losses(means, over_repeats=1e-5)
    step = step_of(reveal(quiet, {**each(2, means), None: 5}))
    assert step.repeats == {3: LEAST}


def test_full_training_too_short_of_repeats_to_beat_chance_gets_them() -> None:
    evidence = reveal(losses(NEAR_TIE, over_repeats=0.3), each(2))
    assert find_minimal_rank(evidence, target=0.95).verdict == "no_signal"
    assert step_of(evidence).repeats == {None: LEAST}


def test_stops_when_precise() -> None:
    means = {1: 0.4, 2: 0.2, 3: 0.12, None: 0.1}
    evidence = reveal(losses(means), each(5, means))
    assert step_of(evidence, precision=0) == Step("precise")


def test_stops_when_the_next_batch_would_pass_the_budget() -> None:
    evidence = reveal(losses(NEAR_TIE, over_repeats=0.01), each(4))
    step = step_of(evidence, precision=0)
    cost = sum(total - 4 for total in step.repeats.values())
    assert step_of(evidence, precision=0, means=Means(cost, 19, None)) == step
    assert step_of(evidence, precision=0, means=Means(cost - 1, 19, None)) == Step("budget")


def test_stops_when_the_test_set_alone_keeps_a_rank_undecided() -> None:
    drawn = losses(NEAR_TIE, over_repeats=0.001, over_examples=0.1)
    evidence = reveal(drawn, each(10))
    answer = find_minimal_rank(evidence, target=0.95)
    assert answer.value is not None
    assert answer.high is None or answer.high - (answer.low or 1) > 0
    assert step_of(evidence, precision=0) == Step("test_set")
    stays = describe(evidence, question=QUESTION)["narrowest"]
    assert stays is None or stays > 0


@pytest.mark.parametrize("curve", [{1: 0.4, 2: 0.3}, {1: 1.0, 2: 1.0}])
def test_stops_where_nothing_crosses_the_target(curve: dict[int | None, float]) -> None:
    full = 0.1 if curve[1] < 1.0 else 1.0  # the second has no signal
    means = {**curve, None: full}
    assert step_of(reveal(losses(means), each(5, means))) == Step("no_crossing")


def test_stops_where_listed_ranks_are_too_far_apart() -> None:
    means = {1: 0.4, 2: 0.3, 8: 0.11, None: 0.1}
    evidence = reveal(losses(means), each(5, means))
    assert step_of(evidence) == Step("grid")
    assert step_of(evidence, precision=5) == Step("precise")
    # Ranks that may be measured, but for the budget.
    assert step_of(evidence, means=Means(3, 19, 64)) == Step("budget")


def test_a_batch_gives_every_scaffold_as_many_repeats() -> None:
    from dataclasses import replace

    evidence = reveal(losses(NEAR_TIE, over_repeats=0.01), each(6))
    step = step_of(replace(evidence, scaffolds=3), precision=0)
    assert set(step.repeats.values()) == {9}


def test_the_description_is_ready_for_json() -> None:
    means = {**NEAR_TIE, 0: 0.9}
    evidence = reveal(losses(means), {**each(5, means), 2: 9, None: 11})
    assert describe(evidence, question=QUESTION)["repeats"] == {
        "0": 5, "1": 5, "2": 9, "3": 5, "4": 5, "full": 11,
    }  # fmt: skip


def finish(seed: int, *, budget: int) -> tuple[str | None, bool, int]:
    """Run a design to its end: why it stopped, whether it covers r*, trainings it added."""
    generator = np.random.default_rng(seed)
    minimal, step = int(generator.integers(2, 5)), generator.uniform(0.012, 0.04)
    above = step * generator.uniform(0.05, 0.95)  # of the minimal rank over the target
    means: dict[int | None, float] = {
        rank: 0.145 - above - step * (rank - minimal) for rank in range(1, 6)
    }
    drawn = losses({**means, None: 0.1}, seed=seed, over_repeats=0.014, over_examples=0.02)
    planned = each(3, {**means, None: 0.1})
    left = budget
    while True:
        evidence = reveal(drawn, planned)
        decision = step_of(evidence, means=Means(left, 19, None))
        if decision.stopped:
            break
        left -= sum(total - planned[rank] for rank, total in decision.repeats.items())
        assert left >= 0
        planned |= decision.repeats
    answer = find_minimal_rank(evidence, target=0.95)
    covered = (answer.low or 1) <= minimal <= (answer.high or 5)
    if decision.stopped == "precise":
        assert answer.low is not None
        assert answer.high is not None
        assert answer.high - answer.low <= 1
    return decision.stopped, covered, budget - left


@pytest.mark.parametrize(
    ("tasks", "budget", "least"),
    [(30, 24, 8), pytest.param(400, 60, 150, marks=pytest.mark.slow)],
)
def test_a_narrow_interval_still_covers_though_the_scores_were_looked_at(
    tasks: int, budget: int, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rankprobe.statistics.resampling.RESAMPLES", 1024)
    ends = [finish(seed, budget=budget) for seed in range(tasks)]
    stopped = [covered for why, covered, added in ends if why == "precise" and added]
    assert len(stopped) >= least
    assert np.mean(stopped) >= 0.93
