import random
from typing import Any, ClassVar, TypeVar

import pytest

from rankprobe.records import Member
from rankprobe.search.cohorts import (
    LARGEST_COHORT,
    LARGEST_MIXED,
    LARGEST_SMALL_COHORT,
    SMALL_NETWORK,
    cohort_bytes,
    compose,
)
from rankprobe.search.sharing import Placed

M = TypeVar("M", bound=Member)


def split(members: list[M], *, each: int = 1, **sizes: Any) -> list[tuple[M, ...]]:
    """Cohorts of a large network with dropout, unless said otherwise."""
    settings = {"bytes_of": lambda _: each, "parameters": 10**9, "draws_masks": True, **sizes}
    return compose(members, **settings)


def grid(ranks: list[int | None], rates: list[float], repeats: int = 1) -> list[Member]:
    return [Member(r, lr, k, 20) for r in ranks for lr in rates for k in range(repeats)]


def test_the_result_does_not_depend_on_the_order_of_members() -> None:
    members = grid([0, 1, 2, 4, None], [0.1, 0.01, 0.001], repeats=3)
    shuffled = random.Random(0).sample(members, len(members))
    assert split(members) == split(shuffled)
    assert sorted(m for c in split(members) for m in c if m.rank is not None) == sorted(
        m for m in members if m.rank is not None
    )


def test_repeats_lengths_and_kinds_are_kept_apart() -> None:
    members = [*grid([0, 1, 2], [0.1], repeats=2), Member(1, 0.1, 0, 40)]
    kinds = [{(m.repeat, m.epochs, m.rank == 0) for m in cohort} for cohort in split(members)]
    assert all(len(kind) == 1 for kind in kinds)
    assert len(kinds) == 5


def test_scaffolds_are_kept_apart_and_baselines_have_none() -> None:
    members = [Member(rank, 0.1, k, 20, k % 2) for rank in (0, 1, 2) for k in range(4)]
    members += grid([None], [0.1], repeats=4)
    for small in ({}, TestSmallNetworks.SMALL):
        cohorts = split(members, **small)
        assert all(len({m.scaffold for m in cohort}) == 1 for cohort in cohorts)
        assert len(cohorts) == (5 if small else 12)


class TestSmallNetworks:
    SMALL: ClassVar = {"parameters": SMALL_NETWORK, "draws_masks": False}

    def test_repeats_train_together(self) -> None:
        members = grid([0, 1, 2, None], [0.1, 0.2], repeats=3)
        cohorts = split(members, **{**self.SMALL, "parameters": 1000})
        assert [len(cohort) for cohort in cohorts] == [6, 6, 12]
        assert [{m.repeat for m in cohort} for cohort in cohorts] == [{0, 1, 2}] * 3
        rates = [m.learning_rate for m in cohorts[2]]
        assert rates == sorted(rates)

    def test_lengths_and_kinds_are_kept_apart(self) -> None:
        members = [*grid([0, 1, None], [0.1], repeats=2), Member(1, 0.1, 0, 40)]
        assert len(split(members, **self.SMALL)) == 4

    def test_the_result_does_not_depend_on_the_order_of_members(self) -> None:
        members = grid(list(range(1, 30)), [0.1, 0.01, 0.001], repeats=3)
        shuffled = random.Random(0).sample(members, len(members))
        cohorts = split(members, **self.SMALL)
        assert cohorts == split(shuffled, **self.SMALL)
        assert len(cohorts) > 1
        assert max(len(cohort) for cohort in cohorts) <= LARGEST_SMALL_COHORT

    @pytest.mark.parametrize(
        "other", [{"parameters": SMALL_NETWORK + 1}, {"draws_masks": True}], ids=["large", "masks"]
    )
    def test_others_keep_one_repeat_a_cohort(self, other: dict[str, int]) -> None:
        members = grid([1, 2], [0.1, 0.2], repeats=3)
        assert split(members, **{**self.SMALL, **other}) == split(members)


def test_a_large_baseline_trains_alone_and_small_ones_together() -> None:
    members = grid([None], [0.1, 0.2, 0.3])
    assert [len(c) for c in split(members, parameters=10**6)] == [1, 1, 1]
    assert [len(c) for c in split(members, parameters=500)] == [3]


def test_cohorts_are_cut_evenly_by_rank() -> None:
    members = grid(list(range(1, 9)), [k / 100 for k in range(1, 6)])
    cohorts = split(members)
    assert [len(c) for c in cohorts] == [20, 20]
    assert len(members) > LARGEST_COHORT
    assert max(m.rank or 0 for m in cohorts[0]) <= min(m.rank or 0 for m in cohorts[1])


