"""How long to train: until doubling the length gains full training nothing."""

from __future__ import annotations

import math

from rankprobe.records import Member, Run
from rankprobe.search.laboratory import Laboratory
from rankprobe.search.learning_rate import tune
from rankprobe.search.rates import ANY_RATE, Rates
from rankprobe.statistics.metrics import METRICS

# The shorter of the first two lengths compared. Small data need many epochs to take as many
# steps as large data take in one.
_LEAST_EPOCHS, _LEAST_STEPS = 10, 300
DOUBLINGS = 4  # at most, so 16 times the first length
_SHARE = 0.005  # of the gain over chance that doubling may still bring
_LATE_SHARE = 0.03  # of the gain over chance that the last quarter of a training may bring


def choose_epochs(laboratory: Laboratory, rates: Rates = ANY_RATE) -> tuple[int, bool]:
    """Double the baseline's length until that gains no more than noise.

    Both lengths are compared at their own best learning rates, on the validation split of the
    first repeat. The longer one is used, for every rank.

    Returns:
        (epochs, whether the baseline has converged).
    """
    per_epoch = laboratory.bench.steps(Member(None, 1.0, 0, 1))
    epochs = first_epochs(per_epoch)
    shorter = _best_run(laboratory, epochs, rates)
    for _ in range(DOUBLINGS):
        epochs *= 2
        longer = _best_run(laboratory, epochs, rates)
        if not _gains(laboratory, shorter, longer, share=_SHARE, errors=1.0):
            return epochs, True
        shorter = longer
    return epochs, False


def first_epochs(steps_per_epoch: int) -> int:
    """The shorter of the first two lengths compared."""
    return max(_LEAST_EPOCHS, math.ceil(_LEAST_STEPS / steps_per_epoch))


def still_rising(laboratory: Laboratory, runs: list[Run]) -> bool:
    """Whether the mean validation score rises in the last quarter, by more than noise.

    The check for trainings whose length was given.
    """
    finished = [run for run in runs if run.status == "finished" and len(run.history) > 1]
    if not finished:
        return False
    sign, gain = _sign(laboratory), 0.0
    rises, errors = [], []
    for run in finished:
        last_epoch, last = run.history[-1]
        # Scores are taken at whole steps, so the one at three quarters may lie a little after.
        _, before = min(run.history[:-1], key=lambda point: abs(point[0] - 0.75 * last_epoch))
        rises.append(sign * (last - before))
        errors.append(run.validation_error or 0.0)
        gain += abs(last - _chance(laboratory))
    rise, error = sum(rises) / len(rises), sum(errors) / len(errors)
    gain /= len(rises)
    return rise > max(_LATE_SHARE * gain, 2 * error)


def _best_run(laboratory: Laboratory, epochs: int, rates: Rates) -> Run:
    tuned = tune(laboratory, [None], epochs=epochs, repeats=1, allowed=rates)[None]
    run = laboratory.run(laboratory.member(None, tuned.learning_rate, 0, epochs))
    assert run is not None
    return run


def _gains(laboratory: Laboratory, before: Run, after: Run, *, share: float, errors: float) -> bool:
    """Whether a run scores better than another, by more than a share of its gain and noise."""
    assert before.validation is not None
    assert after.validation is not None
    rise = _sign(laboratory) * (after.validation - before.validation)
    gain = abs(after.validation - _chance(laboratory))
    return rise > max(share * gain, errors * (after.validation_error or 0.0))


def _sign(laboratory: Laboratory) -> float:
    return METRICS[laboratory.bench.task.metric].sign


def _chance(laboratory: Laboratory) -> float:
    bench = laboratory.bench
    metric = METRICS[bench.task.metric]
    return metric.chance(bench.targets("train"), bench.targets("validation"))
