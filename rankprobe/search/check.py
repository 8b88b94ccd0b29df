"""Everything that can be wrong, found before it costs anything: one batch, no training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rankprobe.config import TaskConfig
from rankprobe.data.task import Task
from rankprobe.records import Member, scaffold_index
from rankprobe.search.cohorts import cohort_bytes
from rankprobe.search.epochs import first_epochs
from rankprobe.search.learning_rate import tuning_repeats
from rankprobe.search.narrow import DEFAULT_BUDGET
from rankprobe.search.refine import first_rungs
from rankprobe.search.setup import Setup, prepare
from rankprobe.search.timing import Times, cohort_times, one_step
from rankprobe.training import TrainingData

_REFINING = (3, 5, 6)  # as many ranks as bisection usually asks for


@dataclass(frozen=True)
class Part:
    """What a kind of training takes in all: ``members`` trainings of so many ``seconds``."""

    members: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Check:
    """What a measurement would take.

    Attributes:
        task: The data.
        parameters: Weights of the backbone.
        largest: Largest useful rank.
        trainable: Trained parameters at the smallest and the largest rank tried.
        ranks: The smallest and the largest rank tried.
        epochs: Assumed length of a training.
        members: Expected number of trainings.
        seconds: Expected time here.
        evaluating: How much of it goes to evaluations, whose number does not grow with the
            length of a training.
        bytes: Expected memory.
        cohort: How much of it goes to the largest cohort.
        baseline: What of it is full training.
        head: What of it is rank 0.
        most: Trainings in all past which nothing is added for precision; ``None`` where no
            precision is asked for.
    """

    task: Task
    parameters: int
    largest: int
    trainable: tuple[int, int]
    ranks: tuple[int, int]
    epochs: int
    epochs_given: bool
    members: int
    seconds: float
    evaluating: float
    bytes: int
    cohort: int
    baseline: Part = Part()
    head: Part = Part()
    most: int | None = None

    def words(self) -> str:
        """The estimate, for people."""
        task = self.task
        shape = " x ".join(map(str, task.input_shape)) or f"one of the {task.kind}"
        length = f"{self.epochs} epochs" + ("" if self.epochs_given else " (more if not converged)")
        if self.most is not None:
            length += f", and for precision up to {self.most} in all"
        told = [*([", ".join(task.flags)] if task.flags else []), *task.notes]
        notes = "".join(f"\nnote       {line}" for line in told)
        evaluating = ""
        if self.evaluating > self.seconds / 4:
            what = "episodes" if task.metric == "episode_return" else "evaluation"
            evaluating = f", {span(self.evaluating)} of it for {what}"
        return (
            f"{task.name}: nothing wrong found\n"
            f"data       {len(task.train):,} training, {len(task.validation):,} validation and "
            f"{len(task.test):,} test examples\n"
            f"inputs     {shape}; {task.objective}, {task.outputs} outputs, scored by "
            f"{task.metric}\n"
            f"network    {self.parameters:,} weights; largest useful rank {self.largest}\n"
            f"one batch  rank {self.ranks[0]} ({self.trainable[0]:,} trained) and rank "
            f"{self.ranks[1]} ({self.trainable[1]:,} trained): fine\n"
            f"expected   about {self.members} trainings of {length}\n"
            f"time       about {span(self.seconds)} on this machine{evaluating}\n"
            f"memory     about {self.bytes / 1e6:,.0f} MB beside the program itself{notes}"
        )


def check_task(config: TaskConfig, task: Task, *, device: str = "auto") -> Check:
    """Build everything, step once at the smallest and the largest rank, and estimate.

    Raises:
        ConfigError, DataError: What `rankprobe.measure` would find wrong before training.
        TrainingError: A step that fails.
    """
    setup = prepare(config, task, device=device)
    search, bench = setup.search, setup.bench
    data = bench.training_data()
    ranks = search.ranks or tuple(first_rungs(setup.largest))
    edges = (ranks[0], search.ranks[-1] if search.ranks else setup.largest)
    for rank in edges:
        one_step(bench, data, [Member(rank, 1e-3, 0, 1)])
    epochs = search.epochs or 2 * first_epochs(bench.steps(Member(None, 1.0, 0, 1)))
    planned = planned_members(setup, epochs)
    baselines = _members(setup, [None], epochs)
    heads, others = ([m for m in planned if (m.rank == 0) is head] for head in (True, False))
    full, head, adapters = (_cost(setup, data, each) for each in (baselines, heads, others))
    # One repeat of half the length at every rate, to see that the length suffices.
    shorter = len(search.rates.first(None)) if search.epochs is None else 0
    more = shorter / len(baselines)
    full = Times(full.steps * (1.0 + more / 2), full.evaluations * (1.0 + more))
    costs = (full, head, adapters)
    members = len(planned) + len(baselines) + shorter
    evaluating = sum(times.evaluations for times in costs)
    held = sum(t.numel() for t in (data.train_x, data.validation_x, data.test_x)) * 4
    cohorts = _cohorts(setup, planned)
    largest = max(cohort_bytes(cohort, bytes_of=setup.bytes_of) for cohort in cohorts)
    largest = max(largest, setup.bytes_of(None))
    return Check(
        task=task,
        parameters=bench.parameters,
        largest=setup.largest,
        trainable=(setup.trainable(edges[0]), setup.trainable(edges[1])),
        ranks=edges,
        epochs=epochs,
        epochs_given=search.epochs is not None,
        members=members,
        seconds=evaluating + sum(times.steps for times in costs),
        evaluating=evaluating,
        bytes=2 * held + largest,
        cohort=largest,
        baseline=Part(len(baselines) + shorter, full.steps + full.evaluations),
        head=Part(len(heads), head.steps + head.evaluations),
        most=None
        if search.precision is None
        else max(members, search.budget or DEFAULT_BUDGET * members),
    )


def planned_members(setup: Setup, epochs: int) -> list[Member]:
    """The members with adapters that a measurement is likely to train, rank 0 included."""
    search = setup.search
    ranks = search.ranks or tuple(first_rungs(setup.largest))
    refines = search.refine and not search.ranks
    refining = tuple(r for r in _REFINING if r <= setup.largest) if refines else ()
    head = (0,) if search.with_head else ()
    return _members(setup, [*ranks, *refining, *head], epochs)


def _members(setup: Setup, ranks: Sequence[int | None], epochs: int) -> list[Member]:
    search = setup.search
    tuning = tuning_repeats(search.repeats)
    members = []
    for rank in ranks:
        rates = search.rates.first(rank)
        pairs = [(rate, k) for rate in rates for k in range(tuning)]
        pairs += [(rates[2 % len(rates)], k) for k in range(tuning, search.repeats)]
        members += [
            Member(rank, rate, k, epochs, scaffold_index(rank, k, search.scaffolds))
            for rate, k in pairs
        ]
    return members


def _cohorts(setup: Setup, members: Sequence[Member]) -> list[tuple[Member, ...]]:
    return setup.bench.cohorts(members, bytes_of=setup.bytes_of)


def _cost(setup: Setup, data: TrainingData, members: Sequence[Member]) -> Times:
    """What the members take: each size of cohort is timed once."""
    cohorts = _cohorts(setup, members)
    sizes = {len(cohort): cohort for cohort in cohorts}
    times = {size: cohort_times(setup.bench, data, cohort) for size, cohort in sizes.items()}
    each = [times[len(cohort)] for cohort in cohorts]
    return Times(sum(one.steps for one in each), sum(one.evaluations for one in each))


def span(seconds: float) -> str:
    """A length of time in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
