"""The sentences of a comparison; those on a single result are in `rankprobe.reporting.verdicts`."""

from __future__ import annotations

from collections.abc import Sequence

from rankprobe.records import Result
from rankprobe.records.comparison import Comparison, Difference
from rankprobe.reporting.verdicts import flag_sentence
from rankprobe.reporting.wording import clean, metric_name, percent

_WITHOUT = {
    "no_signal": "full training does not beat chance, so there is no minimal rank",
    "baseline_suspect": "full training is not a safe reference, so no minimal rank is named",
}


def limits_words(pair: Difference) -> str:
    """The limits of a difference; open sides in words, never in numbers."""
    if pair.low is None and pair.high is None:
        return "none on either side"
    if pair.low is None:
        return f"up to {_signed(pair.high)}"
    if pair.high is None:
        return f"{_signed(pair.low)} or more"
    return f"{_signed(pair.low)} to {_signed(pair.high)}"


def pair_words(pair: Difference) -> str:
    """What a difference comes to: ``a < b``, or that they cannot be told apart."""
    if pair.smaller is None:
        return "cannot be told apart"
    larger = pair.second if pair.smaller == pair.first else pair.first
    return f"{pair.smaller} < {larger}"


def order_lines(comparison: Comparison) -> list[str]:
    """Who needs less than whom, one line a task, and who cannot be told apart."""
    larger: dict[str, list[str]] = {}
    for pair in comparison.pairs:
        if pair.smaller is not None:
            other = pair.second if pair.smaller == pair.first else pair.first
            larger.setdefault(pair.smaller, []).append(other)
    lines = [
        f"{task.label} < {', '.join(larger[task.label])}"
        for task in comparison.tasks
        if task.label in larger
    ]
    lines += [
        f"{_listed(group)} cannot be told apart" for group in comparison.groups if len(group) > 1
    ]
    return lines


def comparison_notes(comparison: Comparison) -> list[str]:
    """What the reader should know beside the numbers, without full stops."""
    named = dict(zip((task.label for task in comparison.tasks), comparison.results, strict=True))
    return [
        *_method(comparison),
        *_left_out(comparison),
        *_recoveries(comparison),
        *_settings(named),
        *_same_data(named),
        *_flags(comparison),
    ]


def _method(comparison: Comparison) -> list[str]:
    pairs, notes = comparison.pairs, []
    level = percent(round(comparison.confidence, 6))
    error = f"{round(1 - comparison.confidence, 6):g}"
    resampled = [pair for pair in pairs if pair.basis == "resamples"]
    if pairs:
        notes.append("a difference of 1 is twice the rank")
    if resampled:
        notes.append(
            "a resample that names a measured rank stands for every rank after the measured one "
            "before it, and limits and p take the ones that speak least for a difference"
        )
        notes.append(
            f"limits hold for all pairs at once at {level} (Bonferroni); p is Holm's correction, "
            f"and tasks are told apart where it is at most {error}: slightly sharper "
            "than the limits"
        )
    if len(resampled) < len(pairs):
        notes.append(
            "pairs with * hold a result of one repeat, or one without resamples as older "
            "versions wrote them: they count as told apart only where the two intervals of the "
            "minimal ranks do not overlap, which is not corrected for the number of pairs"
        )
    if any(pair.low is None or pair.high is None for pair in pairs):
        notes.append(
            "a minimal rank above the largest or below the smallest measured rank has a limit on "
            "one side only, and so have its differences"
        )
    return notes


def _left_out(comparison: Comparison) -> list[str]:
    compared = {label for pair in comparison.pairs for label in (pair.first, pair.second)}
    notes = []
    for task in comparison.tasks:
        if task.label not in compared and not task.group:
            why = _WITHOUT.get(task.minimal_rank.verdict, "it has neither a rank nor a limit")
            notes.append(f"{task.label} is compared with none: {why}")
    if not comparison.pairs:
        notes.append("fewer than two tasks can be compared")
    return notes


def _recoveries(comparison: Comparison) -> list[str]:
    by_metric: dict[str, list[str]] = {}
    for task in comparison.tasks:
        by_metric.setdefault(task.metric, []).append(task.label)
    if len(by_metric) < 2:
        return []
    parts = [f"{metric_name(metric)} in {_listed(names)}" for metric, names in by_metric.items()]
    return [f"recoveries are of different metrics: {'; '.join(parts)}"]


def _settings(named: dict[str, Result]) -> list[str]:
    """What may differ, but changes what an interval holds."""
    counts: dict[int, list[str]] = {}
    for label, result in named.items():
        search = (result.provenance.get("configuration") or {}).get("search") or {}
        counts.setdefault(search.get("scaffolds", 1), []).append(label)
    if len(counts) < 2:
        return []
    parts = [f"{count} in {_listed(names)}" for count, names in counts.items()]
    return [f"the number of scaffold seeds that an interval covers differs: {'; '.join(parts)}"]


def _same_data(named: dict[str, Result]) -> list[str]:
    sharing: dict[str, list[str]] = {}
    for label, result in named.items():
        sharing.setdefault(result.task.hash, []).append(label)
    return [
        f"{_listed(names)} are of the same data: differences are computed as if they were "
        "independent, which errs on the wide side"
        for data, names in sharing.items()
        if data and len(names) > 1
    ]


def _flags(comparison: Comparison) -> list[str]:
    carriers: dict[str, list[str]] = {}
    for task in comparison.tasks:
        for flag in task.minimal_rank.flags:
            carriers.setdefault(flag, []).append(task.label)
    return [f"{_listed(names)}: {flag_sentence(flag)}" for flag, names in carriers.items()]


def _listed(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    *rest, last = [clean(name) for name in names]
    return f"{', '.join(rest)} and {last}" if rest else last


def _signed(value: float | None) -> str:
    return "" if value is None else f"{round(value, 2) + 0.0:+.2f}"
