"""Seed-gated tasks: which pairs count, against a plain loop, and a toy that can be solved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rankprobe.backbones.mlp import mlp
from rankprobe.lowrank import Scaffold, attach, initial_state
from rankprobe.lowrank.randomness import integer_seed, permutation
from rankprobe.records import Member
from rankprobe.training import TrainingData, TrainingProtocol
from rankprobe.training.gated import GatedRun, Gates, Parts, train_gated
from tests.training.reference import protocol, toy_task

EPOCHS = 3
IGNORED = Gates((42, 43), ((0,), (1, 2)), "ignored", 3)
CLASS = Gates((42, 43), ((0,), (1,)), "class", 4)


class TestTargets:
    y = torch.tensor([0, 1, 2, 0])

    def test_ignored(self) -> None:
        assert IGNORED.targets(self.y, 0).tolist() == [0, -1, -1, 0]
        assert IGNORED.targets(self.y, 1).tolist() == [-1, 1, 2, -1]

    def test_a_class_for_what_is_outside(self) -> None:
        assert CLASS.targets(self.y, 0).tolist() == [0, 3, 3, 0]
        assert CLASS.targets(self.y, 1).tolist() == [3, 1, 3, 3]


def network(outputs: int) -> nn.Module:
    return mlp((6,), outputs, hidden=(12, 9), dropout=0.2)


def trained(members: list[Member], gates: Gates, **settings: Any) -> tuple[GatedRun, ...]:
    data = TrainingData.of(toy_task(), dtype=torch.double)
    return train_gated(
        members,
        backbone=network(gates.outputs),
        data=data,
        protocol=protocol(**settings),
        gates=gates,
    )


class Plain:
    """One member, its dense matrices assembled under each seed, torch's own AdamW."""

    def __init__(self, member: Member, gates: Gates, settings: TrainingProtocol) -> None:
        self.task, self.gates, self.settings = toy_task(), gates, settings
        rank = member.rank or 0
        twin = attach(network(gates.outputs), rank=rank, adapter=settings.adapter)
        start, _ = initial_state(twin, rank, seed=settings.seed, repeat=member.repeat)
        self.values = {name: nn.Parameter(value.double()) for name, value in start.items()}
        self.rank = rank
        self.fit(member)

    def forward(self, x: torch.Tensor, gate: int, masks: int | None) -> torch.Tensor:
        scaffold = replace(self.settings.scaffold, seed=self.gates.seeds[gate])
        if masks is not None:
            torch.manual_seed(masks)
        for name, shape in (("hidden0", (12, 6)), ("hidden1", (9, 12))):
            A, B, beta = (self.values[f"{name}.{key}"] for key in ("A", "B", "beta"))
            factor = float(np.float32(min(self.rank, *shape) ** -0.5))
            weight = torch.from_numpy(scaffold.weight(name, shape)).double()
            x = torch.relu(x @ (beta * weight + factor * B @ A).T)
            x = F.dropout(x, 0.2, training=masks is not None)
        return x @ self.values["head.weight"].T + self.values["head.bias"]

    def fit(self, member: Member) -> None:
        x, y = (torch.from_numpy(part) for part in (self.task.train.x, self.task.train.y))
        x, size = x.double(), self.settings.batch_size
        moved = torch.optim.AdamW(
            self.values.values(), weight_decay=self.settings.weight_decay, foreach=False
        )
        per_epoch = -(-len(x) // size)
        total = member.epochs * per_epoch
        for step in range(total):
            epoch, batch = divmod(step, per_epoch)
            order = permutation(["order", self.settings.seed, member.repeat, epoch], len(x))
            rows = torch.from_numpy(order[batch * size : (batch + 1) * size])
            masks = integer_seed(["mask", self.settings.seed, member.repeat, step])
            losses = []
            for gate in range(len(self.gates.seeds)):
                pairs = [(i, self.wanted(int(y[i]), gate)) for i in rows.tolist()]
                pairs = [(i, label) for i, label in pairs if label is not None]
                if pairs:
                    own = integer_seed(["part", masks, gate]) if gate else masks
                    outputs = self.forward(x[[i for i, _ in pairs]], gate, own)
                    labels = torch.tensor([label for _, label in pairs])
                    losses.append(F.cross_entropy(outputs, labels, reduction="none"))
            moved.param_groups[0]["lr"] = (
                member.learning_rate * (1 + np.cos(np.pi * step / total)) / 2
            )
            moved.zero_grad()
            torch.cat(losses).mean().backward()  # type: ignore[no-untyped-call]
            moved.step()

    def wanted(self, label: int, gate: int) -> int | None:
        if label in self.gates.classes[gate]:
            return label
        return None if self.gates.outside == "ignored" else self.gates.outputs - 1

    def scores(self) -> dict[str, Any]:
        x, y = torch.from_numpy(self.task.test.x).double(), self.task.test.y
        with torch.no_grad():
            answers = [
                self.forward(x, gate, None).argmax(1).numpy()
                for gate in range(len(self.gates.seeds))
            ]
        pairs = [
            (answers[gate][i], self.wanted(int(y[i]), gate))
            for gate in range(len(self.gates.seeds))
            for i in range(len(y))
        ]
        right = [answer == label for answer, label in pairs if label is not None]
        gates = []
        for gate, classes in enumerate(self.gates.classes):
            own = [i for i in range(len(y)) if y[i] in classes]
            foreign = [i for i in range(len(y)) if y[i] not in classes]
            others = [a for other, a in enumerate(answers) if other != gate]
            gates.append(
                (
                    np.mean([answers[gate][i] == y[i] for i in own]),
                    np.mean([a[i] == y[i] for a in others for i in own]),
                    np.mean([answers[gate][i] == self.gates.outputs - 1 for i in foreign])
                    if self.gates.outside == "class"
                    else np.nan,
                )
            )
        return {"test": np.mean(right), "gates": gates}


@pytest.mark.parametrize("gates", [IGNORED, CLASS], ids=["ignored", "class"])
def test_members_are_those_of_the_plain_loop(gates: Gates) -> None:
    members = [Member(1, 0.03, 1, EPOCHS), Member(5, 0.1, 1, EPOCHS), Member(3, 0.1, 1, EPOCHS)]
    for run in trained(members, gates):
        plain = Plain(run.member, gates, protocol())
        expected = plain.scores()
        assert run.test == pytest.approx(expected["test"])
        for ours, theirs in zip(run.gates, expected["gates"], strict=True):
            assert (ours.own, ours.elsewhere, ours.rejected) == pytest.approx(theirs, nan_ok=True)
        assert run.trainable == sum(value.numel() for value in plain.values.values())


def test_weights_that_could_be_held_as_codes_are_the_same_ones() -> None:
    members = [Member(2, 0.05, 0, EPOCHS)]
    dense, codes = (
        trained(members, IGNORED, scaffold=Scaffold(family="binary", packed=packed))
        for packed in (False, True)
    )
    assert [(run.test, run.gates[0].own) for run in dense] == [
        (run.test, run.gates[0].own) for run in codes
    ]


def test_a_diverged_member_is_told_and_takes_nothing_from_others() -> None:
    good = [Member(1, 0.03, 1, EPOCHS), Member(3, 0.1, 1, EPOCHS)]
    lost = Member(2, 1e200, 1, EPOCHS)
    first, diverged, last = trained([good[0], lost, good[1]], IGNORED)
    assert [run.status for run in (first, diverged, last)] == ["finished", "diverged", "finished"]
    assert (diverged.member, diverged.gates) == (lost, ())
    assert np.isnan([diverged.validation, diverged.test]).all()
    alone = trained(good, IGNORED)
    assert [(run.test, run.gates[0].own) for run in (first, last)] == [
        (run.test, run.gates[0].own) for run in alone
    ]


class TestAlone:
    """An example that no other of its seed is beside in a batch."""

    def normed(self) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))

    def parts(self, module: nn.Module, batches: list[list[int]]) -> list[list[tuple[int, Any]]]:
        """Gates, and the numbers of the examples that go through them, of labels batch by batch."""
        parts, number, found = Parts(module, IGNORED), 0, []
        for labels in batches:
            x = torch.arange(number, number + len(labels))
            number += len(labels)
            found.append(
                [(gate, inputs.tolist()) for gate, inputs, _ in parts.of(x, torch.tensor(labels))]
            )
        return found

    def test_it_waits_where_the_network_normalises_over_a_batch(self) -> None:
        batches = [[0, 1, 2], [1], [0, 0, 1], [0]]
        assert self.parts(self.normed(), batches) == [
            [(1, [1, 2])],
            [],
            [(0, [0, 4, 5]), (1, [3, 6])],
            [],
        ]

    def test_it_does_not_wait_elsewhere(self) -> None:
        batches = [[0, 1, 2], [1]]
        assert self.parts(network(3), batches) == [[(0, [0]), (1, [1, 2])], [(1, [3])]]

    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_such_a_network_trains(self, size: int) -> None:
        members = [Member(1, 0.03, 0, EPOCHS), Member(2, 0.03, 0, EPOCHS)]
        runs = train_gated(
            members,
            backbone=self.normed(),
            data=TrainingData.of(toy_task()),
            protocol=protocol(batch_size=size),
            gates=IGNORED,
        )
        assert [run.status for run in runs] == ["finished"] * 2
