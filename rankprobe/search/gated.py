"""Seed-gated tasks: one adapter that does another task under every seed of its scaffold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np

from rankprobe.config import ScaffoldConfig, TaskConfig
from rankprobe.data.task import Split, Task
from rankprobe.errors import ConfigError, Problem, TrainingError
from rankprobe.records import Member, Rate
from rankprobe.records.gated import GatedRank, SeedGated, SeedRow
from rankprobe.search.scope import scope_of
from rankprobe.search.setup import Setup, prepare
from rankprobe.training.gated import GatedRun, Gates, train_gated

OUTSIDE = "outside"  # name of the class of what is outside a seed's classes


def seed_gated_task(config: TaskConfig, task: Task, *, device: str = "auto") -> SeedGated:
    """Train one adapter over all seeds of ``scaffold.seeds``, at every listed rank.

    There is no full training beside it: a seed reaches the network through its frozen weights
    alone, and a network whose weights are all trained knows of none. So there are accuracies, and
    no recovery or minimal rank.

    Args:
        config: Settings, with ``scaffold.seeds``, listed ranks and a number of epochs.
        task: A classification.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ConfigError: Settings that this cannot be done with.
        TrainingError: A repeat diverged at every rate of a rank.
    """
    _check(config, task)
    gates = _gates(config, task)
    task = _with_outside(task, gates)
    setup = prepare(config.model_copy(update={"scaffold": ScaffoldConfig()}), task, device=device)
    assert setup.search.ranks is not None
    assert setup.search.epochs is not None
    rates = setup.search.rates.first(1)
    runs: list[GatedRun] = []
    data = setup.bench.training_data()
    for repeat in range(config.search.repeats):
        members = [
            Member(rank, rate, repeat, setup.search.epochs)
            for rank in setup.search.ranks
            for rate in rates
        ]
        for cohort in setup.bench.cohorts(members, bytes_of=setup.bytes_of):
            runs += train_gated(
                cohort,
                backbone=setup.bench.backbone,
                data=data,
                protocol=setup.bench.protocol,
                gates=gates,
            )
        _check_finished(run for run in runs if run.member.repeat == repeat)
    ranks = tuple(_rank(rank, runs, gates, task) for rank in setup.search.ranks)
    scope = _scope(config, setup, gates)
    return SeedGated(config.name, gates.outside, config.search.repeats, ranks, scope)


def _check(config: TaskConfig, task: Task) -> None:
    """Refuse what a seed-gated task cannot be made of; everything at once."""
    scaffold, search, training = config.scaffold, config.search, config.training
    problems = []

    def problem(wrong: bool, message: str, hint: str, *keys: str) -> None:
        if wrong:
            problems.append(Problem(message, config.where(*keys), hint))

    problem(
        scaffold.seeds is None,
        "a seed-gated task has classes for every seed, and there are none",
        "write `scaffold: {seeds: {42: [0, 1], 43: [2, 3]}}`",
        "scaffold",
    )
    problem(
        task.objective != "classification",
        f"a seed-gated task names classes, and the objective is {task.objective}",
        "give data with classes",
        "objective",
    )
    problem(
        search.ranks == "auto",
        "a seed-gated task is trained at listed ranks: there is no minimal rank to search for",
        "write `search: {ranks: [1, 4]}`",
        "search",
        "ranks",
    )
    problem(
        training.epochs == "auto",
        "a seed-gated task has no full training to find the number of epochs by",
        "write `training: {epochs: 20}`",
        "training",
        "epochs",
    )
    problem(
        training.class_weights != "none",
        "`class_weights` weigh the classes of one task, and here are several",
        "remove it",
        "training",
        "class_weights",
    )
    named = [name for names in (scaffold.seeds or {}).values() for name in names]
    unknown = [name for name in named if task.classes and name not in task.classes]
    problem(
        bool(unknown),
        f"the data have no class {', '.join(unknown)}",
        f"there are: {', '.join(task.classes)}",
        "scaffold",
        "seeds",
    )
    if problems:
        raise ConfigError(problems)


def _gates(config: TaskConfig, task: Task) -> Gates:
    seeds = config.scaffold.seeds or {}
    outputs = task.outputs + (config.scaffold.outside == "class")
    indices = tuple(tuple(map(task.classes.index, names)) for names in seeds.values())
    return Gates(tuple(seeds), indices, config.scaffold.outside, outputs)


def _with_outside(task: Task, gates: Gates) -> Task:
    """The task with the outside class; without examples that count under no seed."""
    if gates.outside == "class":
        return replace(task, outputs=gates.outputs, classes=(*task.classes, OUTSIDE))
    wanted = sorted({index for indices in gates.classes for index in indices})

    def kept(split: Split) -> Split:
        rows = np.isin(split.y, wanted)
        return Split(split.x[rows], split.y[rows])

    return replace(
        task, train=kept(task.train), validation=kept(task.validation), test=kept(task.test)
    )


def _check_finished(runs: Iterable[GatedRun]) -> None:
    """Refuse to go on where a repeat has diverged at every rate of a rank.

    Raises:
        TrainingError: Names these ranks, the repeat and the rates.
    """
    by_rank: dict[int | None, list[GatedRun]] = {}
    for run in runs:
        by_rank.setdefault(run.member.rank, []).append(run)
    lost = [rank for rank, own in by_rank.items() if not any(map(_finished, own))]
    if lost:
        own = by_rank[lost[0]]
        rates = ", ".join(f"{run.member.learning_rate:g}" for run in own)
        raise TrainingError(
            f"repeat {own[0].member.repeat} diverged at every learning rate tried ({rates}) at "
            f"rank {', '.join(map(str, lost))}; check the scale of the inputs, or set a smaller "
            "`training.learning_rate`"
        )


def _finished(run: GatedRun) -> bool:
    return run.status == "finished"


def _rank(rank: int, runs: Sequence[GatedRun], gates: Gates, task: Task) -> GatedRank:
    """What the best rate of a rank gives.

    As in a measurement, a rate at which a repeat diverged is not chosen unless every rate has
    one: then those with the most finished repeats compete.
    """
    by_rate: dict[float, list[GatedRun]] = {}
    for run in runs:
        if run.member.rank == rank:
            by_rate.setdefault(run.member.learning_rate, []).append(run)
    good = {rate: [*filter(_finished, own)] for rate, own in by_rate.items()}
    score = {rate: fmean(r.validation for r in own) if own else None for rate, own in good.items()}
    rate = max(good, key=lambda rate: (len(good[rate]), score[rate] or 0.0))
    chosen = good[rate]
    rows = []
    for gate, seed in enumerate(gates.seeds):
        scores = [run.gates[gate] for run in chosen]
        own, rejected = [s.own for s in scores], [s.rejected for s in scores]
        rows.append(
            SeedRow(
                seed,
                tuple(task.classes[index] for index in gates.classes[gate]),
                fmean(own),
                _deviation(own),
                fmean(s.elsewhere for s in scores),
                fmean(rejected),
                _deviation(rejected),
            )
        )
    tried = tuple(
        Rate(rank, each, score[each], len(own), len(by_rate[each]) - len(own), each == rate)
        for each, own in good.items()
    )
    accuracy = fmean(run.test for run in chosen)
    return GatedRank(rank, chosen[0].trainable, rate, accuracy, tuple(rows), tried)


def _scope(config: TaskConfig, setup: Setup, gates: Gates) -> dict[str, Any]:
    scope = scope_of(config, setup, epochs=setup.search.epochs)
    seeds = ", ".join(map(str, gates.seeds))
    plain, _, _ = str(scope["scaffold"]).rpartition(", seed")
    return {**scope, "scaffold": f"{plain}, seeds {seeds}, every step through each of them"}


def _deviation(values: list[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
