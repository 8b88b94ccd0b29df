"""The words and number formats that the table, the figures and the report share.

Sentences about verdicts and flags are in `rankprobe.reporting.verdicts`. Text that comes from data
passes through `clean` before it is shown anywhere.
"""

from __future__ import annotations

import math

from rankprobe.records import MinimalRank, Result
from rankprobe.records.bounds import BOUNDS

FILES = (
    "result.json",
    "curve.png",
    "rates.png",
    "report.html",
    "inspection.json",
    "inspection.png",
)

METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "auroc": "AUROC",
    "log_loss": "log-loss",
    "r2": "R²",
    "mse": "mean squared error",
    "perplexity": "perplexity",
    "cross_entropy": "cross-entropy",
    "episode_return": "return in percent",
}
_BOUNDED_BY_ONE = frozenset(name for name, (_, largest) in BOUNDS.items() if largest == 1.0)


def clean(text: object) -> str:
    """One printable line: control and direction characters gone, white space collapsed."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def percent(share: float) -> str:
    """A share as a percentage in its shortest decimals: 0.95 is ``95 %``."""
    return f"{100 * share:.6g} %"


def metric_name(metric: str) -> str:
    """The metric's name in running text."""
    return METRICS.get(metric, clean(metric.replace("_", " ")))


def score_text(result: Result, score: float | None, *, digits: int = 4) -> str:
    """A score with as many decimals as give the baseline ``digits`` significant ones."""
    if score is None or not math.isfinite(score):
        return "failed"
    scale = abs(result.baseline.mean)
    if result.task.metric in _BOUNDED_BY_ONE or not math.isfinite(scale) or scale == 0:
        return f"{score:.{digits}f}"
    magnitude = math.floor(math.log10(scale))
    if not -4 <= magnitude <= 5:
        return f"{score:.{digits - 1}e}"
    return f"{score:.{max(0, digits - 1 - magnitude)}f}"


def rate_text(rate: float) -> str:
    """A learning rate, two significant digits at most: 0.001 is ``1e-3``."""
    mantissa, exponent = f"{rate:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def rank_text(rank: int | None) -> str:
    """A rank as a row's name: ``full`` for the baseline, ``head`` for rank 0."""
    return "full" if rank is None else "head" if rank == 0 else str(rank)


def target_words(result: Result, target: float | None = None) -> str:
    """What a rank has to reach: ``95 % of full training``, or of its gain over the floor.

    With an epsilon, and no share asked for: ``within 0.02 of full training's log-loss``.
    """
    if result.epsilon is not None and target is None:
        return f"within {result.epsilon:g} of full training's {metric_name(result.task.metric)}"
    words = f"{percent(result.target if target is None else target)} of full training"
    over = {"chance": "chance", "head": "the head alone"}.get(result.floor)
    return f"{words}'s gain over {over}" if over else words


def reach_words(result: Result, verb: str = "reaches") -> str:
    """The target with its verb: ``reaches 95 % of ...``, ``comes within 0.02 of ...``."""
    if result.epsilon is not None:
        verb = {"reaches": "comes", "reached": "come", "reaching": "coming"}[verb]
    return f"{verb} {target_words(result)}"


def target_label(result: Result) -> str:
    """The target as the name of a row: ``95 %``, ``within 0.02``."""
    return percent(result.target) if result.epsilon is None else f"within {result.epsilon:g}"


def target_score(result: Result) -> float:
    """The score that reaches the target: floor + target * (full training - floor).

    With an epsilon it is full training's score, worse by epsilon.
    """
    if result.epsilon is not None:
        return result.baseline.mean - result.epsilon * (1 if result.higher_is_better else -1)
    gain = result.baseline.mean - result.floor_score
    return result.floor_score + result.target * gain


def target_share(result: Result) -> float:
    """The recovery that reaches the target; with an epsilon it follows from full training."""
    gain = result.baseline.mean - result.floor_score
    if result.epsilon is None or not gain:
        return result.target
    return (target_score(result) - result.floor_score) / gain


def interval_words(minimal: MinimalRank) -> str:
    """The interval of the minimal rank: ``5 to 7``, ``up to 7``, ``5 or more``."""
    if minimal.low is None and minimal.high is None:
        return "open on both sides"
    if minimal.low is None:
        return f"up to {minimal.high}"
    return f"{minimal.low} or more" if minimal.high is None else f"{minimal.low} to {minimal.high}"


def minimal_words(minimal: MinimalRank) -> str:
    """The answer in a few words, for a list of targets: ``6 (5 to 7)``, ``above 64``."""
    if minimal.value is not None:
        return f"{minimal.value} ({interval_words(minimal)})"
    if minimal.verdict == "at_or_below_smallest" and minimal.high is not None:
        return f"at most {minimal.high}"
    if minimal.verdict == "above_largest" and minimal.low is not None:
        return f"above {minimal.low - 1}"
    return minimal.verdict.replace("_", " ")


def duration(seconds: float) -> str:
    """Wall time for people: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
