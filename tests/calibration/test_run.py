"""From nothing to the report: resumed, read anew, and refused where it must be."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankprobe
from rankprobe.calibration import run
from rankprobe.calibration.measuring import Job, measure_job, split
from rankprobe.calibration.plan import SMALL, plan
from rankprobe.calibration.read import read_outcome
from rankprobe.calibration.report import load_calibration
from rankprobe.calibration.run import calibrate, missing
from rankprobe.cli import main
from rankprobe.errors import ArtifactError, ConfigError, TrainingError
from rankprobe.evidence_file import load_evidence, write_evidence
from rankprobe.records import Result
from rankprobe.search.measure import Silent
from tests.calibration.examples import CONTROL, LINEAR, quick


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was asked of the public function, which trains for real but hardly."""
    calls: list[dict[str, Any]] = []
    monkeypatch.setattr(rankprobe, "measure", quick(rankprobe.measure, calls))
    return calls


@dataclass(frozen=True)
class Trained:
    """Both tasks as measured: their folder, what was asked, and what came of it."""

    folder: Path
    calls: list[dict[str, Any]]
    results: list[Result]

    def of(self, name: str) -> list[tuple[dict[str, Any], Result]]:
        """Calls and results of a task, from the first seed to the last."""
        pairs = zip(self.calls, self.results, strict=True)
        return sorted((p for p in pairs if p[0]["name"] == name), key=lambda p: p[0]["seed"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Both tasks, measured once."""
    made = Trained(tmp_path_factory.mktemp("calibration"), [], [])
    measure = quick(rankprobe.measure, made.calls)

    def measured(*arrays: Any, **settings: Any) -> Result:
        made.results.append(measure(*arrays, **settings))
        return made.results[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rankprobe, "measure", measured)
        for job in missing([LINEAR, CONTROL], made.folder):
            measure_job(job, made.folder)
    return made


@pytest.fixture
def finished(tmp_path: Path, trained: Trained, here: None) -> Path:
    """A folder in which both tasks are measured, and nothing is read from them yet."""
    shutil.copytree(trained.folder / "tasks", tmp_path / "tasks")
    return tmp_path


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, asked: list[dict[str, Any]]) -> None:
    """Two tasks, measured in this process."""

    def train(jobs: list[Job], folder: Path, *_: Any) -> list[str]:
        for job in jobs:
            measure_job(job, folder)
        return []

    monkeypatch.setattr(run, "plan", lambda *_: [LINEAR, CONTROL])
    monkeypatch.setattr(run, "train", train)


def test_measurements_have_default_settings_and_share_their_training_rows(
    trained: Trained,
) -> None:
    assert len(trained.calls) == 4
    asked = [call for call, _ in trained.of(LINEAR.name)]
    first, reference, again = asked
    for call in asked:
        np.testing.assert_array_equal(call["x"], first["x"])
        np.testing.assert_allclose(call["y"], first["y"], rtol=1e-6)
        np.testing.assert_array_equal(call["validation"][0], first["validation"][0])
    assert (len(first["x"]), len(first["validation"][0]), len(first["test"][0])) == (70, 10, 20)
    np.testing.assert_array_equal(again["test"][0], first["test"][0])
    assert len(reference["test"][0]) == 10_000
    assert [call["seed"] for call in asked] == [7, 8, 9]
    settings = {"name", "seed", "device", "validation", "test", "x", "y", "backbone", "adapter"}
    assert set(first) == set(again) == settings
    assert set(reference) == settings | {"search"}
    assert reference["search"] == {"ranks": [1, 2, 3], "repeats": 5}


def test_an_outcome_says_what_the_result_said(trained: Trained) -> None:
    (call, first), *_ = trained.of(LINEAR.name)
    assert call["seed"] == 7
    outcome = read_outcome(LINEAR, trained.folder)
    found, answer = outcome.found, first.minimal_rank
    assert (found.value, found.low, found.high) == (answer.value, answer.low, answer.high)
    assert (found.verdict, found.flags) == (answer.verdict, answer.flags)
    own = [point for point in outcome.points if point.run == "first"]
    assert [point.rank for point in own] == [1, 2]
    for point, shown in zip(own, first.points, strict=True):
        assert point.mean == pytest.approx(shown.recovery.mean, rel=1e-3)
        assert point.closed_form is not None
        assert 0 < point.closed_form <= 1
    assert [point.run for point in outcome.points] == ["first", "first", "again", "again"]
    assert (outcome.kind, outcome.k, outcome.expected, outcome.repeats) == ("linear", 2, 2, 3)
    assert [count for count, _ in outcome.fewer] == [2]
    assert outcome.again is not None
    nothing = read_outcome(CONTROL, trained.folder)
    assert (nothing.kind, nothing.expected, nothing.points, nothing.again) == (
        "control",
        None,
        (),
        None,
    )


def test_outcomes_are_read_from_the_evidence_and_not_remembered(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrate(tmp_path, seed=1, small=True, workers=1, progress=Silent())
    file = Job(LINEAR, "first").file(tmp_path)
    evidence, facts = load_evidence(file)
    # As if the second rank were as good as full training.
    good = replace(evidence.baseline, rank=2, adapter_parameters=9)
    write_evidence(file, replace(evidence, ranks=(evidence.ranks[0], good)), facts)
    again = calibrate(tmp_path, seed=1, small=True, workers=1, progress=Silent())
    assert again.outcomes[0].points[1].mean == pytest.approx(1)
    assert load_calibration(tmp_path / "calibration.json") == again


def test_what_is_finished_is_not_measured_again(
    tmp_path: Path, finished: Path, asked: list[dict[str, Any]]
) -> None:
    calibrate(tmp_path, seed=1, small=True, workers=1, progress=Silent())
    assert asked == []
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"tasks", "calibration.json", "calibration.md", "calibration.png"}
    before = (tmp_path / "calibration.json").read_bytes()
    Job(LINEAR, "reference").file(tmp_path).unlink()
    # What a killed process left half written does not count.
    Job(LINEAR, "reference").file(tmp_path).with_name(".reference.json.1.part").touch()
    calibrate(tmp_path, seed=1, small=True, workers=1, progress=Silent())
    assert len(asked) == 1
    assert asked[-1]["search"] == {"ranks": [1, 2, 3], "repeats": 5}
    after = json.loads((tmp_path / "calibration.json").read_bytes())
    same = json.loads(before)
    for record in (after, same):
        record["seconds"] = 0
        for outcome in record["outcomes"]:
            outcome["seconds"] = 0
    assert after == same


def test_the_longest_measurements_come_first(tmp_path: Path) -> None:
    jobs = missing(plan(1, SMALL), tmp_path)
    assert [job.planned.work for job in jobs] == sorted(
        (job.planned.work for job in jobs), reverse=True
    )
    assert len(jobs) == 10


def test_splits_are_the_default_shares_without_overlap() -> None:
    from rankprobe.calibration.linear import plant_linear

    arrays = plant_linear(LINEAR.task, fresh=50)  # type: ignore[arg-type]
    rows = np.arange(150)
    train, validation, test = (rows[part].tolist() for part in split(arrays, "first"))
    assert (len(train), len(validation), len(test)) == (70, 10, 20)
    assert train + validation + test == list(range(100))
    assert rows[split(arrays, "reference")[2]].tolist() == list(range(100, 150))


def test_failures_are_told_together_and_the_rest_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "train", lambda *_: [f"task{k}, first: diverged" for k in range(7)])
    with pytest.raises(TrainingError) as caught:
        calibrate(tmp_path, seed=1, small=True, workers=1, progress=Silent())
    text = str(caught.value)
    assert text.startswith("7 measurements failed; the others are kept")
    assert "task4, first: diverged\n(2 more)" in text


def test_worker_processes_say_what_went_wrong_with_which_task(tmp_path: Path) -> None:
    tiny = replace(LINEAR, task=replace(LINEAR.task, n=8))
    (failure,) = run.train([Job(tiny, "first")], tmp_path, 2, Silent())
    assert failure.startswith(f"{tiny.name}, first: ")
    assert "needs at least 10" in failure


def test_another_calibration_is_refused(tmp_path: Path, finished: Path) -> None:
    calibrate(tmp_path, seed=1, small=True, workers=1, progress=Silent())
    for seed, small in ((2, True), (1, False)):
        with pytest.raises(ConfigError, match=r"holds the small calibration of seed 1, .* --out"):
            calibrate(tmp_path, seed=seed, small=small, workers=1, progress=Silent())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "0"], "--workers: give a whole number of at least 1"),
        (["--seed", "-1"], "--seed: give a whole number of at least 0"),
    ],
)
def test_bad_options(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["calibrate", "--out", str(tmp_path), *arguments]) == 2
    assert capsys.readouterr().err == f"rankprobe: {message}\n"


def test_a_folder_of_something_else_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "calibration.json").write_text("{}")
    assert main(["calibrate", "--out", str(tmp_path)]) == 2
    assert "calibration.json: damaged, or of another version" in capsys.readouterr().err
    with pytest.raises(ArtifactError, match="cannot be read: No such file"):
        load_calibration(tmp_path / "nowhere.json")


def test_the_command_prints_and_writes(
    tmp_path: Path,
    finished: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    arguments = ["calibrate", "--small", "--seed", "1", "--out", str(tmp_path)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "goals are met" in printed
    assert "too few to say" in printed
    assert max(len(line) for line in printed.splitlines()[:-1]) <= 80
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seed"] == 1


@pytest.mark.slow
def test_the_small_calibration_for_real(tmp_path: Path) -> None:
    calibration = calibrate(tmp_path, seed=1, small=True, workers=None, progress=Silent())
    assert {outcome.kind for outcome in calibration.outcomes} == {"linear", "teacher", "control"}
    assert [o.found.value for o in calibration.outcomes if o.kind == "control"] == [None]
    clear = [outcome for outcome in calibration.outcomes if outcome.stratum == "clear"]
    assert clear
    assert all(outcome.within_one for outcome in clear)
    assert all(outcome.points for outcome in clear)
    assert (tmp_path / "calibration.png").read_bytes().startswith(b"\x89PNG")
