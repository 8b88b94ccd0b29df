"""All nine kinds of task in one table, and what was expected of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rankprobe.records import Result
from rankprobe.reporting.verdicts import needs_no_adapter
from rankprobe.reporting.wording import (
    duration,
    metric_name,
    minimal_words,
    percent,
    score_text,
)
from studies.catalogue import find
from studies.markdown import table
from studies.nine.kinds import EXPECTED, KINDS, Kind, results
from studies.nine.published import Published
from studies.nine.shape import measured_spots, reading
from studies.ordering.orders import JUDGED, Order, judge

TARGET = "0.95"
PICTURE = Path("nine/results/nine.png")
NAMES = (
    "study",
    "task",
    "kind",
    "architecture",
    "training examples",
    "metric",
    "full training",
    "r* at 95 %",
    "share of parameters",
    "published",
    "status",
)


def block(root: Path, *, prefix: str = "") -> str:
    """The table, the figure, and the expectations with what became of them.

    Args:
        root: Folder of the studies.
        prefix: Path from the document to that folder, with its slash.
    """
    parts = [table(NAMES, [_row(kind, root, prefix) for kind in KINDS])]
    if (root / PICTURE).is_file():
        words = "recovery of full training against rank, a panel a kind of task"
        parts.append(f"![{words}]({prefix}{PICTURE.as_posix()})")
    lines = [*_floors(root)]
    lines += [f"- {_expectation(order, root)}" for order in EXPECTED]
    lines += [f"- {name}: it {shape}" for name, shape in _shapes(root)]
    return "\n\n".join([*parts, "\n".join(lines)])


def _row(kind: Kind, root: Path, prefix: str) -> list[str]:
    result = kind.result(root)
    name = f"[{kind.study}]({prefix}{kind.study}/)"
    measured = _planned(kind, root) if result is None else _measured(result)
    cells = [name, kind.task, kind.kind, *measured, _published(kind.published)]
    return [*cells, status(kind, result)]


def _measured(result: Result) -> list[str]:
    minimal = result.targets.get(TARGET, result.minimal_rank)
    return [
        str(result.scope.get("architecture") or result.scope["backbone"]["family"]),
        f"{result.task.train:,}",
        metric_name(result.task.metric),
        score_text(result, result.baseline.mean),
        minimal_words(minimal) + (", rank 0 too" if needs_no_adapter(minimal) else ""),
        percent(float(f"{minimal.share:.2g}")) if minimal.share else "",
    ]


def _planned(kind: Kind, root: Path) -> list[str]:
    """What the settings say of a measurement that has not been made."""
    document: dict[str, Any] = yaml.safe_load(kind.measurement.config(root).read_text("utf-8"))
    backbone = document.get("backbone", {"family": "mlp"})
    words = [f"{key.replace('_', ' ')} {value}" for key, value in backbone.items()]
    architecture = ", ".join(words).removeprefix("family ")
    return [architecture, "", metric_name(document.get("metric", "accuracy")), "", "", ""]


def status(kind: Kind, result: Result | None) -> str:
    """What there is: how it was measured, or why it was not; never nothing."""
    if result is None:
        return kind.status or f"not measured yet: `python -m studies.run {kind.study}`"
    repeats = len(result.baseline.scores)
    words = f"measured, {repeats} repeats, {duration(float(result.cost['seconds']))}"
    return f"{words}; {kind.status}" if kind.status else words


def _published(published: Published) -> str:
    """The smallest published rank that our rule would name, and what it is read from."""
    found, ranks = published.smallest(float(TARGET)), list(published.scores)
    if found is not None:
        others = [str(rank) for rank in ranks if rank < found]
        below = f", above {others[-1]}" if others else ""
        return f"{found}{below} (full {published.full:.4g})"
    best = max(ranks, key=published.recovery)
    share = f"{100 * published.recovery(best):.1f} %"
    return f"above {ranks[-1]}: {share} at {best} (full {published.full:.4g})"


def _expectation(order: Order, root: Path) -> str:
    lower, higher = (find(name).result(root) for name in (order.lower, order.higher))
    words = f"expected: {order.lower} needs a smaller rank than {order.higher}"
    if lower is None or higher is None:
        missing = order.lower if lower is None else order.higher
        return f"{words}; not judged yet: {missing} is not measured"
    ranks = [
        minimal_words(r.targets[TARGET]) if TARGET in r.targets else "" for r in (lower, higher)
    ]
    judged = JUDGED[judge(lower, higher, TARGET)]
    return f"{words}; {judged}: {ranks[0]} and {ranks[1]} ({order.why})"


def _floors(root: Path) -> list[str]:
    """What r* is a share of, where results differ in it."""
    over = {"chance": "full training's gain over chance", "none": "full training's score"}
    named: dict[str, list[str]] = {}
    for name, result in results(root).items():
        named.setdefault(over.get(result.floor, result.floor), []).append(name)
    return [f"- r* is at 95 % of {words}: {', '.join(names)}" for words, names in named.items()]


def _shapes(root: Path) -> list[tuple[str, str]]:
    """What each measured curve does as the rank rises."""
    found = results(root)
    return [
        (kind.study, reading(measured_spots(found[kind.study])))
        for kind in KINDS
        if kind.study in found and found[kind.study].minimal_rank.verdict != "no_signal"
    ]
