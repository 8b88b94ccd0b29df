"""What a training is: protocol and data in, runs out. No disk, no printing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rankprobe.errors import TrainingError
from rankprobe.lowrank import Adapter, Scaffold, attach, count_trainable
from rankprobe.records import Member, Run
from rankprobe.training.build import build_cohort
from rankprobe.training.chance import devices_of, draws_masks
from rankprobe.training.data import TrainingData
from rankprobe.training.loop import evaluated, fit
from rankprobe.training.memory import out_of_memory
from rankprobe.training.objectives import Objective
from rankprobe.training.scaffolds import ScaffoldUse


@dataclass(frozen=True)
class TrainingProtocol:
    """Everything but data and backbone that decides what becomes of a member.

    Attributes:
        objective: ``classification`` (cross-entropy), ``regression`` (squared error) or
            ``next_token`` (cross-entropy at every position).
        adapter: How adapters are built.
        scaffold: How frozen weights are made.
        seed: Seed of initial values, data order and dropout masks.
        batch_size: Examples a step.
        weight_decay: Decoupled weight decay of AdamW.
        schedule: ``cosine`` to zero over the training, ``constant``, or ``exponential``.
        decay: Factor of the rate after every epoch of the ``exponential`` schedule.
        warmup: Share of all steps over which the rate rises linearly to its peak.
        clip: Largest norm of each member's gradient; ``None``: any.
        class_weights: Weights of the classes in the loss; see `objectives.class_weights`.
        device: A torch device.
        use: What becomes of the scaffold while members train, and after.
    """

    objective: Objective
    adapter: Adapter = field(default_factory=Adapter)
    scaffold: Scaffold = field(default_factory=Scaffold)
    seed: int = 0
    batch_size: int = 128
    weight_decay: float = 0.01
    schedule: Literal["cosine", "constant", "exponential"] = "cosine"
    device: str = "cpu"
    decay: float = 0.9
    warmup: float = 0.0
    clip: float | None = None
    class_weights: Literal["none", "balanced"] | tuple[float, ...] = "none"
    use: ScaffoldUse = field(default_factory=ScaffoldUse)


@dataclass(frozen=True)
class Score:
    """What a scorer says of one member's outputs on one split."""

    value: float
    error: float
    predictions: NDArray[Any]


class Scorer(Protocol):
    """Turns outputs, in original units, into the task's metric."""

    def compact(self, outputs: NDArray[Any], target: NDArray[Any]) -> NDArray[Any]:
        """What is kept of the outputs of some examples; first axis: examples."""
        ...

    def __call__(self, split: Literal["validation", "test"], predictions: NDArray[Any]) -> Score:
        """Score what was kept of all examples of a split."""
        ...


def train(
    members: Sequence[Member],
    *,
    backbone: nn.Module,
    data: TrainingData,
    protocol: TrainingProtocol,
    score: Scorer,
    tick: Callable[[int], None] | None = None,
    keep: int = 0,
    protocols: Sequence[TrainingProtocol] = (),
) -> tuple[Run, ...]:
    """Train members together and score them; the runs come in the order of the members.

    Args:
        members: Members of one number of epochs and one scaffold, baselines and rank 0 apart
            from the rest; of one repeat, unless the network draws no masks.
        backbone: The network, as if for one model; left as it is.
        data: The task.
        protocol: How to train.
        score: Turns outputs into the metric.
        tick: Called with the number of member-steps done, every few steps; what lack of memory
            makes be done again is counted once.
        keep: Largest size in bytes of trained tensors that come back with a run.
        protocols: One a member, where they are not the same; they differ in values alone, see
            `rankprobe.training.variants`.

    Raises:
        TrainingError: Members that cannot be trained together; or a failure while training,
            with the members named.
    """
    _one_cohort(members, backbone, data.train_x[:32])
    told = _Told(tick)
    try:
        return _together(members, backbone, data, protocol, score, told, keep, protocols)
    except (RuntimeError, MemoryError) as error:
        if len(members) == 1 or not out_of_memory(error):
            raise TrainingError(f"{_names(members)}: {error}") from error
    # Past the error, which holds on to all that the cohort held.
    told.again = told.steps
    return _halves(members, backbone, data, protocol, score, told, keep, protocols)


