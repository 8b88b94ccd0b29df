"""Tune the learning rate of every rank, and of the baseline, with the same budget."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rankprobe.search.laboratory import Laboratory
from rankprobe.search.rates import ANY_RATE, Rates, rounded_rate
from rankprobe.statistics.evidence import TUNING_REPEATS, Candidate, choose_rate
from rankprobe.statistics.metrics import METRICS


@dataclass(frozen=True)
class Tuned:
    """The outcome for one rank.

    Attributes:
        rank: The rank; ``None``: the baseline.
        learning_rate: The chosen rate.
        candidates: Every rate tried, ascending; empty when the rate was given.
        at_edge: Whether the best rate is still the smallest or largest one tried, and beats
            its neighbour by more than noise: on a plateau an edge means nothing.
    """

    rank: int | None
    learning_rate: float
    candidates: tuple[float, ...] = ()
    at_edge: bool = False


def tune(
    laboratory: Laboratory,
    ranks: Sequence[int | None],
    *,
    epochs: int,
    repeats: int,
    allowed: Rates = ANY_RATE,
) -> dict[int | None, Tuned]:
    """Choose each rank's rate by the mean validation score of the first repeats.

    The grid of a rank grows by one candidate at a time while its best rate sits at the edge.
    All ranks are tried in shared cohorts.

    Args:
        laboratory: Obtains members.
        ranks: Ranks to tune; ``None`` is the baseline.
        epochs: Length of every training.
        repeats: Repeats to choose on.
        allowed: Rates that may be used.
    """
    most = {rank: allowed.most(rank) for rank in ranks}
    rates = {rank: list(allowed.first(rank)) for rank in ranks}
    while True:
        laboratory.obtain(
            laboratory.member(rank, rate, repeat, epochs)
            for rank in ranks
            for rate in rates[rank]
            for repeat in range(repeats)
        )
        best = {
            rank: _best(laboratory, rank, rates[rank], epochs=epochs, repeats=repeats)
            for rank in ranks
        }
        growing = [rank for rank in ranks if _beyond(most[rank], rates[rank], best[rank])]
        if not growing:
            break
        for rank in growing:
            beyond = _beyond(most[rank], rates[rank], best[rank])
            assert beyond is not None
            rates[rank] = sorted([*rates[rank], beyond])
    return {
        rank: Tuned(
            rank,
            best[rank],
            tuple(rates[rank]),
            at_edge=_at_edge(laboratory, rank, rates[rank], best[rank], epochs, repeats),
        )
        for rank in ranks
    }


def candidate(
    laboratory: Laboratory, rank: int | None, rate: float, *, epochs: int, repeats: int
) -> Candidate:
    """What is known of one rate of one rank, aligned by repeat."""
    members = (laboratory.member(rank, rate, repeat, epochs) for repeat in range(repeats))
    runs = [laboratory.run(member) for member in members]

    def column(name: str) -> np.ndarray:
        values = [None if run is None else getattr(run, name) for run in runs]
        return np.array([np.nan if value is None else value for value in values], dtype=float)

    return Candidate(rate, column("validation"), column("validation_error"), column("test"))


def paired_error(
    laboratory: Laboratory,
    rank: int | None,
    rate: float,
    chosen: float,
    *,
    epochs: int,
    repeats: int,
) -> float | None:
    """`Candidate.paired_error` of a rate beside the chosen one.

    Of validation only scores are kept, so the spread of the difference from example to example
    is taken from the test predictions of the same trainings.

    Returns:
        ``None`` where a tuning repeat of either rate failed.
    """
    if rate == chosen:
        return 0.0
    bench, store = laboratory.bench, laboratory.store
    influence, tuning = METRICS[bench.task.metric].influence, tuning_repeats(repeats)
    target = bench.targets("test")
    difference = np.zeros(len(target))
    for repeat in range(tuning):
        for sign, at in ((1.0, rate), (-1.0, chosen)):
            run = laboratory.run(laboratory.member(rank, at, repeat, epochs))
            if run is None or run.status != "finished":
                return None
            difference += sign * influence(store.predictions(run.member), target) / tuning
    return float(difference.std() / np.sqrt(len(bench.targets("validation"))))


def tuning_repeats(repeats: int) -> int:
    """Repeats that rates are chosen on, of all repeats."""
    return min(TUNING_REPEATS, repeats)


def _best(
    laboratory: Laboratory, rank: int | None, rates: Iterable[float], *, epochs: int, repeats: int
) -> float:
    metric = METRICS[laboratory.bench.task.metric]
    tried = [candidate(laboratory, rank, rate, epochs=epochs, repeats=repeats) for rate in rates]
    return choose_rate(tried, higher_is_better=metric.higher_is_better).learning_rate


def _at_edge(
    laboratory: Laboratory,
    rank: int | None,
    rates: Sequence[float],
    best: float,
    epochs: int,
    repeats: int,
) -> bool:
    if rates[0] < best < rates[-1] or len(rates) == 1:
        return False
    neighbour = rates[1] if best == rates[0] else rates[-2]
    here, there = (
        candidate(laboratory, rank, rate, epochs=epochs, repeats=repeats)
        for rate in (best, neighbour)
    )
    if not np.isfinite(there.validation).any():
        return True  # the neighbour failed, so nothing says that this is a plateau
    gap = abs(np.nanmean(here.validation) - np.nanmean(there.validation))
    return bool(gap > np.nanmean(here.validation_error))


def _beyond(most: int, rates: Sequence[float], best: float) -> float | None:
    """The next candidate past the edge that the best rate sits at, if one is allowed."""
    if len(rates) >= most or rates[0] < best < rates[-1]:
        return None
    step = 1 if best == rates[-1] else -1
    return rounded_rate(round(2 * np.log10(best)) + step)