def test_members_of_one_rate_stand_side_by_side() -> None:
    (cohort,) = split(grid([1, 2, 4], [0.1, 0.01]))
    assert [m.learning_rate for m in cohort] == [0.01] * 3 + [0.1] * 3


def test_little_memory_makes_small_cohorts() -> None:
    members = grid([1, 2, 4, 8], [0.1])
    assert [len(c) for c in split(members, each=1 << 30)] == [2, 2]
    assert [len(c) for c in split(members, each=1 << 40)] == [1, 1, 1, 1]


def test_large_ranks_take_more_memory() -> None:
    def of(rank: int | None) -> int:
        return (rank or 500) << 22

    assert [len(c) for c in split(grid([1, 2], [0.1, 0.01]), bytes_of=of)] == [4]
    assert [len(c) for c in split(grid([256], [0.1, 0.01, 0.001, 1.0]), bytes_of=of)] == [2, 2]
    baselines = grid([None], [0.1, 0.01])
    assert [len(c) for c in split(baselines, bytes_of=of, parameters=10)] == [1, 1]


class TestLanes:
    """Members on different frozen weights, as those of a grid are."""

    def members(self, each: int, lanes: int = 4) -> list[Placed]:
        ranks = [1 << (k % 6) for k in range(each)]
        return [
            Placed(rank, 0.1 * (1 + k // 6), 0, 20, combination=lane)
            for lane in range(lanes)
            for k, rank in enumerate(ranks)
        ]

    def sizes(self, each: int, **settings: Any) -> list[list[int]]:
        """For every cohort, members of each lane in it, in their order."""
        cohorts = split(
            self.members(each), lane=lambda member: member.combination, **settings
        )  # fmt: skip
        for cohort in cohorts:
            lanes = [member.combination for member in cohort]
            assert lanes == sorted(lanes)  # neighbours, so that they are multiplied at once
        found = [[m.combination for m in cohort] for cohort in cohorts]
        return [[lanes.count(lane) for lane in sorted(set(lanes))] for lanes in found]

    def test_few_members_of_a_large_network_join(self) -> None:
        assert self.sizes(4) == [[4, 4, 4, 4]]
        assert self.sizes(6) == [[6, 6], [6, 6]]

    def test_many_members_of_a_large_network_stay_apart(self) -> None:
        assert self.sizes(LARGEST_MIXED) == [[LARGEST_MIXED]] * 4

    def test_members_of_smaller_networks_join_up_to_the_usual_limit(self) -> None:
        sizes = self.sizes(20, parameters=50_000)
        assert [sum(size) for size in sizes] == [27, 26, 27]

    def test_on_the_same_frozen_weights_members_are_as_those_of_one_task(self) -> None:
        cohorts = split(self.members(20))
        assert [len(cohort) for cohort in cohorts] == [27, 26, 27]
        for cohort in cohorts:
            rates = [member.learning_rate for member in cohort]
            assert rates == sorted(rates)

    def test_every_lane_takes_memory_for_its_weights(self) -> None:
        def sizes(copy: int) -> list[list[int]]:
            own = {"bytes_of": lambda _: 1 << 28, "parameters": 50_000}  # 8 members fit
            return self.sizes(4, copy=copy, **own)

        assert sizes(0) == [[2, 2, 2, 2]] * 2
        assert sizes(1 << 28) == [[1, 1, 1, 1]] * 4  # and three copies fit beside 5 members
        assert sizes(1 << 40) == [[1]] * 16

    def test_weights_that_all_share_and_full_training_take_no_copies(self) -> None:
        assert [len(c) for c in split(self.members(4), lane=lambda _: 3, copy=1 << 40)] == [16]
        full = [Placed(None, 0.1, k, 20, combination=k) for k in range(4)]
        lane: Any = lambda member: member.combination  # noqa: E731
        own = {"lane": lane, "copy": 1 << 40, "parameters": 10, "draws_masks": False}
        assert [len(cohort) for cohort in split(full, **own)] == [4]

    def test_the_memory_of_a_cohort(self) -> None:
        cohort = self.members(2, lanes=3)
        lane: Any = lambda member: member.combination  # noqa: E731
        assert cohort_bytes(cohort, bytes_of=lambda rank: 10 * (rank or 0)) == 6 * 20
        assert cohort_bytes(cohort, bytes_of=lambda _: 20, lane=lane, copy=7) == 6 * 20 + 2 * 7

    def test_the_result_does_not_depend_on_the_order_of_members(self) -> None:
        members = self.members(5)
        shuffled = random.Random(1).sample(members, len(members))
        lane: Any = lambda member: member.combination  # noqa: E731
        assert split(members, lane=lane) == split(shuffled, lane=lane)
