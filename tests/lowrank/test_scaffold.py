"""Scaffold weights are the same bits everywhere, and have the distribution they say."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import nn

from rankprobe.errors import ConfigError
from rankprobe.lowrank import Adapter, Scaffold, adapted_layers, attach
from rankprobe.lowrank.families import FAMILIES, normal_table
from rankprobe.lowrank.scaffold import SPEC_VERSION, draw
from tests.lowrank import known_answers
from tests.lowrank.known_answers import sha256, weight

KNOWN_ANSWERS_SHA256 = {
    1: "d42535977acf6b75fa3e92bc38d221d44b742e7307b76f5c028a3295a6a54c11",
    2: "36309e378732b9db643bc2a4edbc6b1b7c99a8b2f61d8ccbf5219d3bc66540f0",
}
NEW_VERSION = (
    "the weights of a specification version never change: other weights need a new SPEC_VERSION, "
    "new known answers and their sha256 beside the old"
)
ANSWERS: list[dict[str, Any]] = [
    answer for version in KNOWN_ANSWERS_SHA256 for answer in known_answers.read(version)
]


@pytest.mark.parametrize("version", range(1, SPEC_VERSION + 1))
def test_known_answers_belong_to_their_version(version: int) -> None:
    raw = known_answers.file_of(version).read_bytes()
    assert json.loads(raw)["specification"] == version, NEW_VERSION
    assert hashlib.sha256(raw).hexdigest() == KNOWN_ANSWERS_SHA256[version], NEW_VERSION
    answered = {answer["family"] for answer in known_answers.read(version)}
    there = {name for name, kind in FAMILIES.items() if kind.since <= version}
    assert answered == there, "a family without an answer"


def test_known_answers_are_never_written_over(tmp_path: Path) -> None:
    made = known_answers.write(folder=tmp_path)
    assert made.read_bytes() == known_answers.file_of(SPEC_VERSION).read_bytes()
    with pytest.raises(FileExistsError):
        known_answers.write(folder=tmp_path)
    assert made.read_bytes() == known_answers.file_of(SPEC_VERSION).read_bytes()


@pytest.mark.parametrize(
    "answer", ANSWERS, ids=lambda a: f"{a['version']}-{a['family']}-{a['name']}-{a['shape']}"
)
def test_known_answers(answer: dict[str, Any]) -> None:
    assert weight(answer).shape == tuple(answer["shape"])
    assert sha256(weight(answer)) == answer["sha256"], NEW_VERSION


def test_the_specification_in_plain_words() -> None:
    """Key, bits and scale written out once more, in whole numbers and without the package."""
    key = hashlib.sha256(b'[1,42,"hidden0",[3,5],"normal"]').digest()[:16]
    halves = [int.from_bytes(half, "little") for half in (key[:8], key[8:])]
    raw = np.random.Philox(key=np.array(halves, dtype=np.uint64)).random_raw(4)
    words = [(int(value) >> shift) & 0xFFFF for value in raw for shift in (0, 16, 32, 48)]
    expected = np.array([normal_table()[word] for word in words[:15]]) * np.float32(5**-0.5)
    assert np.array_equal(Scaffold(42).weight("hidden0", (3, 5)), expected.reshape(3, 5))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_part_of_the_key_counts(family: str) -> None:
    first = draw("hidden0", (8, 6), seed=1, family=FAMILIES[family]).ravel()
    others = [
        draw("hidden0", (8, 6), seed=2, family=FAMILIES[family]),
        draw("hidden1", (8, 6), seed=1, family=FAMILIES[family]),
        draw("hidden0", (6, 8), seed=1, family=FAMILIES[family]),
        draw("hidden0", (8, 6, 1), seed=1, family=FAMILIES[family]),
    ]
    assert not any(np.array_equal(first, other.ravel()) for other in others)


def test_families_do_not_share_their_bits() -> None:
    signs = [
        np.sign(draw("h", (64, 64), seed=1, family=FAMILIES[family])).ravel() for family in FAMILIES
    ]
    agreement = [abs(np.mean(a * b)) for i, a in enumerate(signs) for b in signs[:i]]
    assert max(agreement) < 5 / 64


def _wide_instructions() -> str:
    """What NumPy uses here and can do without, as it names them."""
    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return " ".join(found)


class TestIndependence:
    """Of everything but the key."""

    @pytest.fixture
    def _other_surroundings(self) -> Iterator[None]:
        threads, state, dtype = (
            torch.get_num_threads(),
            torch.get_rng_state(),
            torch.get_default_dtype(),
        )
        torch.set_num_threads(3)
        torch.set_default_dtype(torch.float64)
        torch.manual_seed(999)
        np.random.seed(999)  # noqa: NPY002
        yield
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
        torch.set_default_dtype(dtype)

    @pytest.mark.usefixtures("_other_surroundings")
    def test_threads_generators_and_default_type(self) -> None:
        assert [sha256(weight(answer)) for answer in ANSWERS] == [a["sha256"] for a in ANSWERS]
        layer = adapted_layers(attach(nn.Linear(6, 4), rank=2, adapter=Adapter(head="adapter")))[""]
        expected = Scaffold().weight("", (4, 6))
        assert layer.weight.dtype == torch.float32
        assert np.array_equal(layer.weight.numpy(), expected)
        assert {tensor.dtype for tensor in layer.state_dict().values()} == {torch.float32}

    def test_generators_are_left_alone(self) -> None:
        before, legacy = torch.get_rng_state(), pickle.dumps(np.random.get_state())  # noqa: NPY002
        weight(ANSWERS[0])
        assert torch.equal(torch.get_rng_state(), before)
        assert pickle.dumps(np.random.get_state()) == legacy  # noqa: NPY002

    def test_order_of_creation(self) -> None:
        forwards = [sha256(weight(answer)) for answer in ANSWERS]
        backwards = [sha256(weight(answer)) for answer in reversed(ANSWERS)]
        assert backwards[::-1] == forwards

    def test_other_layers_of_the_network(self) -> None:
        net = nn.Sequential()
        net.add_module("a", nn.Linear(5, 7))
        net.add_module("b", nn.Linear(7, 6))
        net.add_module("head", nn.Linear(6, 2))
        wider = nn.Sequential()
        wider.add_module("b", nn.Linear(7, 6))
        wider.add_module("c", nn.Linear(6, 9))
        wider.add_module("head", nn.Linear(9, 2))
        ours, theirs = (adapted_layers(attach(n, rank=1))["b"].weight for n in (net, wider))
        assert torch.equal(ours, theirs)

    def test_another_process(self) -> None:
        """With other threads, and on this processor without its wider instructions."""
        processor = {
            "OMP_NUM_THREADS": "2",
            "OPENBLAS_NUM_THREADS": "2",
            "NPY_DISABLE_CPU_FEATURES": _wide_instructions(),
            "OPENBLAS_CORETYPE": "Prescott",
        }
        code = (
            "import json, sys, torch\n"
            "torch.set_default_dtype(torch.float64)\n"
            "torch.manual_seed(5)\n"
            "from tests.lowrank.known_answers import sha256, weight\n"
            "for answer in reversed(json.load(sys.stdin)):\n"
            "    print(sha256(weight(answer)))\n"
        )
        environment = {**os.environ, "PYTHONHASHSEED": "17", **processor}
        there = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(ANSWERS),
            env=environment,
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.split()[::-1] == [answer["sha256"] for answer in ANSWERS]

    def test_byte_order_of_the_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A big-endian machine's generator gives the same numbers in other bytes."""

        class BigEndianPhilox(np.random.Philox):
            def random_raw(self, *args: Any, **kwargs: Any) -> Any:
                return super().random_raw(*args, **kwargs).astype(">u8")

        monkeypatch.setattr(np.random, "Philox", BigEndianPhilox)
        assert [sha256(weight(answer)) for answer in ANSWERS] == [a["sha256"] for a in ANSWERS]
        words = np.arange(0, 65536, 32, dtype="<u2")[:1536]  # a multiple of 16 and of 3
        for family in FAMILIES.values():
            there = family.transform(words.astype(">u2"))
            assert np.array_equal(there, family.transform(words))


