"""What a seed-gated task gives: one adapter under several seeds, each with classes of its own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from rankprobe.records.answers import Rate


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
        learning_rate: Chosen by the mean validation accuracy of its repeats.
        accuracy: Mean over repeats of the share of right answers, over (example, seed) pairs.
        seeds: One row a seed; means over the repeats that finished at the chosen rate.
        rates: Every rate tried, with its mean validation accuracy and the repeats that diverged.
    """

    rank: int
    trainable: int
    learning_rate: float
    accuracy: float
    seeds: tuple[SeedRow, ...]
    rates: tuple[Rate, ...] = ()

    @property
    def diverged(self) -> int:
        """Trainings at this rank that diverged."""
        return sum(rate.failed for rate in self.rates)


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
        """A table for people: a line for each rank and seed, in percent, and what diverged."""
        lines = [f"{'rank':>4} {'seed':>6}  {'classes':<20} {'own':>11} {'elsewhere':>9} rejected"]
        for rank in self.ranks:
            for row in rank.seeds:
                rejected = _percent(row.rejected, row.rejected_deviation)
                lines.append(
                    f"{rank.rank:>4} {row.seed:>6}  {' '.join(row.classes):<20} "
                    f"{_percent(row.own, row.own_deviation):>11} {100 * row.elsewhere:>9.1f} "
                    f"{rejected}"
                )
        lines += [
            f"rank {rank.rank}: {rank.diverged} of {len(rank.rates) * self.repeats} trainings "
            "diverged and are left out"
            for rank in self.ranks
            if rank.diverged
        ]
        return "\n".join(lines)


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
