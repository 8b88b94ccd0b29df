from __future__ import annotations

from dataclasses import replace

import pytest

from rankprobe.records import MinimalRank
from rankprobe.reporting.facts import counts_line, describe, targets_line
from rankprobe.reporting.verdicts import (
    FLAGS,
    figure_words,
    flag_lines,
    flag_sentence,
    headline,
    verdict_sentence,
)
from rankprobe.reporting.wording import (
    clean,
    duration,
    interval_words,
    minimal_words,
    percent,
    rate_text,
    score_text,
    target_score,
    target_share,
)
from tests.reporting.examples import HOSTILE, examples, make, unresolved

EXAMPLES = examples()

HEADLINES = {
    "epsilon": (
        "close enough: rank 8 comes within 0.02 of full training's log-loss (95 % interval 6 to 16)"
    ),
    "resolved": "letters: rank 6 reaches 95 % of full training (95 % interval 5 to 7)",
    "smallest": (
        "from rank 4 up: the smallest measured rank, 4, already reaches 95 % of full training"
    ),
    "largest": "hard to recover: no rank up to 64 reaches 95 % of full training",
    "not_monotone": (
        "falls again: no minimal rank: scores fall again after reaching 95 % of full training"
    ),
    "no_signal": "shuffled labels: no signal: full training is not surely above chance",
    "suspect": "stopped too early: no minimal rank: full training is not yet a safe reference",
    "loss": (
        "log-loss falls: rank 6 reaches 95 % of full training's gain over chance "
        "(95 % interval 5 to 8)"
    ),
    "mse": (
        "prices: rank 3 reaches 95 % of full training's gain over the head alone "
        "(95 % interval 3 to 4)"
    ),
}

SENTENCES = {
    "epsilon": (
        "Rank 8 is the smallest rank that comes within 0.02 of full training's log-loss; the "
        "95 % interval is 6 to 16. Its adapters hold 9,999 trained parameters, 2 % of the "
        "network's."
    ),
    "resolved": (
        "Rank 6 is the smallest rank that reaches 95 % of full training; the 95 % interval is "
        "5 to 7. Its adapters hold 12,345 trained parameters, 2.1 % of the network's."
    ),
    "smallest": (
        "The smallest measured rank, 4, already reaches 95 % of full training, so the minimal "
        "rank is that rank or a smaller one: measure smaller ranks to find it."
    ),
    "largest": (
        "No rank up to 64, the largest measured, reaches 95 % of full training; the curve is "
        "not extrapolated beyond it."
    ),
    "not_monotone": (
        "The scores fall by more than noise after a rank has reached 95 % of full training, so "
        "no single rank separates enough from too little: look at the learning rates of the "
        "ranks that fall."
    ),
    "no_signal": (
        "Full training does not beat chance by more than noise: nothing was learned that an "
        "adapter could recover, so there is no minimal rank."
    ),
    "suspect": (
        "Full training is not a safe reference: it was still improving at its end and its best "
        "learning rate is at the edge of those tried; no minimal rank is named. Train for more "
        "epochs or widen the learning rates."
    ),
}


@pytest.mark.parametrize(("name", "line"), HEADLINES.items())
def test_headline_answers_in_one_line(name: str, line: str) -> None:
    assert headline(EXAMPLES[name]) == line


@pytest.mark.parametrize(("name", "sentence"), SENTENCES.items())
def test_verdict_sentence(name: str, sentence: str) -> None:
    assert verdict_sentence(EXAMPLES[name]) == sentence


def test_few_repeats_do_not_say_that_nothing_was_learned() -> None:
    minimal = MinimalRank(None, None, None, 0.95, "no_signal", ("few_repeats",))
    sentence = verdict_sentence(make(minimal=minimal))
    assert "measure with more repeats before you conclude that nothing was learned" in sentence


