"""What the verdicts and flags of a result mean, in sentences that every page and table shares.

Each of them is written here, once.
"""

from __future__ import annotations

from rankprobe.records import MinimalRank, Result
from rankprobe.reporting.wording import clean, interval_words, percent, reach_words

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
        "there are fewer than 3 repeats, or fewer than 3 scaffold seeds for repeats to take turns "
        "with: the intervals say little about luck in training"
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


def figure_words(result: Result) -> tuple[str, str]:
    """The answer in two short lines, as the figure names it."""
    minimal, reaches = result.minimal_rank, reach_words(result)
    if minimal.value is not None:
        interval = f"{percent(minimal.confidence)} interval {interval_words(minimal)}"
        needless = "; rank 0 reaches it too" if needs_no_adapter(minimal) else ""
        return f"minimal rank {minimal.value}", f"{interval}{needless}"
    if minimal.verdict == "at_or_below_smallest":
        return f"the smallest measured rank, {_smallest(result)},", f"already {reaches}"
    if minimal.verdict == "above_largest":
        return f"no rank up to {_largest(result)}", reaches
    if minimal.verdict == "not_monotone":
        return "no minimal rank: scores fall again", f"after {reach_words(result, 'reaching')}"
    if minimal.verdict == "no_signal":
        return "no signal:", "full training is not surely above chance"
    return "no minimal rank: full training", "is not yet a safe reference"


def needs_no_adapter(minimal: MinimalRank) -> bool:
    """Whether what is trained beside the adapters reaches the target by itself."""
    return "head_reaches_target" in minimal.flags


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
            named = f"Rank {minimal.value} is the smallest rank that {reaches}"
            if needs_no_adapter(minimal):
                named = (
                    "No adapter is needed: rank 0, which trains only what is beside the adapters, "
                    f"already {reaches}. Of the ranks with adapters, {minimal.value} is the "
                    "smallest that does"
                )
            interval = f"the {level} interval is {interval_words(minimal)}"
            return f"{named}; {interval}.{_parameters(minimal)}"
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
    """One sentence a flag, each with the ranks that carry it; the answer's flags first.

    What of the data was left out follows.
    """
    minimal = result.minimal_rank
    told = {"head_reaches_target"} if minimal.verdict == "resolved" else set()  # by the verdict
    carriers: dict[str, list[str]] = {flag: [] for flag in minimal.flags if flag not in told}
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
    lines += map(clean, result.provenance.get("left_out", ()))
    return tuple(line[0].upper() + line[1:] + "." for line in lines)


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
