import pytest

from rankprobe.records import MinimalRank
from rankprobe.search.refine import beside, between, first_rungs, next_rungs


def answer(value: int | None, low: int | None, high: int | None) -> MinimalRank:
    return MinimalRank(value, low, high, 0.95, "resolved")


@pytest.mark.parametrize(
    ("largest", "rungs"), [(512, [1, 2, 4, 8]), (5, [1, 2, 4, 5]), (1, [1]), (3, [1, 2, 3])]
)
def test_the_ladder_starts_with_powers_of_two(largest: int, rungs: list[int]) -> None:
    assert first_rungs(largest) == rungs


def test_the_ladder_is_extended_until_one_rung_past_the_crossing() -> None:
    assert next_rungs([1, 2, 4, 8], None, 512) == [16, 32]
    assert next_rungs([1, 2, 4, 8], 8, 512) == [16]
    assert next_rungs([1, 2, 4, 8], 4, 512) == []
    assert next_rungs([1, 2, 4, 8, 16, 32], 16, 512) == []


def test_the_ladder_ends_at_the_largest_useful_rank() -> None:
    assert next_rungs([1, 2, 4, 8], None, 24) == [16, 24]
    assert next_rungs([1, 2, 4, 8, 16, 24], None, 24) == []
    assert next_rungs([1, 2, 4, 8], 8, 8) == []


def test_few_ranks_between_two_are_all_measured_and_many_are_halved() -> None:
    assert between(4, 8) == [5, 6, 7]
    assert between(2, 4) == [3]
    assert between(5, 6) == []
    assert between(0, 1) == []
    assert between(8, 16) == [12]
    assert between(64, 128) == [96]


def test_neighbours_are_measured_where_they_narrow_the_interval() -> None:
    assert beside(answer(6, 6, 8), [4, 5, 6, 8], 64) == [7]
    assert beside(answer(6, 4, 6), [5, 6, 8], 64) == [4]
    assert beside(answer(6, 6, None), [5, 6], 6) == []
    assert beside(answer(6, 5, 7), [5, 6, 7], 64) == []
    assert beside(answer(None, 9, None), [8], 64) == []
