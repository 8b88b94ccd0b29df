"""A laboratory without training: scores follow a formula, predictions follow the scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from rankprobe.backbones import build
from rankprobe.data.task import Split, Task
from rankprobe.lowrank.randomness import integer_seed
from rankprobe.records import Member, Run
from rankprobe.search.bench import Bench, Tick
from rankprobe.search.laboratory import Laboratory
from rankprobe.search.measure import Silent
from rankprobe.search.settings import Search
from rankprobe.search.store import Store
from rankprobe.training import TrainingProtocol

Accuracy = Callable[[Member], float]
N = 1000
IDENTITY = {"data": "abc", "seed": 0}


def make_task(n_test: int = N) -> Task:
    labels = np.arange(n_test) % 10
    x = np.random.default_rng(0).standard_normal((n_test, 8)).astype(np.float32)
    split = Split(x, labels.astype(np.int64))
    return Task("fake", "classification", "accuracy", split, split, split, outputs=10)


def make_bench(task: Task | None = None) -> Bench:
    task = task or make_task()
    backbone = build("mlp", task.input_shape, task.outputs, hidden=[64])
    return Bench(backbone, task, TrainingProtocol("classification", batch_size=100))


def make_run(member: Member, test: float, validation: float, labels: np.ndarray) -> Run:
    """A finished run with the given scores; which examples are wrong depends on the repeat."""
    order = np.random.default_rng(member.repeat).permutation(len(labels))
    wrong = order[: round((1 - test) * len(labels))]
    predictions = labels.copy()
    predictions[wrong] = (labels[wrong] + 1) % 10
    return Run(
        member,
        "finished",
        validation=validation,
        validation_error=0.005,
        test=1 - len(wrong) / len(labels),
        history=((member.epochs / 2, validation), (member.epochs, validation)),
        trainable=1,
        seconds=0.01,
        predictions=predictions,
    )


class FakeExecutor:
    """Answers with scores of a formula, and remembers what it was asked."""

    def __init__(
        self,
        task: Task,
        test: Accuracy,
        validation: Accuracy | None = None,
        *,
        dies_after: int | None = None,
        diverges: Callable[[Member], bool] = lambda _: False,
    ) -> None:
        self.task, self.test = task, test
        self.validation = validation or test
        self.dies_after, self.diverges = dies_after, diverges
        self.cohorts: list[tuple[Member, ...]] = []

    @property
    def trained(self) -> list[Member]:
        return [member for cohort in self.cohorts for member in cohort]

    def train(self, cohorts: Sequence[tuple[Member, ...]], tick: Tick) -> Iterator[tuple[Run, ...]]:
        for cohort in cohorts:
            if self.dies_after is not None and len(self.cohorts) >= self.dies_after:
                raise KeyboardInterrupt
            self.cohorts.append(cohort)
            tick(1)
            yield tuple(self._run(member) for member in cohort)

    def close(self) -> None:
        """Nothing to close."""

    def _run(self, member: Member) -> Run:
        if self.diverges(member):
            return Run(member, "diverged", "outputs were no longer finite at epoch 1")
        noise = (integer_seed(["noise", member.repeat]) % 1000 / 1000 - 0.5) * 0.002
        test = min(1.0, self.test(member) + noise)
        return make_run(member, test, self.validation(member), self.task.test.y)


def search(**changes: object) -> Search:
    settings: dict[str, object] = {
        "repeats": 3,
        "target": 0.95,
        "floor": "auto",
        "ranks": None,
        "refine": True,
        "epochs": 20,
        "largest": 64,
        "with_head": True,
    }
    return Search(**{**settings, **changes})  # type: ignore[arg-type]


def laboratory(
    executor: FakeExecutor,
    folder: Path | None = None,
    *,
    identity: dict[str, object] = IDENTITY,
    scaffolds: int = 1,
) -> Laboratory:
    store = Store(folder, identity)
    bench = make_bench(executor.task)
    return Laboratory(
        bench, store, executor, Silent(), bytes_of=lambda _: 1000, scaffolds=scaffolds
    )


def best_near(rate: float, member: Member) -> float:
    """A penalty for a learning rate away from the best one."""
    return 0.01 * abs(math.log10(member.learning_rate / rate))


def saturating(reaching: int, *, full: float = 0.96, below: float = 0.90) -> Accuracy:
    """Accuracy that reaches full training's from one rank on; the best rate is 1e-2."""

    def accuracy(member: Member) -> float:
        if member.rank is None:
            return full - best_near(3.2e-3, member)
        top = full if member.rank >= reaching else below - 0.3 * (1 - member.rank / reaching)
        return top - best_near(1e-2, member)

    return accuracy
