from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from rankprobe.records import MinimalRank, Result
from rankprobe.reporting.tables import rows, summary
from rankprobe.reporting.verdicts import headline
from rankprobe.result_file import load_result
from tests.reporting.examples import examples, make

EXAMPLES = examples()
ROOT = Path(__file__).parents[2]
OLD = [
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("tests/results/*.json"), *ROOT.glob("studies/**/result.json"))
]


def printed(result: Result, *, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=file, width=80).print(summary(result))
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("name", EXAMPLES)
def test_fits_80_columns_with_one_line_a_rank(name: str) -> None:
    result = EXAMPLES[name]
    lines = printed(result).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    for point in result.points:
        row = [line for line in lines if line.split()[:1] == [str(point.rank)] and " %  " in line]
        assert len(row) == 1, point.rank
        assert row[0].rstrip().endswith(f"{point.trainable:,}")


def test_headline_comes_first() -> None:
    first = printed(EXAMPLES["resolved"]).splitlines()[0]
    assert first.rstrip() == headline(EXAMPLES["resolved"])


def test_a_row_holds_recovery_score_rate_and_parameters() -> None:
    result = EXAMPLES["resolved"]
    row = next(row for row in rows(result) if row[0] == "6")
    point = next(point for point in result.points if point.rank == 6)
    assert row[1] == f"{100 * point.recovery.mean:.1f} %"
    assert row[2] == f"[{100 * point.recovery.low:.1f}, {100 * point.recovery.high:.1f}]"
    assert row[3] == f"{point.mean:.4f}"
    assert row[4] == f"[{point.low:.4f}, {point.high:.4f}]"
    assert row[5:] == ("3e-3", "10,000")


def test_chance_head_and_full_training_have_rows() -> None:
    result = EXAMPLES["loss"]  # its floor is chance
    named = {row[0]: row for row in rows(result)}
    assert named["chance"][1] == "0.0 %"
    assert named["full"][1] == "100.0 %"
    assert named["full"][-1] == "575,050"
    gain = 2.302 - result.baseline.mean
    assert named["head"][1] == f"{100 * (2.302 - 1.9) / gain:.1f} %"
    assert "head" not in {row[0] for row in rows(replace(result, head_score=None))}


def test_flags_star_their_rank_and_are_explained() -> None:
    result = make(
        minimal=MinimalRank(6, 5, 7, 0.95, "resolved", ("few_repeats",)),
        baseline_flags=("not_converged",),
    )
    result = replace(
        result,
        points=(replace(result.points[0], flags=("rate_at_edge",)), *result.points[1:]),
    )
    assert [row[0] for row in rows(result) if "*" in row[0]] == ["1*", "full*"]
    text = " ".join(printed(result).split())
    assert "Note: There are fewer than 3 repeats, or fewer than 3 scaffold seeds for" in text
    assert "575,050 * something about this training is noted below" in text
    assert "* something" not in printed(make())
    assert "Note: Full training was still improving at its end" in text
    assert "a better one may lie beyond it (rank 1)." in text


def test_tells_targets_data_scope_and_time() -> None:
    text = " ".join(printed(EXAMPLES["resolved"]).split())
    assert "targets 90 %: 4 (4 to 5) 95 %: 6 (5 to 7) 99 %: above 32" in text
    assert "12,800 training, 1,600 validation, 3,200 test examples" in text
    assert "scope backbone (family mlp, hidden 512-256-128-64" in text
    assert "time 1 min 23 s" in text


def test_lists_the_files_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "curve.png").touch()
    (tmp_path / "notes.txt").touch()
    text = "".join(printed(replace(make(), folder=tmp_path)).split())
    assert f"written{tmp_path}:curve.png" in text
    assert "report.html" not in text
    assert "notes" not in text
    assert "written" not in printed(make())


def test_text_from_data_is_not_markup_and_holds_no_escapes() -> None:
    text = " ".join(printed(EXAMPLES["hostile"]).split())
    assert "[red]bold[/red]" in text
    assert "\x1b" not in text


def test_a_terminal_without_those_letters_still_prints() -> None:
    assert "rank 6 reaches" in printed(EXAMPLES["resolved"], encoding="ascii")


def test_wild_recoveries_stay_short() -> None:
    result = make()
    wild = replace(
        result.points[0], recovery=replace(result.points[0].recovery, mean=-1e9, low=-1e12)
    )
    row = rows(replace(result, points=(wild,)))[2]
    assert row[1:3] == ("<-9999 %", f"[<-9999, {100 * wild.recovery.high:.1f}]")
    none = replace(wild, recovery=replace(wild.recovery, mean=float("nan"), low=float("nan")))
    assert rows(replace(result, points=(none,)))[2][1:3] == ("-", "")


def test_the_minimal_rank_is_bold() -> None:
    file = io.StringIO()
    Console(file=file, width=80, force_terminal=True, color_system="standard").print(
        summary(EXAMPLES["resolved"])
    )
    assert "\x1b[1m     6\x1b" in file.getvalue()
    assert "\x1b[1m     7\x1b" not in file.getvalue()


def test_what_the_answer_stands_on_is_told() -> None:
    text = " ".join(printed(EXAMPLES["trusted"]).split())
    for words in (
        "over chance 1: 40.9 2: 63.8",
        "non-inferior rank 7 is the smallest from which on",
        "noise of the recovery at rank 6: 70 % test set, 20 % repeats, 10 % learning rate",
        "design asked for the ends of the interval at most 1 rank",
        "sensitivity Of the changes of one setting each, 1 of 5 leaves",
        "batch size 64 (half) 5 (5 to 6) -1",
        "scaffold seed 43 above 11",
        "Note: Neighbouring ranks around the minimal rank cannot be told apart",
        "split by `writer`, with no group in two splits",
    ):
        assert words in text, words
    plain = printed(EXAMPLES["resolved"])
    assert not {"non-inferior", "noise", "design", "sensitivity"} & set(plain.split())


@pytest.mark.parametrize("file", sorted(OLD), ids=str)
def test_results_of_earlier_versions_still_print(file: Path) -> None:
    result = load_result(ROOT / file)
    assert headline(result) in " ".join(printed(result).split())


def test_without_a_rank_it_says_that_there_is_no_configuration_for_fine_tuning() -> None:
    plain = EXAMPLES["largest"]
    assert "fine-tuning" not in printed(plain)
    why = "no rank is named, so there is no peft.LoraConfig to give"
    text = printed(replace(plain, lora={"notes": [why]}))
    assert why in " ".join(text.split())
    assert "peft.LoraConfig(" not in text
