"""Choice of the learning rate, its variance, and what evidence must satisfy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from rankprobe.errors import TrainingError
from rankprobe.statistics.evidence import (
    Candidate,
    Evidence,
    RankEvidence,
    choose_rate,
    tuning_variance,
)

NAN = float("nan")


def _candidate(
    rate: float,
    validation: Sequence[float],
    *,
    error: float = 0.0,
    test: Sequence[float] | None = None,
) -> Candidate:
    return Candidate(
        rate,
        np.array(validation, dtype=np.float64),
        np.full(len(validation), error),
        np.array(validation if test is None else test, dtype=np.float64),
    )


def test_the_best_mean_over_the_first_two_repeats_is_chosen() -> None:
    candidates = [
        _candidate(0.001, [0.80, 0.84, 0.99]),
        _candidate(0.01, [0.90, 0.80, 0.10]),
        _candidate(0.1, [0.95, 0.70, 0.99]),
    ]
    assert choose_rate(candidates, higher_is_better=True).learning_rate == 0.01
    assert choose_rate(candidates, higher_is_better=False).learning_rate == 0.001


def test_of_rates_that_tie_the_middle_one_is_taken() -> None:
    candidates = [_candidate(rate, [0.9, 0.9]) for rate in (0.03, 0.01, 0.1)]
    assert choose_rate(candidates, higher_is_better=True).learning_rate == 0.03
    worse = _candidate(0.001, [0.8, 0.8])
    assert choose_rate([*candidates[:2], worse], higher_is_better=True).learning_rate == 0.01
    assert choose_rate(candidates, higher_is_better=False).learning_rate == 0.03


def test_a_rate_that_failed_once_is_not_eligible_unless_all_did() -> None:
    steady, lucky = _candidate(0.01, [0.5, 0.5]), _candidate(0.1, [0.9, NAN])
    assert choose_rate([steady, lucky], higher_is_better=True) is steady
    unlucky = _candidate(0.03, [NAN, 0.8])
    assert choose_rate([lucky, unlucky], higher_is_better=True) is lucky


def test_no_finished_rate_is_an_error() -> None:
    with pytest.raises(TrainingError) as caught:
        choose_rate([_candidate(0.1, [NAN, NAN]), _candidate(0.3, [NAN])], higher_is_better=True)
    assert str(caught.value) == (
        "training diverged or failed at every learning rate tried (0.1, 0.3); check the scale "
        "of the inputs and targets, or set a smaller `learning_rate`"
    )


def _variance(candidates: list[Candidate], rate: float, *, higher: bool = True) -> float:
    generator = np.random.default_rng(0)
    return tuning_variance(candidates, rate, higher_is_better=higher, generator=generator)


def test_a_rate_that_collapsed_once_is_no_rival() -> None:
    candidates = [
        _candidate(0.001, [0.966, 0.967], error=0.002),
        _candidate(0.01, [0.972, 0.973], error=0.002, test=[0.973, 0.975]),
        _candidate(0.1, [0.973, 0.1], error=0.002, test=[0.974, 0.1]),
    ]
    assert _variance(candidates, 0.01) < 0.01**2


def test_a_clear_choice_adds_no_variance() -> None:
    candidates = [
        _candidate(0.01, [0.9, 0.901], error=0.01),
        _candidate(0.1, [0.5, 0.501], error=0.01),
    ]
    assert _variance(candidates, 0.01) == 0.0
    assert _variance(candidates[:1], 0.01) == 0.0
    assert _variance([], 0.01) == 0.0


@pytest.mark.parametrize("higher", [True, False])
def test_an_open_choice_adds_the_variance_of_the_test_scores(higher: bool) -> None:
    candidates = [
        _candidate(0.01, [0.9, 0.9], error=0.05, test=[0.80, 0.82]),
        _candidate(0.1, [0.9, 0.9], error=0.05, test=[0.90, 0.92]),
    ]
    assert _variance(candidates, 0.01, higher=higher) == pytest.approx(0.05**2, rel=0.02)


def test_the_worst_rate_of_a_loss_is_never_chosen_again() -> None:
    candidates = [
        _candidate(0.01, [0.1, 0.1], error=0.02, test=[0.2, 0.2]),
        _candidate(0.03, [0.1, 0.1], error=0.02, test=[0.3, 0.3]),
        _candidate(0.1, [0.9, 0.9], error=0.02, test=[0.9, 0.9]),
    ]
    assert _variance(candidates, 0.01, higher=False) == pytest.approx(0.05**2, rel=0.02)


def test_the_spread_of_repeats_makes_a_choice_open_too() -> None:
    candidates = [
        _candidate(0.01, [0.80, 1.00], test=[0.8, 0.8]),
        _candidate(0.1, [0.79, 0.99], test=[0.9, 0.9]),
    ]
    assert _variance(candidates, 0.01) == pytest.approx(0.05**2, rel=0.1)


def test_a_rate_that_failed_cannot_be_chosen_again() -> None:
    candidates = [
        _candidate(0.01, [0.9, 0.9], error=0.05, test=[0.8, 0.8]),
        _candidate(0.1, [0.9, NAN], error=0.05, test=[0.9, NAN]),
    ]
    assert _variance(candidates, 0.01) == 0.0


def _paired(candidates: list[Candidate], errors: Sequence[float]) -> list[Candidate]:
    return [replace(item, paired_error=e) for item, e in zip(candidates, errors, strict=True)]


def test_rates_that_end_in_all_but_one_network_are_no_open_choice() -> None:
    """They share the noise of the validation set: a small difference is a sure one."""
    alone = [
        _candidate(0.01, [0.900, 0.901], error=0.05, test=[0.80, 0.82]),
        _candidate(0.1, [0.899, 0.900], error=0.05, test=[0.90, 0.92]),
    ]
    assert _variance(alone, 0.01) > 0.04**2
    assert _variance(_paired(alone, [0.0, 0.0002]), 0.01) == 0.0
    assert _variance(_paired(alone, [0.0, 0.05]), 0.01) > 0.04**2


def test_paired_scatter_over_repeats_opens_a_choice_too() -> None:
    """The rates trade places from repeat to repeat."""
    trading = [
        _candidate(0.01, [0.90, 0.80], test=[0.8, 0.8]),
        _candidate(0.1, [0.80, 0.89], test=[0.9, 0.9]),
    ]
    assert _variance(_paired(trading, [0.0, 0.0]), 0.01) > 0.04**2


def test_a_rate_that_collapsed_once_is_no_rival_in_pairs_either() -> None:
    candidates = [
        _candidate(0.001, [0.966, 0.967], test=[0.965, 0.966]),
        _candidate(0.003, [0.968, 0.969], test=[0.968, 0.968]),
        _candidate(0.01, [0.972, 0.973], test=[0.973, 0.975]),
        _candidate(0.1, [0.97, 0.1], test=[0.97, 0.1]),
    ]
    errors = [0.001, 0.001, 0.0, 0.02]
    assert _variance(_paired(candidates, errors), 0.01) < 0.01**2


def test_a_rate_of_wild_predictions_is_no_rival() -> None:
    candidates = [
        _candidate(0.01, [0.85, 0.83], test=[0.88, 0.86]),
        _candidate(0.03, [0.89, 0.90], test=[0.90, 0.90]),
        _candidate(0.1, [0.905, 0.901], test=[0.85, 0.88]),
        _candidate(1.0, [0.03, 0.41], test=[-0.6, 0.1]),
    ]
    assert _variance(_paired(candidates, [0.03, 0.02, 0.0, 0.4]), 0.1) < 0.03**2


def _row(rank: int | None, repeats: int = 2) -> RankEvidence:
    return RankEvidence(rank, 0.1, np.ones(repeats), (np.ones(3),) * repeats, 10)


@pytest.mark.parametrize(
    ("ranks", "message"),
    [
        ([], "evidence needs ranks of at least 1, not []"),
        ([0, 1], "evidence needs ranks of at least 1, not [0, 1]"),
        ([2, 1], "ranks must ascend without repetition, not [2, 1]"),
        ([1, 1], "ranks must ascend without repetition, not [1, 1]"),
    ],
)
def test_evidence_refuses_ranks_out_of_order(ranks: list[int], message: str) -> None:
    with pytest.raises(ValueError, match="rank") as caught:
        Evidence("mse", tuple(_row(rank) for rank in ranks), _row(None), np.zeros(3), np.zeros(3))
    assert str(caught.value) == message


def test_evidence_refuses_repeats_that_are_not_aligned() -> None:
    with pytest.raises(ValueError, match="aligned by repeat"):
        Evidence("mse", (_row(1, 3),), _row(None), np.zeros(3), np.zeros(3))


def test_a_score_needs_its_predictions() -> None:
    with pytest.raises(ValueError, match="rank 4: every finished repeat needs a score"):
        RankEvidence(4, 0.1, np.array([0.5, NAN]), (None, None), 10)
