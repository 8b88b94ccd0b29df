"""The commands: each imports what it needs when it is called, then calls and prints."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankprobe.errors import ConfigError, Problem
from rankprobe.records.transition import Transition

if TYPE_CHECKING:
    from collections.abc import Callable

    from rankprobe.config import TaskConfig
    from rankprobe.data.task import Task
    from rankprobe.records import Result
    from rankprobe.records.capacity import Capacity
    from rankprobe.records.grid import Grid


def measure(options: argparse.Namespace) -> None:
    """Measure the minimal rank of a task."""
    from rankprobe.api import measure_and_save
    from rankprobe.api_grid import measure_and_save_grid
    from rankprobe.config import TaskConfig

    config, read = _read(options)
    task = read(config) if isinstance(config, TaskConfig) else None
    from rankprobe.progress import Watch

    with Watch(quiet=options.quiet or options.json) as watch:
        settings: dict[str, Any] = {
            "folder": options.out or Path("runs") / config.name,
            "device": options.device,
            "workers": options.workers,
            "executor": options.executor,
            "storage": options.storage,
            "fresh": options.fresh,
            "sensitivity": options.sensitivity,
            "progress": watch,
        }
        measured: Result | Grid
        if isinstance(config, TaskConfig):
            assert task is not None
            measured = measure_and_save(config, task, **settings)
        else:
            measured = measure_and_save_grid(config, read, **settings)
    if options.json:
        sys.stdout.write(measured.to_json())
        return
    _show(measured)


def check(options: argparse.Namespace) -> None:
    """Find what is wrong with a task, and estimate what a measurement takes."""
    from rankprobe.config import TaskConfig

    config, read = _read(options)
    if isinstance(config, TaskConfig):
        from rankprobe.search.check import check_task

        _print(check_task(config, read(config), device=options.device).words())
        return
    from rankprobe.search.check_grid import check_grid
    from rankprobe.search.grid import tasks_of

    _print(check_grid(config, tasks_of(config, read), device=options.device).words())


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
    from rankprobe.reporting.planning import command_lines, plan_summary
    from rankprobe.reporting.wording import clean

    file = clean(options.config) if options.config is not None else "dataset.yaml"
    _print(plan_summary(plan))
    if lines := command_lines(plan, file):
        print("\nrun", *lines, sep="\n")


def init(options: argparse.Namespace) -> None:
    """Write a dataset.yaml for a data file."""
    from rankprobe.starter import write_starter

    file = write_starter(options.data, label=options.label, out=options.out)
    print(f"{file} is written; measure it with:\n    rankprobe measure {file}")


def figure(options: argparse.Namespace) -> None:
    """Draw results into one figure."""
    from rankprobe.grid_file import is_grid, load_grid, load_results
    from rankprobe.reporting.folder import draw_figure, write_figure

    if len(options.results) == 1 and is_grid(options.results[0]):
        print(write_figure(load_grid(options.results[0]).plot(), options.out))
        return
    print(draw_figure(load_results(options.results), options.out))


def report(options: argparse.Namespace) -> None:
    """Write results into one page."""
    from rankprobe.grid_file import is_grid, load_grid, load_results
    from rankprobe.reporting.folder import write_report

    if len(options.results) == 1 and is_grid(options.results[0]):
        from rankprobe.reporting.grid_folder import write_grid_page

        print(write_grid_page(load_grid(options.results[0]), options.out))
        return
    print(write_report(load_results(options.results), options.out))


def inspect(options: argparse.Namespace) -> None:
    """Say what the adapters and full training of a run learned."""
    from rankprobe.inspection.run import inspect_run
    from rankprobe.reporting.folder import write_inspection
    from rankprobe.result_file import load_result

    found = inspect_run(options.run, data=options.data, device=options.device, trust=options.trust)
    folder = write_inspection(load_result(options.run), found)
    if options.json:
        sys.stdout.write(found.to_json())
        return
    from rankprobe.reporting.inspection import inspection_summary
    from rankprobe.reporting.wording import clean

    _print(inspection_summary(found))
    print(f"\nwritten  {clean(folder)}: inspection.json, inspection.png, report.html")


def compare(options: argparse.Namespace) -> None:
    """Compare the minimal ranks of tasks."""
    from rankprobe.api_compare import compare

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


def transition(options: argparse.Namespace) -> None:
    """Find the rank where a resampled scaffold catches up with a static one."""
    from rankprobe.readings import transition

    found = transition(options.static, options.resampled, share=options.share)
    _show_reading(found, options, "transition")


def capacity(options: argparse.Namespace) -> None:
    """Say whether the minimal rank of a task levels off as its network grows."""
    from rankprobe.readings import capacity

    _show_reading(capacity(options.results), options, "capacity")


def _show_reading(found: Transition | Capacity, options: argparse.Namespace, name: str) -> None:
    """Write the figure and print the numbers, as JSON or in words."""
    file = None
    if options.out is not None or not options.json:
        from rankprobe.reporting.folder import write_figure

        file = write_figure(found.plot(), options.out or Path(f"{name}.png"))
    if options.json:
        sys.stdout.write(found.to_json())
        return
    from rankprobe.reporting.capacity_words import capacity_summary
    from rankprobe.reporting.transition_words import summary

    _print(summary(found) if isinstance(found, Transition) else capacity_summary(found))
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


def _show(measured: Result | Grid) -> None:
    from rankprobe.records import Result

    if isinstance(measured, Result):
        from rankprobe.reporting.tables import summary

        _print(summary(measured))
        if words := measured.provenance.get("weights"):
            _print(f"\nnote  {words}")
        return
    from rankprobe.reporting import grid_words

    _print(grid_words.summary(measured))


def _load(options: argparse.Namespace) -> tuple[TaskConfig, Task]:
    """One measurement's settings and data."""
    from rankprobe.config import load_config

    config, read = _read(options, load_config)
    return config, read(config)


def _read(
    options: argparse.Namespace, load: Any = None
) -> tuple[Any, Callable[[TaskConfig], Task]]:
    """Settings, which may be those of a grid, and what reads the data of one measurement."""
    from rankprobe.config_grid import load_any_config
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
        load = load or load_any_config
        config = load(options.config, overrides=overrides, trust=options.trust)
    except ConfigError as error:
        raise ConfigError(_by_option(problem) for problem in error.problems) from None
    return config, lambda one: load_task(one, trust=options.trust)


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
    from rankprobe.reporting.printing import show

    show(renderable)
