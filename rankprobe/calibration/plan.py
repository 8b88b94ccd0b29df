"""Which tasks are planted: everything follows from one seed, nothing from what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rankprobe.calibration.controls import ControlTask
from rankprobe.calibration.linear import PlantedTask, margin, minimal_rank, spectral_recovery
from rankprobe.calibration.teacher import TeacherTask

Kind = Literal["linear", "teacher", "control"]
Role = Literal["first", "reference", "again"]

TARGET = 0.95
FRESH = 10_000
"""Fresh test examples of a reference run."""
CLEAR = 0.02
"""Distance of every recovery from the target from which on a task is no near tie."""

# (inputs, outputs); few, and each k is planted in those that can hold it.
_SHAPES = ((16, 12), (32, 24), (24, 40), (48, 32))
_DECAYS = (0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.55, 0.5, 0.4, 0.3)
_FLAT = 0.4  # of the linear tasks, before the strata are filled
_LARGEST_K = 32
_CLASSES = (2, 0, 3, 10, 0, 5)  # of the controls in turn; 0 is a regression


@dataclass(frozen=True)
class Size:
    """How many tasks of each kind, and how many of them are measured a second time."""

    linear: int
    teacher: int
    control: int
    linear_again: int
    teacher_again: int
    largest: int


FULL = Size(232, 64, 42, linear_again=58, teacher_again=16, largest=20_000)
SMALL = Size(3, 1, 1, linear_again=1, teacher_again=0, largest=1000)


@dataclass(frozen=True)
class Planned:
    """One task of the calibration.

    Attributes:
        kind: ``linear``, ``teacher`` or ``control``.
        task: Its parameters.
        presets: Ranks whose recovery is checked against the reference; none for a control.
        again: Whether it is measured a second time.
        seed: Of its first measurement; the reference has the next one, a second one that after.
    """

    kind: Kind
    task: PlantedTask | TeacherTask | ControlTask
    presets: tuple[int, ...]
    again: bool
    seed: int

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.task.name}-run{self.seed}"

    @property
    def roles(self) -> tuple[Role, ...]:
        """Its measurements."""
        if self.kind == "control":
            return ("first",)
        return ("first", "reference", "again") if self.again else ("first", "reference")

    @property
    def work(self) -> float:
        """How long one of its measurements takes beside others, roughly."""
        per_example = {"linear": 1.0, "teacher": 3.0, "control": 4.0}[self.kind]
        return per_example * (2000 + self.task.n)


def plan(seed: int, size: Size) -> list[Planned]:
    """The tasks of a calibration.

    Args:
        seed: Everything is drawn from it.
        size: `FULL` or `SMALL`.
    """
    tasks = [_linear(seed, index, size) for index in range(size.linear)]
    tasks += [_teacher(seed, index, size) for index in range(size.teacher)]
    tasks += [_control(seed, index, size) for index in range(size.control)]
    return tasks


def preset_ranks(expected: int, largest: int, planted: int) -> tuple[int, ...]:
    """The ranks of which recovery is checked, fixed before anything is measured.

    The ladder of powers of two past the expected rank, the halves of the gap that holds it, and
    the planted rank with its neighbours as far as that ladder reaches.

    Args:
        expected: The minimal rank that is expected.
        largest: Largest useful rank.
        planted: The planted rank.
    """
    ladder = [1]
    while (len(ladder) < 4 or ladder[-1] <= expected) and ladder[-1] < largest:
        ladder.append(min(2 * ladder[-1], largest))
    reaching = next((rung for rung in ladder if rung >= expected), ladder[-1])
    below = max((rung for rung in ladder if rung < expected), default=0)
    ranks = {*ladder}
    while reaching - below > 4:
        middle = (below + reaching) // 2
        ranks.add(middle)
        below, reaching = (below, middle) if expected <= middle else (middle, reaching)
    ranks |= {*range(below + 1, reaching), *range(planted - 1, planted + 2)}
    return tuple(sorted(rank for rank in ranks if 1 <= rank <= ladder[-1]))


def _linear(seed: int, index: int, size: Size) -> Planned:
    """Three of four tasks are drawn until they are clear, the fourth until it is a near tie."""
    random = np.random.default_rng([seed, 1, index])
    while True:
        task = _draw(random, index, size)
        shares = spectral_recovery(task)
        # A little more than the limit: the closed form adds what the frozen matrix can do.
        distance = margin(shares, TARGET)
        if (distance >= CLEAR + 0.005) if index % 4 < 3 else (distance < CLEAR):
            break
    expected = minimal_rank(shares, TARGET)
    presets = preset_ranks(expected, min(task.d, task.m), task.k)
    again = index * size.linear_again // size.linear != (index + 1) * size.linear_again // (
        size.linear
    )
    return Planned("linear", task, presets, again, _seed(random))


def _draw(random: np.random.Generator, index: int, size: Size) -> PlantedTask:
    k = int(random.integers(1, _LARGEST_K + 1))
    shapes = [shape for shape in _SHAPES if min(shape) >= k]
    d, m = shapes[int(random.integers(len(shapes)))]
    flat = random.random() < _FLAT
    decay = 1.0 if flat else _DECAYS[int(random.integers(len(_DECAYS)))]
    # One of eleven above 5,000.
    ends = (5000, 20_000) if index % 11 == 5 else (500, 5000)
    return PlantedTask(
        k=k,
        d=d,
        m=m,
        n=_log_uniform(random, *ends, size),
        decay=decay,
        noise=round(float(random.uniform(0.0, 0.5)), 3),
        seed=_seed(random),
    )


def _teacher(seed: int, index: int, size: Size) -> Planned:
    random = np.random.default_rng([seed, 2, index])
    k = 1 + index % 4 if size.teacher >= 4 else 2
    task = TeacherTask(k=k, n=_log_uniform(random, 1000, 5000, size), seed=_seed(random))
    again = index * size.teacher_again // size.teacher != (index + 1) * size.teacher_again // (
        size.teacher
    )
    return Planned("teacher", task, preset_ranks(k, max(task.hidden), k), again, _seed(random))


def _control(seed: int, index: int, size: Size) -> Planned:
    random = np.random.default_rng([seed, 3, index])
    task = ControlTask(
        classes=_CLASSES[index % len(_CLASSES)],
        d=int(random.choice([8, 16, 32])),
        n=_log_uniform(random, 300, 3000, size),
        seed=_seed(random),
    )
    return Planned("control", task, (), again=False, seed=_seed(random))


def _log_uniform(random: np.random.Generator, low: int, high: int, size: Size) -> int:
    low, high = min(low, size.largest), min(high, size.largest)
    return round(float(np.exp(random.uniform(np.log(low), np.log(high)))))


def _seed(random: np.random.Generator) -> int:
    return int(random.integers(1_000_000))