def test_sentence_leaves_out_parameters_it_does_not_know() -> None:
    result = make(minimal=MinimalRank(6, 5, 7, 0.9, "resolved"))
    assert verdict_sentence(result).endswith("the 90 % interval is 5 to 7.")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(5, 7, "5 to 7"), (6, 6, "6 to 6"), (None, 7, "up to 7"), (5, None, "5 or more")],
)
def test_interval_words(low: int | None, high: int | None, words: str) -> None:
    minimal = MinimalRank(6, low, high, 0.95, "resolved")
    assert interval_words(minimal) == words
    assert minimal_words(minimal) == f"6 ({words})"


def test_interval_open_on_both_sides() -> None:
    minimal = MinimalRank(6, None, None, 0.95, "resolved")
    assert interval_words(minimal) == "open on both sides"


@pytest.mark.parametrize(
    ("minimal", "words"),
    [
        (unresolved("at_or_below_smallest", high=4), "at most 4"),
        (unresolved("above_largest", low=65), "above 64"),
        (unresolved("not_monotone"), "not monotone"),
        (unresolved("no_signal"), "no signal"),
        (unresolved("baseline_suspect"), "baseline suspect"),
    ],
)
def test_answers_in_a_few_words(minimal: MinimalRank, words: str) -> None:
    assert minimal_words(minimal) == words


def test_targets_are_listed_in_ascending_order() -> None:
    result = make()
    backwards = replace(result, targets=dict(reversed(list(result.targets.items()))))
    assert targets_line(backwards) == "90 %: 4 (4 to 5)   95 %: 6 (5 to 7)   99 %: above 32"


def test_where_rank_0_reaches_the_target_the_answer_says_so_first() -> None:
    plain = EXAMPLES["resolved"]
    flags = (*plain.minimal_rank.flags, "head_reaches_target")
    result = replace(plain, minimal_rank=replace(plain.minimal_rank, flags=flags))
    assert verdict_sentence(result).startswith(
        "No adapter is needed: rank 0, which trains only what is beside the adapters, already "
        "reaches 95 % of full training. Of the ranks with adapters, 6 is the smallest that does; "
        "the 95 % interval is 5 to 7."
    )
    assert figure_words(result)[1] == "95 % interval 5 to 7; rank 0 reaches it too"
    assert headline(result).endswith("(95 % interval 5 to 7; rank 0 reaches it too)")
    assert not any("Rank 0 already" in line for line in flag_lines(result))
    above = replace(result, minimal_rank=replace(unresolved("above_largest", low=33), flags=flags))
    assert any("Rank 0 already" in line for line in flag_lines(above))


def test_figure_words_are_two_short_lines() -> None:
    assert figure_words(EXAMPLES["resolved"]) == ("minimal rank 6", "95 % interval 5 to 7")
    for result in EXAMPLES.values():
        assert all(0 < len(line) < 60 for line in figure_words(result))


@pytest.mark.parametrize("flag", sorted(FLAGS))
def test_every_flag_is_explained(flag: str) -> None:
    assert len(flag_sentence(flag).split()) >= 8
    assert "_" not in flag_sentence(flag).replace("balanced_accuracy", "")


def test_an_unknown_flag_says_its_own_name() -> None:
    assert flag_sentence("seen_on_mars") == "seen on mars"


def test_a_rank_that_has_not_converged_is_not_full_training() -> None:
    result = make()
    points = tuple(
        replace(p, flags=("not_converged",)) if p.rank == 7 else p for p in result.points
    )
    lines = [line for line in flag_lines(replace(result, points=points)) if "rank 7" in line]
    assert lines == [f"{flag_sentence('adapter_not_converged').capitalize()} (rank 7)."]


def test_flags_are_listed_once_with_their_ranks() -> None:
    result = make(
        minimal=MinimalRank(6, 5, 7, 0.95, "resolved", ("grid", "rate_at_edge")),
        baseline_flags=("not_converged",),
    )
    points = tuple(
        replace(p, flags=("rate_at_edge",)) if p.rank in {7, 8} else p for p in result.points
    )
    grid, edge, baseline = flag_lines(replace(result, points=points))
    assert grid.startswith("Ranks just below the minimal rank were not measured")
    assert edge.startswith("The best learning rate is")
    assert edge.endswith("(rank 7, 8).")
    assert baseline == "Full training was still improving at its end: train for more epochs."


