"""Comparing tasks by the command and in Python."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import rankprobe
from rankprobe.cli import main
from rankprobe.config import TaskConfig
from rankprobe.errors import ConfigError
from rankprobe.records import Result
from tests.reporting.examples import make

STUDIES = Path(__file__).parents[1] / "studies"
SCORES = "task,rank,seed,score\n" + "".join(
    f"{task},{rank},{seed},{score + 0.001 * seed}\n"
    for task, scores in {"easy": (0.89, 0.89, 0.89), "hard": (0.3, 0.4, 0.88)}.items()
    for rank, score in zip((1, 2, 3, "full"), (*scores, 0.9), strict=True)
    for seed in range(3)
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    (tmp_path / "scores.csv").write_text(SCORES)
    return tmp_path


def configured(name: str, **backbone: Any) -> Result:
    configuration = TaskConfig().model_dump(mode="json")
    configuration["backbone"] |= backbone
    return replace(make(name), provenance={"configuration": configuration})


def save(folder: Path, result: Result) -> str:
    folder.mkdir()
    (folder / "result.json").write_text(result.to_json())
    return str(folder)


def test_results_of_an_older_version_are_compared(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("mnist5k", "digits", "mnist")
    assert main(["compare", *(str(STUDIES / name / "results") for name in names)]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines()[1:4]] == ["digits", "mnist", "mnist5k"]
    assert "digits < mnist\n" in out  # mnist is old: by the overlap of intervals alone
    assert "mnist and mnist5k cannot be told apart" in out
    assert (here / "comparison.png").read_bytes().startswith(b"\x89PNG")
    assert out.rstrip().endswith("figure  comparison.png")


def test_json_prints_the_numbers_alone_and_draws_only_when_asked(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compare", "scores.csv", "--json"]
    assert main(command) == 0
    data = json.loads(capsys.readouterr().out)
    assert [task["task"] for task in data["tasks"]] == ["easy", "hard"]
    assert data["differences"][0]["smaller"] == "easy"
    assert not (here / "comparison.png").exists()
    assert main([*command, "-o", "c.pdf"]) == 0
    assert json.loads(capsys.readouterr().out) == data
    assert (here / "c.pdf").exists()


def test_tasks_not_measured_alike_are_refused_but_for_anyway(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [
        save(here / "one", configured("one")),
        save(here / "two", configured("two", hidden=[8], dropout=0.5)),
    ]
    assert main(["compare", *paths]) == 2
    error = capsys.readouterr().err
    assert "2 problems" in error
    assert "backbone.hidden: not the same: 512-256-128-64 in one; 8 in two" in error
    assert "--anyway" in error
    assert not (here / "comparison.png").exists()
    assert main(["compare", *paths, "--anyway"]) == 0
    assert "not measured alike: backbone.hidden, backbone.dropout" in capsys.readouterr().out
    assert main(["compare", *paths, "--anyway", "--json"]) == 0
    scope = json.loads(capsys.readouterr().out)["scope"]
    assert scope[0] == {
        "setting": "backbone.hidden",
        "values": [["512-256-128-64", ["one"]], ["8", ["two"]]],
    }


def test_scores_of_one_file_compare_but_not_with_other_settings(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "scores.csv"]) == 0
    own = save(here / "one", configured("one"))
    assert main(["compare", "scores.csv", own]) == 2
    error = capsys.readouterr().err
    assert "settings: not the same: unknown (scores of scores.csv) in easy, hard; known in one" in (
        error
    )
    assert "make sure that all were measured alike, then compare with --anyway" in error
    shutil.copy(here / "scores.csv", here / "other.csv")
    assert main(["compare", "scores.csv", "other.csv"]) == 2
    assert main(["compare", "scores.csv", own, "--anyway"]) == 0


def test_what_is_wrong_with_the_call_is_said(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = save(here / "one", configured("one"))
    assert main(["compare", own]) == 2
    assert "there is one task to compare\n    give two or more" in capsys.readouterr().err
    assert main(["compare", own, own, "--floor-score", "1"]) == 2
    assert "are about the scores of a .csv" in capsys.readouterr().err
    assert main(["compare", "scores.csv", "--lower-is-better"]) == 2
    assert "--floor-score X" in capsys.readouterr().err
    assert main(["compare", own, "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert main(["compare", own, own, "-o", "c.txt"]) == 2
    assert "use .png, .pdf or .svg" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="there is no task to compare"):
        rankprobe.compare()


def test_python_takes_results_and_paths(here: Path) -> None:
    own = configured("one")
    comparison = rankprobe.compare(own, save(here / "two", configured("two")))
    assert list(comparison.frame()["task"]) == ["one", "two"]
    assert comparison.groups == (("one", "two"),)
    assert len(rankprobe.compare(here / "scores.csv").tasks) == 2
    assert len(rankprobe.compare(own, "scores.csv", anyway=True).scope) == 1


def test_a_measurement_compared_with_itself_is_equal(here: Path) -> None:
    comparison = rankprobe.compare(*[STUDIES / "mnist5k" / "results"] * 2)
    assert comparison.groups == (("mnist5k (results)", "mnist5k (results) #2"),)
