from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from rankprobe.config import load_config
from rankprobe.errors import ArtifactError, ConfigError
from rankprobe.result_file import load_result
from studies.catalogue import MEASUREMENTS, find
from studies.fetch import fetch
from studies.publish import main, publish
from tests.studies.repository import copy_documents, result


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    return copy_documents(tmp_path)


def run_of(name: str, studies: Path, tmp_path: Path, **search: Any) -> Path:
    """A finished run of a measurement, with some settings of its search changed."""
    configuration = load_config(find(name).config(studies)).model_dump(mode="json")
    configuration["search"].update(search)
    made = result(name)
    made = replace(made, provenance={**made.provenance, "configuration": configuration})
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "result.json").write_text(made.to_json())
    (folder / "journal.log").write_text("the store")
    return folder


def test_a_finished_run_becomes_the_committed_result(studies: Path, tmp_path: Path) -> None:
    run = run_of("digits", studies, tmp_path, repeats=3)
    folder = publish(run, root=studies)
    assert folder == studies / "digits" / "results"
    assert sorted(path.name for path in folder.iterdir()) == [
        "curve.png",
        "rates.png",
        "result.json",
    ]
    assert (folder / "result.json").read_bytes() == (run / "result.json").read_bytes()
    assert load_result(folder).task.name == "digits"
    text = (studies / "digits" / "README.md").read_text()
    assert "**Rank 6 is the smallest rank" in text


def test_an_unfinished_run_is_refused(studies: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError) as caught:
        publish(tmp_path, root=studies)
    assert str(caught.value) == (
        f"{tmp_path}: not finished, there is no result.json yet; measure it again"
    )


def test_other_settings_are_refused(studies: Path, tmp_path: Path) -> None:
    run = run_of("digits", studies, tmp_path, target=0.9)
    with pytest.raises(ArtifactError) as caught:
        publish(run, root=studies)
    assert str(caught.value) == (
        f"{run}: measured with other settings than {studies / 'digits' / 'dataset.yaml'} holds, in "
        "`search`; measure it again as the file says"
    )
    assert not (studies / "digits" / "results").exists()


def test_a_run_of_no_study_is_refused(
    tmp_path: Path, studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "result.json").write_text(result("letters").to_json())
    with pytest.raises(ConfigError, match="no measurement named `letters`; there are: digits, "):
        publish(tmp_path, root=studies)
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("studies: there is no measurement named `letters`")


@pytest.mark.parametrize("measurement", MEASUREMENTS, ids=lambda measurement: measurement.name)
def test_settings_are_named_after_their_measurement(measurement: Any) -> None:
    settings = yaml.safe_load(measurement.config().read_text())
    assert {**settings, **measurement.overrides}["name"] == measurement.name


def test_a_run_on_another_network_goes_where_it_belongs(studies: Path, tmp_path: Path) -> None:
    name = "linear-32-16"
    fetch("linear", root=studies)
    other = run_of(name, studies, tmp_path, target=0.95)
    with pytest.raises(ArtifactError, match="holds, in `backbone`, `name`; measure it again"):
        publish(other, root=studies)
    made = result(name)
    settings = load_config(find(name).config(studies), overrides=find(name).overrides)
    made = replace(
        made, provenance={**made.provenance, "configuration": settings.model_dump(mode="json")}
    )
    (other / "result.json").write_text(made.to_json())
    assert publish(other, root=studies) == studies / "ordering" / "results" / "32-16" / "linear"


def test_the_two_readings_of_the_paper_differ_in_the_scaling_alone() -> None:
    first, second = (
        yaml.safe_load(find(name).config().read_text())
        for name in ("mnist-paper", "mnist-paper-standard")
    )
    assert (first.pop("adapter"), second.pop("adapter")) == (
        {"scaling": "none"},
        {"scaling": "standard", "alpha": 1.0},
    )
    first.pop("name")
    second.pop("name")
    assert first == second
    assert first["training"] == {
        "learning_rate": 0.001,
        "weight_decay": 0.01,
        "batch_size": 128,
        "epochs": 20,
        "schedule": "cosine",
    }
    assert first["search"]["ranks"] == [1, 2, 4, 8, 16, 32]
    assert first["backbone"]["weight_scale"] == 0.1
