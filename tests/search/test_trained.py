"""What a finished training leaves: its tensors, at its own rank, from which it can be rebuilt."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call

import rankprobe
from rankprobe.backbones import build
from rankprobe.errors import StoreError
from rankprobe.lowrank import Adapter, attach
from rankprobe.records import Member, Run
from rankprobe.search.bench import Bench
from rankprobe.search.executor import Workers
from rankprobe.search.store import Store
from rankprobe.search.trained import load_tensors, read_tensors, trained, trained_members
from rankprobe.training import TrainingData, train
from tests.search.fakes import IDENTITY, make_task
from tests.training.reference import protocol, raw_score, toy_task

MEMBER = Member(2, 0.01, 0, 3)


class Normed(nn.Sequential):
    """A network whose running statistics decide what it gives."""

    def __init__(self) -> None:
        super().__init__(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def kept_runs(backbone: nn.Module, members: list[Member], **adapter: Any) -> tuple[Run, ...]:
    task = toy_task()
    return train(
        members,
        backbone=backbone,
        data=TrainingData.of(task),
        protocol=protocol(adapter=Adapter(**adapter)),
        score=raw_score,
        keep=1 << 20,
    )


def outputs(module: nn.Module, run: Run) -> np.ndarray[Any, Any]:
    assert run.tensors is not None
    tensors = {name: torch.from_numpy(value) for name, value in run.tensors.items()}
    with torch.no_grad():
        given = functional_call(module.eval(), tensors, (torch.from_numpy(toy_task().test.x),))
    return np.asarray(given)


@pytest.mark.parametrize(
    "adapter",
    [{}, {"dora": True, "layer_norm": True}, {"bias": "trained", "head": "adapter_bias"}],
    ids=["plain", "normalised", "with biases"],
)
@pytest.mark.parametrize("made", [Normed, lambda: build("mlp", (6,), 3, hidden=[64, 70])])
def test_a_member_is_its_tensors_at_its_own_rank(adapter: dict[str, Any], made: Any) -> None:
    backbone = made()
    for run in kept_runs(backbone, [Member(rank, 0.01, 0, 3) for rank in (1, 3)], **adapter):
        assert run.member.rank is not None
        module = attach(backbone, rank=run.member.rank, adapter=Adapter(**adapter))
        own = dict(module.named_parameters()) | dict(module.named_buffers())
        assert run.tensors is not None
        assert {own[name].shape for name in run.tensors} == {
            value.shape for value in run.tensors.values()
        }
        assert {name for name, p in module.named_parameters() if p.requires_grad} <= set(
            run.tensors
        )
        assert run.predictions is not None
        np.testing.assert_allclose(outputs(module, run), run.predictions, rtol=1e-4, atol=1e-5)


def test_a_baseline_is_all_its_parameters() -> None:
    backbone = Normed()
    runs = kept_runs(backbone, [Member(None, rate, 0, 3) for rate in (0.01, 0.02)])
    for run in runs:
        assert run.tensors is not None
        assert set(run.tensors) == set(backbone.state_dict())
        assert run.predictions is not None
        np.testing.assert_allclose(outputs(backbone, run), run.predictions, rtol=1e-4, atol=1e-5)


def test_nothing_comes_back_above_the_limit() -> None:
    backbone = build("mlp", (6,), 3, hidden=[8])
    runs = train(
        [Member(1, 0.01, 0, 1), Member(3, 0.01, 0, 1)],
        backbone=backbone,
        data=TrainingData.of(toy_task()),
        protocol=protocol(),
        score=raw_score,
        keep=4 * (1 * (6 + 8) + 1 + 8 * 3 + 3),
    )
    assert [run.tensors is None for run in runs] == [False, True]


def test_workers_send_them(tmp_path: Path) -> None:
    bench = Bench(build("mlp", (8,), 10, hidden=[8]), make_task(), protocol(), keep=1 << 20)
    workers = Workers(bench, workers=1, threads=1)
    ((run,),) = workers.train([(MEMBER,)], lambda _: None)
    workers.close()
    (here,) = bench.train([MEMBER])
    assert run.tensors is not None
    assert here.tensors is not None
    for name, value in here.tensors.items():
        np.testing.assert_allclose(run.tensors[name], value, atol=1e-4)


class TestFiles:
    RUN = dataclasses.replace(
        Run(MEMBER, "finished", validation=0.5, test=0.25, predictions=np.arange(3)),
        tensors={"hidden0.A": np.ones((2, 5), np.float32), "hidden0.beta": np.array(3, np.float32)},
    )

    def recorded(self, folder: Path) -> str:
        with Store(folder, IDENTITY) as store:
            store.record([self.RUN, Run(Member(4, 0.01, 0, 3), "diverged", "why")])
            assert store.runs[MEMBER].tensors is None
            return store.key(MEMBER)

    def test_they_are_found_by_member(self, tmp_path: Path) -> None:
        key = self.recorded(tmp_path)
        (item,) = trained(tmp_path)
        assert (item.member, item.key, item.validation, item.test) == (MEMBER, key, 0.5, 0.25)
        tensors = load_tensors(tmp_path, MEMBER)
        assert {name: value.shape for name, value in tensors.items()} == {
            "hidden0.A": (2, 5),
            "hidden0.beta": (),
        }

    def test_a_folder_from_before_has_none_and_goes_on(self, tmp_path: Path) -> None:
        with Store(tmp_path, IDENTITY) as store:
            store.record([dataclasses.replace(self.RUN, tensors=None)])
        assert trained_members(tmp_path) == []
        with pytest.raises(StoreError, match=r"no trained tensors of rank 2, repeat 0.*--fresh"):
            load_tensors(tmp_path, MEMBER)
        with Store(tmp_path, IDENTITY) as store:
            assert store.runs[MEMBER].test == 0.25

    def test_fresh_throws_them_away(self, tmp_path: Path) -> None:
        self.recorded(tmp_path)
        Store(tmp_path, IDENTITY, fresh=True).close()
        assert trained_members(tmp_path) == []

    def test_a_cut_file_is_named(self, tmp_path: Path) -> None:
        key = self.recorded(tmp_path)
        file = tmp_path / "weights" / f"{key}.safetensors"
        file.write_bytes(file.read_bytes()[:-3])
        with pytest.raises(StoreError, match=rf"{key}.*cannot be read.*--fresh"):
            trained_members(tmp_path)
        with pytest.raises(StoreError, match=rf"{key}.*cannot be read"):
            read_tensors(file)


def test_a_measurement_keeps_those_of_chosen_rates(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x = generator.standard_normal((120, 5)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    settings: dict[str, Any] = {
        "backbone": {"hidden": [6]},
        "training": {"epochs": 2, "learning_rate": {"adapter": [0.01, 0.1], "baseline": [0.01]}},
    }

    def measured(**search: Any) -> dict[int | None, int]:
        result = rankprobe.measure(x, y, out=tmp_path, search=search, **settings)
        rates = {point.rank: point.learning_rate for point in result.points}
        kept = trained_members(tmp_path)
        assert all(m.learning_rate == rates[m.rank] for m in kept if m.rank in rates)
        return {rank: sum(m.rank == rank for m in kept) for rank in (None, 0, 1, 2)}

    assert measured(ranks=[1], repeats=2) == {None: 2, 0: 2, 1: 2, 2: 0}
    assert measured(ranks=[2], repeats=2) == {None: 2, 0: 2, 1: 2, 2: 2}
    assert measured(ranks=[1], repeats=3)[1] >= 2


def test_what_is_too_large_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankprobe.search.measure.KEPT_BYTES", 300)
    generator = np.random.default_rng(0)
    x = generator.standard_normal((120, 5)).astype(np.float32)
    result = rankprobe.measure(
        x,
        (x[:, 0] > 0).astype(int),
        out=tmp_path,
        backbone={"hidden": [16]},
        training={"epochs": 1, "learning_rate": 0.01},
        search={"ranks": [1], "repeats": 2},
    )
    words = result.provenance["weights"]
    assert words.startswith("the trained tensors of full training were not kept: they take 0 MB")
    assert words.endswith("measure a smaller network to have them")
    assert {member.rank for member in trained_members(tmp_path)} == {0, 1}
