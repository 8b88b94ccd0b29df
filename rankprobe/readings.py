"""What is read from several results of one task, checked for being of one task.

Importing this does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankprobe.errors import ConfigError, Problem
from rankprobe.records import Result
from rankprobe.records.transition import Transition

if TYPE_CHECKING:
    from rankprobe.statistics.evidence import Evidence

_INDIFFERENT = ("search.target", "search.epsilon")  # a transition asks for no full training
_RESAMPLED = {
    "epoch": "drawn anew each epoch",
    "step": "another of {} each step",
    "batch": "{} in every batch",
}


def transition(
    static: Result | str | Path,
    resampled: Result | str | Path,
    *,
    share: float = 0.95,
    confidence: float = 0.95,
) -> Transition:
    """The smallest rank at which a scaffold that is not kept catches up with a static one.

    Both are measurements of one task with one network and one seed, at the same ranks, that
    differ in nothing but the ``scaffold`` section of dataset.yaml.

    Args:
        static: Result, run folder or result.json of the one with the static scaffold.
        resampled: The same of the other.
        share: Share of the static scaffold's gain over the floor, to be reached at equal rank.
        confidence: Level of the interval.

    Raises:
        ConfigError: They differ in more than the scaffold, or not at all; or a share that is
            not between 0 and 1.
        ArtifactError: A result that cannot be read.
    """
    from rankprobe.reporting.comparison import unique_labels
    from rankprobe.result_file import load_result
    from rankprobe.statistics.transition import find_transition

    for name, value in (("share", share), ("confidence", confidence)):
        if not 0.0 < value < 1.0:
            raise ConfigError(f"--{name} {value:g}: give a number between 0 and 1, such as 0.95")
    both = [r if isinstance(r, Result) else load_result(r) for r in (static, resampled)]
    labels = unique_labels(both)
    _refuse_others(both, labels)
    evidence = [_evidence(result) for result in both]
    known = [item for item in evidence if item is not None]
    return find_transition(
        both[0],
        both[1],
        share=share,
        confidence=confidence,
        evidence=(known[0], known[1]) if len(known) == len(both) else None,
        labels=_labels(both, labels),
    )


def _refuse_others(both: Sequence[Result], labels: Sequence[str]) -> None:
    """Refuse what is not one task under two scaffolds, everything wrong with it in one message."""
    from rankprobe.config import TaskConfig
    from rankprobe.statistics.scope import scope_differences

    defaults = TaskConfig().model_dump(mode="json")
    differing = [
        f"{item.setting} ({item.words()})"
        for item in scope_differences(both, labels, defaults=defaults)
        if item.setting not in _INDIFFERENT and not item.setting.startswith("scaffold.")
    ]
    for name, values in _facts(both).items():
        if values[0] != values[1]:
            told = "; ".join(f"{v} in {label}" for v, label in zip(values, labels, strict=True))
            differing.append(f"{name} ({told})")
    first, second = ({point.rank for point in result.points} for result in both)
    if not first & second:
        differing.append("ranks (none was measured in both)")
    if differing:
        raise ConfigError(
            Problem(
                f"{labels[0]} and {labels[1]} are not one task under two scaffolds: they differ "
                f"in {', '.join(differing)}",
                hint="set these equal, and measure again; only the `scaffold` section may differ",
            )
        )
    roles = [_resampling(result) for result in both]
    if roles[0] is not None and roles[0] != "static" and roles[1] == "static":
        raise ConfigError(
            f"{labels[0]} has no static scaffold ({roles[0]}), and {labels[1]} has: give the "
            "static one first"
        )
    if roles[0] is not None and roles[0] == roles[1]:
        raise ConfigError(
            f"{labels[0]} and {labels[1]} have the same scaffold ({roles[0]}): give one result "
            "with a static scaffold and one with `scaffold: {resample: epoch}`, or another"
        )


def _facts(both: Sequence[Result]) -> Mapping[str, list[Any]]:
    """What must be equal besides the settings of network and training."""
    searches = [(_configuration(result) or {}).get("search") or {} for result in both]
    return {
        "data": [result.task.hash[:12] for result in both],
        "metric": [result.task.metric for result in both],
        "seed": [(_configuration(result) or {}).get("seed") for result in both],
        "epochs": [result.scope.get("epochs") for result in both],
        "search.scaffolds": [search.get("scaffolds", 1) for search in searches],
    }


def _configuration(result: Result) -> Mapping[str, Any] | None:
    configuration = result.provenance.get("configuration")
    return configuration if isinstance(configuration, Mapping) else None


def _resampling(result: Result) -> str | None:
    """What becomes of the scaffold, in words; ``static``; ``None`` where that is not known."""
    configuration = _configuration(result)
    if configuration is None:
        return None
    scaffold = configuration.get("scaffold") or {}
    if scaffold.get("frozen", "seeded") == "zero":
        return "no scaffold"
    if scaffold.get("evaluation", "kept") == "removed":
        return "removed after training"
    way = scaffold.get("resample", "none")
    if way in (None, "none"):
        return "static"
    return _RESAMPLED.get(way, f"resampled: {way}").format(scaffold.get("count", 2))


def _labels(both: Sequence[Result], names: Sequence[str]) -> tuple[str, str]:
    first, second = (_resampling(result) for result in both)
    return (first or names[0], second or names[1])


def _evidence(result: Result) -> Evidence | None:
    """What a result was read from: in memory, or beside it, unless that is another result's."""
    from rankprobe.evidence_file import FILE, load_evidence

    if result.evidence is not None or result.folder is None:
        evidence: Evidence | None = result.evidence
        return evidence
    if not (file := result.folder / FILE).is_file():
        return None
    found, _ = load_evidence(file)
    kept = {item.rank: tuple(s for s in item.scores.tolist() if s == s) for item in found.ranks}
    same = all(kept.get(point.rank) == point.scores for point in result.points)
    return found if same else None
