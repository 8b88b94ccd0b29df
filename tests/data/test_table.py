"""Tables: every kind of column, missing values, the training split alone, and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rankprobe.config import config_from_settings
from rankprobe.data.load import load_task
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
N = 60
FRAME = pd.DataFrame(
    {
        "number": RNG.normal(3, 2, N),
        "gaps": [None if i % 4 == 0 else float(i % 7) for i in range(N)],
        "town": [None if i % 9 == 0 else "abc"[i % 3] for i in range(N)],
        "day": [None if i == 5 else f"2021-03-{1 + i % 28:02d}" for i in range(N)],
        "note": [f"word{i} and {i * 7 % 13}" for i in range(N)],
        "empty": [None] * N,
        "same": ["k"] * N,
        "label": ["u", "v"] * (N // 2),
    }
)


def load(folder: Path, frame: pd.DataFrame, suffix: str = ".csv", **settings: Any) -> Task:
    path = folder / f"t{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t" if suffix == ".tsv" else ",", index=False)
    data = {"path": path.name, **settings.pop("data", {})}
    return load_task(config_from_settings({"data": data, **settings}, folder=folder))


def test_every_kind_of_column(tmp_path: Path) -> None:
    task = load(tmp_path, FRAME)
    done = task.preprocessing
    assert done == {
        "number": "number, standardised",
        "gaps": "number, standardised",
        "town": "category, one-hot (4 inputs), standardised",
        "day": "date, by its parts (4 inputs), standardised",
        "note": "text, embedded (30 inputs), standardised",
        "empty": "left out: nothing in it",
        "same": "category, one-hot, standardised",
        "label": "classification: the target holds text",
    }
    # One input a number, four for town and day, thirty for the text, one for the constant; and
    # marks of what is missing in gaps and in the date's parts, if the row is in training.
    assert task.input_shape[0] in (1 + 2 + 4 + 4 + 30 + 1, 1 + 2 + 4 + 8 + 30 + 1)
    x = task.train.x
    assert np.isfinite(x).all()
    assert np.allclose(x.mean(axis=0), 0, atol=1e-5)
    spread = x.std(axis=0)
    assert (np.isclose(spread, 1, atol=1e-4) | (spread == 0)).all()
    assert task.classes == ("u", "v")


def test_missing_values_take_the_median_of_training_and_a_mark(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": [1.0, 2.0, 9.0, None] * 10, "fold": ["train"] * 40, "y": [0, 1] * 20}
    )
    frame.loc[20:, "fold"] = ["test", "validation"] * 10
    frame.loc[20:, "a"] = 100.0
    frame.loc[20, "a"] = None
    task = load(tmp_path, frame, data={"split": "fold", "standardize": False})
    assert task.train.x.shape == (20, 2)
    assert sorted(set(task.train.x[:, 0])) == [1, 2, 9]
    assert np.array_equal(task.train.x[:4], [[1, 0], [2, 0], [9, 0], [2, 1]])
    assert np.array_equal(task.test.x[:2], [[2, 1], [100, 0]])


def test_test_rows_teach_the_preprocessing_nothing(tmp_path: Path) -> None:
    frame = FRAME.assign(fold=["train"] * 40 + ["validation"] * 8 + ["test"] * 12)
    task = load(tmp_path, frame, data={"split": "fold", "target": "label"})
    frame.loc[48:, "number"] = 1e4
    frame.loc[48:, "town"] = "elsewhere"
    frame.loc[48:, "note"] = "nothing known"
    changed = load(tmp_path, frame, data={"split": "fold", "target": "label"})
    assert np.array_equal(task.train.x, changed.train.x)
    assert np.array_equal(task.validation.x, changed.validation.x)
    assert np.isfinite(changed.test.x).all()
    assert (changed.test.x[:, 0] > 100).all()


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
def test_other_formats_hold_the_same_task(tmp_path: Path, suffix: str) -> None:
    assert load(tmp_path, FRAME, suffix).hash == load(tmp_path, FRAME).hash


def test_roles_of_columns(tmp_path: Path) -> None:
    frame = FRAME.assign(who=np.arange(N) // 6, when=pd.date_range("2020-01-01", periods=N))
    data: dict[str, Any] = {"target": "label", "features": ["number", "same"]}
    assert load(tmp_path, frame, data=data).input_shape == (2,)
    by_group = load(tmp_path, frame, data={"target": "label", "split": {"group": "who"}})
    assert "who" not in (by_group.preprocessing or {})
    assert len(by_group.test) == 12
    data = {"features": "number", "split": {"time": "when"}, "standardize": False}
    by_time = load(tmp_path, frame, data={"target": "label", **data})
    assert np.array_equal(by_time.test.x[:, 0], FRAME["number"][48:].to_numpy(np.float32))


def test_the_row_numbers_that_pandas_writes_are_left_out(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "t.csv")
    task = load_task(config_from_settings({"data": "t.csv"}, folder=tmp_path))
    assert task.hash == load(tmp_path, FRAME).hash


def test_targets_of_several_columns_and_of_numbers(tmp_path: Path) -> None:
    task = load(tmp_path, FRAME[["town", "number"]])
    assert (task.objective, task.outputs, task.metric) == ("regression", 1, "r2")
    frame = FRAME[["town", "number"]].assign(more=np.arange(N))
    task = load(tmp_path, frame, data={"target": ["number", "more"]})
    assert task.train.y.shape == (42, 2)
    assert load(tmp_path, FRAME.assign(y=[True, False] * 30)).classes == ("False", "True")


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({"label": ["1", "2", "x"] * 20}, {"objective": "regression"},
         "the target `label` in t.csv holds the text 'x' among numbers in row 3; correct it"),
        ({"label": ["x", "y"] * 30}, {"objective": "regression"},
         "the target `label` in t.csv holds the text 'x' in row 1; regression needs a number"),
        ({"label": ["1.5"] * 59 + ["n.a."]}, {}, "holds the text 'n.a.' among numbers in row 60"),
        ({"label": ["u", None] * 30}, {}, "`label` in t.csv is missing in 30 of 60 rows,"),
        ({"label": ["u"] * 60}, {}, "`label` in t.csv holds only one class, 'u'"),
        ({"label": ["u"] * 59 + ["v"]}, {}, "the class 'v' has a single example"),
        ({"number": [1.0, float("inf")] * 30}, {},
         "holds infinite or too large values in 30 of 60 rows, the first in row 2;"),
        ({"number": [1.0] * 59 + [-1e300]}, {},
         "holds infinite or too large values in 1 of 60 rows, the first in row 60"),
        ({"town": ["train", None] * 30}, {"data": {"split": "town"}},
         "the column `town` in t.csv divides the data, but is missing in row 2"),
        ({"town": ["x"] * 60}, {"data": {"split": {"time": "town"}}},
         "the column `town` in t.csv holds no times"),
        ({}, {"data": {"features": "empty"}},
         "every feature of t.csv is missing in all training rows"),
    ],
)  # fmt: skip
def test_refusals(
    tmp_path: Path, change: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, FRAME.assign(**change), **settings)


def test_words_among_numbers_may_be_classes_if_the_user_says_so(tmp_path: Path) -> None:
    frame = FRAME.assign(label=["1", "2", "x"] * 20)
    assert load(tmp_path, frame, objective="classification").classes == ("1", "2", "x")


def test_dates_are_no_target(tmp_path: Path) -> None:
    frame = FRAME.assign(label=pd.date_range("2020-01-01", periods=N))
    with pytest.raises(DataError, match=r"`label` in t.parquet holds dates"):
        load(tmp_path, frame, ".parquet")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"t\.csv is empty"),
        (b"a;b\n1;2\n", r"t\.csv has one column only, `a;b`; columns are separated by commas"),
        (b"a,a,b\n1,2,3\n", r"t\.csv has two columns named `a`; rename one of them"),
        (b"a,b\n1,2\n1,2,3\n", r"t\.csv cannot be read as a table: .*line 3, saw 3"),
        (b"a,b\n1,2,3\n1,2,3\n", r"t\.csv: a row has more values than there are column names"),
        (b"a,b\n1,\xff\n", r"t\.csv is not UTF-8 text; save it as UTF-8"),
        (b"a,b\n", r"t\.csv has 0 rows; a measurement needs at least 10"),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_task(config_from_settings({"data": "t.csv"}, folder=tmp_path))


def test_parquet_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"rubbish")
    with pytest.raises(DataError, match=r"t\.parquet cannot be read as a table"):
        load_task(config_from_settings({"data": "t.parquet"}, folder=tmp_path))


def test_a_missing_extra_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "skrub", None)
    with pytest.raises(DataError, match=r"pip install 'rankprobe\[table\]'"):
        load(tmp_path, FRAME)


def test_a_column_that_went_after_checking_is_still_named(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    config = config_from_settings({"data": {"path": "t.csv", "target": "town"}}, folder=tmp_path)
    FRAME.drop(columns="town").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ConfigError, match=r"there is no column `town`"):
        load_task(config)


def test_a_column_to_divide_by_is_no_target(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(80.0), "y": np.arange(80) % 2, "day": np.arange(80)})
    assert load(tmp_path, frame, data={"split": {"time": "day"}}).classes == ("0", "1")


def test_a_share_beside_a_column_that_says_it_is_refused(tmp_path: Path) -> None:
    parts = np.repeat(["train", "validation", "test"], [60, 10, 10])
    frame = pd.DataFrame({"a": np.arange(80.0), "part": parts, "y": np.arange(80) % 2})
    with pytest.raises(DataError, match=r"validation rows of its own, .*`data.split.validation`"):
        load(tmp_path, frame, data={"split": {"column": "part", "validation": 0.3}})


def test_tables_may_be_compressed(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(80.0), "y": np.arange(80) % 2})
    plain = load(tmp_path, frame)
    for suffix, sep in ((".csv.gz", ","), (".tsv.gz", "\t")):
        frame.to_csv(tmp_path / f"p{suffix}", sep=sep, index=False)
        config = config_from_settings({"data": f"p{suffix}"}, folder=tmp_path)
        assert load_task(config).hash == plain.hash
