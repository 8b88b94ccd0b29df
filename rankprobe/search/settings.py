"""What a search looks for, and how a configuration says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rankprobe.config import TaskConfig
from rankprobe.errors import ConfigError, Problem
from rankprobe.search.rates import ANY_RATE, Rates


@dataclass(frozen=True)
class Search:
    """What to look for.

    Attributes:
        repeats: Repeats of every rank.
        target: Share of full training's gain over the floor.
        floor: ``auto``, ``none``, ``chance`` or ``head``.
        epsilon: When given, a rank must come within it of full training instead.
        ranks: Ranks to measure, exactly these; ``None``: the ladder and what follows.
        refine: Measure between the rungs.
        epochs: Length of every training; ``None``: found by the baseline.
        rates: Learning rates of every rank and of the baseline.
        largest: Largest useful rank.
        with_head: Whether rank 0 trains anything.
        scaffolds: Scaffold seeds that the repeats take turns with.
        precision: Wished width of the interval, in ranks; ``None``: as it comes.
        budget: Trainings in all past which nothing is added for precision; ``None``: three
            times those of the ordinary measurement.
    """

    repeats: int
    target: float
    floor: str
    ranks: tuple[int, ...] | None
    refine: bool
    epochs: int | None
    largest: int
    with_head: bool
    scaffolds: int = 1
    epsilon: float | None = None
    precision: int | None = None
    budget: int | None = None
    rates: Rates = ANY_RATE

    @property
    def question(self) -> dict[str, Any]:
        """What is asked of the evidence, as `find_minimal_rank` takes it."""
        return {"target": self.target, "epsilon": self.epsilon, "floor": self.floor}


def search_of(config: TaskConfig, largest: int, *, with_head: bool) -> Search:
    """The search of a configuration.

    Args:
        config: The configuration.
        largest: Largest useful rank of its network.
        with_head: Whether rank 0 trains anything.

    Raises:
        ConfigError: It asks for what this network cannot give.
    """
    search, training = config.search, config.training
    ranks = None if search.ranks == "auto" else search.ranks
    useless = [rank for rank in ranks or () if rank > largest]
    if useless:
        raise ConfigError(
            Problem(
                f"rank {', '.join(map(str, useless))} is above {largest}, the largest useful rank "
                "of this network: its widest adapted layer has no more",
                config.where("search", "ranks"),
                f"list ranks from 1 to {largest}",
            )
        )
    rate = training.learning_rate
    if rate == "tuned":
        rates = Rates()
    elif isinstance(rate, float):
        rates = Rates((rate,), (rate,))
    else:
        rates = Rates(*(_candidates(value) for value in (rate.adapter, rate.baseline)))
    if search.scaffolds > 1 and getattr(config.backbone, "init", "scaffold") == "pretrained":
        raise ConfigError(
            Problem(
                "`scaffolds` takes turns with seeds of random weights; pretrained ones have none",
                config.where("search", "scaffolds"),
                "remove it, or write `backbone: {init: scaffold}`",
            )
        )
    if search.floor == "head" and not with_head:
        raise ConfigError(
            Problem(
                "`floor: head` needs something that trains at rank 0, and here nothing does",
                config.where("search", "floor"),
                "write `adapter: {head: trained}` or `{beta: trained}`, or `floor: chance`",
            )
        )
    return Search(
        repeats=search.repeats,
        target=search.target,
        floor=search.floor,
        ranks=ranks,
        refine=search.refine,
        epochs=None if training.epochs == "auto" else training.epochs,
        rates=rates,
        largest=largest,
        with_head=with_head,
        epsilon=search.epsilon,
        scaffolds=search.scaffolds,
        precision=search.precision,
        budget=search.budget,
    )


def _candidates(rate: float | tuple[float, ...]) -> tuple[float, ...]:
    return tuple(sorted(set(rate))) if isinstance(rate, tuple) else (rate,)
