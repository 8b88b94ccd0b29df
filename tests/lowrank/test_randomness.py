"""Random numbers are a function of their key, and of all of it."""

from __future__ import annotations

import numpy as np
import pytest

from rankprobe.lowrank.randomness import Key, integer_seed, permutation, random_words

KEY: Key = ["order", 3, 0, 7]
OTHERS: list[Key] = [["mask", 3, 0, 7], ["order", 4, 0, 7], ["order", 3, 1, 7], ["order", 3, 0, 8]]


def test_known_words() -> None:
    assert random_words(KEY, 5).tolist() == [36277, 64410, 3525, 56633, 37318]
    assert integer_seed(KEY) == 4258395755727651576


def test_a_longer_draw_starts_with_the_shorter() -> None:
    for count in (0, 1, 4, 5):
        assert random_words(KEY, count).tolist() == random_words(KEY, 100)[:count].tolist()


def test_words_are_16_bits_and_evenly_spread() -> None:
    words = random_words(KEY, 1 << 16).astype(np.int64)
    assert words.min() >= 0
    assert words.max() < 1 << 16
    assert abs(words.mean() - 32767.5) < 4 * 65536 / np.sqrt(12) / 256


def test_permutation_is_one_and_repeats() -> None:
    order = permutation(KEY, 50)
    assert sorted(order) == list(range(50))
    assert np.array_equal(order, permutation(KEY, 50))
    assert not np.array_equal(order, np.arange(50))


@pytest.mark.parametrize("other", OTHERS)
def test_every_part_of_a_key_counts(other: Key) -> None:
    assert integer_seed(other) != integer_seed(KEY)
    assert not np.array_equal(permutation(other, 50), permutation(KEY, 50))
    assert not np.array_equal(random_words(other, 50), random_words(KEY, 50))


def test_seeds_fit_into_torch() -> None:
    seeds = [integer_seed(["mask", 0, 0, step]) for step in range(200)]
    assert all(0 <= seed < 1 << 63 for seed in seeds)
    assert len(set(seeds)) == 200
    assert max(seeds) > 1 << 62