class TestSiblings:
    def test_the_first_is_the_scaffold_itself(self) -> None:
        scaffold = Scaffold(seed=7, family="binary", scale=0.5)
        assert scaffold.sibling(0) == scaffold

    def test_others_differ_in_their_seed_alone(self) -> None:
        scaffold = Scaffold(seed=7, family="binary", scale=0.5)
        assert scaffold.sibling(1) == Scaffold(seed=2_566_924_123, family="binary", scale=0.5)

    def test_all_seeds_are_different(self) -> None:
        seeds = [Scaffold(seed=s).sibling(k).seed for s in range(40) for k in range(10)]
        assert len(set(seeds)) == len(seeds)
        assert all(0 <= seed < 2**32 for seed in seeds)


class TestScale:
    def test_fan_in_is_all_axes_but_the_first(self) -> None:
        unit = draw("conv", (8, 3, 5, 5), seed=42, family=FAMILIES["normal"])
        weights = Scaffold().weight("conv", (8, 3, 5, 5))
        assert np.array_equal(weights, unit * np.float32(1 / math.sqrt(75)))

    def test_a_given_scale_is_the_standard_deviation(self) -> None:
        weights = Scaffold(scale=0.1).weight("h", (400, 300))
        assert weights.std() == pytest.approx(0.1, rel=0.01)

    def test_defaults(self) -> None:
        assert Scaffold() == Scaffold(seed=42, family="normal", scale=None)


