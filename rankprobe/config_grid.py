"""A grid of configurations: ``vary`` in a dataset.yaml lists values of settings to combine.

``vary: {backbone.weights: [normal, binary], adapter.scaling: [standard, none]}`` is four
configurations, in the order of their product. Each is an ordinary `TaskConfig`, checked as a
whole; what is wrong with any of them is reported together, at the line of the value.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from rankprobe.config import Rates, TaskConfig, checked, line_of
from rankprobe.config_grid_names import names_of, word
from rankprobe.config_networks import network_apart
from rankprobe.config_rules import completed, spelled_out
from rankprobe.errors import ConfigError, Problem
from rankprobe.settings import Origin, Settings, leaves, merged, plain
from rankprobe.yaml_source import Keys, read_yaml

SECTIONS = ("backbone", "adapter", "scaffold", "training", "seed")
"""What may vary: all that is measured of one task in one way of asking."""

LARGEST_GRID = 256  # combinations: each is a measurement of its own

_ADVICE = {
    "data": "measure each of them by itself, and hold them against each other with "
    "`rankprobe compare`",
    "search": "it says what is asked, not what is measured: a result holds several targets, "
    "and the same folder takes more ranks and repeats",
}
_EXAMPLE = "for example `backbone.weights: [normal, binary]`"


@dataclass(frozen=True)
class VariedConfig:
    """A grid of configurations.

    Attributes:
        name: Name of the grid.
        vary: Values by dotted setting, in order.
        configs: Configurations by the names of their combinations, in order.
        settings: Values by dotted setting, by the same names.
    """

    name: str
    vary: Mapping[str, tuple[Any, ...]]
    configs: Mapping[str, TaskConfig]
    settings: Mapping[str, Mapping[str, Any]]

    @property
    def first(self) -> TaskConfig:
        """The first combination, for what all of them share."""
        return next(iter(self.configs.values()))


def load_any_config(
    path: str | Path, *, overrides: Mapping[str, Any] | None = None, trust: bool = False
) -> TaskConfig | VariedConfig:
    """Read and check a dataset.yaml, which may hold ``vary``.

    Args:
        path: The file.
        overrides: As `rankprobe.config.load_config`; a ``vary`` in it replaces the file's.
        trust: Allow a source or a backbone that runs the user's code.

    Raises:
        ConfigError: Anything wrong in the file or the overrides, all of it at once.
    """
    path = Path(path)
    document = read_yaml(path)
    apart, network = network_apart(overrides or {})
    given, said = plain(apart), dict(document.data)
    if network is not None:
        said.pop("backbone", None)
    vary = given.pop("vary", None)
    lines = {} if vary is not None else document.lines
    vary = vary if vary is not None else said.pop("vary", None)
    said.pop("vary", None)
    base = merged(spelled_out(said), spelled_out(given))
    origin = Origin(path.parent, path, document.lines, tuple(leaves(spelled_out(given))))
    options: dict[str, Any] = {
        "name": path.stem, "trust": trust, "from_file": True, "network": network
    }  # fmt: skip
    return _any(base, vary, origin, lines, tuple(document.problems), options)


def any_config_from_settings(
    settings: Mapping[str, Any], *, folder: Path | None = None, trust: bool = False
) -> TaskConfig | VariedConfig:
    """Check keyword settings, which may hold ``vary``.

    Args:
        settings: As `rankprobe.config.config_from_settings`.
        folder: What ``data.path`` is relative to; by default the working folder.
        trust: Allow a source or a backbone that runs the user's code.

    Raises:
        ConfigError: Anything wrong, all of it at once.
    """
    apart, network = network_apart(settings)
    given = plain(apart)
    vary = given.pop("vary", None)
    origin = Origin(folder if folder is not None else Path())
    options: dict[str, Any] = {
        "name": "task", "trust": trust, "from_file": False, "network": network
    }  # fmt: skip
    return _any(spelled_out(given), vary, origin, {}, (), options)


def _any(
    base: Settings,
    vary: Any,
    origin: Origin,
    lines: Mapping[Keys, int],
    found: Sequence[Problem],
    options: dict[str, Any],
) -> TaskConfig | VariedConfig:
    name = options.pop("name")
    if vary is None:
        return checked(completed(base, name), origin, found=found, **options)

    def where(*keys: str | int) -> str:
        return origin.where(("vary", *keys))

    _refuse(vary, where, found)
    combinations = [dict(zip(vary, values, strict=True)) for values in product(*vary.values())]
    names = names_of(vary)
    given_name = str(base.get("name", name))
    configs: dict[str, TaskConfig] = {}
    problems: dict[Problem, None] = {}
    for label, chosen, places in zip(names, combinations, _places(vary), strict=True):
        settings = base
        for key, value in chosen.items():
            settings = merged(settings, spelled_out(_nested(key.split("."), value)))
        settings = completed({**settings, "name": f"{given_name}-{label}"}, name)
        try:
            configs[label] = checked(
                settings, _moved(origin, places, lines), found=found, **options
            )
        except ConfigError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise ConfigError(sorted(problems, key=line_of))
    grid = VariedConfig(
        name=given_name,
        vary={key: tuple(values) for key, values in vary.items()},
        configs=configs,
        settings=dict(zip(names, combinations, strict=True)),
    )
    _refuse_equal(grid, where)
    return grid


def _refuse(vary: Any, where: Any, found: Sequence[Problem]) -> None:
    """Refuse what is no grid, all of it at once."""
    if not isinstance(vary, dict) or not vary:
        words = "a group of settings with a list of values each"
        raise ConfigError([*found, Problem(f"`vary` must be {words}", where(), _EXAMPLE)])
    problems = [*found]
    for key, values in vary.items():
        section = key.partition(".")[0]
        if section in _ADVICE or section in ("name", "objective", "metric", "vary"):
            advice = _ADVICE.get(section, "give it once, for the whole grid")
            problems.append(Problem(f"`{key}` cannot vary in a grid", where(key), advice))
        elif not isinstance(values, list) or not values:
            if isinstance(values, dict):
                shown = "a mapping; write its keys with dots"
            else:
                shown = "empty" if values == [] else "no list"
            problems.append(
                Problem(f"`vary.{key}` must be a list of values, and is {shown}", where(key),
                        _EXAMPLE)
            )  # fmt: skip
        else:
            problems += (
                Problem(f"`vary.{key}` lists {word(value, '')} twice", where(key, index))
                for index, value in enumerate(values)
                if any(_same(value, before) for before in values[:index])
            )
    if not problems:
        problems += _overlaps(vary, where)
        count = math.prod(map(len, vary.values()))
        if count == 1:
            hint = "list two values of a setting or more; a single one is an ordinary measurement"
            problems.append(Problem("`vary` has a single combination", where(), hint))
        if count > LARGEST_GRID:
            message = f"`vary` has {count:,} combinations, and a grid at most {LARGEST_GRID}"
            problems.append(Problem(message, where(), "list fewer values"))
    if problems:
        raise ConfigError(problems)


def _overlaps(vary: Mapping[str, Sequence[Any]], where: Any) -> Iterator[Problem]:
    """Settings that two keys of ``vary`` give."""
    given: dict[str, set[Keys]] = {}
    for key, values in vary.items():
        own = {path for value in values for path in _given(key, value)}
        for other, paths in given.items():
            both = [max(a, b, key=len) for a in own for b in paths if _inside(a, b)]
            if both:
                yield Problem(
                    f"`{other}` and `{key}` in `vary` both give `{'.'.join(map(str, min(both)))}`",
                    where(key),
                    "give every setting in one of them",
                )
        given[key] = own


def _given(key: str, value: Any) -> Iterator[Keys]:
    """The settings that a value of ``vary`` gives; an empty mapping gives none."""
    if value != {}:
        yield from leaves(spelled_out(_nested(key.split("."), value)))


def _inside(one: Keys, other: Keys) -> bool:
    """Whether one of two settings is the other, or is in it."""
    return all(a == b for a, b in zip(one, other, strict=False))


def _refuse_equal(grid: VariedConfig, where: Any) -> None:
    """Refuse combinations that are the same measurement, written in two ways."""
    known: dict[str, str] = {}
    problems: dict[str, Problem] = {}
    for (name, config), places in zip(grid.configs.items(), _places(grid.vary), strict=True):
        other = known.setdefault(_resolved(config), name)
        if other == name:
            continue
        values, before = grid.settings[name], grid.settings[other]
        key = next(key for key in values if not _same(values[key], before[key]))
        problem = Problem(
            f"`{other}` and `{name}` are the same settings, written in two ways",
            where(key, places[key]),
            f"remove one of these values of `{key}`",
        )
        problems.setdefault(problem.where, problem)  # once, whatever it is combined with
    if problems:
        raise ConfigError(problems.values())


def _resolved(config: TaskConfig) -> str:
    """All that a combination is measured with, in one form."""
    settings = config.model_dump(mode="json", exclude={"name"})
    rate = config.training.learning_rate
    if rate != "tuned":
        both = (rate.adapter, rate.baseline) if isinstance(rate, Rates) else (rate, rate)
        tried = [sorted({each} if isinstance(each, float) else {*each}) for each in both]
        settings["training"]["learning_rate"] = tried
    return json.dumps(settings, sort_keys=True)


def _same(value: Any, other: Any) -> bool:
    """Equal, and of one kind: ``1`` is ``1.0``, and not ``true``."""
    return isinstance(value, bool) == isinstance(other, bool) and bool(value == other)


def _nested(keys: Sequence[str], value: Any) -> Settings:
    """``{backbone: {weights: value}}`` of the parts of ``backbone.weights``."""
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def _places(vary: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, int]]:
    """Which value of each setting a combination has, in the order of the product."""
    for indices in product(*(range(len(values)) for values in vary.values())):
        yield dict(zip(vary, indices, strict=True))


def _moved(origin: Origin, places: Mapping[str, int], lines: Mapping[Keys, int]) -> Origin:
    """An origin in which the settings that vary stand where ``vary`` lists their values."""
    own, apart = dict(origin.lines), list(origin.given_apart)
    for key, index in places.items():
        keys, at = tuple(key.split(".")), ("vary", key, index)
        if at not in lines:
            apart.append(keys)
            continue
        apart = [other for other in apart if other[: len(keys)] != keys]
        for end in range(1, len(keys)):
            own.setdefault(keys[:end], lines[at])
        for place, line in lines.items():
            if place[: len(at)] == at:
                own[(*keys, *place[len(at) :])] = line
    return replace(origin, lines=own, given_apart=tuple(apart))
