"""Which results serve a plan as pilot, and which as results of other tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rankprobe.errors import ConfigError, Problem
from rankprobe.records import Result
from rankprobe.records.plan import Basis
from rankprobe.result_file import load_result
from rankprobe.statistics.components import Noise, median
from rankprobe.statistics.expected import Expected, expect, share_to_reach

_MAKE_PILOT = (
    "make a pilot with `rankprobe measure dataset.yaml --repeats 2` and give its run folder with "
    "--from, or give results of other tasks beside the dataset.yaml"
)


@dataclass(frozen=True)
class Wanted:
    """The task of a dataset.yaml, as far as results are compared with it.

    Attributes:
        name: Its name.
        hash: Hash of its data.
        target: Share to reach.
        epsilon: Instead of it, how near to full training, in the metric's units.
    """

    name: str
    hash: str
    target: float | None
    epsilon: float | None


@dataclass(frozen=True)
class Sources:
    """Results, sorted; names are the paths that were given.

    Attributes:
        given: All results by name.
        pilot: Name of the pilot.
        past: Names of results of other tasks that something is borrowed from.
        unused: Names of results that are not needed.
    """

    given: Mapping[str, Result]
    pilot: str | None
    past: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def pilot_result(self) -> Result | None:
        """The pilot."""
        return None if self.pilot is None else self.given[self.pilot]

    @property
    def used(self) -> tuple[str, ...]:
        """Names of the results that the plan rests on, the pilot first."""
        return self.past if self.pilot is None else (self.pilot, *self.past)

    @property
    def basis(self) -> Basis:
        """What is taken from whom."""
        if self.pilot is None:
            return "past_results"
        return "pilot_borrowed_noise" if self.past else "pilot"


def load_results(paths: Sequence[str], name: str | None) -> dict[str, Result]:
    """Results by path; without paths that of ``runs/NAME``.

    Args:
        paths: Run folders or result.json files.
        name: Name of the task in the dataset.yaml, if there is one.

    Raises:
        ConfigError: There is nothing to plan from.
        ArtifactError: A result that cannot be read.
    """
    if paths:
        return {path: load_result(path) for path in paths}
    if name is None:
        raise ConfigError(Problem("there is nothing to plan from", hint=_MAKE_PILOT))
    folder = Path("runs") / name
    if not (folder / "result.json").is_file():
        raise ConfigError(
            Problem(f"there is nothing to plan from: {folder} holds no result", hint=_MAKE_PILOT)
        )
    return {str(folder): load_result(folder)}


def sort_results(given: Mapping[str, Result], wanted: Wanted | None) -> Sources:
    """Tell the pilot from results of other tasks.

    Args:
        given: Results by name, at least one.
        wanted: The task to plan; ``None``: the only task of the results.

    Raises:
        ConfigError: No single task to plan, a pilot of data that have changed, a single repeat.
    """
    own = _own(given, wanted)
    past = tuple(name for name in given if name not in own)
    if not own:
        return Sources(given, None, past)
    # Of several pilots the one with most repeats: it holds the others when it extends them.
    pilot = max(own, key=lambda name: repeats_of(given[name]))
    others = tuple(name for name in own if name != pilot)
    if repeats_of(given[pilot]) > 1:
        return Sources(given, pilot, (), others + past)
    if past:
        return Sources(given, pilot, past, others)
    raise _one_repeat(pilot)


def repeats_of(result: Result) -> int:
    """Repeats that full training and at least one rank finished."""
    return min(len(result.baseline.scores), max(len(point.scores) for point in result.points))


def expectations(sources: Sources, wanted: Wanted | None) -> tuple[Expected, ...]:
    """What the pilot makes one expect, or every past result under their median noise.

    Raises:
        ConfigError: A result that names no rank, or whose noise is not known.
    """
    if sources.pilot is None:
        cases = [_expected(sources, name, wanted) for name in sources.past]
        noise = _median_noise(sources, cases)
        return tuple(case.with_noise(noise) for case in cases)
    own = _expected(sources, sources.pilot, wanted)
    if not sources.past:
        if math.isnan(own.near.repeats):  # repeats failed in all ranks near the crossing
            raise _one_repeat(sources.pilot)
        return (own,)
    others = [_expected(sources, name, None) for name in sources.past]
    return (own.with_repeats(_median_noise(sources, others)),)


def _own(given: Mapping[str, Result], wanted: Wanted | None) -> tuple[str, ...]:
    """Names of the results of the task to plan."""
    if wanted is None:
        if len({result.task.hash for result in given.values()}) > 1:
            raise ConfigError(
                Problem(
                    "these are results of several tasks, and nothing says which one to plan",
                    hint="give its dataset.yaml first, or the pilot of one task alone",
                )
            )
        return tuple(given)
    for name, result in given.items():
        if result.task.name == wanted.name and result.task.hash != wanted.hash:
            raise ConfigError(
                Problem(
                    "this result is of other data than the dataset.yaml (its task hash is another "
                    "one), so it is no pilot of it",
                    name,
                    "measure a pilot of the data as they are now: `rankprobe measure "
                    "dataset.yaml --repeats 2 --fresh`",
                )
            )
    return tuple(name for name, result in given.items() if result.task.hash == wanted.hash)


def _expected(sources: Sources, name: str, wanted: Wanted | None) -> Expected:
    """The expectation from one result; what is wrong with it is told with its name."""
    result = sources.given[name]
    share = share_to_reach(result)
    if wanted is not None:
        share = share_to_reach(result, target=wanted.target, epsilon=wanted.epsilon)
    try:
        return expect(result, share=share)
    except ConfigError as error:
        raise ConfigError(replace(problem, where=name) for problem in error.problems) from None


def _one_repeat(pilot: str) -> ConfigError:
    return ConfigError(
        Problem(
            "this pilot has one repeat only, which says nothing of luck in training",
            pilot,
            "extend it with `rankprobe measure dataset.yaml --repeats 2`, or give results of "
            "other tasks too, to borrow their noise",
        )
    )


def _median_noise(sources: Sources, cases: Sequence[Expected]) -> Noise:
    noise = median([case.near for case in cases])
    if math.isnan(noise.repeats):
        raise ConfigError(
            Problem(
                "no result given has two repeats, so the luck in training is unknown",
                ", ".join(sources.past),
                _MAKE_PILOT,
            )
        )
    return noise
