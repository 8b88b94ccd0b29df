"""The words and number formats that the table, the figures and the report share.

Every sentence about a verdict or a flag is written here, once. Text that comes from data
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

FLAGS = {
    "adapter_beats_baseline": (
        "an adapter beats full training by more than noise: at this number of examples a low "
        "rank regularises, so the target is measured against a weaker reference"
    ),
    "imprecise": (
        "the interval of the minimal rank is wide: what its noise comes from says what narrows it"
    ),
    "grid": (
        "ranks just below the minimal rank were not measured, so it is the smallest measured rank "
        "that passes, and its interval reaches down to the measured rank before it"
    ),
    "adapter_not_converged": (
        "an adapter was still improving at the end of its training: more epochs may lower the "
        "minimal rank"
    ),
    "head_reaches_target": (
        "rank 0 already reaches the target: what is trained beside the adapters is enough on the "
        "frozen network, and no adapter is needed"
    ),
    "unresolved_tie": (
        "neighbouring ranks around the minimal rank cannot be told apart from each other or from "
        "the target, so which of them is named is luck: read the interval, not the rank"
    ),
    "failed_members": (
        "some trainings diverged or failed and are left out of the scores, so fewer repeats "
        "stand behind them"
    ),
    "few_repeats": (
        "fewer than 3 repeats, or scaffold seeds that they share: the intervals say little about "
        "luck in training"
    ),
    "smaller_rank_reaches": (
        "a smaller rank's mean reaches the target too, but larger ranks fall below it again: "
        "taken together they do not reach it, so that rank is not named"
    ),
    "imbalanced": (
        "the classes are imbalanced: accuracy mostly follows the largest class, which "
        "balanced_accuracy and auroc do not"
    ),
    "duplicates_across_splits": (
        "some examples stand in more than one split, so scores may be too high"
    ),
    "mostly_duplicates": (
        "at least half of the test rows also stand in another split, so the scores mostly "
        "measure memory: divide by `group`, or remove repeated rows"
    ),
    "time_across_splits": (
        "rows of one and the same time stand in two splits, so the test rows are not all later "
        "than the training rows: give a finer time, or other shares"
    ),
    "rate_at_edge": (
        "the best learning rate is the smallest or the largest one tried, so a better one may "
        "lie beyond it"
    ),
    "not_converged": "full training was still improving at its end: train for more epochs",
}
_SUSPECT = {
    "not_converged": "it was still improving at its end",
    "rate_at_edge": "its best learning rate is at the edge of those tried",
}


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


def figure_words(result: Result) -> tuple[str, str]:
    """The answer in two short lines, as the figure names it."""
    minimal, reaches = result.minimal_rank, reach_words(result)
    if minimal.value is not None:
        interval = f"{percent(minimal.confidence)} interval {interval_words(minimal)}"
        return f"minimal rank {minimal.value}", interval
    if minimal.verdict == "at_or_below_smallest":
        return f"the smallest measured rank, {_smallest(result)},", f"already {reaches}"
    if minimal.verdict == "above_largest":
        return f"no rank up to {_largest(result)}", reaches
    if minimal.verdict == "not_monotone":
        return "no minimal rank: scores fall again", f"after {reach_words(result, 'reaching')}"
    if minimal.verdict == "no_signal":
        return "no signal:", "full training is not surely above chance"
    return "no minimal rank: full training", "is not yet a safe reference"


def headline(result: Result) -> str:
    """The answer in one line that begins with the task's name."""
    minimal = result.minimal_rank
    first, second = figure_words(result)
    words = f"{first} {second}"
    if minimal.value is not None:
        words = f"rank {minimal.value} {reach_words(result)} ({second})"
        if minimal.verdict == "not_monotone":
            words += ", but scores fall again"
    return f"{clean(result.task.name)}: {words}"


def verdict_sentence(result: Result) -> str:
    """The verdict in a full sentence: what it means, and what would change it."""
    minimal, reaches = result.minimal_rank, reach_words(result)
    level = percent(minimal.confidence)
    match minimal.verdict:
        case "resolved":
            return (
                f"Rank {minimal.value} is the smallest rank that {reaches}; the {level} "
                f"interval is {interval_words(minimal)}.{_parameters(minimal)}"
            )
        case "at_or_below_smallest":
            return (
                f"The smallest measured rank, {_smallest(result)}, already {reaches}, so "
                "the minimal rank is that rank or a smaller one: measure smaller ranks to find it."
            )
        case "above_largest":
            return (
                f"No rank up to {_largest(result)}, the largest measured, {reaches}; "
                "the curve is not extrapolated beyond it."
            )
        case "not_monotone":
            first = f" (rank {minimal.value} is the first)" if minimal.value is not None else ""
            return (
                "The scores fall by more than noise after a rank has "
                f"{reach_words(result, 'reached')}{first}, so no single rank separates "
                "enough from too little: look at the learning rates of the ranks that fall."
            )
        case "no_signal":
            if "few_repeats" in minimal.flags:
                return (
                    "Full training does not beat chance by more than noise, and the noise of so "
                    "few repeats is hardly known, so there is no minimal rank: measure with more "
                    "repeats before you conclude that nothing was learned."
                )
            return (
                "Full training does not beat chance by more than noise: nothing was learned that "
                "an adapter could recover, so there is no minimal rank."
            )
        case "baseline_suspect":
            reasons = [_SUSPECT.get(flag, flag_sentence(flag)) for flag in result.baseline.flags]
            because = f": {' and '.join(reasons)}" if reasons else ""
            return (
                f"Full training is not a safe reference{because}; no minimal rank is named. "
                "Train for more epochs or widen the learning rates."
            )


def flag_sentence(flag: str) -> str:
    """What a flag means to the reader; an unknown flag says its own name."""
    return FLAGS.get(flag, clean(flag.replace("_", " ")))


def flag_lines(result: Result) -> tuple[str, ...]:
    """One sentence a flag, each with the ranks that carry it; the answer's flags first."""
    carriers: dict[str, list[str]] = {flag: [] for flag in result.minimal_rank.flags}
    for point in result.points:
        for flag in point.flags:
            own = "adapter_not_converged" if flag == "not_converged" else flag
            carriers.setdefault(own, []).append(str(point.rank))
    lines = []
    for flag, ranks in carriers.items():
        where = f" (rank {', '.join(ranks)})" if ranks else ""
        lines.append(flag_sentence(flag) + where)
    for flag in result.baseline.flags:
        words = flag_sentence(flag)
        lines.append(words if "full training" in words else f"full training: {words}")
    return tuple(line[0].upper() + line[1:] + "." for line in lines)


def duration(seconds: float) -> str:
    """Wall time for people: ``42 s``, ``3 min 05 s``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _smallest(result: Result) -> int:
    high = result.minimal_rank.high
    return high if high is not None else result.points[0].rank


def _largest(result: Result) -> int:
    low = result.minimal_rank.low
    return low - 1 if low is not None else result.points[-1].rank


def _parameters(minimal: MinimalRank) -> str:
    if minimal.degrees_of_freedom is None:
        return ""
    share = f", {percent(float(f'{minimal.share:.2g}'))} of the network's" if minimal.share else ""
    if minimal.share and minimal.share >= 1.0:
        share += ": no fewer than full training has"
    return f" Its adapters hold {minimal.degrees_of_freedom:,} trained parameters{share}."