@dataclass
class _Told:
    """Tells of work as it is done, but not of what has been told and is done again.

    Attributes:
        tick: Who is told.
        steps: Member-steps told.
        again: Of them, how many are still to be done again.
    """

    tick: Callable[[int], None] | None
    steps: int = 0
    again: int = 0

    def __call__(self, steps: int) -> None:
        repeated = min(steps, self.again)
        self.again -= repeated
        self.steps += steps - repeated
        if self.tick is not None and steps > repeated:
            self.tick(steps - repeated)


def _together(
    members: Sequence[Member],
    backbone: nn.Module,
    data: TrainingData,
    protocol: TrainingProtocol,
    score: Scorer,
    tick: Callable[[int], None],
    keep: int,
    protocols: Sequence[TrainingProtocol],
) -> tuple[Run, ...]:
    start = time.perf_counter()
    with torch.random.fork_rng(devices_of(data.train_x.device)):
        cohort = build_cohort(
            backbone,
            members,
            protocol,
            data.train_x[:2],
            dtype=data.dtype,
            protocols=protocols,
        )
        history = fit(cohort, data, protocol, score, epochs=members[0].epochs, tick=tick)
        tests = evaluated(cohort, data, score, "test")
    seconds = (time.perf_counter() - start) / len(members)
    runs = (
        _run(
            member,
            [(epoch, scores[index]) for epoch, scores in history],
            tests[index],
            cohort.trainable[index],
            seconds,
        )
        for index, member in enumerate(members)
    )
    return tuple(
        replace(run, tensors=cohort.tensors(index))
        if run.status == "finished" and cohort.kept_bytes(index) <= keep
        else run
        for index, run in enumerate(runs)
    )


def _halves(members: Sequence[Member], *others: Any) -> tuple[Run, ...]:
    """Train what did not fit into memory in two cohorts: results do not depend on company."""
    backbone, data, protocol, score, tick, keep, protocols = others
    middle = len(members) // 2
    return tuple(
        run
        for half in (slice(middle), slice(middle, None))
        for run in train(
            members[half],
            backbone=backbone,
            data=data,
            protocol=protocol,
            score=score,
            tick=tick,
            keep=keep,
            protocols=protocols[half],
        )
    )


def trainable_parameters(backbone: nn.Module, rank: int | None, adapter: Adapter) -> int:
    """Number of parameters that a member trains."""
    if rank is None:
        return count_trainable(backbone)
    return count_trainable(attach(backbone, rank=rank, adapter=adapter))


def _run(
    member: Member,
    curve: list[tuple[float, Score | None]],
    test: Score | None,
    trainable: int,
    seconds: float,
) -> Run:
    last = curve[-1][1]
    if last is None or test is None:
        epoch = next((epoch for epoch, value in curve if value is None), curve[-1][0])
        reason = f"outputs were no longer finite at epoch {epoch:g}"
        return Run(member, "diverged", reason, trainable=trainable, seconds=seconds)
    return Run(
        member,
        "finished",
        validation=last.value,
        validation_error=last.error,
        test=test.value,
        history=tuple((epoch, value.value) for epoch, value in curve if value is not None),
        trainable=trainable,
        seconds=seconds,
        predictions=test.predictions,
    )


def _one_cohort(members: Sequence[Member], backbone: nn.Module, example: Tensor) -> None:
    """Refuse members that cannot be trained together."""
    kinds = {
        (
            m.epochs,
            m.scaffold,
            "baseline" if m.rank is None else "head" if m.rank == 0 else "adapter",
        )
        for m in members
    }
    if len(kinds) != 1:
        raise TrainingError(
            "members trained together share epochs and scaffold, with baselines and rank 0 apart "
            f"from other ranks; these do not: {_names(members)}"
        )
    if len({m.repeat for m in members}) != 1 and draws_masks(backbone, example):
        raise TrainingError(
            "members trained together share the repeat where the network draws dropout masks; "
            f"these do not: {_names(members)}"
        )


def _names(members: Sequence[Member]) -> str:
    first = members[0]
    rank = "baseline" if first.rank is None else f"rank {first.rank}"
    more = f" and {len(members) - 1} more" if len(members) > 1 else ""
    scaffold = f", scaffold {first.scaffold}" if first.scaffold else ""
    return f"{rank}, learning rate {first.learning_rate:g}, repeat {first.repeat}{scaffold}{more}"
