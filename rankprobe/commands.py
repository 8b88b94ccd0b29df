"""The commands: each imports what it needs when it is called, then calls and prints."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankprobe.errors import ConfigError, Problem

if TYPE_CHECKING:
    from rankprobe.config import TaskConfig
    from rankprobe.data.task import Task


def measure(options: argparse.Namespace) -> None:
    """Measure the minimal rank of a task."""
    from rankprobe.api import measure_and_save

    config, task = _load(options)
    from rankprobe.progress import Watch

    with Watch(quiet=options.quiet or options.json) as watch:
        result = measure_and_save(
            config,
            task,
            folder=options.out or Path("runs") / config.name,
            device=options.device,
            workers=options.workers,
            executor=options.executor,
            storage=options.storage,
            fresh=options.fresh,
            sensitivity=options.sensitivity,
            progress=watch,
        )
    if options.json:
        sys.stdout.write(result.to_json())
        return
    from rankprobe.reporting.tables import summary

    _print(summary(result))
    if words := result.provenance.get("weights"):
        _print(f"\nnote  {words}")


def check(options: argparse.Namespace) -> None:
    """Find what is wrong with a task, and estimate what a measurement takes."""
    config, task = _load(options)
    from rankprobe.search.check import check_task

    _print(check_task(config, task, device=options.device).words())


def plan(options: argparse.Namespace) -> None:
    """Say how many repeats and which ranks an interval needs."""
    from rankprobe.planning.make import make_plan

    plan = make_plan(
        options.results,
        wished=options.width,
        confidence=options.confidence,
        yaml=None if options.config is None else _load(options),
        device=options.device,
    )
    if options.json:
        sys.stdout.write(plan.to_json())
        return
    from rankprobe.reporting.planning import plan_summary
    from rankprobe.reporting.wording import clean

    file = clean(options.config) if options.config is not None else "dataset.yaml"
    _print(plan_summary(plan, config=file))


def init(options: argparse.Namespace) -> None:
    """Write a dataset.yaml for a data file."""
    from rankprobe.starter import write_starter

    file = write_starter(options.data, label=options.label, out=options.out)
    print(f"{file} is written; measure it with:\n    rankprobe measure {file}")


def figure(options: argparse.Namespace) -> None:
    """Draw results into one figure."""
    from rankprobe.reporting.folder import draw_figure
    from rankprobe.result_file import load_result

    print(draw_figure([load_result(path) for path in options.results], options.out))


def report(options: argparse.Namespace) -> None:
    """Write results into one page."""
    from rankprobe.reporting.folder import write_report
    from rankprobe.result_file import load_result

    print(write_report([load_result(path) for path in options.results], options.out))


def compare(options: argparse.Namespace) -> None:
    """Compare the minimal ranks of tasks."""
    from rankprobe.api import compare

    comparison = compare(
        *options.results,
        anyway=options.anyway,
        lower_is_better=options.lower_is_better,
        floor_score=options.floor_score,
    )
    if options.json and options.out is None:
        sys.stdout.write(comparison.to_json())
        return
    from rankprobe.reporting.comparison import summary, write_comparison

    file = write_comparison(comparison, options.out or Path("comparison.png"))
    if options.json:
        sys.stdout.write(comparison.to_json())
        return
    _print(summary(comparison))
    print(f"\nfigure  {file}")


def calibrate(options: argparse.Namespace) -> None:
    """Measure planted tasks and hold the outcome against the goals."""
    from rankprobe.calibration.run import calibrate
    from rankprobe.progress import Watch

    with Watch(quiet=options.json) as watch:
        calibration = calibrate(
            options.out,
            seed=options.seed,
            small=options.small,
            workers=options.workers,
            progress=watch,
        )
    if options.json:
        sys.stdout.write(calibration.to_json())
        return
    from rankprobe.calibration.report import summary

    _print(summary(calibration))
    print(f"written to {options.out}: calibration.json, calibration.md, calibration.png")


def _load(options: argparse.Namespace) -> tuple[TaskConfig, Task]:
    from rankprobe.config import load_config
    from rankprobe.data.load import load_task

    search = {
        "target": getattr(options, "target", None),
        "ranks": _ranks(getattr(options, "ranks", None)),
        "repeats": getattr(options, "repeats", None),
        "precision": getattr(options, "precision", None),
        "budget": getattr(options, "budget", None),
    }
    overrides: dict[str, Any] = {}
    if given := {key: value for key, value in search.items() if value is not None}:
        overrides["search"] = given
    if options.seed is not None:
        overrides["seed"] = options.seed
    try:
        config = load_config(options.config, overrides=overrides, trust=options.trust)
    except ConfigError as error:
        raise ConfigError(_by_option(problem) for problem in error.problems) from None
    return config, load_task(config, trust=options.trust)


_SEARCH_OPTIONS = ("target", "ranks", "repeats", "precision", "budget")


def _by_option(problem: Problem) -> Problem:
    """A problem with what an option replaced, told by the option's name."""
    section, _, key = problem.where.rpartition(".")
    if section != "search" or key not in _SEARCH_OPTIONS:
        return problem
    message = problem.message.replace(f"`{problem.where}`", "it")
    return replace(problem, where=f"--{key}", message=message)


def _ranks(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(
            f"--ranks {text}: give whole numbers with commas between them, such as 1,2,4"
        ) from None


def _print(renderable: Any) -> None:
    from rich.console import Console

    Console(highlight=False, soft_wrap=False).print(renderable)