def test_target_score_counts_from_the_floor() -> None:
    loss = EXAMPLES["loss"]
    full = loss.baseline.mean
    assert target_score(loss) == pytest.approx(2.302 - 0.95 * (2.302 - full))
    assert target_score(EXAMPLES["resolved"]) == pytest.approx(
        0.95 * EXAMPLES["resolved"].baseline.mean
    )


def test_clean_leaves_one_printable_line() -> None:
    text = clean(HOSTILE)
    assert text.isprintable()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "a b" in text
    assert clean("a \n\t b") == "a b"


@pytest.mark.parametrize(
    ("rate", "text"),
    [(1e-3, "1e-3"), (3.16e-3, "3.2e-3"), (0.5, "5e-1"), (1.0, "1e0"), (2e-10, "2e-10")],
)
def test_rate_text(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(("share", "text"), [(0.95, "95 %"), (0.999, "99.9 %"), (0.07, "7 %")])
def test_percent_in_shortest_decimals(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("metric", "full", "score", "text"),
    [
        ("accuracy", 0.9, 0.9, "0.9000"),
        ("r2", 0.001, 0.25, "0.2500"),
        ("perplexity", 34.5, 29.123, "29.12"),
        ("mse", 3_120.5, 2_999.6, "3000"),
        ("mse", 3.1e-9, 2.5e-9, "2.500e-09"),
    ],
)
def test_score_text_fits_the_metric(metric: str, full: float, score: float, text: str) -> None:
    result = make(metric=metric)
    result = replace(result, baseline=replace(result.baseline, mean=full))
    assert score_text(result, score) == text


def test_score_that_is_missing_is_called_failed() -> None:
    assert score_text(make(), None) == "failed"
    assert score_text(make(), float("nan")) == "failed"


def test_settings_become_one_line() -> None:
    settings = {"backbone": {"family": "mlp", "hidden": [8, 4]}, "weight_decay": 0.01, "b": None}
    assert describe(settings) == "backbone (family mlp, hidden 8-4); weight decay 0.01; b none"


def test_counts_name_failures_only_when_there_are_some() -> None:
    result = make()
    assert counts_line(result).endswith("163 trainings, 2 of them failed")
    assert "failed" not in counts_line(replace(result, members={"trained": 3, "failed": 0}))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.24, "1.2 s"), (42.4, "42 s"), (185, "3 min 05 s"), (7_800, "2 h 10 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_epsilon_is_its_own_target() -> None:
    loss = EXAMPLES["epsilon"]
    assert target_score(loss) == pytest.approx(loss.baseline.mean + 0.02)
    score = replace(make(), epsilon=0.02)
    assert target_score(score) == pytest.approx(score.baseline.mean - 0.02)
    assert target_share(score) == pytest.approx(1 - 0.02 / score.baseline.mean)
    assert target_share(make(target=0.9)) == 0.9
    assert targets_line(loss).startswith("within 0.02: 8 (6 to 16)   90 %: 4 (4 to 5)")


@pytest.mark.parametrize(
    ("minimal", "words"),
    [
        (unresolved("at_or_below_smallest", high=4), "4, already comes within 0.02 of full"),
        (unresolved("above_largest", low=65), "no rank up to 64 comes within 0.02 of full"),
        (unresolved("not_monotone"), "scores fall again after coming within 0.02 of full"),
    ],
)
def test_an_epsilon_without_a_rank(minimal: MinimalRank, words: str) -> None:
    result = replace(EXAMPLES["epsilon"], minimal_rank=minimal)
    assert words in headline(result)
    assert "reach" not in headline(result)
    assert "reach" not in verdict_sentence(result)
