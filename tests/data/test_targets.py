"""Targets: what is inferred from them, how they are encoded, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rankprobe.data.targets import Target, encoded_target
from rankprobe.data.task import Objective
from rankprobe.errors import DataError


def encode(y: Any, objective: Objective | None = None) -> Target:
    return encoded_target(np.asarray(y), objective, name="y", holder="a.npz")


@pytest.mark.parametrize(
    ("y", "objective"),
    [
        (["a", "b"] * 5, "classification"),
        ([True, False] * 5, "classification"),
        ([3, 7] * 5, "classification"),
        (np.arange(60) // 3, "classification"),  # 20 values are classes, however rare
        (np.arange(210) // 10, "classification"),  # 21 values, 10 times each
        (np.arange(63) // 3, "regression"),  # 21 values, 3 times each
        ([0.0, 1.0] * 5, "regression"),  # whole, but written as decimals
        (np.array([b"a", b"b"] * 5), "classification"),
        (np.array(["a", "b"] * 5, dtype=object), "classification"),
        (np.zeros((4, 2)), "regression"),
        (np.array([[0], [1]] * 4), "classification"),
    ],
)
def test_the_objective_is_inferred(y: Any, objective: str) -> None:
    assert encode(y).objective == objective


def test_classes_are_indices_in_sorted_order() -> None:
    target = encode(["b", "a", "c", "a", "b", "c"])
    assert target.y.dtype == np.int64
    assert target.y.tolist() == [1, 0, 2, 0, 1, 2]
    assert target.classes == ("a", "b", "c")
    assert encode([10, 9, 10, 9]).classes == ("9", "10")
    assert encode([1.0, 0.0, 1.0, 0.0], "classification").classes == ("0", "1")


def test_numbers_become_columns_of_float32() -> None:
    target = encode([1, 2, 3], "regression")
    assert target.y.dtype == np.float32
    assert target.y.tolist() == [[1], [2], [3]]
    assert target.classes == ()
    assert encode(["1.5", "-2"], "regression").y.tolist() == [[1.5], [-2]]
    assert encode(np.ones((3, 2))).y.shape == (3, 2)


@pytest.mark.parametrize(
    ("y", "objective", "message"),
    [
        (["a"] * 9, None, "target `y` in a.npz holds only one class, 'a'; classification needs"),
        (["a"] * 9 + ["b"], None, "the class 'b' has a single example; every class needs at least"),
        (range(10), None, "the class '0', '1', '2' and 7 more has a single example.*regression`$"),
        (["a", "b", "b"], "classification", "merge or remove the class$"),
        (["1", "x", "2"], "regression", "holds the text 'x' in row 2; regression needs a number"),
        ([0.5, 1.0], "classification", "holds 0.5; classes are whole numbers or text"),
        (np.eye(3), "classification", "has 3 columns; .* take their argmax"),
        ([1.0, np.nan], None, "`y` in a.npz: NaN, infinite or too large values in 1 of 2 rows"),
        ([1.0, np.inf], "classification", "`y` in a.npz: NaN, infinite or too large values in 1"),
        (np.array([1, "a"], dtype=object), None, "mixes Python objects; give numbers or text"),
        (np.array(["2020-01-01"], dtype="M8[D]"), None, "holds values of type datetime64"),
        (np.zeros((2, 2, 2)), None, r"has the shape \(2, 2, 2\); give one value, or one row"),
        (np.zeros((2, 0)), None, r"has the shape \(2, 0\)"),
    ],
)
def test_refusals(y: Any, objective: Objective | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode(y, objective)


def test_the_reason_is_told() -> None:
    assert encode([1, 2] * 3).reason == "the target holds 2 whole numbers"
    assert encode([1, 2] * 3, "classification").reason == "as configured"
