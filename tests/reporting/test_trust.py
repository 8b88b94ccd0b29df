"""Words about how far the answer can be trusted."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from rankprobe.records import Interval, MinimalRank, Variant
from rankprobe.reporting.trust import (
    design_line,
    interval_text,
    noise_line,
    non_inferiority_line,
    not_varied,
    over_chance_line,
    p_text,
    recoveries_words,
    sensitivity_rows,
    sensitivity_sentence,
)
from tests.reporting.examples import examples, make, unresolved

EXAMPLES = examples()
TRUSTED, PLAIN = EXAMPLES["trusted"], make()


def test_recovery_over_chance_is_shown_unless_it_is_the_recovery() -> None:
    given = over_chance_line(TRUSTED)
    assert given.startswith("1: 40.9   2: 63.8   4: ")
    assert given.endswith("   32: 99.3 %")
    # An older result has none, so its means are counted again from chance.
    point = PLAIN.points[0]
    share = (point.mean - 0.038) / (PLAIN.baseline.mean - 0.038)
    assert over_chance_line(PLAIN).startswith(f"1: {100 * share:.1f}   2: ")
    assert over_chance_line(EXAMPLES["loss"]) == ""
    assert over_chance_line(EXAMPLES["no_signal"]) == ""


def test_the_test_of_non_inferiority_beside_the_threshold() -> None:
    assert non_inferiority_line(TRUSTED) == (
        "rank 7 is the smallest from which on every measured rank passes the test of "
        "non-inferiority (margin 5 % of full training, one-sided level 2.5 %)"
    )
    none = replace(TRUSTED, minimal_rank=replace(TRUSTED.minimal_rank, non_inferior=None))
    assert non_inferiority_line(none).startswith("no rank from which on every measured rank")
    assert "(margin 0.02 in log-loss, one-sided" in non_inferiority_line(EXAMPLES["epsilon"])
    assert non_inferiority_line(PLAIN) == ""


def test_the_noise_by_source_and_what_narrows_it() -> None:
    assert noise_line(TRUSTED) == (
        "of the recovery at rank 6: 70 % test set, 20 % repeats, 10 % learning rate; "
        "more test examples narrow it most"
    )
    above = replace(TRUSTED, minimal_rank=unresolved("above_largest", low=33))
    assert noise_line(above).startswith("of the recovery at rank 32: ")
    assert noise_line(replace(TRUSTED, minimal_rank=unresolved("no_signal"))) == ""
    assert noise_line(PLAIN) == ""


@pytest.mark.parametrize(
    ("variance", "words"),
    [
        ({"repeats": 1.0}, "100 % repeats; more repeats narrow it most"),
        ({"scaffolds": 3.0, "repeats": 1.0}, "75 % scaffold seeds, 25 % repeats; more scaffold"),
        (
            {"learning_rate": 1.0, "test_set": 0.001},
            "100 % learning rate, under 1 % test set; rates",
        ),
        ({"moon": 1.0}, "100 % moon"),
        ({"repeats": math.nan, "test_set": 0.0}, ""),
    ],
)
def test_sources_of_noise(variance: dict[str, float], words: str) -> None:
    points = tuple(replace(point, variance=variance) for point in PLAIN.points)
    line = noise_line(replace(PLAIN, points=points))
    assert line.startswith(f"of the recovery at rank 6: {words}" if words else "")
    assert bool(line) == bool(words)


@pytest.mark.parametrize(
    ("design", "words"),
    [
        ({}, ""),
        (
            TRUSTED.design,
            ("asked for the ends of the interval at most 1 rank apart; within 400 trainings; "
            "stopped because more repeats decide nothing: the test set is too small, or the "
            "choice of learning rates too open, after 312 trainings; repeats: 9 of rank 5, "
            "12 of rank 6, 12 of full training; more repeats alone would leave the ends 2 apart"),
        ),
        (
            {"precision": 0, "stopped": "precise"},
            "asked for a single rank; stopped because the interval was narrow enough",
        ),
        ({"stopped": "grid", "narrowest": None}, "stopped because the listed ranks are further"),
        ({"stopped": "budget", "budget": None}, "stopped because the budget of trainings was"),
        ({"stopped": "no_crossing"}, "stopped because no rank crosses the target"),
        ({"stopped": "power_cut"}, "stopped: power cut"),
    ],
)  # fmt: skip
def test_what_a_sequential_design_did(design: dict[str, Any], words: str) -> None:
    line = design_line(replace(PLAIN, design=design))
    assert line.startswith(words)
    assert bool(line) == bool(words)


def test_how_far_the_rank_moves() -> None:
    assert sensitivity_sentence(TRUSTED) == (
        "Of the changes of one setting each, 1 of 5 leaves the minimal rank at 6; 2 move it to "
        "between 5 and 9 (1 of them out of its interval); 1 moves it past the ranks tried "
        "(above 11); under 1 no rank can be named."
    )
    assert sensitivity_rows(TRUSTED) == [
        ("epochs 10 (half)", "baseline suspect", ""),
        ("epochs 40 (double)", "6 (5 to 6)", "same"),
        ("batch size 64 (half)", "5 (5 to 6)", "-1"),
        ("weight decay 0.02 (double)", "9 (8 to 9)", "+3"),
        ("scaffold seed 43", "above 11", ""),
    ]
    assert recoveries_words(TRUSTED.sensitivity[-1]) == ("5: 93.0 %, 6: 96.0 %, 7: 97.0 %, 11: -")


def test_a_rank_that_stays() -> None:
    same = Variant("epochs", "10 (half)", MinimalRank(6, 6, 6, 0.95, "resolved"))
    line = sensitivity_sentence(replace(PLAIN, sensitivity=(same, same)))
    assert line == "Of the changes of one setting each, 2 of 2 leave the minimal rank at 6."
    assert sensitivity_sentence(PLAIN) == ""
    assert sensitivity_rows(PLAIN) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smallest", "the smallest measured rank already reaches the target"),
        ("largest", "no measured rank reaches the target"),
        ("no_signal", "nothing was learned"),
        ("suspect", "full training is not a safe reference"),
        ("not_monotone", "no rank is named"),
    ],
)
def test_why_nothing_is_varied(name: str, words: str) -> None:
    assert not_varied(EXAMPLES[name]) == (
        f"nothing was varied: {words}, so there is no minimal rank that could move"
    )


@pytest.mark.parametrize(
    ("value", "text"), [(0.0001, "<0.001"), (0.0254, "0.025"), (None, ""), (math.nan, "")]
)
def test_p_values(value: float | None, text: str) -> None:
    assert p_text(value) == text


def test_shares_with_limits() -> None:
    assert interval_text(Interval(0.954, 0.932, 0.975)) == "95.4 % [93.2, 97.5]"
    assert interval_text(Interval(0.954, -math.inf, math.inf)) == "95.4 %"
    assert interval_text(Interval(math.nan, math.nan, math.nan)) == "-"
