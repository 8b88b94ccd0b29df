"""What is read from several results of one task, checked for being of one task.

Importing this does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankprobe.errors import ConfigError, Problem
from rankprobe.records import Result
from rankprobe.records.capacity import Capacity, SizeAxis
from rankprobe.records.grid import GRID_FILE, Grid
from rankprobe.records.transition import Transition

if TYPE_CHECKING:
    from rankprobe.statistics.evidence import Evidence

_SIZES = {  # settings of a network that make it larger
    f"backbone.{key}"
    for key in ("size", "hidden", "width", "feedforward", "heads", "backbone_units")
}
# How names of combinations call what varies, where its values say too little by themselves.
_VARYING = {key.rpartition(".")[2] for key in _SIZES} | {
    "frozen", "evaluation", "resample", "count", "draws"
}  # fmt: skip
_FEWEST_SIZES = 3
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
    found = find_transition(
        both[0],
        both[1],
        share=share,
        confidence=confidence,
        evidence=(known[0], known[1]) if len(known) == len(both) else None,
        labels=_labels(both, labels),
    )
    return replace(found, task=common_name(both))


def capacity(
    results: str | Path | Grid | Iterable[Result | str | Path], *, confidence: float = 0.95
) -> Capacity:
    """Whether the minimal rank of one task levels off as its network grows.

    Args:
        results: Three measurements or more that differ in the size of the network alone:
            results, run folders or result.json files; or a grid of them, or its folder.
        confidence: Level of intervals and verdicts.

    Raises:
        ConfigError: Fewer than three, equal sizes, or results that differ in more than size.
        ArtifactError: A result that cannot be read.
    """
    from rankprobe.reporting.comparison import unique_labels
    from rankprobe.statistics.capacity import find_capacity

    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence {confidence:g}: give a number between 0 and 1, such as 0.95")
    read = _read_all(results)
    if len(read) < _FEWEST_SIZES:
        raise ConfigError(
            Problem(
                f"a sweep over sizes needs {_FEWEST_SIZES} results, and there are {len(read)}",
                hint="measure with other `backbone.size`, such as 0.25, 0.5, 1 and 2",
            )
        )
    labels = unique_labels(read)
    differing = _differing(read, labels, allowed=lambda key: key in _SIZES)
    if differing:
        raise ConfigError(
            Problem(
                f"these are not one task over sizes of one network: they differ in "
                f"{', '.join(differing)}",
                hint="set these equal, and measure again; only the network's size may differ",
            )
        )
    axis, sizes = _sizes(read)
    found = find_capacity(read, labels, sizes, axis=axis, confidence=confidence)
    return replace(found, task=results.name if isinstance(results, Grid) else common_name(read))


def common_name(results: Sequence[Result]) -> str:
    """What results of one task are about: their name, that of their grid, or what names share.

    Names of a grid's combinations are the grid's name and what varies, with dashes between.
    """
    names = list(dict.fromkeys(map(_grid_or_own_name, results)))
    if len(names) == 1:
        return names[0]
    parts = zip(*(name.split("-") for name in names), strict=False)
    shared = [same[0] for same in takewhile(lambda part: len(set(part)) == 1, parts)]
    while len(shared) > 1 and shared[-1] in _VARYING:
        shared.pop()
    return "-".join(shared) or " and ".join(names)


def _grid_or_own_name(result: Result) -> str:
    """The name of the grid that a run folder lies in, else the result's own."""
    name, folder = result.task.name, result.folder
    if folder is None or not (folder.parent / GRID_FILE).is_file():
        return name
    return name.removesuffix(f"-{folder.name}") or name


def _read_all(results: str | Path | Grid | Iterable[Result | str | Path]) -> list[Result]:
    from rankprobe.result_file import load_result

    if isinstance(results, Grid):
        return list(results.results.values())
    items = [results] if isinstance(results, str | Path) else list(results)
    read: list[Result] = []
    for item in items:
        if isinstance(item, Result):
            read.append(item)
        elif (Path(item) / GRID_FILE).is_file():
            found = sorted(file.parent for file in Path(item).glob("*/result.json"))
            read += [load_result(folder) for folder in found]
        else:
            read.append(load_result(item))
    return read


def _sizes(results: Sequence[Result]) -> tuple[SizeAxis, list[float]]:
    """The setting if it differs everywhere, else the width, else the number of parameters."""
    backbones = [(_configuration(result) or {}).get("backbone") or {} for result in results]
    found: dict[SizeAxis, list[Any]] = {
        "size": [backbone.get("size") for backbone in backbones],
        "width": [result.scope.get("largest_useful_rank") for result in results],
        "parameters": [result.baseline.parameters for result in results],
    }
    for axis, sizes in found.items():
        if all(sizes) and len(set(sizes)) == len(sizes):
            return axis, [float(size) for size in sizes]
    raise ConfigError(
        Problem(
            "two of these results have a network of one and the same size",
            hint="give each size once; `rankprobe compare` compares tasks",
        )
    )


def _refuse_others(both: Sequence[Result], labels: Sequence[str]) -> None:
    """Refuse what is not one task under two scaffolds, everything wrong with it in one message."""
    differing = _differing(both, labels, allowed=_of_the_scaffold)
    epochs = [result.scope.get("epochs") for result in both]
    if epochs[0] != epochs[1]:
        differing.append(f"epochs ({_by_label(epochs, labels)})")
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


def _of_the_scaffold(setting: str) -> bool:
    """Whether it may differ: a transition asks for no full training, so for no target."""
    return setting.startswith("scaffold.") or setting in ("search.target", "search.epsilon")


def _differing(
    results: Sequence[Result], labels: Sequence[str], *, allowed: Callable[[str], bool]
) -> list[str]:
    """In what results of one task differ though they should not, in words."""
    from rankprobe.config import TaskConfig
    from rankprobe.statistics.scope import scope_differences

    defaults = TaskConfig().model_dump(mode="json")
    found = [
        f"{item.setting} ({item.words()})"
        for item in scope_differences(results, labels, defaults=defaults)
        if not allowed(item.setting)
    ]
    configurations = [_configuration(result) or {} for result in results]
    facts: dict[str, list[Any]] = {
        "data": [result.task.hash[:12] for result in results],
        "metric": [result.task.metric for result in results],
        "seed": [configuration.get("seed") for configuration in configurations],
        "search.scaffolds": [(c.get("search") or {}).get("scaffolds", 1) for c in configurations],
    }
    return found + [
        f"{name} ({_by_label(values, labels)})"
        for name, values in facts.items()
        if any(value != values[0] for value in values)
    ]


def _by_label(values: Sequence[Any], labels: Sequence[str]) -> str:
    return "; ".join(f"{value} in {label}" for value, label in zip(values, labels, strict=True))


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
