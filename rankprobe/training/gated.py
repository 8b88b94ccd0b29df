"""One adapter over several scaffolds, each with classes of its own: what the seed lets through.

Every step runs a batch once through each scaffold, with the examples that count there, and makes
one optimiser step on the mean loss of all (example, seed) pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from rankprobe.lowrank import attach
from rankprobe.lowrank.randomness import integer_seed
from rankprobe.records import Member
from rankprobe.training.build import build_cohort
from rankprobe.training.data import TrainingData
from rankprobe.training.loop import Batches
from rankprobe.training.objectives import loss_gradient
from rankprobe.training.protocol import TrainingProtocol
from rankprobe.training.scaffolds import ScaffoldUse, Turns
from rankprobe.training.trainees import Cohort

_SPLITS: tuple[Literal["validation", "test"], ...] = ("validation", "test")


@dataclass(frozen=True)
class Gates:
    """Which classes belong to which scaffold.

    Attributes:
        seeds: Seeds of the scaffolds.
        classes: Indices of the classes of each.
        outside: What an example of another class counts as under a seed: it is ``ignored``, or has
            a ``class`` of its own, whose index is the last.
        outputs: Outputs of the network, that class included.
    """

    seeds: tuple[int, ...]
    classes: tuple[tuple[int, ...], ...]
    outside: Literal["ignored", "class"]
    outputs: int

    def targets(self, y: Tensor, gate: int) -> Tensor:
        """Targets (n,) of labels (n,) under a seed; -1 where an example does not count."""
        own = torch.isin(y, torch.tensor(self.classes[gate], device=y.device))
        return torch.where(own, y, -1 if self.outside == "ignored" else self.outputs - 1)


@dataclass(frozen=True)
class GateScore:
    """What one member does under one seed; shares of examples, NaN where there are none.

    Attributes:
        own: Of the seed's own classes: named right.
        elsewhere: Of the same examples under each of the other seeds: still named right.
        rejected: Of other classes: given the outside class, where there is one.
    """

    own: float
    elsewhere: float
    rejected: float


@dataclass(frozen=True)
class GatedRun:
    """What became of one member.

    Attributes:
        member: The member.
        status: ``finished``, or ``diverged``: its outputs were no longer finite.
        validation: Share of right answers over the (example, seed) pairs that count; NaN where
            it diverged.
        test: Likewise.
        gates: The test split under each seed; nothing where it diverged.
        trainable: Trained parameters.
    """

    member: Member
    status: Literal["finished", "diverged"]
    validation: float
    test: float
    gates: tuple[GateScore, ...]
    trainable: int


def train_gated(
    members: Sequence[Member],
    *,
    backbone: nn.Module,
    data: TrainingData,
    protocol: TrainingProtocol,
    gates: Gates,
) -> tuple[GatedRun, ...]:
    """Train members of one repeat and one number of epochs together, and score them.

    A member that diverges takes nothing from the others.

    Args:
        members: Members with adapters.
        backbone: The network, with the outputs of the gates.
        data: A classification; examples of no seed's classes count under none where they are
            ignored, and must not be among the training examples then.
        protocol: How to train; the seed of its scaffold is not looked at.
        gates: Which classes belong to which scaffold.
    """
    device = [data.train_x.device] if data.train_x.device.type == "cuda" else []
    with torch.random.fork_rng(device):
        cohort = _cohort(members, backbone, data, protocol, gates)
        batches, parts = Batches(data, protocol, cohort.repeats), Parts(cohort.module, gates)
        total = members[0].epochs * batches.per_epoch
        for step in range(total):
            x, y = batches.at(step)
            if _step(cohort, parts, x, y, batches.mask_seed(step)):
                cohort.update(batches.rate_factor(step, total))
        validation, test = (_answers(cohort, data, split, gates) for split in _SPLITS)
    return tuple(
        _run(member, cohort.trainable[index], validation[index], test[index], data, gates)
        for index, member in enumerate(members)
    )


def _run(
    member: Member,
    trainable: int,
    validation: Tensor | None,
    test: Tensor | None,
    data: TrainingData,
    gates: Gates,
) -> GatedRun:
    """What became of a member that gave these answers, (seeds, n); ``None``: not finite."""
    if validation is None or test is None:
        return GatedRun(member, "diverged", math.nan, math.nan, (), trainable)
    return GatedRun(
        member,
        "finished",
        _right(validation, data.validation_y, gates),
        _right(test, data.test_y, gates),
        tuple(_gate_score(test, data.test_y, gates, gate) for gate in range(len(gates.seeds))),
        trainable,
    )


def _cohort(
    members: Sequence[Member],
    backbone: nn.Module,
    data: TrainingData,
    protocol: TrainingProtocol,
    gates: Gates,
) -> Cohort:
    """A cohort in which step number j goes through the scaffold of gate j."""
    scaffolds = [
        replace(
            protocol.scaffold, seed=seed, packed=False
        )  # put in place of each other as they are
        for seed in gates.seeds
    ]
    first = replace(protocol, scaffold=scaffolds[0], use=ScaffoldUse())
    cohort = build_cohort(backbone, members, first, data.train_x[:2], dtype=data.dtype)
    cohort.turns = Turns(
        cohort.module,
        ScaffoldUse(resample="step", count=len(scaffolds)),
        lambda index: attach(backbone, rank=1, adapter=protocol.adapter, scaffold=scaffolds[index]),
    )
    return cohort


class Parts:
    """What of every training batch goes through each scaffold.

    Normalisation over a batch has nothing to say about a single example. In a network that has
    any, an example that is alone under its seed waits, and joins the next of that seed in a later
    batch; one that still waits at the end of a training takes no part.

    Args:
        module: The network.
        gates: Which classes belong to which scaffold.
    """

    def __init__(self, module: nn.Module, gates: Gates) -> None:
        self.gates = gates
        self._least = 2 if any(isinstance(each, _BatchNorm) for each in module.modules()) else 1
        self._waiting: dict[int, tuple[Tensor, Tensor]] = {}

    def of(self, x: Tensor, y: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Gate, inputs (part, ...) and targets (part,) of what goes through now.

        Args:
            x: (batch, ...).
            y: Labels, (batch,).
        """
        for gate in range(len(self.gates.seeds)):
            wanted = self.gates.targets(y, gate)
            rows = (wanted >= 0).nonzero().squeeze(1)
            inputs, targets = x.index_select(0, rows), wanted[rows]
            if len(rows) and gate in self._waiting:
                before = self._waiting.pop(gate)
                inputs, targets = torch.cat([before[0], inputs]), torch.cat([before[1], targets])
            if len(targets) >= self._least:
                yield gate, inputs, targets
            elif len(targets):
                self._waiting[gate] = inputs, targets


