"""The bundled sets and the user's own function."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rankprobe.config import config_from_settings
from rankprobe.data.load import load_task
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("name", "rows", "shape", "outputs"),
    [
        ("digits", 1797, (64,), 10),
        ("wine", 178, (13,), 3),
        ("breast_cancer", 569, (30,), 2),
        ("iris", 150, (4,), 3),
        ("diabetes", 442, (10,), 1),
    ],
)
def test_bundled_sets(name: str, rows: int, shape: tuple[int], outputs: int) -> None:
    task = load_task(config_from_settings({"data": {"name": name}}))
    assert len(task.train) + len(task.validation) + len(task.test) == rows
    assert (task.input_shape, task.outputs) == (shape, outputs)
    assert task.objective == ("regression" if name == "diabetes" else "classification")
    assert abs(task.train.x.mean()) < 1e-5
    assert abs(task.train.x.std() - 1) < 1e-5
    assert ("setosa" in task.classes) == (name == "iris")


def test_bundled_sets_can_be_had_raw() -> None:
    settings = {"data": {"name": "digits", "standardize": False}}
    assert load_task(config_from_settings(settings)).train.x.max() == 16


def test_bundled_sets_need_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(DataError, match=r"pip install 'rankprobe\[sklearn\]'"):
        load_task(config_from_settings({"data": {"name": "iris"}}))


def own(folder: Path, code: str, factory: str = "own:make") -> Task:
    (folder / "own.py").write_text(
        "import numpy as np\nx, y = np.eye(40), np.arange(40) % 2\n" + code
    )
    config = config_from_settings({"data": {"factory": factory}}, folder=folder, trust=True)
    return load_task(config, trust=True)


def test_a_function_of_the_users(tmp_path: Path) -> None:
    assert len(own(tmp_path, "def make(): return x, y").test) == 8
    named = "def make(): return {'x': x[:30], 'y': y[:30], 'x_test': x[30:], 'y_test': y[30:]}"
    assert len(own(tmp_path, named).test) == 10  # and not what the first file of that name held
    assert "own" not in sys.modules


@pytest.mark.parametrize(
    ("code", "factory", "message"),
    [
        ("", "own:make", "the module `own` has no function `make`"),
        ("make = 3", "own:make", "the module `own` has no function `make`"),
        ("1 / 0", "own:make", "`own:make` cannot be imported: ZeroDivisionError: division by zero"),
        ("", "absent:make", "`absent:make` cannot be imported: ModuleNotFoundError"),
        ("def make(): raise OSError('no disk')", "own:make", "`own:make` failed: OSError: no disk"),
        ("def make(): return x", "own:make", r"returned ndarray; return \(x, y\), a dict"),
    ],
)
def test_functions_that_do_not_serve(tmp_path: Path, code: str, factory: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        own(tmp_path, code, factory)


def test_no_code_runs_without_consent(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("raise SystemExit('ran')")
    config = config_from_settings({"data": {"factory": "own:make"}}, folder=tmp_path, trust=True)
    with pytest.raises(ConfigError, match="needs your consent\n    add --trust"):
        load_task(config)


@pytest.mark.parametrize("split", [{"group": "who"}, {"time": "who"}, {"column": "who"}])
def test_a_split_by_a_column_that_nobody_gave_is_refused(
    tmp_path: Path, split: dict[str, str]
) -> None:
    """Rows would be drawn one by one, and be said to be divided by group."""
    (tmp_path / "own.py").write_text(
        "import numpy as np\nmake = lambda: (np.eye(40), np.arange(40) % 2)\n"
    )
    settings = {"data": {"factory": "own:make", "split": split}}
    config = config_from_settings(settings, folder=tmp_path, trust=True)
    with pytest.raises(ConfigError, match=r"divides by `who`, and own:make has nothing of that"):
        load_task(config, trust=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "perplexity"}, "iris is not read as plain text: the source `tokens` does"),
        ({"objective": "next_token"}, "iris is not read as plain text"),
        ({"metric": "episode_return"}, "iris holds no episodes: the source `trajectories`"),
    ],
)
def test_what_only_other_sources_can_serve(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_task(config_from_settings({"data": {"name": "iris"}, **settings}))


def test_a_folder_is_no_file_of_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(ConfigError) as caught:
        config_from_settings({"data": "photos"}, folder=tmp_path)
    assert "did you mean `photos`" not in str(caught.value)
    assert "a `source` that reads folders: images, series" in str(caught.value)
