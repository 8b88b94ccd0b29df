"""The paragraph for a methods section holds everything a reader of a paper asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rankprobe.records import MinimalRank
from rankprobe.reporting.methods import methods_paragraph
from rankprobe.result_file import load_result
from tests.reporting.examples import HOSTILE, examples, make

EXAMPLES = examples()
OLD = load_result(Path(__file__).parents[1] / "results" / "schema_1.json")


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_result_has_one_line(name: str) -> None:
    text = methods_paragraph(EXAMPLES[name])
    assert text.isprintable()
    assert "  " not in text
    assert ".." not in text
    assert text.endswith(".")
    assert not {"None", "nan", "{}"} & set(text.replace(",", " ").split())


@pytest.mark.parametrize(
    "words",
    [
        "task small (regression; 420 training, 60 validation and 120 test examples) was measured",
        "as its minimal rank (Hazan et al., arXiv:2604.08749): the smallest rank",
        "give an expected test R² that reaches 95 % of full training. Full training is the same",
        "The network was mlp 6-5, relu, dropout 0.1",
        "its frozen weights: normal, standard deviation 1/sqrt(fan-in), seed 42",
        "adapters: scaling rank_stabilized, alpha 1",
        "training used adamw, cosine schedule, weight decay 0.01, batch 128, for 12 epochs.",
        "had its own learning rate, chosen among 7 to 8 candidates by the mean validation score",
        "of the first 2 repeats; reported scores are those of the test split.",
        "Each was trained 3 times",
        "(seed 0), on frozen weights drawn from one scaffold seed",
        "Measured were the ranks 1, 2, 3 (the network has use for ranks up to 5).",
        "Recovery is counted from a score of 0 (floor: none); full training scores 0.9975",
        "The 95 % interval of the minimal rank lies on the scale of whole ranks and comes from",
        "resampling repeats, test examples and choices of learning rates together, paired across",
        "ranks and full training and studentised for few repeats",
        "The minimal rank was 2 (95 % interval 2 to 3; 23 trained adapter parameters)",
        "verdict: resolved; flags: none.",
        "Software: rankprobe 0.1.0, torch 2.13.0+cpu, NumPy 2.4.6, Python 3.11",
    ],
)
def test_a_real_result_says_all_of_it(words: str) -> None:
    assert words in methods_paragraph(OLD)


def test_what_only_newer_results_know() -> None:
    text = methods_paragraph(EXAMPLES["trusted"])
    assert "test examples; divided by `writer`, with no group in two splits, seed 0)" in text
    assert "followed a sequential design: asked for the ends of the interval at most 1 rank" in text
    assert "1 of 5 leaves the minimal rank at 6" in text
    assert "flags: unresolved_tie, failed_members" in text
    assert "that comes within 0.02 of full training's log-loss." in methods_paragraph(
        EXAMPLES["epsilon"]
    )


def test_epochs_scaffolds_and_rates_as_they_were_set() -> None:
    provenance = {"configuration": {"training": {"epochs": "auto"}, "search": {"scaffolds": 3}}}
    result = replace(OLD, provenance=provenance)
    text = methods_paragraph(result)
    assert "for 12 epochs, doubled until full training gained no more than noise." in text
    assert "frozen weights drawn from 3 scaffold seeds" in text
    suspect = replace(result, baseline=replace(result.baseline, flags=("not_converged",)))
    assert "doubled" not in methods_paragraph(suspect)
    fixed = replace(OLD, rates=tuple(rate for rate in OLD.rates if rate.chosen))
    assert "Learning rates were fixed beforehand." in methods_paragraph(fixed)


@pytest.mark.parametrize(
    ("scaffold", "words"),
    [
        ({"frozen": "zero"}, "trained beside the frozen weights, all zero, of a network"),
        ({"frozen": "zero"}, "on frozen weights that are zero"),
        ({"resample": "epoch"}, "on frozen weights drawn from other seeds every epoch"),
        ({"resample": "none"}, "on frozen weights drawn from one scaffold seed"),
    ],
)
def test_what_becomes_of_the_scaffold(scaffold: dict[str, str], words: str) -> None:
    result = replace(OLD, provenance={"configuration": {"scaffold": scaffold}})
    assert words in methods_paragraph(result)


def test_no_rank_is_said_as_such() -> None:
    text = methods_paragraph(EXAMPLES["largest"])
    assert (
        "No single minimal rank was named: no rank up to 64 reaches 95 % of full training; " in text
    )
    assert "verdict: above largest; flags: none." in text


def test_text_from_data_is_cleaned() -> None:
    minimal = MinimalRank(6, 5, 7, 0.95, "resolved", (HOSTILE,))
    result = make(HOSTILE, minimal=minimal)
    result = replace(result, scope={"optimizer": HOSTILE, "epochs": 3, "split": HOSTILE})
    assert methods_paragraph(result).isprintable()


def test_a_checkout_is_named_by_its_commit() -> None:
    made = {"rankprobe": "0.1.0", "commit": "abc1234+changes", "torch": "2.13.0"}
    text = methods_paragraph(replace(OLD, provenance=made))
    assert text.endswith("Software: rankprobe 0.1.0 (commit abc1234+changes), torch 2.13.0.")
