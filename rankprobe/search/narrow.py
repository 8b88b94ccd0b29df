"""Carries a sequential design out: asks what is next, has it trained, until there is no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rankprobe.search.learning_rate import tuning_repeats
from rankprobe.search.sequential import Means, describe, next_step

if TYPE_CHECKING:
    from rankprobe.search.driver import Driver

DEFAULT_BUDGET = 3
"""Times the trainings of the ordinary measurement, where no budget is given."""


def narrow(driver: Driver, precision: int) -> dict[str, Any]:
    """Add to a finished ordinary measurement until its interval is narrow enough.

    Trainings are counted whether they come from this process or from the store, so a design that
    was interrupted, or is given a larger budget, goes on as if it never had stopped.

    Args:
        driver: After the ordinary search.
        precision: Wished width of the interval, in ranks.

    Returns:
        `Result.design`: ``precision``, ``budget``, ``stopped``, ``trainings`` in all, and what
        `describe` says. The ordinary measurement is always made, so ``trainings`` is above a
        ``budget`` that does not suffice for it.
    """
    asked = driver.laboratory.asked
    budget = driver.search.budget or DEFAULT_BUDGET * len(asked)
    question = driver.search.question
    while True:
        means = Means(budget - len(asked), _new_rank(driver), _largest(driver))
        evidence = driver.evidence()
        step = next_step(evidence, question=question, precision=precision, means=means)
        if step.stopped:
            break
        driver.take(step)
    return {
        "precision": precision,
        "budget": budget,
        "stopped": step.stopped,
        "trainings": len(asked),
        **describe(evidence, question=question),
    }


def _new_rank(driver: Driver) -> int:
    """Trainings that one more rank takes at most."""
    search = driver.search
    tuning = tuning_repeats(search.repeats)
    return search.rates.most(1) * tuning + search.repeats - tuning


def _largest(driver: Driver) -> int | None:
    """The largest rank that may be measured; a list of ranks is measured exactly."""
    search = driver.search
    return search.largest if search.ranks is None and search.refine else None
