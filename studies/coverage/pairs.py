"""Pairs of measurements, static and resampled scaffold, whose transition rank is known.

A test example is answered rightly when a sum of independent normal numbers of variance 1 is
positive: one of the example, one of the example under one scaffold, one of the repeat (which
both scaffolds share), one of the training, and one of both together. So the expected accuracy is
any number that is asked for, and repeats and examples are crossed effects as in a measurement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from rankprobe.records import Curve, MinimalRank, Result, TaskSummary
from rankprobe.records.transition import Transition
from rankprobe.statistics.evidence import Evidence, RankEvidence
from rankprobe.statistics.reading import read_baseline, read_point
from rankprobe.statistics.standing import Criterion, stand
from rankprobe.statistics.table import tabulate
from rankprobe.statistics.transition import find_transition

_SHARE = 0.95
_CLASSES = 10
_FULL = 0.97
_LADDERS = ((1, 2, 4, 8, 16, 32), (1, 2, 3, 4, 6, 8, 12, 16), (1, 2, 3, 4, 5, 6, 7, 8))


@dataclass(frozen=True)
class SimulatedPair:
    """A pair, and what is true of it.

    Attributes:
        static: Measurement with the static scaffold.
        resampled: The same, drawn at the same repeats and examples, with the resampled one.
        truth: The smallest rank, of all whole numbers, at which it catches up.
    """

    static: Result
    resampled: Result
    truth: int

    def transition(self, *, paired: bool = True) -> Transition:
        """What is read from the pair: with its predictions, or from scores alone."""
        evidence = (self.static.evidence, self.resampled.evidence) if paired else None
        return find_transition(self.static, self.resampled, share=_SHARE, evidence=evidence)


def draw_pair(
    generator: np.random.Generator, *, repeats: int | None = None, examples: int | None = None
) -> SimulatedPair:
    """A pair with a curve, a transition, sizes and noise drawn at random.

    Args:
        generator: Source of all of it.
        repeats: Repeats of every rank; by default 3, 5 or 10.
        examples: Test examples; by default 500, 1,000 or 3,000.
    """
    ladder = _LADDERS[generator.integers(len(_LADDERS))]
    count = int(generator.choice([3, 5, 10])) if repeats is None else repeats
    tested = int(generator.choice([500, 1000, 3000])) if examples is None else examples
    crossing = float(np.exp(generator.uniform(math.log(1.2), math.log(1.3 * ladder[-1]))))
    steep = generator.uniform(0.5, 1.5)
    worst, rise = generator.uniform(0.1, 0.4), generator.uniform(0.7, 1.4)

    def static(rank: float) -> float:
        return float(_FULL - worst * rank**-rise)

    def behind(rank: float) -> float:
        """Share that is lost to resampling; it shrinks with rank, and is 5 % at the crossing."""
        return float(min((1.0 - _SHARE) * (crossing / rank) ** steep, 0.8))

    accuracies = [
        {rank: static(rank) for rank in ladder},
        {rank: static(rank) * (1.0 - behind(rank)) for rank in ladder},
    ]
    luck = generator.uniform(0.02, 0.12)
    both = _draw(accuracies, count, tested, luck, generator)
    first, second = (_result(evidence) for evidence in both)
    return SimulatedPair(first, second, math.ceil(crossing))


def covers(transition: Transition, truth: int) -> bool:
    """Whether the interval holds the truth, an open side having no end."""
    low, high = transition.low, transition.high
    if low is None and high is None and transition.value is None:
        return False
    return (low or 0) <= truth <= (math.inf if high is None else high)


def _draw(
    accuracies: list[dict[int, float]],
    repeats: int,
    examples: int,
    luck: float,
    generator: np.random.Generator,
) -> list[Evidence]:
    draw = generator.standard_normal
    target = np.arange(examples) % _CLASSES
    of_example, of_repeat = draw(examples), draw((repeats, 1))
    parts = {"example": 0.55, "scaffold": 0.1, "repeat": luck**2, "training": luck**2}
    rest = math.sqrt(1.0 - sum(parts.values()))
    size = {name: math.sqrt(part) for name, part in parts.items()}

    def row(rank: int | None, accuracy: float, own: NDArray[np.float64]) -> RankEvidence:
        latent = (
            NormalDist().inv_cdf(accuracy)
            + size["example"] * of_example
            + size["scaffold"] * own
            + size["repeat"] * of_repeat
            + size["training"] * draw((repeats, 1))
            + rest * draw((repeats, examples))
        )
        labels = np.where(latent > 0.0, target, (target + 1) % _CLASSES).astype(np.int16)
        scores = (labels == target).mean(axis=1)
        parameters = 10_000 if rank is None else 50 * rank
        return RankEvidence(rank, 0.01, scores, tuple(labels), parameters, 50 * (rank or 0))

    baseline = row(None, _FULL, draw(examples))
    found = []
    for curve in accuracies:
        own = draw(examples)
        ranks = tuple(row(rank, accuracy, own) for rank, accuracy in curve.items())
        chance = np.full(examples, 1.0 / _CLASSES)
        found.append(Evidence("accuracy", ranks, baseline, target, chance))
    return found


def _result(evidence: Evidence) -> Result:
    """The parts of a result that a transition is read from; the others are left empty."""
    table = tabulate(evidence)
    standings = stand(table, criterion=Criterion(_SHARE), floor="none", confidence=0.95)
    among, examples = len(standings), len(evidence.target_values)
    return Result(
        task=TaskSummary("simulated", "classification", "accuracy", 0, 0, examples, "simulated"),
        target=_SHARE,
        floor="none",
        floor_score=0.0,
        chance_score=1.0 / _CLASSES,
        head_score=None,
        higher_is_better=True,
        members={},
        baseline=read_baseline(table, confidence=0.95),
        points=tuple(read_point(table, s, confidence=0.95, among=among) for s in standings),
        minimal_rank=MinimalRank(None, None, None, 0.95, "above_largest"),
        curve=Curve(),
        targets={},
        rates=(),
        cost={},
        scope={},
        provenance={},
        evidence=evidence,
    )
