"""In what tasks were not measured alike, so that their minimal ranks mean different things.

The configuration as read decides, not its description in words. What belongs to a task may
differ: data, sizes of input and output, scaffold seed, seeds of repeats, which ranks were
measured and how often, and the epochs that ``auto`` found, since the rule that found them is
the same. A family of backbones has settings of its own: between families those that both have are
compared, and what one alone has is not a difference beside that of the families.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rankprobe.errors import ConfigError, Problem
from rankprobe.records import Result
from rankprobe.records.comparison import ScopeDifference

FOREIGN = "foreign"
"""Key of ``Result.provenance`` that names the file of scores measured elsewhere."""

_SECTIONS = ("backbone", "adapter", "scaffold", "training")
_OF_THE_TASK = {("backbone", "seed")}
_ABSENT = "not given"
_SETTINGS = "settings"
_FAMILY = "backbone.family"


def scope_differences(
    results: Sequence[Result], labels: Sequence[str], *, defaults: Mapping[str, Any]
) -> tuple[ScopeDifference, ...]:
    """Every setting in which results differ though they should not.

    Args:
        results: Finished measurements.
        labels: A unique name each.
        defaults: The default configuration, for keys that an older version did not write.

    Returns:
        One item a setting. Scores measured elsewhere have no settings: those of one file are
        taken to be measured alike, and anything else differs from them in ``settings``.
    """
    return tuple(
        ScopeDifference(key, tuple((_words(value), tuple(names)) for value, names in values))
        for key, values in _by_value(results, labels, defaults).items()
        if len(values) > 1
    )


def refuse(differences: Sequence[ScopeDifference]) -> None:
    """Refuse to compare what differs.

    Raises:
        ConfigError: There is a difference; one problem each.
    """
    if not differences:
        return
    problems = [
        Problem(f"not the same: {item.words()}", where=item.setting) for item in differences
    ]
    last = problems.pop()
    raise ConfigError([*problems, Problem(last.message, where=last.where, hint=_hint(differences))])


def _hint(differences: Sequence[ScopeDifference]) -> str:
    anyway = "--anyway (anyway=True in Python)"
    if all(item.setting == _SETTINGS for item in differences):
        return f"make sure that all were measured alike, then compare with {anyway}"
    return (
        "minimal ranks compare only when measured alike: set these equal in every dataset.yaml "
        f"and measure again, or compare all the same with {anyway}"
    )


def _by_value(
    results: Sequence[Result], labels: Sequence[str], defaults: Mapping[str, Any]
) -> dict[str, list[tuple[Any, list[str]]]]:
    """Setting -> distinct values, each with the labels that have it."""
    settings = [_settings(result, defaults) for result in results]
    found: dict[str, list[tuple[Any, list[str]]]] = {}
    for key in dict.fromkeys(key for item in settings for key in item):
        values = found.setdefault(key, [])
        section = key.partition(".")[0]
        for item, label in zip(settings, labels, strict=True):
            if section in _SECTIONS and not any(k.startswith(f"{section}.") for k in item):
                continue  # it has no settings at all, which is named once, under `settings`
            if section == "backbone" and key not in item and _foreign(key, item, settings):
                continue
            value = item.get(key, _ABSENT)
            names = next((names for other, names in values if other == value), None)
            if names is None:
                values.append((value, [label]))
            else:
                names.append(label)
    return found


def _foreign(key: str, item: Mapping[str, Any], settings: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a setting belongs to other families of backbones than that of an item."""
    owners = {other.get(_FAMILY) for other in settings if key in other}
    return item.get(_FAMILY) not in owners


def _defaults(section: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Any:
    """Defaults of a section; those of a backbone hold for its family alone."""
    known = defaults.get(section) or {}
    if section != "backbone" or given.get("family", known.get("family")) == known.get("family"):
        return known
    return {}


def _settings(result: Result, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that must agree, by dotted key."""
    configuration = result.provenance.get("configuration")
    settings: dict[str, Any] = {_SETTINGS: _knowledge(result)}
    if isinstance(configuration, Mapping):
        for section in _SECTIONS:
            given = configuration.get(section) or {}
            values = {**_defaults(section, given, defaults), **given}
            settings |= {
                f"{section}.{key}": value
                for key, value in values.items()
                if (section, key) not in _OF_THE_TASK
            }
    if isinstance(network := result.provenance.get("network"), Mapping):
        settings["backbone.network"] = network.get("class")
    settings["search.target"] = result.target
    settings["search.floor"] = result.floor
    # In the units of the metric: equal numbers of different metrics are not equal.
    metric = result.task.metric.replace("_", " ")
    epsilon = result.epsilon
    settings["search.epsilon"] = epsilon if epsilon is None else f"{epsilon:g} ({metric})"
    return settings


class _Unknown:
    """Settings that a result does not hold: equal to nothing, not even to other unknown ones."""

    def __str__(self) -> str:
        return "unknown (the result holds no configuration)"


def _knowledge(result: Result) -> str | _Unknown:
    if file := result.provenance.get(FOREIGN):
        return f"unknown (scores of {file})"
    known = isinstance(result.provenance.get("configuration"), Mapping)
    return "known" if known else _Unknown()


def _words(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "-".join(_words(item) for item in value) or "[]"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text)
