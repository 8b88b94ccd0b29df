"""Members of several settings in one cohort: each is what it is in a cohort of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from rankprobe.backbones.mlp import mlp
from rankprobe.lowrank import Adapter, Scaffold, layers
from rankprobe.records import Member, Run
from rankprobe.training import TrainingData, TrainingProtocol, train
from rankprobe.training.build import build_cohort
from rankprobe.training.scaffolds import ScaffoldUse
from rankprobe.training.variants import structure
from tests.lowrank.layered import CASES, Case
from tests.training.reference import protocol, raw_score, toy_task

EPOCHS = 3
MEMBERS = (Member(1, 0.03, 0, EPOCHS), Member(8, 0.01, 0, EPOCHS), Member(3, 0.003, 0, EPOCHS))
MLP = Case(lambda: mlp((6,), 3, hidden=(12, 9, 5), dropout=0.2), (6,))
DRY = Case(lambda: mlp((6,), 3, hidden=(12, 9), dropout=0.0), (6,))
VALUES = (
    Adapter(scaling="standard", alpha=2.0),
    Adapter(scaling="none", beta="fixed", b_init="kaiming"),
    Adapter(beta="fixed"),
)
FROZEN = (Scaffold(seed=1), Scaffold(seed=2, family="binary"), Scaffold(seed=1, scale=0.3))


@pytest.fixture(autouse=True, params=["merged", "factored"])
def _form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "factored":
        monkeypatch.setattr(layers, "SMALL_LAYER", 0)


def mixed(**changes: object) -> list[TrainingProtocol]:
    """Protocols that differ in all that may differ."""
    pairs = zip(VALUES, FROZEN, strict=True)
    own = [protocol(adapter=a, scaffold=s, **changes) for a, s in pairs]  # type: ignore[arg-type]
    return [*own, replace(own[0], use=ScaffoldUse(frozen="zero"))]


def assert_equals_apart(
    case: Case, protocols: list[TrainingProtocol], members: tuple[Member, ...] = MEMBERS
) -> None:
    task = toy_task(protocols[0].objective, case.shape, case.outputs)
    data = TrainingData.of(task, dtype=torch.double)
    backbone = case.make()

    def trained(some: tuple[Member, ...], own: list[TrainingProtocol]) -> tuple[Run, ...]:
        return train(
            some, backbone=backbone, data=data, protocol=own[0], score=raw_score, keep=10**9,
            protocols=own if len(set(own)) > 1 else (),
        )  # fmt: skip

    pairs = [(member, own) for own in protocols for member in members]
    runs = trained(tuple(m for m, _ in pairs), [own for _, own in pairs])
    for index, own in enumerate(protocols):
        together = runs[index * len(members) : (index + 1) * len(members)]
        for run, alone in zip(together, trained(members, [own]), strict=True):
            assert (run.member, run.status, run.trainable) == (
                alone.member, "finished", alone.trainable
            )  # fmt: skip
            assert run.predictions is not None
            np.testing.assert_allclose(run.predictions, alone.predictions, rtol=1e-8, atol=1e-9)  # type: ignore[arg-type]
            np.testing.assert_allclose(run.history, alone.history, rtol=1e-9)
            assert run.tensors is not None
            assert alone.tensors is not None
            assert run.tensors.keys() == alone.tensors.keys()


def test_all_that_may_differ() -> None:
    assert_equals_apart(MLP, mixed())
    assert_equals_apart(MLP, mixed(clip=0.1, weight_decay=0.5))


def test_values_alone_share_the_frozen_matrices() -> None:
    protocols = [protocol(adapter=adapter) for adapter in VALUES]
    assert_equals_apart(MLP, protocols)
    data = TrainingData.of(toy_task(), dtype=torch.double)
    cohort = build_cohort(
        MLP.make(), MEMBERS, protocols[0], data.train_x[:2], protocols=protocols
    )  # fmt: skip
    assert cohort._lanes == []
    assert not cohort.one_by_one


def test_a_cohort_of_lanes_is_no_loop_over_members() -> None:
    data = TrainingData.of(toy_task(), dtype=torch.double)
    own = mixed()
    members = tuple(Member(2, 0.01, 0, 1) for _ in own)
    cohort = build_cohort(MLP.make(), members, own[0], data.train_x[:2], protocols=own)
    assert len(cohort._lanes) > 0
    assert not cohort.one_by_one


def test_one_repeat_or_several_and_rank_0() -> None:
    several = tuple(Member(2, 0.03, repeat, EPOCHS) for repeat in (2, 0, 1))
    assert_equals_apart(DRY, mixed(), several)
    assert_equals_apart(MLP, mixed(), (Member(0, 0.03, 1, EPOCHS), Member(0, 0.01, 1, EPOCHS)))
    head = [
        protocol(adapter=replace(a, head="adapter", beta="trained"), scaffold=s)
        for a, s in zip(VALUES, FROZEN, strict=True)
    ]
    assert_equals_apart(MLP, head, (Member(0, 0.03, 0, EPOCHS), Member(0, 0.01, 0, EPOCHS)))


@pytest.mark.parametrize("case", ["view", "gru", "cross attention"])
def test_other_layers(case: str) -> None:
    own = mixed()
    backbone = CASES[case].make()
    keys = [structure(backbone, each) for each in own]
    assert_equals_apart(
        CASES[case], [each for each, key in zip(own, keys, strict=True) if key == keys[0]]
    )


def test_members_run_one_by_one_each_have_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rankprobe.training.trainees.Cohort._vmap_runs", lambda *_: False)
    assert_equals_apart(MLP, mixed())


def test_what_can_be_in_one_cohort() -> None:
    net, one = MLP.make(), protocol()

    def same(**changes: object) -> bool:
        return structure(net, one) == structure(net, replace(one, **changes))  # type: ignore[arg-type]

    assert same(scaffold=Scaffold(seed=3, family="binary", scale=2.0))
    assert same(adapter=Adapter(scaling="none", alpha=3.0, b_init="kaiming", beta="fixed"))
    assert same(use=ScaffoldUse(frozen="zero"))
    assert not same(adapter=Adapter(head="adapter"))
    assert not same(adapter=Adapter(layer_norm=True))
    assert not same(use=ScaffoldUse(resample="step"))
    assert not same(use=ScaffoldUse(evaluation="removed"))
    assert not same(seed=9)
    assert not same(weight_decay=0.5)
    assert not same(batch_size=3)
    one = protocol(adapter=Adapter(dora=True))
    assert not same(scaffold=Scaffold(seed=3))
    one = protocol(use=ScaffoldUse(resample="step"))
    assert not same(scaffold=Scaffold(seed=3))
    net = nn.Sequential(nn.Embedding(5, 6), nn.Flatten(), nn.Linear(12, 8), nn.Linear(8, 3))
    one = protocol(adapter=Adapter(embeddings="adapter"))
    assert not same(scaffold=Scaffold(seed=3))
    assert same(adapter=Adapter(embeddings="adapter", scaling="none"))
