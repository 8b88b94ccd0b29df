"""What every source promises: a `Task` that is sound, repeatable, and honest about its splits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rankprobe.config import TaskConfig, load_config
from rankprobe.data.load import SOURCES, load_task
from rankprobe.data.task import Task
from rankprobe.errors import DataError
from tests.contracts import pictures_and_text

RNG = np.random.default_rng(1)
X = RNG.normal(size=(80, 3))
Y = np.arange(80) % 4

FACTORY = """
import numpy as np
def make():
    rng = np.random.default_rng(1)
    return rng.normal(size=(80, 3)), np.arange(80) % 4
def make_dict():
    x, y = make()
    return {"x": x[:60], "y": y[:60], "x_test": x[60:], "y_test": y[60:]}
"""


def _arrays(folder: Path) -> str:
    np.savez(folder / "a.npz", x=X, y=Y)
    return "data: a.npz"


def _table(folder: Path) -> str:
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(d=np.where(X[:, 0] > 0, "p", "q"), y=Y)
    frame.to_csv(folder / "t.csv", index=False)
    return "data: t.csv"


def _sklearn(folder: Path) -> str:
    return "data: {name: wine}"


def _python(folder: Path) -> str:
    (folder / "own.py").write_text(FACTORY)
    return "data: {factory: 'own:make_dict'}"


def _series(folder: Path) -> str:
    rows = [
        (f"p{i}", round(float(t), 3), "hr" if t < 0.5 else "bp", float(60 + 40 * t + i % 4))
        for i in range(80)
        for t in np.sort(RNG.random(1 + i % 5))
    ]
    frame = pd.DataFrame(rows, columns=["id", "time", "channel", "value"])
    frame.sample(frac=1, random_state=1).to_csv(folder / "s.csv", index=False)
    ids = [f"p{i}" for i in range(80)]
    pd.DataFrame({"id": ids, "y": Y}).to_csv(folder / "labels.csv", index=False)
    return "data: {source: series, path: s.csv, labels: labels.csv}"


def _graphs(folder: Path) -> str:
    rings = ("C1CC1", "c1ccccc1", "c1ccncc1", "C1CCCCC1")
    tails = ("C", "CC", "CCC", "O", "OC", "N", "NC", "F", "Cl", "Br")
    smiles = [f"{tail}{ring}" for ring in rings for tail in (*tails, *(f"C{t}" for t in tails))]
    frame = pd.DataFrame({"smiles": smiles, "y": Y}).drop_duplicates("smiles")
    frame.to_csv(folder / "m.csv", index=False)
    return "data: {source: graphs, path: m.csv, smiles: smiles}"


def _nodes(folder: Path) -> str:
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(id=np.arange(80), y=Y)
    frame.to_csv(folder / "n.csv", index=False)
    ends = {"source": np.arange(79), "target": np.arange(1, 80)}
    pd.DataFrame(ends).to_csv(folder / "e.csv", index=False)
    return "data: {source: graphs, path: n.csv, edges: e.csv}"


def _trajectories(folder: Path) -> str:
    np.savez(
        folder / "t.npz",
        observations=RNG.normal(size=(120, 3)),
        actions=RNG.normal(size=(120, 2)),
        rewards=RNG.normal(size=120),
        timeouts=np.arange(1, 121) % 8 == 0,
    )
    return "data: {source: trajectories, path: t.npz, length: 4}"


# By case: a source, or one of several ways to write its data.
WRITERS: dict[str, Callable[[Path], str]] = {
    "arrays": _arrays,
    **pictures_and_text.WRITERS,
    "table": _table,
    "sklearn": _sklearn,
    "python": _python,
    "series": _series,
    "graphs": _graphs,
    "graphs/nodes": _nodes,
    "trajectories": _trajectories,
}


# By case: the file that is damaged; a case without files of data says so with "".
DAMAGED = {
    "arrays": "a.npz",
    **pictures_and_text.DAMAGED,
    "table": "t.csv",
    "sklearn": "",
    "python": "",
    "series": "s.csv",
    "graphs": "m.csv",
    "graphs/nodes": "n.csv",
    "trajectories": "t.npz",
}
INDICES = ("graphs", "graphs/nodes")  # sources whose inputs are whole numbers


def configured(folder: Path, source: str, more: str = "") -> TaskConfig:
    file = folder / "dataset.yaml"
    file.write_text(f"{WRITERS[source](folder)}\n{more}")
    return load_config(file, trust=True)


def task(folder: Path, source: str, more: str = "") -> Task:
    return load_task(configured(folder, source, more), trust=True)


def test_every_source_is_under_contract() -> None:
    assert {case.partition("/")[0] for case in WRITERS} == SOURCES.keys()
    assert DAMAGED.keys() == WRITERS.keys()


@pytest.fixture(params=list(WRITERS))
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_task_is_sound(tmp_path: Path, source: str) -> None:
    loaded = task(tmp_path, source, "name: mine\n")
    assert loaded.name == "mine"
    words = loaded.kind == "tokens"
    if source == "tokens":
        assert loaded.objective == "next_token"
        assert loaded.outputs == loaded.sizes["vocabulary"]
    elif source == "trajectories":
        assert (loaded.objective, loaded.metric) == ("regression", "mse")
        assert loaded.outputs == loaded.sizes["actions"]
    else:
        assert loaded.objective == "classification"
        assert loaded.outputs == len(loaded.classes) > 1
        assert set(loaded.train.y) == set(range(loaded.outputs))
    for split in (loaded.train, loaded.validation, loaded.test):
        whole = words or source in INDICES
        assert split.x.dtype == (np.int64 if whole else np.float32)
        assert split.y.dtype == (np.float32 if loaded.objective == "regression" else np.int64)
        assert split.x.flags.c_contiguous
        assert split.x.shape[1:] == loaded.input_shape
        assert len(split) == len(split.x) == len(split.y) > 0
        assert np.isfinite(split.x).all()
        if words:
            assert 0 <= split.x.min() <= split.x.max() < loaded.sizes["vocabulary"]
    assert loaded.preprocessing


def test_no_row_is_in_two_splits(tmp_path: Path, source: str) -> None:
    loaded = task(tmp_path, source)
    rows = [row.tobytes() for s in (loaded.train, loaded.validation, loaded.test) for row in s.x]
    assert len(set(rows)) == len(rows)
    assert "duplicates_across_splits" not in loaded.flags


def test_the_same_settings_give_the_same_tasks_in_another_process(tmp_path: Path) -> None:
    hashes = []
    for source in WRITERS:
        (tmp_path / source).mkdir(parents=True)
        hashes.append(task(tmp_path / source, source).hash)
    script = (
        "from pathlib import Path\n"
        "from rankprobe.config import load_config\n"
        "from rankprobe.data.load import load_task\n"
        f"for source in {list(WRITERS)}:\n"
        f"    config = load_config(Path({str(tmp_path)!r}) / source / 'dataset.yaml', trust=True)\n"
        "    print(load_task(config, trust=True).hash)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PATH": ""},
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout.split() == hashes


def test_the_split_seed_changes_the_task(tmp_path: Path, source: str) -> None:
    config = configured(tmp_path, source)
    other = load_config(
        tmp_path / "dataset.yaml", overrides={"data": {"split": {"seed": 1}}}, trust=True
    )
    assert load_task(config, trust=True).hash != load_task(other, trust=True).hash


def test_the_objective_can_be_set(tmp_path: Path, source: str) -> None:
    if source in ("sklearn", "images/folders", "tokens", "trajectories"):
        pytest.skip("its classes are names, or it has an objective of its own")
    loaded = task(tmp_path, source, "metric: mse\n")
    assert (loaded.objective, loaded.metric, loaded.classes) == ("regression", "mse", ())
    assert loaded.train.y.dtype == np.float32
    assert loaded.train.y.shape == (len(loaded.train), 1)


@pytest.mark.parametrize("case", [case for case, file in DAMAGED.items() if file])
def test_a_damaged_file_is_named(tmp_path: Path, case: str) -> None:
    config, name = configured(tmp_path, case), DAMAGED[case]
    file = tmp_path / name
    file.write_bytes(b"\xff\xfe\x00" + file.read_bytes()[: len(file.read_bytes()) // 2])
    with pytest.raises(DataError) as caught:
        load_task(config)
    named = "saved" if name.startswith("saved/") else name.rpartition("/")[2]
    assert named in str(caught.value)


@pytest.mark.parametrize("name", ["arrays", "table", "python"])
@pytest.mark.parametrize("by", ["group", "time"])
def test_groups_and_times_divide_from_the_file(tmp_path: Path, name: str, by: str) -> None:
    """Each input's first feature is its row, so the splits can be read off the task."""
    rows = np.arange(80)
    x = np.stack([rows, RNG.normal(size=80)], axis=1)
    values = rows // 8 if by == "group" else rows[::-1]
    if name == "table":
        frame = pd.DataFrame(x, columns=["a", "b"]).assign(c=values, y=Y)
        frame.to_csv(tmp_path / "t.csv", index=False)
        data = "path: t.csv"
    elif name == "arrays":
        np.savez(tmp_path / "a.npz", x=x, c=values, y=Y)
        data = "path: a.npz"
    else:
        (tmp_path / "own.py").write_text(
            "import numpy as np\ndef make():\n    rows = np.arange(80)\n"
            "    x = np.stack([rows, np.random.default_rng(0).normal(size=80)], axis=1)\n"
            f"    c = {'rows // 8' if by == 'group' else 'rows[::-1]'}\n"
            "    return {'x': x, 'y': rows % 4, 'c': c}\n"
        )
        data = "factory: 'own:make'"
    (tmp_path / "dataset.yaml").write_text(
        f"data: {{{data}, split: {{{by}: c}}, standardize: false}}\n"
    )
    task = load_task(load_config(tmp_path / "dataset.yaml", trust=True), trust=True)
    assert task.input_shape == (2,)
    parts = [part.x[:, 0].astype(int) for part in (task.train, task.validation, task.test)]
    assert sorted(np.concatenate(parts)) == list(rows)
    if by == "group":
        groups = [set(values[part]) for part in parts]
        assert sum(map(len, groups)) == 10
        assert "by `c`, with no group in two splits" in task.division
    else:
        assert values[parts[0]].max() < values[parts[1]].min()
        assert values[parts[1]].max() < values[parts[2]].min()
        assert "in the order of `c`" in task.division
