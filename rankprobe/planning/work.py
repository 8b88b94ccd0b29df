"""Trainings, time and memory of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import TYPE_CHECKING, Any

from rankprobe.records import Result
from rankprobe.statistics.evidence import TUNING_REPEATS

if TYPE_CHECKING:
    from rankprobe.config import TaskConfig
    from rankprobe.data.task import Task

_USUAL_RATES = 5  # candidates that tuning starts with


@dataclass(frozen=True)
class Row:
    """One rank to train, or full training.

    Attributes:
        rates: Learning rates that are tried.
        done: Repeats that the pilot has of it; 0: it was not measured.
    """

    rates: int
    done: int = 0


@dataclass(frozen=True)
class Work:
    """What is to be trained, and what a training takes.

    Attributes:
        rows: Ranks to train, full training and the head.
        seconds: Of one training, on average; ``None``: not known.
        bytes: Memory beside the program; ``None``: not known.
    """

    rows: tuple[Row, ...]
    seconds: float | None = None
    bytes: int | None = None

    def total(self, repeats: int) -> int:
        """Trainings in all."""
        return sum(trainings(row.rates, repeats) for row in self.rows)

    def new(self, repeats: int) -> int:
        """Trainings that the pilot has not done."""
        return sum(
            max(trainings(row.rates, repeats) - trainings(row.rates, row.done), 0)
            for row in self.rows
        )


def trainings(rates: int, repeats: int) -> int:
    """Trainings of one rank: every rate on the tuning repeats, then the best one."""
    tuning = min(TUNING_REPEATS, repeats)
    return rates * tuning + repeats - tuning


def pilot_work(pilot: Result, ranks: Sequence[int]) -> Work:
    """What the planned ranks take, by what the pilot took.

    Seconds are the pilot's per member-step, times its average steps a training.

    Args:
        pilot: The pilot.
        ranks: Ranks to train, beside full training and, where the pilot has it, the head.
    """
    tried: dict[int | None, int] = {}
    for rate in pilot.rates:
        tried[rate.rank] = tried.get(rate.rank, 0) + 1
    done: dict[int | None, int] = {point.rank: len(point.scores) for point in pilot.points}
    done[None] = len(pilot.baseline.scores)
    usual = median_low([tried.get(point.rank, 1) for point in pilot.points])
    rows = [Row(tried.get(rank, usual), done.get(rank, 0)) for rank in (None, *ranks)]
    if pilot.head_score is not None:
        rows.append(Row(tried.get(0, usual), min(done.values())))
    cost = pilot.cost
    steps, members = cost.get("steps", 0), cost.get("members", 0)
    known = bool(steps and members and cost.get("seconds"))
    seconds = cost["seconds"] / steps * (steps / members) if known else None
    return Work(tuple(rows), seconds)


def check_work(
    config: TaskConfig,
    task: Task,
    pilot: Result | None,
    *,
    ranks: Sequence[int],
    repeats: int,
    device: str,
) -> Work:
    """What the planned ranks take, by stepping once here, see `rankprobe.search.check`.

    Args:
        config: The dataset.yaml.
        task: Its data.
        pilot: The pilot, which knows how long trainings are; ``None``: as `check_task` assumes.
        ranks: Ranks to train; none: those of the dataset.yaml.
        repeats: Repeats to estimate for.
        device: Where to step.

    Raises:
        ConfigError, DataError, TrainingError: As `check_task`.
    """
    from rankprobe.search.check import check_task

    search = config.search.model_copy(
        update={"repeats": repeats, "ranks": tuple(ranks) or config.search.ranks}
    )
    check = check_task(config.model_copy(update={"search": search}), task, device=device)
    stepping, evaluating = check.seconds - check.evaluating, check.evaluating
    if pilot is None:
        rates = _rates(config.training.learning_rate)
        rows = (Row(rates),) * round(check.members / trainings(rates, repeats))
        return Work(rows, check.seconds / check.members, check.bytes)
    epochs = pilot.scope.get("epochs")
    longer = epochs / check.epochs if isinstance(epochs, int | float) else 1.0
    seconds = (stepping * longer + evaluating) / check.members
    return Work(pilot_work(pilot, ranks).rows, seconds, check.bytes)


def _rates(configured: Any) -> int:
    """Learning rates that a rank is usually tried at."""
    if configured == "tuned":
        return _USUAL_RATES
    candidates = getattr(configured, "adapter", None)
    return len(candidates) if isinstance(candidates, tuple) else 1
