"""Transition rank and capacity by the command and in Python."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankprobe
from rankprobe.cli import main
from rankprobe.config import TaskConfig
from rankprobe.errors import ArtifactError, ConfigError
from rankprobe.evidence_file import FILE, write_evidence
from rankprobe.grid_file import made_grid
from rankprobe.readings_file import capacity_from_json, transition_from_json
from rankprobe.records import Result
from studies.coverage.pairs import draw_pair
from studies.coverage.sizes import SIZES, draw_sweep


def configured(result: Result, **sections: Any) -> Result:
    configuration = TaskConfig().model_dump(mode="json")
    for section, values in sections.items():
        settings = configuration.get(section)
        if isinstance(values, dict) and isinstance(settings, dict):
            configuration[section] = {**settings, **values}
        else:
            configuration[section] = values
    return replace(result, provenance={"configuration": configuration})


def saved(folder: Path, result: Result) -> str:
    folder.mkdir()
    (folder / "result.json").write_text(result.to_json())
    return str(folder)


@pytest.fixture(scope="module")
def pair() -> tuple[Result, Result]:
    drawn = draw_pair(np.random.default_rng(1), repeats=3, examples=200)
    return (
        configured(drawn.static),
        configured(drawn.resampled, scaffold={"resample": "step", "count": 2}),
    )


@pytest.fixture(scope="module")
def sweep() -> list[Result]:
    generator = np.random.default_rng(2)
    drawn = draw_sweep(lambda s: 20.0, SIZES[4], noise=0.03, generator=generator)
    return [
        configured(result, backbone={"size": size})
        for size, result in zip(drawn.sizes, drawn.results, strict=True)
    ]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def test_two_runs_are_read_by_the_command(
    here: Path, pair: tuple[Result, Result], capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [saved(here / name, r) for name, r in zip(("a", "b"), pair, strict=True)]
    assert main(["transition", *folders]) == 0
    out = capsys.readouterr().out
    assert out.startswith("simulated: ")
    assert "static" in out
    assert "another" in out
    assert max(map(len, out.splitlines())) <= 80
    assert all(line == line.rstrip() for line in out.splitlines())
    assert (here / "transition.png").read_bytes().startswith(b"\x89PNG")
    assert main(["transition", *folders, "--json", "--share", "0.9"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["schema"], data["share"], data["basis"]) == (1, 0.9, "scores")


def test_evidence_beside_the_runs_is_paired(here: Path, pair: tuple[Result, Result]) -> None:
    folders = [saved(here / name, r) for name, r in zip(("a", "b"), pair, strict=True)]
    for folder, result in zip(folders, pair, strict=True):
        write_evidence(Path(folder) / FILE, result.evidence, {})
    from_disk = rankprobe.transition(*folders)
    assert from_disk.basis == "examples"
    assert from_disk == rankprobe.transition(*pair)
    # That of another measurement is not taken for this one's.
    write_evidence(Path(folders[1]) / FILE, pair[0].evidence, {})
    assert rankprobe.transition(*folders).basis == "scores"


def test_a_measurement_leaves_its_evidence(here: Path) -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((120, 4)).astype(np.float32)
    settings: dict[str, Any] = {
        "backbone": {"family": "mlp", "hidden": [8]},
        "training": {"epochs": 2, "learning_rate": 0.01},
        "search": {"ranks": [1, 2], "repeats": 2},
    }
    result = rankprobe.measure(x, (x[:, 0] > 0).astype(int), out=here / "run", **settings)
    assert (here / "run" / FILE).is_file()
    other = configured(result, scaffold={"resample": "epoch"})
    found = rankprobe.transition(configured(rankprobe.load_result(here / "run")), other)
    assert found.basis == "examples"
    assert [point.share.mean for point in found.points] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"backbone": {"hidden": [64]}}, "backbone.hidden (512-256-128-64 in simulated"),
        ({"training": {"batch_size": 32}}, "training.batch_size (128 in simulated"),
        ({"seed": 7}, "seed (0 in simulated; 7 in simulated #2)"),
    ],
)
def test_other_settings_are_refused_in_one_message(
    pair: tuple[Result, Result], sections: dict[str, Any], words: str
) -> None:
    other = configured(pair[1], scaffold={"resample": "epoch"}, **sections)
    with pytest.raises(ConfigError) as error:
        rankprobe.transition(pair[0], other)
    assert len(error.value.problems) == 1
    assert words in str(error.value)
    assert "not one task under two scaffolds" in str(error.value)


def test_other_data_and_ranks_are_refused(pair: tuple[Result, Result]) -> None:
    other = replace(
        pair[1],
        task=replace(pair[1].task, hash="other"),
        points=tuple(replace(point, rank=point.rank + 100) for point in pair[1].points),
    )
    with pytest.raises(ConfigError, match=r"data \(.*ranks \(none was measured in both\)"):
        rankprobe.transition(pair[0], other)


def test_the_order_and_the_sameness_of_scaffolds_are_told(pair: tuple[Result, Result]) -> None:
    with pytest.raises(ConfigError, match="give the static one first"):
        rankprobe.transition(pair[1], pair[0])
    with pytest.raises(ConfigError, match=r"have the same scaffold \(static\)"):
        rankprobe.transition(pair[0], pair[0])
    with pytest.raises(ConfigError, match="--share 1: give a number between 0 and 1"):
        rankprobe.transition(*pair, share=1.0)


def test_both_readings_come_back_from_json(
    pair: tuple[Result, Result], sweep: list[Result]
) -> None:
    transition, capacity = rankprobe.transition(*pair), rankprobe.capacity(sweep)
    assert transition_from_json(transition.to_json()) == transition
    again = capacity_from_json(capacity.to_json())
    assert again.to_json() == capacity.to_json()
    assert again.trends == capacity.trends
    for read, text in ((transition_from_json, "transition"), (capacity_from_json, "capacity")):
        with pytest.raises(ArtifactError, match="not JSON"):
            read("{")
        with pytest.raises(ArtifactError, match="no `schema`"):
            read("[]")
        with pytest.raises(ArtifactError, match="has schema 9, and this version reads 1"):
            read('{"schema": 9}')
        with pytest.raises(ArtifactError, match=f"{text}.* damaged"):
            read('{"schema": 1, "points": [{}]}')


def test_a_sweep_is_read_by_the_command(
    here: Path, sweep: list[Result], capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "grid").mkdir()
    (here / "grid" / "grid.json").write_text("{}")
    folders = [saved(here / "grid" / str(k), result) for k, result in enumerate(sweep)]
    assert main(["capacity", *folders]) == 0
    out = capsys.readouterr().out
    assert out.startswith("sweep: minimal rank levels off at ")
    assert max(map(len, out.splitlines())) <= 80
    assert (here / "capacity.png").read_bytes().startswith(b"\x89PNG")
    assert main(["capacity", "grid", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["axis"], [item["size"] for item in data["sizes"]]) == ("size", list(SIZES[4]))


def named(result: Result, name: str, folder: Path | None = None) -> Result:
    return replace(result, task=replace(result.task, name=name), folder=folder)


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (("digits", "digits"), "digits"),
        (("digits-none", "digits-epoch"), "digits"),
        (("digits", "digits-again"), "digits"),
        (("two-words-count-2", "two-words-count-3"), "two-words"),
        (("kept", "drawn"), "kept and drawn"),
    ],
)
def test_a_transition_is_called_what_its_runs_share(
    pair: tuple[Result, Result], names: tuple[str, str], title: str
) -> None:
    found = rankprobe.transition(*(named(*both) for both in zip(pair, names, strict=True)))
    assert found.task == title
    assert str(found).startswith(f"{title}: ")
    assert found.plot().get_title(loc="left") == title


def test_a_sweep_of_a_grid_is_called_as_the_grid(here: Path, sweep: list[Result]) -> None:
    (here / "runs").mkdir()
    (here / "runs" / "grid.json").write_text("{}")
    combinations = [f"size-64-{k}" for k in range(len(sweep))]
    results = [named(r, f"my-grid-{c}") for r, c in zip(sweep, combinations, strict=True)]
    for result, combination in zip(results, combinations, strict=True):
        saved(here / "runs" / combination, result)
    assert rankprobe.capacity(here / "runs").task == "my-grid"
    assert rankprobe.capacity([here / "runs" / name for name in combinations]).task == "my-grid"
    grid = made_grid(
        "another",
        {"backbone.size": SIZES[4]},
        {name: {} for name in combinations},
        dict(zip(combinations, results, strict=True)),
        cost={},
        folder=None,
    )
    assert rankprobe.capacity(grid).task == "another"
    assert rankprobe.capacity(grid).sizes == rankprobe.capacity(here / "runs").sizes


def test_sizes_fall_back_to_width_and_parameters(sweep: list[Result]) -> None:
    plain = [configured(result) for result in sweep]
    assert rankprobe.capacity(plain).axis == "width"
    blind = [replace(result, scope={}) for result in plain]
    capacity = rankprobe.capacity(blind)
    assert capacity.axis == "parameters"
    assert [trend.quantity for trend in capacity.trends] == ["rank", "degrees_of_freedom", "share"]


def test_a_sweep_of_other_things_is_refused(sweep: list[Result]) -> None:
    with pytest.raises(ConfigError, match="needs 3 results, and there are 2"):
        rankprobe.capacity(sweep[:2])
    with pytest.raises(ConfigError, match="one and the same size"):
        rankprobe.capacity([sweep[0], *sweep[:3]])
    other = configured(sweep[3], backbone={"activation": "tanh"})
    with pytest.raises(ConfigError, match=r"differ in backbone\.activation"):
        rankprobe.capacity([*sweep[:3], other])


@pytest.mark.parametrize("command", ["transition a b", "capacity a b c"])
def test_reading_does_not_import_torch(command: str) -> None:
    code = (
        f"from rankprobe.cli import main\nmain({command.split()!r})\nimport sys\n"
        "import rankprobe.statistics.transition, rankprobe.statistics.capacity\n"
        "import rankprobe.reporting.transition, rankprobe.reporting.capacity\n"
        "sys.exit('torch' in sys.modules or 'optuna' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
