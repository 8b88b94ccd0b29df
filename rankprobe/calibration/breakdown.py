"""The outcomes part by part: by kind, planted rank, number of examples, noise and spectrum."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import median

from rankprobe.calibration.goals import covers, planted, recovery_coverage
from rankprobe.calibration.outcomes import Outcome
from rankprobe.calibration.proportions import Share

HEADER = ("", "tasks", "exact", "within 1", "covers", "width", "recovery")
Row = tuple[str, ...]

_RANKS = ((1, 2), (3, 4), (5, 8), (9, 16), (17, 32))
_EXAMPLES = ((500, 999), (1000, 1999), (2000, 4999), (5000, 20_000))
_NOISES = ((0.0, 0.1), (0.1, 0.25), (0.25, 0.5))


def breakdowns(outcomes: Sequence[Outcome]) -> dict[str, list[Row]]:
    """Rows of text under `HEADER`, by the title of their table.

    Exact, within one and covers are shares of the tasks in per cent; width is the median width
    of the interval of the minimal rank; recovery is the coverage of its intervals in per cent.
    """
    known = planted(outcomes)
    linear = [outcome for outcome in known if outcome.kind == "linear"]
    tables = {
        "kind": [
            *_rows(linear, ("clear", "near tie"), lambda o: o.stratum, "linear, "),
            *_rows(outcomes, ("confirmed", "unconfirmed"), lambda o: o.stratum, "teacher, "),
        ],
        "planted rank": _ranges(known, _RANKS, lambda o: o.k or 0),
        "minimal rank": _ranges(known, _RANKS, lambda o: o.expected or 0),
        "examples": _ranges(known, _EXAMPLES, lambda o: o.n),
        "noise": _noises(linear),
        "spectrum": _rows(linear, sorted({_spectrum(o) for o in linear}), _spectrum),
        "repeats": _repeats(known),
    }
    return {title: rows for title, rows in tables.items() if rows}


def verdicts(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How often each verdict was given."""
    return dict(Counter(outcome.found.verdict for outcome in outcomes).most_common())


def row(name: str, outcomes: Sequence[Outcome]) -> Row:
    """One row of a breakdown."""
    total = len(outcomes)
    known = [o for o in outcomes if o.expected is not None]
    recovery = recovery_coverage(outcomes)
    return (
        name,
        str(total),
        _share(sum(o.exact for o in outcomes), total),
        _share(sum(o.within_one for o in outcomes), total),
        _share(sum(map(covers, known)), len(known)),
        width_words(outcomes),
        _points(recovery),
    )


def width_words(outcomes: Sequence[Outcome]) -> str:
    """Median width of the interval; ``open`` where half of them have an open end."""
    if not outcomes:
        return ""
    middle = median(outcome.found.width for outcome in outcomes)
    return f"{middle:g}" if math.isfinite(middle) else "open"


def _rows(
    outcomes: Sequence[Outcome],
    values: Iterable[str],
    key: Callable[[Outcome], str],
    prefix: str = "",
) -> list[Row]:
    groups = [(value, [o for o in outcomes if key(o) == value]) for value in values]
    return [row(f"{prefix}{value}", group) for value, group in groups if group]


def _ranges(
    outcomes: Sequence[Outcome],
    ranges: Sequence[tuple[int, int]],
    key: Callable[[Outcome], int],
) -> list[Row]:
    groups = [
        (f"{low:,} to {high:,}", [o for o in outcomes if low <= key(o) <= high])
        for low, high in ranges
    ]
    return [row(name, group) for name, group in groups if group]


def _noises(outcomes: Sequence[Outcome]) -> list[Row]:
    last = _NOISES[-1][1]
    groups = [
        (
            f"{100 * low:g} to {100 * high:g} %",
            [o for o in outcomes if low <= o.noise < high or (o.noise == high == last)],
        )
        for low, high in _NOISES
    ]
    return [row(name, group) for name, group in groups if group]


def _repeats(outcomes: Sequence[Outcome]) -> list[Row]:
    """The same trainings read with fewer repeats; recovery is read with all of them alone."""
    rows = []
    for count in sorted({count for o in outcomes for count, _ in o.fewer}):
        group = [
            replace(o, found=dict(o.fewer)[count], points=())
            for o in outcomes
            if count in dict(o.fewer)
        ]
        if group:
            rows.append(row(f"{count} repeats", group))
    whole = sorted({o.repeats for o in outcomes})
    groups = [(count, [o for o in outcomes if o.repeats == count]) for count in whole]
    return rows + [row(f"{count} repeats", group) for count, group in groups]


def _spectrum(outcome: Outcome) -> str:
    return "flat" if outcome.decay == 1 else f"{outcome.decay:g}^i"


def _share(hits: int, total: int) -> str:
    return f"{100 * hits / total:.0f} %" if total else ""


def _points(share: Share) -> str:
    return f"{100 * share.value:.1f} % of {share.total:,}" if share.total else ""