def _step(cohort: Cohort, parts: Parts, x: Tensor, y: Tensor, masks: int) -> bool:
    """Gradients of the mean loss over all pairs of a batch that count; whether there are any."""
    outputs, targets = [], []
    for gate, inputs, wanted in parts.of(x, y):
        cohort.begin(gate, 1)
        seed = integer_seed(["part", masks, gate]) if gate else masks
        outputs.append(cohort.outputs(inputs, seed))
        targets.append(wanted)
    if not outputs:
        return False
    together = torch.cat(outputs, dim=1)
    together.backward(loss_gradient(together, torch.cat(targets)))  # type: ignore[no-untyped-call]
    return True


@torch.no_grad()
def _answers(
    cohort: Cohort, data: TrainingData, split: Literal["validation", "test"], gates: Gates
) -> list[Tensor | None]:
    """The class that each member names, (seeds, n); ``None`` where outputs are not finite."""
    x, _ = data.held_out(split)
    answers, finite = [], []
    for gate in range(len(gates.seeds)):
        cohort.begin(gate, 1)
        outputs = torch.cat(list(cohort.evaluate(x)), dim=1)
        finite.append(outputs.isfinite().flatten(1).all(dim=1))
        answers.append(outputs.argmax(dim=2))
    good = torch.stack(finite).all(dim=0).tolist()
    return [
        own if fine else None for own, fine in zip(torch.stack(answers, dim=1), good, strict=True)
    ]


def _right(answers: Tensor, y: Tensor, gates: Gates) -> float:
    """Share of right ones over all pairs that count; ``answers`` are (seeds, n)."""
    wanted = torch.stack([gates.targets(y, gate) for gate in range(len(gates.seeds))])
    return float((answers == wanted)[wanted >= 0].double().mean())


def _gate_score(answers: Tensor, y: Tensor, gates: Gates, gate: int) -> GateScore:
    own = torch.isin(y, torch.tensor(gates.classes[gate], device=y.device))
    others = [other for other in range(len(gates.seeds)) if other != gate]
    rejected = float("nan")
    if gates.outside == "class":
        rejected = float((answers[gate] == gates.outputs - 1)[~own].double().mean())
    right = (answers == y).double()
    return GateScore(float(right[gate][own].mean()), float(right[others][:, own].mean()), rejected)
