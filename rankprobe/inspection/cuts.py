"""Full training cut to a rank, scored on the test split, beside the rank as it was trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from rankprobe.inspection.updates import FullUpdate
from rankprobe.records import Interval, Member
from rankprobe.records.inspection import Cut, Shortfall
from rankprobe.training.build import build_cohort
from rankprobe.training.chance import devices_of
from rankprobe.training.loop import evaluated

if TYPE_CHECKING:
    from rankprobe.search.bench import Bench
    from rankprobe.training import TrainingData

Scores = Mapping[int, float]  # by repeat
State = Mapping[str, NDArray[np.float32]]


class Scorer:
    """Scores fully trained networks, and what is left of them.

    Args:
        bench: Network, data and protocol of the measurement.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.data: TrainingData = bench.training_data()

    def scores(self, member: Member, states: Iterable[State]) -> list[float]:
        """Test scores of a baseline with other tensors than it starts from; NaN where not finite.

        Args:
            member: The baseline.
            states: Parameters and running statistics by name, one mapping a network; taken one
                at a time, for each is as large as the network.
        """
        example = self.data.train_x[:2]
        with torch.random.fork_rng(devices_of(example.device)):
            cohort = build_cohort(
                self.bench.backbone, [member], self.bench.protocol, example, dtype=self.data.dtype
            )
            found = []
            for state in states:
                with torch.no_grad():
                    for name, stack in (*cohort.stacks.items(), *cohort.statistics.items()):
                        stack[0].copy_(torch.from_numpy(state[name]))
                (score,) = evaluated(cohort, self.data, self.bench, "test")
                found.append(math.nan if score is None else score.value)
        return found


def scored_cuts(
    scorer: Scorer, baselines: Mapping[Member, FullUpdate], ranks: Sequence[int]
) -> tuple[dict[int, float], dict[int, dict[int, float]]]:
    """Test scores of full trainings, whole and cut.

    Args:
        scorer: Scores them.
        baselines: Full trainings, one a repeat.
        ranks: Ranks to cut to.

    Returns:
        Whole, by repeat; and by rank those of the cuts, by repeat.
    """
    full: dict[int, float] = {}
    cuts: dict[int, dict[int, float]] = {rank: {} for rank in ranks}
    for member, update in baselines.items():
        states = chain([update.trained], map(update.cut, ranks))
        full[member.repeat], *cut = scorer.scores(member, states)
        for rank, score in zip(ranks, cut, strict=True):
            cuts[rank][member.repeat] = score
    return full, cuts


def compared(
    rank: int,
    cut: Scores,
    trained: Scores,
    full: Scores,
    *,
    higher_is_better: bool,
    confidence: float = 0.95,
) -> Cut | None:
    """A rank as trained beside full training cut to it.

    Differences are taken repeat by repeat, and their intervals are Student's.

    Args:
        rank: The rank.
        cut: Test scores of the cut.
        trained: Test scores of the rank as trained.
        full: Test scores of full training.
        higher_is_better: Direction of the metric.
        confidence: Level of the intervals.

    Returns:
        ``None`` where no repeat has all three.
    """
    three = (cut, trained, full)
    repeats = [k for k in sorted(cut) if all(math.isfinite(s.get(k, math.nan)) for s in three)]
    if not repeats:
        return None
    sign = 1 if higher_is_better else -1
    lost = _mean_of([sign * (cut[k] - full[k]) for k in repeats], confidence)
    gained = _mean_of([sign * (trained[k] - cut[k]) for k in repeats], confidence)
    short = _mean_of([sign * (trained[k] - full[k]) for k in repeats], confidence)
    found: dict[Shortfall, bool] = {
        "optimisation": gained.high < 0,
        "capacity": short.high < 0 and lost.high < 0,
    }
    return Cut(
        rank,
        tuple(cut[k] for k in repeats),
        tuple(trained[k] for k in repeats),
        lost,
        gained,
        short,
        tuple(name for name, short in found.items() if short),
    )


def _mean_of(values: Sequence[float], confidence: float) -> Interval:
    """Mean and Student's interval; without width for equal values, without end for one alone."""
    mean, count = float(np.mean(values)), len(values)
    if count == 1:
        return Interval(mean, -math.inf, math.inf)
    half = float(
        stats.t.ppf((1 + confidence) / 2, count - 1) * np.std(values, ddof=1) / math.sqrt(count)
    )
    return Interval(mean, mean - half, mean + half)
