"""Seed-gated tasks: one adapter that does another task under every seed of its scaffold."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np

from rankprobe.config import ScaffoldConfig, TaskConfig
from rankprobe.data.task import Split, Task
from rankprobe.errors import ConfigError, Problem
from rankprobe.records import Member
from rankprobe.search.scope import scope_of
from rankprobe.search.setup import Setup, prepare
from rankprobe.training.gated import GatedRun, Gates, train_gated

OUTSIDE = "outside"  # name of the class of what is outside a seed's classes


@dataclass(frozen=True)
class SeedRow:
    """What adapters of one rank do under one seed: means over repeats, and standard deviations.

    Attributes:
        seed: The seed.
        classes: Names of its classes.
        own: Share of test examples of these classes that are named right.
        own_deviation: Of the repeats; NaN where there is one.
        elsewhere: Share of the same examples still named right under the other seeds.
        rejected: Share of test examples of other classes that are given the outside class; NaN
            where there is no such class.
        rejected_deviation: Of the repeats.
    """

    seed: int
    classes: tuple[str, ...]
    own: float
    own_deviation: float
    elsewhere: float
    rejected: float
    rejected_deviation: float


@dataclass(frozen=True)
class GatedRank:
    """Adapters of one rank.

    Attributes:
        rank: The rank.
        trainable: Trained parameters, of one adapter for all seeds.
        learning_rate: Chosen by the mean validation accuracy of all repeats.
        accuracy: Mean over repeats of the share of right answers, over (example, seed) pairs.
        seeds: One row a seed.
    """

    rank: int
    trainable: int
    learning_rate: float
    accuracy: float
    seeds: tuple[SeedRow, ...]


@dataclass(frozen=True)
class SeedGated:
    """A seed-gated task, measured.

    Attributes:
        name: Name of the task.
        outside: ``ignored`` or ``class``.
        repeats: Trainings at every rank and rate.
        ranks: What came out.
        scope: What it is relative to, in words.
    """

    name: str
    outside: str
    repeats: int
    ranks: tuple[GatedRank, ...]
    scope: dict[str, Any]

    def __repr__(self) -> str:
        """The accuracy of every rank in one line; ``words()`` has a line for each seed."""
        seeds = ", ".join(str(row.seed) for row in self.ranks[0].seeds) if self.ranks else "none"
        ranks = ", ".join(f"{rank.rank}: {rank.accuracy:.4g}" for rank in self.ranks)
        return f"SeedGated({self.name!r}, seeds {seeds}; accuracy by rank {ranks})"

    def to_json(self) -> dict[str, Any]:
        """Plain data; shares that there are not are ``None``."""
        plain: dict[str, Any] = _without_nan(dataclasses.asdict(self))
        return plain

    def words(self) -> str:
        """A table for people: a line for each rank and seed, in percent."""
        lines = [f"{'rank':>4} {'seed':>6}  {'classes':<20} {'own':>11} {'elsewhere':>9} rejected"]
        for rank in self.ranks:
            for row in rank.seeds:
                rejected = _percent(row.rejected, row.rejected_deviation)
                lines.append(
                    f"{rank.rank:>4} {row.seed:>6}  {' '.join(row.classes):<20} "
                    f"{_percent(row.own, row.own_deviation):>11} {100 * row.elsewhere:>9.1f} "
                    f"{rejected}"
                )
        return "\n".join(lines)


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
        TrainingError: A training that diverged.
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


def _rank(rank: int, runs: list[GatedRun], gates: Gates, task: Task) -> GatedRank:
    """What the best rate of a rank gives."""
    by_rate: dict[float, list[GatedRun]] = {}
    for run in runs:
        if run.member.rank == rank:
            by_rate.setdefault(run.member.learning_rate, []).append(run)
    rate = max(by_rate, key=lambda rate: fmean(run.validation for run in by_rate[rate]))
    chosen = by_rate[rate]
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
    accuracy = fmean(run.test for run in chosen)
    return GatedRank(rank, chosen[0].trainable, rate, accuracy, tuple(rows))


def _scope(config: TaskConfig, setup: Setup, gates: Gates) -> dict[str, Any]:
    scope = scope_of(config, setup, epochs=setup.search.epochs)
    seeds = ", ".join(map(str, gates.seeds))
    plain, _, _ = str(scope["scaffold"]).rpartition(", seed")
    return {**scope, "scaffold": f"{plain}, seeds {seeds}, every step through each of them"}


def _deviation(values: list[float]) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _percent(value: float, deviation: float) -> str:
    if value != value:
        return "-"
    return f"{100 * value:.1f}" + ("" if deviation != deviation else f" ± {100 * deviation:.1f}")


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value
