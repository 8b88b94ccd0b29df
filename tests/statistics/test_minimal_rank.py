"""Every verdict and every flag on synthetic score tables; the interval and its coverage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankprobe.errors import ConfigError, TrainingError
from rankprobe.records import MinimalRank
from rankprobe.statistics.evidence import Candidate, Evidence
from rankprobe.statistics.metrics import METRICS
from rankprobe.statistics.minimal_rank import bracket, find_minimal_rank
from rankprobe.statistics.standing import Criterion, stand
from rankprobe.statistics.table import resolve_floor, tabulate
from rankprobe.statistics.variance import ratio
from tests.statistics.planted import accuracy_evidence, gaussian_losses, loss_evidence

RISING = {1: 0.40, 2: 0.70, 4: 0.85, 5: 0.90, 6: 0.95, 8: 0.955, 16: 0.958}
"""Of 0.96, 95 % is 0.912: rank 6."""


def _read(evidence: Evidence, target: float = 0.95, floor: str = "auto") -> MinimalRank:
    return find_minimal_rank(evidence, target=target, floor=floor)


def _answer(answer: MinimalRank) -> tuple[str, int | None, int | None, int | None]:
    return answer.verdict, answer.value, answer.low, answer.high


# Verdicts


def test_resolved() -> None:
    answer = _read(accuracy_evidence(RISING))
    assert _answer(answer) == ("resolved", 6, 6, 6)
    assert answer.flags == ()
    assert answer.confidence == 0.95
    assert answer.degrees_of_freedom == 300
    assert answer.share == 0.03


def test_rank_one_that_reaches_is_resolved() -> None:
    assert _answer(_read(accuracy_evidence({1: 0.95, 2: 0.955}))) == ("resolved", 1, 1, 1)


def test_at_or_below_smallest() -> None:
    answer = _read(accuracy_evidence({4: 0.95, 8: 0.955}))
    assert _answer(answer) == ("at_or_below_smallest", None, None, 4)
    assert answer.degrees_of_freedom is None
    assert answer.flags == ()


def test_above_largest() -> None:
    answer = _read(accuracy_evidence({1: 0.4, 2: 0.6, 4: 0.8}))
    assert _answer(answer) == ("above_largest", None, 5, None)
    assert answer.flags == ()


def test_censored_answers_that_noise_could_turn_are_imprecise() -> None:
    assert "imprecise" in _read(accuracy_evidence({1: 0.4, 4: 0.9115}, wobble=0.003)).flags
    assert "imprecise" in _read(accuracy_evidence({4: 0.9125, 8: 0.955}, wobble=0.003)).flags


def test_not_monotone() -> None:
    answer = _read(accuracy_evidence({1: 0.4, 2: 0.95, 4: 0.95, 8: 0.6}))
    assert _answer(answer) == ("not_monotone", 2, 2, 2)


def test_a_fall_within_noise_or_above_the_target_is_monotone() -> None:
    noisy = accuracy_evidence({1: 0.4, 2: 0.9135, 4: 0.9105, 8: 0.95}, wobble=0.01)
    assert _read(noisy).verdict == "resolved"
    assert _read(accuracy_evidence({1: 0.4, 2: 0.955, 4: 0.955, 8: 0.93})).verdict == "resolved"


def test_a_fall_from_a_rank_that_only_seemed_to_reach_is_monotone() -> None:
    """Rank 2 swings widely about the target, rank 3 is steady and below it."""
    swing = np.array([-0.1, -0.04, 0.0, 0.04, 0.1])[:, None]
    example = 0.001 * np.sin(np.arange(100.0))
    means = {1: 0.6, 2: 0.140, 3: 0.160, 4: 0.12, None: 0.1}
    losses = {rank: mean + example + 0.0 * swing for rank, mean in means.items()}
    losses[2] = losses[2] + swing
    answer = _read(loss_evidence(losses, chance=1.0))
    assert (answer.verdict, answer.value) == ("resolved", 4)


def test_never_reaching_is_not_a_fall() -> None:
    assert _read(accuracy_evidence({1: 0.4, 2: 0.8, 4: 0.6})).verdict == "above_largest"


def test_a_fall_after_the_smallest_rank_is_not_monotone_before_censored() -> None:
    answer = _read(accuracy_evidence({4: 0.95, 8: 0.5}))
    assert _answer(answer) == ("not_monotone", 4, None, 4)


def test_a_fall_before_any_sure_crossing_names_no_rank() -> None:
    """Rank 2 seems to reach the target, rank 4 pools it below, rank 8 falls for sure."""
    curve = {1: 0.5, 2: 0.9125, 4: 0.9085, 8: 0.85}
    answer = _read(accuracy_evidence(curve, wobble=0.006))
    assert _answer(answer) == ("not_monotone", None, None, None)


def test_no_signal() -> None:
    answer = _read(accuracy_evidence({1: 0.1, 2: 0.1}, full=0.105, wobble=0.01))
    assert _answer(answer) == ("no_signal", None, None, None)
    assert answer.degrees_of_freedom is None


def test_signal_needs_more_than_the_noise_of_the_test_set() -> None:
    """Repeats agree exactly, but 40 examples cannot tell 0.15 from 0.1."""
    few = accuracy_evidence({1: 0.15}, full=0.15, wobble=0.0, examples=40)
    many = accuracy_evidence({1: 0.15}, full=0.15, wobble=0.0, examples=4000)
    assert _read(few).verdict == "no_signal"
    assert _read(many).verdict == "resolved"


def test_no_signal_is_judged_against_chance_whatever_the_floor() -> None:
    evidence = accuracy_evidence({1: 0.1, 2: 0.1}, full=0.105, wobble=0.01, head=0.05)
    for floor in ("none", "chance", "head"):
        assert _read(evidence, floor=floor).verdict == "no_signal"


def test_the_gain_over_chance_is_paired_with_chance_example_by_example() -> None:
    """Right where the majority class is right, and on 12 more of 400: that is no luck."""
    target = np.repeat([0, 1], [320, 80])
    labels = np.zeros(400, dtype=np.int16)
    labels[320:332] = 1
    evidence = accuracy_evidence({1: 0.5}, examples=400)
    rows = [
        replace(row, scores=np.full(5, 0.83), predictions=(labels,) * 5)
        for row in (*evidence.ranks, evidence.baseline)
    ]
    chance = METRICS["accuracy"].chance_influence(target, target)
    evidence = replace(
        evidence, ranks=(rows[0],), baseline=rows[1], target_values=target, chance=chance
    )
    assert _read(evidence).verdict == "resolved"


def test_no_signal_of_a_loss() -> None:
    losses = {1: np.full((5, 50), 2.0), None: np.full((5, 50), 2.4)}
    losses[None] += 0.01 * np.arange(50)
    assert _read(loss_evidence(losses, chance=2.3)).verdict == "no_signal"
    assert _read(loss_evidence(losses, chance=9.0)).verdict == "resolved"


@pytest.mark.parametrize("flag", ["not_converged", "rate_at_edge"])
def test_baseline_suspect(flag: str) -> None:
    answer = _read(accuracy_evidence(RISING, flags={None: (flag,)}))
    assert _answer(answer) == ("baseline_suspect", None, None, None)


def test_precedence_of_verdicts() -> None:
    suspect: Mapping[int | None, tuple[str, ...]] = {None: ("not_converged",)}
    nothing = accuracy_evidence({1: 0.1}, full=0.1, wobble=0.01, flags=suspect)
    assert _read(nothing).verdict == "no_signal"
    falling = accuracy_evidence({1: 0.4, 2: 0.95, 8: 0.6}, flags=suspect)
    assert _read(falling).verdict == "baseline_suspect"


# Flags


def test_adapter_beats_baseline() -> None:
    above = _read(accuracy_evidence({1: 0.4, 2: 0.99, 4: 0.99}))
    assert "adapter_beats_baseline" in above.flags
    assert above.value == 2
    within = _read(accuracy_evidence({1: 0.4, 2: 0.965, 4: 0.965}, wobble=0.01))
    assert "adapter_beats_baseline" not in within.flags


def test_imprecise_by_the_width_of_the_interval() -> None:
    wide = _read(accuracy_evidence({**RISING, 4: 0.912, 5: 0.913, 6: 0.914}, wobble=0.004))
    assert wide.low is not None
    assert wide.high is not None
    assert wide.high - wide.low > 1
    assert "imprecise" in wide.flags
    one_rank = _read(accuracy_evidence({**RISING, 5: 0.9125}, wobble=0.003))
    assert (one_rank.low, one_rank.high) == (5, 6)
    assert "imprecise" not in one_rank.flags


def test_imprecise_above_rank_eight_is_a_quarter_of_the_rank() -> None:
    """Rank 15 cannot be told from the target: 14 to 16 is narrow enough there."""
    answer = _read(accuracy_evidence({1: 0.4, 13: 0.9, 14: 0.9121, 15: 0.9122, 16: 0.95}))
    assert _answer(answer) == ("resolved", 14, 14, 16)
    assert "imprecise" not in answer.flags


def test_grid() -> None:
    listed = _read(accuracy_evidence({1: 0.4, 4: 0.8, 8: 0.95, 16: 0.955}))
    assert _answer(listed) == ("resolved", 8, 5, 8)
    assert listed.flags == ("imprecise", "grid")
    assert "grid" not in _read(accuracy_evidence(RISING)).flags
    assert "grid" not in _read(accuracy_evidence({1: 0.95, 8: 0.955})).flags


@pytest.mark.parametrize(
    ("given_flag", "flag"),
    [("not_converged", "adapter_not_converged"), ("rate_at_edge", "rate_at_edge")],
)
def test_flags_of_the_ranks_next_to_the_crossing(given_flag: str, flag: str) -> None:
    for rank, raised in ((1, False), (5, True), (6, True), (16, False)):
        answer = _read(accuracy_evidence(RISING, flags={rank: (given_flag,)}))
        assert (flag in answer.flags) == raised
        assert answer.value == 6
    above = accuracy_evidence({1: 0.4, 2: 0.6}, flags={2: (given_flag,)})
    assert flag in _read(above).flags


def test_a_head_that_reaches_the_target_is_told() -> None:
    enough = accuracy_evidence({1: 0.955, 2: 0.957}, head=0.95)
    assert "head_reaches_target" in _read(enough).flags
    assert _answer(_read(enough))[:2] == ("resolved", 1)
    assert "head_reaches_target" not in _read(accuracy_evidence(RISING, head=0.5)).flags
    # Measured from the head itself, the head recovers nothing.
    assert "head_reaches_target" not in _read(enough, floor="head").flags


def test_few_repeats() -> None:
    assert "few_repeats" in _read(accuracy_evidence(RISING, repeats=2)).flags
    assert "few_repeats" not in _read(accuracy_evidence(RISING, repeats=3)).flags
    lost = accuracy_evidence(RISING, repeats=3, failed={6: (1,)})
    assert "few_repeats" in _read(lost).flags


def test_a_single_repeat_names_a_rank_but_closes_no_interval() -> None:
    answer = _read(accuracy_evidence(RISING, repeats=1))
    assert _answer(answer) == ("resolved", 6, 1, None)
    assert answer.flags == ("imprecise", "few_repeats")
    falling = accuracy_evidence({1: 0.95, 2: 0.6}, repeats=1)
    assert _read(falling).verdict != "not_monotone"


def test_failed_members() -> None:
    assert "failed_members" in _read(accuracy_evidence(RISING, failed={2: (0,)})).flags
    assert "failed_members" in _read(accuracy_evidence(RISING, failed={None: (0,)})).flags
    assert "failed_members" not in _read(accuracy_evidence(RISING)).flags


@pytest.mark.parametrize("flag", ["imbalanced", "duplicates_across_splits"])
def test_flags_of_the_data_are_passed_on(flag: str) -> None:
    answer = _read(accuracy_evidence(RISING, data_flags=(flag,)))
    assert answer.flags == (flag,)
    assert answer.value == 6


# Failures


def test_a_rank_that_failed_throughout_is_left_out() -> None:
    answer = _read(accuracy_evidence(RISING, failed={5: (0, 1, 2, 3, 4)}))
    assert _answer(answer) == ("resolved", 6, 5, 6)
    assert answer.flags == ("grid", "failed_members")


def test_only_repeats_that_both_finished_are_compared() -> None:
    """The failed repeat of full training was the best one of every rank."""
    evidence = accuracy_evidence(RISING, wobble=0.02)
    whole, part = (tabulate(item) for item in (evidence, _without_repeat(evidence, 4)))
    counts = [
        stand(table, criterion=Criterion(0.95), floor="none", confidence=0.95)[0].pair.n_repeats
        for table in (whole, part)
    ]
    assert counts == [5, 4]


def _without_repeat(evidence: Evidence, repeat: int) -> Evidence:
    scores = evidence.baseline.scores.copy()
    scores[repeat] = np.nan
    predictions = tuple(
        None if index == repeat else kept
        for index, kept in enumerate(evidence.baseline.predictions)
    )
    baseline = replace(evidence.baseline, scores=scores, predictions=predictions)
    return replace(evidence, baseline=baseline)


def test_nothing_to_compare_is_an_error() -> None:
    everything = (0, 1, 2, 3, 4)
    with pytest.raises(TrainingError, match="full training diverged or failed in every repeat"):
        _read(accuracy_evidence(RISING, failed={None: everything}))
    with pytest.raises(TrainingError, match="no rank finished a repeat"):
        _read(accuracy_evidence({1: 0.5, 2: 0.6}, failed={1: everything, 2: everything}))
    apart = accuracy_evidence({1: 0.5}, head=0.2, failed={1: (0, 1), 0: (2, 3, 4)})
    with pytest.raises(TrainingError, match="both full training and the head alone"):
        _read(apart, floor="head")


# Floors


def test_the_floor_moves_the_rank() -> None:
    evidence = accuracy_evidence({1: 0.6, 2: 0.85, 3: 0.93, 4: 0.955}, head=0.75)
    assert _read(evidence, target=0.9).value == 3  # 0.864
    assert _read(evidence, target=0.9, floor="chance").value == 3  # 0.874
    assert _read(evidence, target=0.95, floor="chance").value == 3  # 0.917
    assert _read(evidence, target=0.95, floor="head").value == 4  # 0.9495


def test_automatic_floors() -> None:
    floors = {name: resolve_floor(name, "auto") for name in METRICS}
    assert floors == {
        "accuracy": "none",
        "r2": "none",
        "balanced_accuracy": "chance",
        "auroc": "chance",
        "log_loss": "chance",
        "mse": "chance",
        "perplexity": "chance",
        "cross_entropy": "chance",
        "episode_return": "chance",
    }
    assert resolve_floor("auroc", "none") == "none"
    assert resolve_floor("mse", "head") == "head"


def test_floors_that_cannot_be() -> None:
    evidence = accuracy_evidence(RISING)
    with pytest.raises(ConfigError) as head:
        _read(evidence, floor="head")
    assert str(head.value) == (
        "search.floor: the floor is the head alone, but rank 0 has no finished repeat\n"
        "    measure again with `floor: head`, or write `floor: chance`"
    )
    losses = {1: np.ones((3, 9)), None: np.ones((3, 9))}
    with pytest.raises(ConfigError) as loss:
        _read(loss_evidence(losses, chance=2.0), floor="none")
    assert str(loss.value) == (
        "search.floor: `floor: none` means nothing for log_loss, where lower is better\n"
        "    write `floor: chance` or `floor: head`"
    )


def test_the_noise_of_a_head_floor_counts() -> None:
    steady = accuracy_evidence({1: 0.6, 2: 0.915, 4: 0.955}, head=0.2, wobble=0.0)
    shaky = accuracy_evidence({1: 0.6, 2: 0.915, 4: 0.955}, head=0.2, wobble=0.0)
    assert steady.head is not None
    levels = (0.1, 0.15, 0.2, 0.25, 0.3)
    heads = [accuracy_evidence({1: 0.6}, head=level, wobble=0.0).head for level in levels]
    predictions = tuple(head.predictions[0] for head in heads if head is not None)
    shaky = replace(
        shaky, head=replace(steady.head, scores=np.array(levels), predictions=predictions)
    )
    widths = []
    for evidence in (steady, shaky):
        table = tabulate(evidence)
        pair = stand(table, criterion=Criterion(0.95), floor="head", confidence=0.95)[0].pair
        interval = ratio(pair, 0.975)
        widths.append(interval.high - interval.low)
    assert widths[1] > 2 * widths[0]


def test_losses_count_downwards() -> None:
    """Chance 2.0, full 0.2: 95 % of the gain is a loss of 0.29."""
    losses = {
        rank: np.full((5, 400), level) + 0.01 * np.sin(np.arange(400.0))
        for rank, level in ((1, 1.5), (2, 0.6), (3, 0.3), (4, 0.27), (8, 0.2), (None, 0.2))
    }
    assert _answer(_read(loss_evidence(losses, chance=2.0))) == ("resolved", 4, 4, 4)


# Value


def test_a_lucky_rank_that_later_ones_contradict_does_not_count() -> None:
    answer = _read(accuracy_evidence({1: 0.4, 2: 0.9125, 3: 0.908, 4: 0.95}, wobble=0.004))
    assert answer.value == 4
    assert answer.low == 2


def test_one_unlucky_rank_among_good_ones_does_not_either() -> None:
    answer = _read(accuracy_evidence({1: 0.4, 2: 0.918, 3: 0.911, 4: 0.95}, wobble=0.006))
    assert answer.value == 2


def test_a_noisy_rank_counts_for_little() -> None:
    """Rank 2 is steady and just reaches the target, rank 3 falls short but swings widely."""
    swing = np.array([-0.5, -0.2, 0.0, 0.2, 0.5])[:, None]
    example = 0.001 * np.sin(np.arange(100.0))
    means = {1: 0.6, 2: 0.140, 3: 0.160, 4: 0.12, None: 0.1}
    losses = {rank: mean + example + 0.0 * swing for rank, mean in means.items()}
    losses[3] = losses[3] + swing
    assert _read(loss_evidence(losses, chance=1.0)).value == 2


def test_an_exact_tie_reaches_the_target() -> None:
    assert _read(accuracy_evidence({1: 0.4, 2: 0.95, 3: 1.0}, full=1.0, wobble=0.0)).value == 2


def test_a_sure_rank_followed_by_a_mean_below_does_not_close_the_interval() -> None:
    steady = {1: 0.4, 2: 0.93, 3: 0.9121, 4: 0.9121, 8: 0.95}
    assert _read(accuracy_evidence(steady)).high == 2
    dipping = {**steady, 4: 0.911}
    assert _read(accuracy_evidence(dipping)).high == 8


def test_bracket_is_where_to_look_next() -> None:
    def sides(curve: dict[int, float]) -> tuple[int | None, int | None]:
        return bracket(accuracy_evidence(curve), target=0.95)

    assert sides(RISING) == (5, 6)
    assert sides({1: 0.4, 4: 0.8, 8: 0.95}) == (4, 8)
    assert sides({4: 0.95, 8: 0.955}) == (None, 4)
    assert sides({1: 0.4, 2: 0.6}) == (2, None)
    assert sides({1: 0.4, 2: 0.95, 4: 0.95, 8: 0.6}) == (1, 2)


@pytest.mark.parametrize("planted", [2, 3, 5, 6, 8, 12])
def test_flat_spectra_give_their_rank(planted: int) -> None:
    ladder = sorted({1, 2, 4, 8, 16, 32, *range(max(planted - 2, 1), planted + 2)})
    curve = {rank: min(rank / planted, 1.0) * 0.97 for rank in ladder}
    answer = _read(accuracy_evidence(curve, full=0.97))
    assert _answer(answer) == ("resolved", planted, planted, planted)


# Properties

_LEVELS = st.lists(st.floats(0.2, 0.98), min_size=1, max_size=7)


@settings(max_examples=60, deadline=None)
@given(levels=_LEVELS, step=st.integers(1, 3), wobble=st.floats(0, 0.02), repeats=st.integers(1, 5))
def test_low_value_high_are_in_order(
    levels: list[float], step: int, wobble: float, repeats: int
) -> None:
    curve = {1 + step * index: level for index, level in enumerate(levels)}
    evidence = accuracy_evidence(curve, wobble=wobble, repeats=repeats, examples=300)
    answer = _read(evidence)
    below, reaching = bracket(evidence, target=0.95)
    assert answer.value in (None, reaching)
    if answer.value is None:
        return
    assert answer.value in curve
    assert 1 <= (answer.low or 1) <= answer.value <= (answer.high or answer.value)
    assert (answer.low or 1) <= (below or 0) + 1


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(5)))
def test_the_order_of_repeats_does_not_matter(order: list[int]) -> None:
    evidence = accuracy_evidence(RISING, wobble=0.01)

    def shuffled(item: Evidence) -> Evidence:
        rows = [
            replace(
                row, scores=row.scores[order], predictions=tuple(row.predictions[k] for k in order)
            )
            for row in (*item.ranks, item.baseline)
        ]
        return replace(item, ranks=tuple(rows[:-1]), baseline=rows[-1])

    assert _read(shuffled(evidence)) == _read(evidence)


@settings(max_examples=20, deadline=None)
@given(unit=st.floats(1e-3, 1e3))
def test_the_unit_of_a_loss_does_not_matter(unit: float) -> None:
    generator = np.random.default_rng(0)
    losses = gaussian_losses(
        {1: 0.6, 2: 0.3, 3: 0.14, 4: 0.12, None: 0.1},
        repeats=4,
        examples=100,
        over_repeats=0.01,
        over_examples=0.05,
        rest=0.05,
        generator=generator,
    )
    scaled = {rank: unit * values for rank, values in losses.items()}
    answer = _read(loss_evidence(losses, chance=1.0))
    assert _read(loss_evidence(scaled, chance=unit)) == answer


# Tuning


def test_an_open_choice_of_the_rate_widens_the_interval() -> None:
    values = {1: np.full((5, 100), 0.5), 2: np.full((5, 100), 0.13), None: np.full((5, 100), 0.1)}
    for row in values.values():
        row += 0.001 * np.random.default_rng(0).standard_normal(row.shape)

    def tried(error: float) -> tuple[Candidate, ...]:
        tests = np.array([0.13, 0.13]), np.array([0.3, 0.3])
        same, errors = np.array([0.13, 0.13]), np.full(2, error)
        return tuple(
            Candidate(rate, same + 0.01 * k, errors, test)
            for k, (rate, test) in enumerate(zip((0.01, 0.1), tests, strict=True))
        )

    clear, open_choice = (
        _read(loss_evidence(values, chance=1.0, candidates={2: tried(error)}))
        for error in (1e-4, 0.1)
    )
    assert (clear.value, clear.high) == (2, 2)
    assert (open_choice.value, open_choice.high) == (2, None)


# Coverage


def test_intervals_cover_in_a_small_simulation() -> None:
    """Gains of a loss with noise of repeats, of examples and of neither; r*(0.95) = 8."""
    means = {1: 0.6, 2: 0.4, 4: 0.25, 6: 0.17, 7: 0.15, 8: 0.135, 16: 0.11, None: 0.1}
    generator = np.random.default_rng(20)
    recoveries, ranks = [], []
    for _ in range(150):
        losses = gaussian_losses(
            means,
            repeats=5,
            examples=200,
            over_repeats=0.007,
            over_examples=0.1,
            rest=0.1,
            generator=generator,
        )
        table = tabulate(loss_evidence(losses, chance=1.0))
        for item in stand(table, criterion=Criterion(0.95), floor="chance", confidence=0.95):
            interval = ratio(item.pair, 0.975)
            truth = (1.0 - means[item.row.rank]) / 0.9
            recoveries.append(interval.low <= truth <= interval.high)
        answer = find_minimal_rank(loss_evidence(losses, chance=1.0), target=0.95)
        ranks.append((answer.low or 1) <= 8 <= (answer.high or 8))
    assert 0.93 <= np.mean(recoveries) <= 0.985
    assert np.mean(ranks) >= 0.95


def test_shuffled_labels_name_no_rank() -> None:
    """Guesses of a network that learned nothing, against balanced classes."""
    generator = np.random.default_rng(3)
    target = np.arange(500) % 10
    named = 0
    for _ in range(60):
        evidence = accuracy_evidence({1: 0.1, 2: 0.1}, full=0.1, examples=500)
        rows = [
            replace(
                row,
                predictions=tuple(generator.integers(0, 10, 500) for _ in range(5)),
            )
            for row in (*evidence.ranks, evidence.baseline)
        ]
        guessing = replace(evidence, ranks=tuple(rows[:-1]), baseline=rows[-1])
        named += _read(guessing).verdict != "no_signal"
    assert METRICS["accuracy"].chance(target, target) == 0.1
    assert named <= 3
