"""Simulated measurements whose curve and noise are known, as results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rankprobe.records import Result, TaskSummary
from rankprobe.statistics.evidence import Evidence
from rankprobe.statistics.minimal_rank import find_minimal_rank
from rankprobe.statistics.plan import width
from rankprobe.statistics.reading import read_evidence
from tests.statistics.planted import gaussian_losses, loss_evidence

CHANCE, FULL = 2.4, 0.4  # log-losses: full training gains 2


@dataclass(frozen=True)
class World:
    """A task: its log-loss falls to full training's, and three sources of noise.

    Attributes:
        scale: Ranks over which what is missing falls by a factor e.
        over_repeats: Standard deviation of a training's mean loss.
        over_examples: Standard deviation over test examples, half of it shared by all ranks.
        rest: Standard deviation of what is left.
        examples: Test examples.
    """

    scale: float = 3.0
    over_repeats: float = 0.03
    over_examples: float = 0.3
    rest: float = 0.1
    examples: int = 600

    def loss(self, rank: int) -> float:
        return FULL + float(np.exp(-rank / self.scale))

    def evidence(self, ranks: Sequence[int], repeats: int, seed: int) -> Evidence:
        means: Mapping[int | None, float] = {None: FULL} | {r: self.loss(r) for r in ranks}
        losses = gaussian_losses(
            means,
            repeats=repeats,
            examples=self.examples,
            over_repeats=self.over_repeats,
            over_examples=self.over_examples,
            rest=self.rest,
            generator=np.random.default_rng([seed, repeats]),
        )
        return loss_evidence(losses, chance=CHANCE)

    def measured_width(self, ranks: Sequence[int], repeats: int, seed: int) -> float:
        answer = find_minimal_rank(self.evidence(ranks, repeats, seed), target=0.95)
        return width(answer.low, answer.high)

    def pilot(self, ranks: Sequence[int], repeats: int, seed: int) -> Result:
        return as_result(self.evidence(ranks, repeats, seed))


def without_variance(result: Result) -> Result:
    """The result as older versions wrote it."""
    return replace(result, points=tuple(replace(point, variance={}) for point in result.points))


def as_result(evidence: Evidence, *, target: float = 0.95, name: str = "planted") -> Result:
    """What `rankprobe.search.measure` makes of evidence, the costs being invented."""
    reading = read_evidence(evidence, target=target)
    ranks = len(reading.points)
    repeats = len(evidence.baseline.scores)
    return Result(
        task=TaskSummary(
            name, "classification", evidence.metric, 1000, 100, len(evidence.chance), name * 8
        ),
        target=target,
        floor=reading.floor,
        floor_score=reading.floor_score,
        chance_score=reading.chance_score,
        head_score=reading.head_score,
        higher_is_better=False,
        members={"trained": repeats * (ranks + 1), "failed": 0},
        baseline=reading.baseline,
        points=reading.points,
        minimal_rank=reading.minimal_rank,
        curve=reading.curve,
        targets=reading.targets,
        rates=(),
        cost={
            "seconds": 2.0 * repeats * (ranks + 1),
            "members": repeats * (ranks + 1),
            "steps": 100 * repeats * (ranks + 1),
        },
        scope={"epochs": 12, "largest_useful_rank": 64},
        provenance={},
    )
