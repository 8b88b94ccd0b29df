"""Where a resampled scaffold catches up: planted curves, verdicts, and how often it covers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rankprobe.records import Result
from rankprobe.records.transition import Transition
from rankprobe.statistics.reading import read_evidence
from rankprobe.statistics.transition import find_transition
from studies.coverage.pairs import covers, draw_pair
from tests.reporting.examples import make
from tests.statistics.planted import accuracy_evidence

STATIC = {1: 0.80, 2: 0.90, 3: 0.92, 4: 0.94, 5: 0.95}


def result(curve: Mapping[int, float], **changes: Any) -> Result:
    evidence = accuracy_evidence(curve, **changes)
    reading = read_evidence(evidence, target=0.95)
    return replace(
        make(),
        baseline=reading.baseline,
        points=reading.points,
        minimal_rank=reading.minimal_rank,
        floor=reading.floor,
        floor_score=reading.floor_score,
        members={"trained": 1, "failed": 0},
        evidence=evidence,
    )


def shares(*values: float) -> dict[int, float]:
    """The static curve, less what resampling costs at each rank."""
    return {
        rank: score * share for (rank, score), share in zip(STATIC.items(), values, strict=False)
    }


def found(static: Result, resampled: Result, *, paired: bool = True, **changes: Any) -> Transition:
    evidence = (static.evidence, resampled.evidence) if paired else None
    return find_transition(static, resampled, evidence=evidence, **changes)


@pytest.mark.parametrize("paired", [True, False])
def test_a_planted_transition_is_found(paired: bool) -> None:
    static = result(STATIC)
    transition = found(static, result(shares(0.5, 0.7, 0.90, 0.99, 1.0)), paired=paired)
    assert (transition.verdict, transition.value) == ("resolved", 4)
    assert (transition.low, transition.high) == (4, 4)
    assert transition.basis == ("examples" if paired else "scores")
    assert [point.reaches for point in transition.points] == [False, False, False, True, True]
    assert transition.points[2].share.mean == pytest.approx(0.90, abs=1e-3)
    assert transition.flags == ()


def test_the_share_that_is_asked_for_decides() -> None:
    static, resampled = result(STATIC), result(shares(0.5, 0.7, 0.90, 0.94, 1.0))
    assert found(static, resampled, share=0.85).value == 3
    assert found(static, resampled, share=0.92).value == 4
    assert found(static, resampled, share=0.97).value == 5


def test_the_same_measurement_catches_up_at_rank_1() -> None:
    static = result(STATIC)
    transition = found(static, static)
    assert (transition.verdict, transition.value, transition.low) == ("resolved", 1, 1)
    assert [point.share.mean for point in transition.points] == [1.0] * 5


def test_gains_are_counted_from_the_floor() -> None:
    """Nine tenths of a score are less than nine tenths of a gain."""
    static = replace(result(STATIC), floor="chance", floor_score=0.1)
    resampled = result(shares(0.5, 0.7, 0.955, 0.955, 1.0))
    over_chance = found(static, resampled)
    assert found(result(STATIC), resampled).value == 3
    assert over_chance.value == 5
    assert over_chance.points[2].share.mean == pytest.approx((0.92 * 0.955 - 0.1) / 0.82, abs=1e-3)


def test_a_loss_catches_up_from_above() -> None:
    static = result({1: 0.9, 2: 0.9})
    resampled = result({1: 0.6, 2: 0.89})
    as_losses = [
        replace(
            item,
            higher_is_better=False,
            floor="chance",
            floor_score=1.0,
            baseline=replace(item.baseline, mean=0.04),
            points=tuple(
                replace(p, mean=1 - p.mean, scores=tuple(1 - s for s in p.scores), variance={})
                for p in item.points
            ),
        )
        for item in (static, resampled)
    ]
    transition = found(*as_losses, paired=False)
    assert (transition.verdict, transition.value) == ("resolved", 2)
    assert transition.points[0].share.mean == pytest.approx(0.6 / 0.9, abs=1e-3)


def test_never_catching_up_is_above_the_largest() -> None:
    transition = found(result(STATIC), result(shares(0.5, 0.6, 0.7, 0.8, 0.85)))
    assert transition.verdict == "above_largest"
    assert (transition.value, transition.low, transition.high) == (None, 6, None)


def test_the_smallest_measured_rank_may_already_have_caught_up() -> None:
    ranks = {2: 0.9, 4: 0.94}
    transition = found(result(ranks), result({2: 0.89, 4: 0.94}))
    assert transition.verdict == "at_or_below_smallest"
    assert (transition.value, transition.low, transition.high) == (None, None, 2)


def test_falling_behind_again_is_not_monotone() -> None:
    transition = found(result(STATIC), result(shares(0.5, 0.99, 0.99, 0.7, 0.7)))
    assert (transition.verdict, transition.value) == ("not_monotone", 2)


def test_without_a_gain_of_the_static_scaffold_there_is_no_transition() -> None:
    flat = dict.fromkeys(STATIC, 0.1)
    nothing = result(flat, full=0.101)
    assert nothing.minimal_rank.verdict == "no_signal"
    transition = found(nothing, result(flat, full=0.101))
    assert (transition.verdict, transition.value) == ("no_signal", None)
    assert not any(point.read for point in transition.points)


def test_ranks_at_which_the_static_scaffold_is_at_the_floor_take_no_part() -> None:
    """Nothing is a share of nothing: the first rank must not be named."""
    curve = {1: 0.1, 2: 0.8, 3: 0.9}
    static = replace(result(curve), floor="chance", floor_score=0.1)
    transition = found(static, result({1: 0.1, 2: 0.4, 3: 0.9}))
    assert (transition.value, transition.flags) == (3, ("static_at_floor",))
    assert [point.read for point in transition.points] == [False, True, True]


def test_ranks_of_one_alone_are_left_out() -> None:
    resampled = result({rank: score for rank, score in STATIC.items() if rank != 3})
    transition = found(result(STATIC), resampled)
    assert [point.rank for point in transition.points] == [1, 2, 4, 5]
    assert "ranks_left_out" in transition.flags


def test_a_gap_of_the_ladder_widens_the_interval() -> None:
    transition = found(result({1: 0.8, 8: 0.9}), result({1: 0.5, 8: 0.9}))
    assert (transition.value, transition.low, transition.high) == (8, 2, 8)
    assert "grid" in transition.flags


def test_unequal_repeats_are_paired_as_far_as_they_go() -> None:
    static, resampled = result(STATIC, repeats=5), result(shares(*[0.5] * 4, 1.0), repeats=3)
    for paired in (True, False):
        assert found(static, resampled, paired=paired).repeats == 3
    assert "few_repeats" in found(static, result(STATIC, repeats=2)).flags


def test_luck_that_both_share_is_no_doubt() -> None:
    """Repeats go together, so their difference is sure though either score is not."""
    static = result(STATIC, wobble=0.04)
    assert static.evidence is not None
    resampled = result({rank: 0.97 * score for rank, score in STATIC.items()}, wobble=0.04)
    together = found(static, resampled).points[3].share
    assert together.high - together.low < 0.02
    order = [1, 2, 3, 4, 0]
    shuffled = replace(
        resampled.evidence,
        ranks=tuple(
            replace(
                item,
                scores=item.scores[order],
                predictions=tuple(item.predictions[k] for k in order),
            )
            for item in resampled.evidence.ranks
        ),
    )
    apart = found(static, replace(resampled, evidence=shuffled)).points[3].share
    assert apart.high - apart.low > 2 * (together.high - together.low)


def test_the_interval_covers() -> None:
    """`python -m studies.coverage` does it over 600 pairs of larger size."""
    hits, widths = {True: 0, False: 0}, []
    for number in range(40):
        generator = np.random.default_rng([11, number])
        pair = draw_pair(generator, repeats=3 + 2 * (number % 2), examples=300)
        for paired in hits:
            read = pair.transition(paired=paired)
            hits[paired] += covers(read, pair.truth)
            if read.low and read.high:
                widths.append(read.high - read.low)
    # Of 95 %, 40 pairs give fewer than 35 once in a hundred times.
    assert min(hits.values()) >= 35
    assert np.median(widths) <= 8
