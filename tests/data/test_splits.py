"""Dividing: exact sizes, kept proportions, nothing lost, nothing twice, same seed same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rankprobe.config_data import SplitConfig
from rankprobe.data.examples import FREE, TEST, VALIDATION, Rows
from rankprobe.data.splits import described, divided, divided_apart, shuffled
from rankprobe.errors import DataError


def free(count: int) -> NDArray[np.int8]:
    return np.full(count, FREE, dtype=np.int8)


def divide(
    split: SplitConfig,
    *,
    fixed: NDArray[np.int8] | None = None,
    by: Sequence[Any] | None = None,
    strata: NDArray[np.int64] | None = None,
    count: int = 100,
) -> tuple[Rows, Rows, Rows]:
    fixed = free(count) if fixed is None else fixed
    parts = divided(split, fixed, None if by is None else np.array(by), strata, "letters.npz")
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(fixed)))
    assert all((np.diff(part) > 0).all() for part in parts)
    return parts


@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=8),
    test=st.floats(0.05, 0.45),
    validation=st.floats(0.05, 0.45),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=60, deadline=None)
def test_sizes_are_exact_and_every_class_is_trained(
    counts: list[int], test: float, validation: float, seed: int
) -> None:
    strata = np.repeat(np.arange(len(counts)), counts)
    total = len(strata)
    sizes = [max(1, int(np.floor(total * share + 0.5))) for share in (validation, test)]
    split = SplitConfig(test=test, validation=validation, seed=seed)
    if sum(sizes) > total - len(counts):
        with pytest.raises(DataError, match="too few rows to divide"):
            divide(split, strata=strata, count=total)
        return
    parts = divide(split, strata=strata, count=total)
    assert [len(part) for part in parts[1:]] == sizes
    assert set(strata[parts[0]]) == set(range(len(counts)))


def test_classes_keep_their_shares() -> None:
    strata = np.repeat([0, 1, 2], [50, 30, 20])
    parts = divide(SplitConfig(test=0.2, validation=0.1), strata=strata)
    assert [np.bincount(strata[part]).tolist() for part in parts] == [
        [35, 21, 14],
        [5, 3, 2],
        [10, 6, 4],
    ]


def test_the_seed_alone_decides() -> None:
    first, again, other = (
        divide(SplitConfig(seed=seed), strata=np.arange(100) % 3)[2].tolist() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    # A known answer: the same rows on every machine and for every version of NumPy.
    assert shuffled(8, 0).tolist() == [0, 2, 1, 5, 4, 3, 6, 7]


def test_the_default_is_two_tenths_and_one() -> None:
    assert [len(part) for part in divide(SplitConfig())] == [70, 10, 20]


def test_given_test_rows_stay_and_validation_is_cut_from_the_rest() -> None:
    fixed = np.repeat(np.array([FREE, TEST], dtype=np.int8), [60, 40])
    train, validation, test = divide(SplitConfig(), fixed=fixed)
    assert test.tolist() == list(range(60, 100))
    assert (len(train), len(validation)) == (54, 6)


def test_given_validation_rows_stay() -> None:
    fixed = np.repeat(np.array([FREE, TEST, VALIDATION], dtype=np.int8), [60, 30, 10])
    parts = divide(SplitConfig(), fixed=fixed)
    assert [part.tolist() for part in parts] == [
        list(range(60)),
        list(range(90, 100)),
        list(range(60, 90)),
    ]


def test_a_column_names_the_splits() -> None:
    words = ["train"] * 6 + ["Test "] * 2 + ["val"] * 2
    train, validation, test = divide(SplitConfig(column="fold"), by=words, count=10)
    assert (train.tolist(), validation.tolist(), test.tolist()) == (
        [0, 1, 2, 3, 4, 5],
        [8, 9],
        [6, 7],
    )


def test_a_column_without_validation_has_it_cut_from_training() -> None:
    words = ["train"] * 30 + ["test"] * 10
    train, validation, test = divide(SplitConfig(column="fold"), by=words, count=40)
    assert (len(train), len(validation), test.tolist()) == (27, 3, list(range(30, 40)))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "tset"] * 5, "column `fold` in letters.npz holds 'tset' in row 2; write train"),
        (["train", "val"] * 5, "the test split of letters.npz is empty"),
        (["val", "test"] * 5, "the training split of letters.npz is empty"),
        (["test"] * 10, "the training split of letters.npz is empty"),
    ],
)
def test_columns_that_do_not_divide(words: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        divide(SplitConfig(column="fold"), by=words, count=10)


def test_groups_are_never_torn_apart() -> None:
    groups = np.arange(200) // 5
    parts = divide(
        SplitConfig(group="person", test=0.2, validation=0.1), by=list(groups), count=200
    )
    people = [set(groups[part]) for part in parts]
    assert sum(len(group) for group in people) == 40
    assert [len(part) for part in parts] == [140, 20, 40]


def test_a_huge_group_is_left_to_training() -> None:
    groups = ["big"] * 90 + [f"g{i}" for i in range(10)]
    for seed in range(20):
        parts = divide(SplitConfig(group="g", test=0.03, validation=0.03, seed=seed), by=groups)
        assert all(len(part) for part in parts)
        assert sum(len(part) >= 90 for part in parts) == 1


def test_groups_come_as_near_the_size_as_they_can() -> None:
    groups = list(np.arange(100) // 10)
    parts = divide(SplitConfig(group="g", test=0.14, validation=0.16), by=groups)
    assert [len(part) for part in parts] == [70, 20, 10]


def test_a_greedy_share_leaves_groups_for_the_others() -> None:
    parts = divide(
        SplitConfig(group="g", test=0.8, validation=0.1), by=list(np.arange(9) % 3), count=9
    )
    assert [len(part) for part in parts] == [3, 3, 3]


def test_a_class_is_kept_in_training_when_proportions_would_take_it_all() -> None:
    strata = np.repeat([0, 1, 2], [2, 2, 6])
    parts = divide(SplitConfig(test=0.2, validation=0.5), strata=strata, count=10)
    assert [np.bincount(strata[part], minlength=3).sum() for part in parts] == [3, 5, 2]
    assert set(strata[parts[0]]) == {0, 1, 2}


def test_three_groups_are_the_fewest() -> None:
    parts = divide(SplitConfig(group="g"), by=["a", "b", "c", "c"], count=4)
    assert all(len(part) for part in parts)
    with pytest.raises(DataError, match=r"`g` in letters.npz has only 2 groups; .* at least 3"):
        divide(SplitConfig(group="g"), by=["a", "b"] * 5, count=10)


def test_time_tests_on_the_latest() -> None:
    times = [9, 1, 8, 2, 7, 3, 6, 4, 5, 0]
    train, validation, test = divide(SplitConfig(time="day"), by=times, count=10)
    assert sorted(times[row] for row in test) == [8, 9]
    assert [times[row] for row in validation] == [7]
    assert max(times[row] for row in train) == 6


GIVEN = np.repeat(np.array([FREE, TEST], dtype=np.int8), [60, 40])
WHOLE = np.repeat(np.array([FREE, TEST, VALIDATION], dtype=np.int8), [60, 30, 10])
KEPT = "at random, with the shares of the classes kept"
FOLDS = np.array(["train", "test"] * 50)


@pytest.mark.parametrize(
    ("split", "fixed", "by", "words"),
    [
        ({}, free(100), None, f"{KEPT}, seed 0"),
        ({"seed": 3}, GIVEN, None,
         f"test rows as given; validation {KEPT}, seed 3"),
        ({}, WHOLE, None, "test and validation rows as given"),
        ({"group": "who"}, free(100), FOLDS, "by `who`, with no group in two splits, seed 0"),
        ({"time": "day"}, free(100), FOLDS, "in the order of `day`, the latest rows for the test"),
        ({"column": "f"}, free(100), FOLDS,
         f"as the column `f` names them; validation {KEPT}, seed 0"),
        ({"column": "f"}, free(100), np.array(["train", "test", "val", "val"] * 25),
         "as the column `f` names them"),
    ],
)  # fmt: skip
def test_the_division_in_words(
    split: dict[str, Any], fixed: NDArray[np.int8], by: NDArray[Any] | None, words: str
) -> None:
    assert described(SplitConfig(**split), fixed, by, stratified=True) == words


def test_without_classes_no_shares_are_kept() -> None:
    assert described(SplitConfig(), free(9), None, stratified=False) == "at random, seed 0"


def test_examples_that_are_alike_are_divided_as_one() -> None:
    strata = np.arange(60) % 3
    plain = divided(SplitConfig(), free(60), None, strata, "t.csv")
    apart = divided_apart(SplitConfig(), free(60), strata, np.arange(60)[::-1], "t.csv")
    assert all(np.array_equal(a, b) for a, b in zip(plain, apart, strict=True))
    alike = np.tile(np.arange(60), 3)[::-1]
    parts = divided_apart(SplitConfig(), free(180), np.tile(strata, 3), alike, "t.csv")
    assert [len(part) for part in parts] == [126, 18, 36]
    assert sorted(np.concatenate(parts)) == list(range(180))
    assert sum(len(set(alike[part])) for part in parts) == 60


def test_examples_that_were_given_a_split_stay_in_it() -> None:
    fixed = free(40)
    fixed[30:] = TEST
    train, validation, test = divided_apart(
        SplitConfig(), fixed, None, np.zeros(40, dtype=np.intp) + np.arange(40) // 2 % 15, "t.csv"
    )
    assert list(test) == list(range(30, 40))
    assert len(train) + len(validation) == 30
