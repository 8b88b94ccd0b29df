from __future__ import annotations

from pathlib import Path

import pytest

import rankprobe
from rankprobe.errors import TrainingError
from studies import run as module
from studies.catalogue import MEASUREMENTS, PUBLISHED_PROTOCOLS, find
from studies.run import main
from tests.studies.repository import result


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be fetched, measured and published, in order."""
    steps: list[str] = []

    def measure(
        config: Path,
        *,
        out: Path,
        device: str,
        workers: int | None,
        trust: bool,
        progress: object,
        **overrides: object,
    ) -> object:
        name = next(m.name for m in (*MEASUREMENTS, *PUBLISHED_PROTOCOLS) if m.config() == config)
        name = str(overrides.get("name", name))
        given = [device, workers and f"{workers} workers", trust]
        if given != ["auto", None, False]:
            steps.append(f"with {given}")
        steps.append(f"measure {name} into {out.name}")
        if name == "mnist-paper":
            raise TrainingError("no memory left")
        return result(name)

    monkeypatch.setattr(rankprobe, "measure", measure)
    for step in ("fetch", "publish"):
        monkeypatch.setattr(
            module, step, lambda what, s=step: steps.append(f"{s} {Path(what).name}")
        )
    monkeypatch.setattr(module, "measure_all", lambda runs: steps.append(f"planted {runs.name}"))
    return steps


def test_a_study_is_fetched_measured_and_published(
    done: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["mnist5k", "digits", "--runs", str(tmp_path)]) == 0
    assert done == [
        "fetch mnist5k",
        "measure mnist5k into mnist5k",
        "publish mnist5k",
        "measure digits into digits",
        "publish digits",
    ]
    assert "rank 6 reaches 95 % of full training" in capsys.readouterr().out


def test_without_a_name_everything_runs_until_something_fails(
    done: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--runs", str(tmp_path)]) == 1
    assert done[-2:] == ["fetch mnist", "measure mnist-paper into mnist-paper"]
    assert [step for step in done if step.startswith("publish")] == [
        "publish digits",
        "publish mnist5k",
        "publish mnist",
    ]
    assert capsys.readouterr().err.splitlines()[-1] == "studies: no memory left"


def test_a_study_of_many_tasks_runs_by_its_name(done: list[str], tmp_path: Path) -> None:
    assert main(["ordering", "--runs", str(tmp_path)]) == 0
    ordering = [m.name for m in MEASUREMENTS if m.study == "ordering"]
    assert [step.removeprefix("publish ") for step in done if "publish" in step] == ordering
    assert "measure letter-32-16 into letter-32-16" in done


def test_workers_and_device_are_passed_on_and_code_of_a_study_is_trusted(
    done: list[str], tmp_path: Path
) -> None:
    options = ["--runs", str(tmp_path), "--workers", "2", "--device", "cpu"]
    assert main(["faces-pretrained", *options]) == 0
    assert done == [
        "fetch flowers",
        "fetch flowers-weights",
        "with ['cpu', '2 workers', True]",
        "measure faces-pretrained into faces-pretrained",
        "publish faces-pretrained",
    ]


def test_a_published_protocol_runs_by_its_name_alone(done: list[str], tmp_path: Path) -> None:
    assert main(["imdb-paper", "--runs", str(tmp_path)]) == 0
    assert done[0] == "fetch imdb"
    assert done[-1] == "publish imdb-paper"
    names = {measurement.name for measurement in MEASUREMENTS}
    assert not names & {measurement.name for measurement in PUBLISHED_PROTOCOLS}


def test_planted_tasks_are_a_study(done: list[str], tmp_path: Path) -> None:
    assert main(["planted", "--runs", str(tmp_path)]) == 0
    assert done == ["planted planted"]


def test_an_unknown_name_is_refused_before_anything_runs(
    done: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["digits", "letters", "--runs", str(tmp_path)]) == 2
    assert done == []
    assert "there is no measurement named `letters`" in capsys.readouterr().err


def test_results_of_variants_have_a_folder_of_their_own() -> None:
    places = [measurement.results(Path()).as_posix() for measurement in MEASUREMENTS]
    assert places[:5] == [
        "digits/results",
        "mnist5k/results",
        "mnist/results",
        "mnist/results/paper",
        "mnist/results/paper_standard",
    ]
    assert "ordering/results/digits_ten" in places
    assert "ordering/results/32-16/digits_ten" in places
    assert len(set(places)) == len(places)
    assert find("mnist").result(Path("nowhere")) is None