class TestFamilies:
    COUNT = 1 << 20

    def values(self, family: str) -> NDArray[np.float64]:
        kind = FAMILIES[family]
        shape = (1024, 1024) if family != "orthogonal" else (256, 256)
        return draw("moments", shape, seed=5, family=kind).ravel().astype(np.float64)

    @pytest.mark.parametrize(
        ("family", "kurtosis"), [("normal", 3), ("uniform", 1.8), ("binary", 1)]
    )
    def test_moments(self, family: str, kurtosis: float) -> None:
        values = self.values(family)
        error = 1 / math.sqrt(self.COUNT)
        assert abs(values.mean()) < 4 * error
        assert abs((values**2).mean() - 1) < 4 * math.sqrt(kurtosis) * error
        assert abs((values**3).mean()) < 4 * math.sqrt(15) * error
        assert (values**4).mean() == pytest.approx(kurtosis, abs=4 * math.sqrt(96) * error)

    @pytest.mark.parametrize("family", FAMILIES)
    def test_neighbours_are_uncorrelated(self, family: str) -> None:
        values = self.values(family)
        for lag in (1, 2, 4, 16, 64, 1024):
            assert abs((values[:-lag] * values[lag:]).mean()) < 4.5 / math.sqrt(len(values))

    def test_normal_against_the_distribution(self) -> None:
        test = stats.kstest(self.values("normal")[: 1 << 17], "norm")
        assert test.pvalue > 0.01

    def test_uniform_fills_its_interval_evenly(self) -> None:
        values = self.values("uniform")
        assert np.abs(values).max() < math.sqrt(3)
        assert np.abs(values).max() > 0.9999 * math.sqrt(3)
        counts, _ = np.histogram(values, bins=64, range=(-math.sqrt(3), math.sqrt(3)))
        assert stats.chisquare(counts).pvalue > 0.01

    def test_binary_has_two_values(self) -> None:
        assert set(self.values("binary")) == {-1.0, 1.0}

    @pytest.mark.parametrize("family", FAMILIES)
    @pytest.mark.parametrize("count", [1, 3, 4, 15, 16, 17, 65])
    def test_any_number_of_weights(self, family: str, count: int) -> None:
        kind = FAMILIES[family]
        assert draw("h", (count,), seed=0, family=FAMILIES[family]).shape == (count,)
        assert 0 <= kind.words(count) * 16 // kind.bits - count < 16 // min(kind.bits, 16)

    def test_an_unknown_one_is_named(self) -> None:
        with pytest.raises(ConfigError) as error:
            Scaffold(family="gaussian").weight("h", (2, 2))
        known = ", ".join(sorted(FAMILIES))
        assert str(error.value) == (
            f"unknown family of scaffold weights `gaussian`; there are: {known}"
        )
