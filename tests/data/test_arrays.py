"""Arrays: names, shapes, scaling from training alone, and every refusal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rankprobe.config import config_from_settings
from rankprobe.data.examples import scaled
from rankprobe.data.load import load_task, task_from_arrays
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
X = RNG.normal(5, 3, size=(60, 4))
Y = np.arange(60) % 3


def load(folder: Path, arrays: Mapping[str, Any], **data: Any) -> Task:
    members: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez(folder / "a.npz", **members)
    return load_task(config_from_settings({"data": {"path": "a.npz", **data}}, folder=folder))


def rows(task: Task) -> list[int]:
    return [len(task.train), len(task.validation), len(task.test)]


def test_floats_stay_as_they_are(tmp_path: Path) -> None:
    task = load(tmp_path, {"x": X, "y": Y})
    assert task.train.x.dtype == np.float32
    assert rows(task) == [42, 6, 12]
    everything = np.concatenate([task.train.x, task.validation.x, task.test.x])
    assert sorted(everything[:, 0]) == sorted(X[:, 0].astype(np.float32))
    assert (task.objective, task.metric, task.outputs) == ("classification", "accuracy", 3)


def test_standardize_uses_training_alone_and_each_feature(tmp_path: Path) -> None:
    x = X.copy()
    x[:, 3] = 7.1
    task = load(tmp_path, {"x": x, "y": Y}, standardize=True)
    assert np.allclose(task.train.x[:, :3].mean(axis=0), 0, atol=1e-6)
    assert np.allclose(task.train.x[:, :3].std(axis=0), 1, atol=1e-6)
    assert not np.allclose(task.test.x[:, :3].mean(axis=0), 0, atol=1e-3)
    assert (task.train.x[:, 3] == 0).all()


def test_whole_numbers_of_any_kind_are_one_target(tmp_path: Path) -> None:
    arrays = {"x": X, "y": Y.astype(np.uint8), "x_test": X[:9] + 1, "y_test": Y[:9]}
    assert load(tmp_path, arrays).outputs == 3


def test_rounding_does_not_make_a_constant_feature_vary() -> None:
    constant = np.full((54, 1), 1 + 2**-20, dtype=np.float32)
    constant[0] = 1 + 2**-21
    assert constant.std(dtype=np.float64) > 0
    (part,), _ = scaled([constant], "features")
    assert (part == 0).all()


def test_a_feature_constant_in_training_cannot_explode(tmp_path: Path) -> None:
    x, x_test = X.copy(), X[:9] + 1
    x[:, 0] = 0.1
    x_test[:, 0] = 1e6
    arrays = {"x": x, "y": Y, "x_test": x_test, "y_test": Y[:9]}
    assert (load(tmp_path, arrays, standardize=True).test.x[:, 0] == 0).all()


def test_bytes_are_pixels_with_one_scale(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, size=(60, 5, 5), dtype=np.uint8)
    pixels[:, 0, 0] = 255
    task = load(tmp_path, {"x": pixels, "y": Y})
    assert task.input_shape == (5, 5)
    assert abs(task.train.x.mean()) < 1e-5
    assert abs(task.train.x.std() - 1) < 1e-5
    assert task.train.x[:, 0, 0].min() > 1
    assert load(tmp_path, {"x": pixels, "y": Y}, standardize=False).train.x.max() == 255


def test_other_names_and_given_splits(tmp_path: Path) -> None:
    arrays = {"pics": X, "labels": Y, "a": X[:8] + 1, "b": Y[:8], "pics_validation": X[:5] + 2,
              "labels_validation": Y[:5]}  # fmt: skip
    task = load(tmp_path, arrays, features="pics", target="labels", split={"test": ["a", "b"]})
    assert rows(task) == [60, 5, 8]
    assert np.array_equal(task.test.x, arrays["a"].astype(np.float32))
    assert np.array_equal(task.validation.x, arrays["pics_validation"].astype(np.float32))


def test_test_arrays_are_found_and_a_share_written_down_wins(tmp_path: Path) -> None:
    arrays = {"x": X, "y": Y, "x_test": X[:9] + 1, "y_test": Y[:9]}
    assert rows(load(tmp_path, arrays)) == [54, 6, 9]
    assert rows(load(tmp_path, arrays, split={"test": 0.5})) == [24, 6, 30]


def test_an_array_can_name_groups_times_and_splits(tmp_path: Path) -> None:
    arrays = {"x": X, "y": Y, "who": np.arange(60) // 6, "when": np.arange(60)[::-1],
              "fold": np.repeat(["train", "validation", "test"], 20)}  # fmt: skip
    assert rows(load(tmp_path, arrays, split="fold")) == [20, 20, 20]
    assert rows(load(tmp_path, arrays, split={"group": "who"})) == [42, 6, 12]
    task = load(tmp_path, arrays, split={"time": "when"})
    assert np.array_equal(task.test.x, X[:12].astype(np.float32))


def test_a_pair_of_npy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", X)
    np.save(tmp_path / "out.npy", Y)
    pair = {"x": "in.npy", "y": "out.npy"}
    whole = load(tmp_path, {"x": X, "y": Y})
    for path in (["in.npy", "out.npy"], pair):
        task = load_task(config_from_settings({"data": {"path": path}}, folder=tmp_path))
        assert task.hash == whole.hash


def test_regression_on_a_matrix(tmp_path: Path) -> None:
    task = load(tmp_path, {"x": X, "y": X[:, :2]})
    assert (task.objective, task.metric, task.outputs) == ("regression", "r2", 2)
    assert task.train.y.dtype == np.float32
    assert np.array_equal(task.train.y, task.train.x[:, :2])


def test_one_feature_a_row_becomes_a_column(tmp_path: Path) -> None:
    assert load(tmp_path, {"x": X[:, 0], "y": Y}).input_shape == (1,)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X[:50], "y": Y}, "`x` in a.npz has 50 rows and `y` has 60; they must be as many"),
        ({"x": np.where(X > 9, np.nan, X), "y": Y},
         r"feature \d of `x` in a.npz: NaN, infinite or too large values in \d+ of 60 rows"),
        ({"x": np.where(np.arange(4) == 2, 1e300, X), "y": Y},
         "feature 2 of `x` in a.npz: NaN, infinite or too large values in 60 of 60 rows"),
        ({"x": X.astype(str), "y": Y}, "`x` in a.npz holds text, not numbers"),
        ({"x": X * 1j, "y": Y}, "`x` in a.npz holds complex numbers, not numbers"),
        ({"x": np.zeros((60, 0)), "y": Y}, r"`x` in a.npz holds nothing: its shape is \(60, 0\)"),
        ({"x": 3, "y": Y}, "`x` is a single value; give an array with one row an example"),
        ({"x": X[:9], "y": Y[:9]}, "a.npz has 9 rows; a measurement needs at least 10"),
        ({"x": X, "y": np.ones(60)}, "never changes in the training split; R² needs it to vary"),
        ({"x": X, "y": Y, "x_test": X[:9, :3], "y_test": Y[:9]},
         r"`x` in a.npz has rows of shape \(4,\) \(float64\) for training, but of shape \(3,\)"),
        ({"x": X, "y": Y, "x_test": X[:9], "y_test": Y[:9]},
         "every test row of a.npz is also a training row: scores on rows seen in training"),
        ({"x": X, "y": Y, "x_test": X[:9] + 1, "y_test": np.full(9, 5)},
         "the class '5' has no example in the training split"),
        ({"x": X, "y": np.array([None, 1] * 30)}, "`y` in .*a.npz holds pickled Python objects"),
    ],
)  # fmt: skip
def test_refusals(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, arrays)


def test_rows_of_test_that_fell_to_validation_are_no_excuse(tmp_path: Path) -> None:
    arrays = {"x": X, "y": Y, "x_test": X, "y_test": Y}
    with pytest.raises(DataError, match=r"every test row of a\.npz is also"):
        load(tmp_path, arrays)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04rubbish"])
def test_files_that_are_no_arrays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz (is not a NumPy file|cannot be read)"):
        load_task(config_from_settings({"data": "a.npz"}, folder=tmp_path))


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=X, y=Y)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[200:260] = bytes(60)
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"the array `x` in .*a\.npz"):
        load_task(config_from_settings({"data": "a.npz"}, folder=tmp_path))


def test_half_a_pair_of_test_arrays_is_no_pair(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no array `y_test` in a\.npz"):
        load(tmp_path, {"x": X, "y": Y, "x_test": X})


def test_arrays_in_memory() -> None:
    config = config_from_settings({"data": {"split": {"test": 0.5}}, "metric": "r2"})
    task = task_from_arrays(X.tolist(), Y.astype(np.uint8), config=config)
    assert (rows(task), task.objective) == ([24, 6, 30], "regression")
    plain = config_from_settings({})
    task = task_from_arrays(X, Y, config=plain, test=(X[:9] + 1, Y[:9]))
    assert rows(task) == [54, 6, 9]
    with pytest.raises(DataError, match="`x` is ragged: its rows differ in length"):
        task_from_arrays([[1], [2, 3]], Y, config=plain)
    with pytest.raises(ConfigError, match="no data is named"):
        load_task(plain)


def test_flags(tmp_path: Path) -> None:
    x = np.concatenate([X, X])
    assert load(tmp_path, {"x": X, "y": Y}).flags == ()
    assert load(tmp_path, {"x": x, "y": np.tile(Y, 2)}).flags == (
        "duplicates_across_splits",
        "mostly_duplicates",
    )
    few = np.concatenate([X, X[:9]])
    assert load(tmp_path, {"x": few, "y": np.append(Y, Y[:9])}).flags == (
        "duplicates_across_splits",
    )
    assert load(tmp_path, {"x": x, "y": np.arange(120) // 60}).flags == ()  # other targets
    y = np.repeat([0, 1], [56, 4])
    assert load(tmp_path, {"x": X, "y": y}).flags == ("imbalanced",)
    y = np.repeat([0, 1], [50, 10])
    assert load(tmp_path, {"x": X, "y": y}).flags == ()


def test_examples_shared_by_training_and_validation_alone_are_flagged(tmp_path: Path) -> None:
    arrays = {"x": X[:40], "y": Y[:40], "x_validation": X[:10], "y_validation": Y[:10]}
    arrays |= {"x_test": X[40:], "y_test": Y[40:]}
    assert load(tmp_path, arrays).flags == ("duplicates_across_splits",)


def test_nearly_all_given_test_rows_in_training_are_flagged_as_such(tmp_path: Path) -> None:
    """One new row is enough to pass the refusal, and not to make the scores mean anything."""
    arrays = {"x": X, "y": Y, "x_test": np.append(X[:9], X[:1] + 1, 0), "y_test": Y[:10]}
    assert load(tmp_path, arrays).flags == ("duplicates_across_splits", "mostly_duplicates")


def test_rows_of_one_time_in_two_splits_are_flagged(tmp_path: Path) -> None:
    days = np.arange(60)
    assert load(tmp_path, {"x": X, "y": Y, "d": days}, split={"time": "d"}).flags == ()
    tied = {"x": X, "y": Y, "d": days // 20}
    assert load(tmp_path, tied, split={"time": "d"}).flags == ("time_across_splits",)


def test_times_written_as_text_are_times(tmp_path: Path) -> None:
    # As text, a space comes before every T.
    days = np.array([f"2021-03-{1 + i // 24:02d}{'T '[i % 2]}{i % 24:02d}:00" for i in range(60)])
    days = days[::-1]
    task = load(tmp_path, {"x": X, "y": Y, "d": days}, split={"time": "d"})
    assert np.array_equal(task.test.x, X[:12].astype(np.float32))


@pytest.mark.parametrize(
    ("split", "values", "message"),
    [
        ({"group": "g"}, np.array(["a", "", "b"] * 20),
         "`g` in a.npz divides the data, but is missing in row 2"),
        ({"group": "g"}, np.where(np.arange(60) == 4, np.nan, np.arange(60.0)), "missing in row 5"),
        ({"time": "g"}, np.array(["2021-03-01", "NaT"] * 30, dtype="datetime64[D]"),
         "missing in row 2"),
        ({"time": "g"}, np.array(["3/28/2021"] * 60),
         "`g` in a.npz holds no times: .*; write them as numbers, or like 2021-03-28"),
    ],
)  # fmt: skip
def test_arrays_that_cannot_divide(
    tmp_path: Path, split: dict[str, str], values: NDArray[Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(tmp_path, {"x": X, "y": Y, "g": values}, split=split)


def test_given_test_rows_and_a_division_are_one_too_many(tmp_path: Path) -> None:
    arrays = {"x": X, "y": Y, "who": np.arange(60) // 6, "x_test": X[:9], "y_test": Y[:9]}
    with pytest.raises(ConfigError, match=r"a\.npz holds `x_test` and `y_test`, and `data\.split`"):
        load(tmp_path, arrays, split={"group": "who"})
    task = load(tmp_path, arrays, split={"group": "who", "test": 0.2})
    assert rows(task) == [42, 6, 12]
