"""Make a plan. Torch is imported only where a dataset.yaml asks for time and memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rankprobe.errors import ConfigError, Problem
from rankprobe.planning.sources import (
    Wanted,
    expectations,
    load_results,
    repeats_of,
    sort_results,
)
from rankprobe.planning.work import Work, check_work, pilot_work
from rankprobe.records import Result
from rankprobe.records.plan import Plan, PlannedRow
from rankprobe.statistics.expected import Expected, share_to_reach
from rankprobe.statistics.plan import (
    REPEATS,
    enough_examples,
    enough_repeats,
    limit_width,
    plateau,
    predict,
    predicted_width,
    ranks_to_measure,
)

if TYPE_CHECKING:
    from rankprobe.config import TaskConfig
    from rankprobe.data.task import Task


def make_plan(
    paths: Sequence[str],
    *,
    wished: int = 1,
    confidence: float = 0.95,
    yaml: tuple[TaskConfig, Task] | None = None,
    device: str = "auto",
) -> Plan:
    """Plan a measurement.

    Args:
        paths: Run folders or result.json files: a pilot of the task, results of other tasks.
            Without any, ``runs/NAME`` of the dataset.yaml.
        wished: Width of the interval of the minimal rank, in ranks between its ends.
        confidence: Level of the interval.
        yaml: The dataset.yaml and its data; ``None``: the pilot alone says what is planned.
        device: Where the measurement would run.

    Raises:
        ConfigError: Nothing to plan from, or what there is does not fit.
        ArtifactError: A result that cannot be read.
    """
    _check_wishes(wished, confidence)
    wanted = None if yaml is None else _wanted(*yaml)
    sources = sort_results(load_results(paths, wanted.name if wanted else None), wanted)
    cases = expectations(sources, wanted)
    pilot = sources.pilot_result
    first = sources.given[sources.used[0]]
    examples = first.task.test if yaml is None else len(yaml[1].test)
    wish = _Wish(cases, wished, examples, confidence)
    enough, flat = wish.enough(), wish.plateau()
    base = enough or min(flat, REPEATS[-1])
    ranks, thinned = _ranks(wish, pilot, base)
    if yaml is None:
        work = pilot_work(first, ranks)
    else:
        work = check_work(*yaml, pilot, ranks=ranks, repeats=base, device=device)
    given = {} if wanted is None else {"target": wanted.target, "epsilon": wanted.epsilon}
    return Plan(
        task=wanted.name if wanted else first.task.name,
        target=share_to_reach(first, **given),
        confidence=confidence,
        wished=wished,
        basis=sources.basis,
        sources=sources.used,
        pilot_repeats=repeats_of(pilot) if pilot else 0,
        test_examples=examples,
        value=cases[0].value if pilot else None,
        rows=tuple(
            _row(wish, work, repeats, with_interval=pilot is not None)
            for repeats in sorted({*REPEATS, base})
        ),
        enough=enough,
        limit=_finite(wish.limit()),
        plateau=flat,
        examples=wish.examples() if enough is None else None,
        ranks=ranks,
        thinned=thinned,
        noise=_deviations(cases[0], examples),
        bytes=work.bytes,
        differing=_differing(yaml[0], pilot) if yaml and pilot else (),
        estimated=any(
            not point.variance for name in sources.used for point in sources.given[name].points
        ),
        unused=sources.unused,
    )


@dataclass(frozen=True, eq=False)
class _Wish:
    """Predictions for one wish."""

    cases: tuple[Expected, ...]
    wished: int
    n: int
    confidence: float

    def interval(self, repeats: int) -> tuple[int | None, int | None]:
        return predict(self.cases[0], repeats=repeats, examples=self.n, confidence=self.confidence)

    def width(self, repeats: int) -> float:
        return predicted_width(
            self.cases, repeats=repeats, examples=self.n, confidence=self.confidence
        )

    def enough(self) -> int | None:
        return enough_repeats(
            self.cases, wished=self.wished, examples=self.n, confidence=self.confidence
        )

    def limit(self) -> float:
        return limit_width(self.cases, examples=self.n, confidence=self.confidence)

    def plateau(self) -> int:
        return plateau(self.cases, examples=self.n, confidence=self.confidence)

    def examples(self) -> tuple[int, int] | None:
        return enough_examples(
            self.cases, wished=self.wished, examples=self.n, confidence=self.confidence
        )


def _check_wishes(wished: int, confidence: float) -> None:
    problems = []
    if wished < 0:
        problems.append(Problem("give a whole number of at least 0", "--width"))
    if not 0.5 <= confidence < 1.0:
        problems.append(Problem("give a number from 0.5 up to, not including, 1", "--confidence"))
    if problems:
        raise ConfigError(problems)


def _wanted(config: TaskConfig, task: Task) -> Wanted:
    search = config.search
    target = search.target if search.epsilon is None else None
    return Wanted(config.name, task.hash, target, search.epsilon)


def _ranks(wish: _Wish, pilot: Result | None, repeats: int) -> tuple[tuple[int, ...], int]:
    """Ranks to measure, which only a pilot can tell."""
    if pilot is None:
        return (), 1
    low, high = wish.interval(repeats)
    measured = wish.cases[0].measured
    largest = pilot.scope.get("largest_useful_rank")
    return ranks_to_measure(
        low,
        high,
        measured=measured,
        largest=max(largest, measured[-1]) if isinstance(largest, int) else 2 * measured[-1],
    )


def _row(wish: _Wish, work: Work, repeats: int, *, with_interval: bool) -> PlannedRow:
    low, high = wish.interval(repeats) if with_interval else (None, None)
    new = work.new(repeats)
    return PlannedRow(
        repeats=repeats,
        low=low,
        high=high,
        width=_finite(wish.width(repeats)),
        trainings=work.total(repeats),
        new=new,
        seconds=None if work.seconds is None else round(new * work.seconds, 1),
    )


def _finite(width: float) -> float | None:
    return width if math.isfinite(width) else None


def _deviations(case: Expected, examples: int) -> dict[str, float]:
    near = case.near
    variances = {
        "repeats": near.repeats,
        "test_set": near.test_set / examples,
        "learning_rate": near.learning_rate,
        "scaffolds": near.scaffolds,
    }
    return {name: math.sqrt(value) for name, value in variances.items()}


def _differing(config: TaskConfig, pilot: Result) -> tuple[str, ...]:
    """Dotted keys of settings that decide a score and differ from the pilot's."""
    then = pilot.provenance.get("configuration")
    if not isinstance(then, Mapping):
        return ()
    now: Mapping[str, Any] = config.model_dump(mode="json")
    found = [
        f"{section}.{key}"
        for section in ("backbone", "adapter", "training")
        for key, value in now[section].items()
        if _inside(then, section, key, default=value) != value
    ]
    if _inside(then, "search", "floor", default="auto") != now["search"]["floor"]:
        found.append("search.floor")
    return tuple(found)


def _inside(settings: Mapping[str, Any], section: str, key: str, *, default: Any) -> Any:
    part = settings.get(section)
    return part.get(key, default) if isinstance(part, Mapping) else default
