"""Measure all combinations of a grid together, with everything shared that they have in common.

The search of a combination is the one that measuring it alone does. All searches run side by
side: each goes on until it needs trainings; then what all of them need is trained together,
and they go on. A training that several need is done once.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from rankprobe.checkout import commit
from rankprobe.config import TaskConfig
from rankprobe.config_grid import VariedConfig
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, Problem, StoreError
from rankprobe.records import Result
from rankprobe.search.grid_bench import GridBench
from rankprobe.search.laboratory import Progress
from rankprobe.search.measure import (
    check_options,
    check_room,
    executor_of,
    result_of,
    room_for,
)
from rankprobe.search.planned import Planned
from rankprobe.search.setup import Setup, prepare
from rankprobe.search.sharing import Sharing, task_key
from rankprobe.search.store import JOURNAL, Store
from rankprobe.search.together import Together
from rankprobe.search.trained import KEPT_BYTES, write_facts


def measure_grid(
    varied: VariedConfig,
    tasks: Mapping[str, Task],
    *,
    folder: Path | None,
    device: str = "auto",
    workers: int | None = None,
    executor: str | None = None,
    storage: str | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> tuple[dict[str, Result], dict[str, float]]:
    """Measure a grid, going on from whatever its folder already holds.

    Args:
        varied: The combinations.
        tasks: Data by combination.
        folder: Folder of the grid, with a run folder for each combination inside; ``None`` keeps
            everything in memory.
        device: ``auto``, ``cpu`` or ``cuda``.
        workers: Local worker processes; by default this process trains.
        executor: Address of a Dask scheduler.
        storage: URL of an Optuna storage; by default a file in each run folder.
        fresh: Throw away what the run folders hold.
        progress: Told what happens.

    Returns:
        The result of every combination, each what measuring it alone gives; and what all of them
        took together: ``seconds``, ``members``, ``steps``.

    Raises:
        ConfigError, DataError, StoreError: Found wrong before training starts.
        TrainingError: A failure while running; what finished is kept.
    """
    commit()  # remembered, as for a single measurement
    check_options(workers, executor)
    if storage is not None and folder is None:
        raise ConfigError("a storage keeps no predictions: give a run folder too, as `out`")
    if folder is not None and (folder / JOURNAL).is_file():
        raise StoreError(
            f"{folder} holds a single measurement; write the grid to another folder with --out"
        )
    names = list(varied.configs)
    setups = prepare_grid(varied, tasks, device=device)
    if storage is not None:
        _check_apart(dict(zip(names, setups, strict=True)))
    for setup in setups:
        setup.bench.keep = 0 if folder is None else KEPT_BYTES
    check_room(folder, sum(map(room_for, setups)))
    bench = GridBench(tuple(setup.bench for setup in setups))
    with contextlib.ExitStack() as stack:
        folders = [None if folder is None else folder / name for name in names]
        planned = stack.enter_context(Planned(folder, names, fresh=fresh))
        stores = [
            stack.enter_context(Store(own, setup.identity, url=storage, fresh=fresh))
            for own, setup in zip(folders, setups, strict=True)
        ]
        for name, own in zip(names, folders, strict=True):
            if own is not None:
                write_facts(own, tasks[name])
        networks = {id(each.backbone): each.backbone for each in bench.benches}
        runner = stack.enter_context(
            contextlib.closing(executor_of(bench, networks.values(), workers, executor))
        )
        sharing = Sharing(list(varied.configs.values()), setups)
        together = Together(names, setups, stores, sharing, bench, runner, planned, progress)
        drivers = together.run()
        results = {
            name: result_of(varied.configs[name], setup, driver, own)
            for name, setup, driver, own in zip(names, setups, drivers, folders, strict=True)
        }
        return results, together.cost()


def _check_apart(setups: Mapping[str, Setup]) -> None:
    """Refuse combinations that would be one record in a storage, beside folders of their own.

    Raises:
        ConfigError: They differ in nothing but the length or the rate of trainings.
    """
    known: dict[str, str] = {}
    for name, setup in setups.items():
        identity = json.dumps(setup.identity, sort_keys=True)
        if (other := known.setdefault(identity, name)) != name:
            raise ConfigError(
                f"{other} and {name} differ only in epochs or learning rates, which a storage "
                "records together: leave out --storage"
            )


def tasks_of(varied: VariedConfig, read: Callable[[TaskConfig], Task]) -> dict[str, Task]:
    """The data of every combination, read once for those that it is the same for."""
    known: dict[str, Task] = {}
    tasks = {}
    for name, config in varied.configs.items():
        key = task_key(config)
        if key not in known:
            known[key] = read(config)
        tasks[name] = known[key]
    return tasks


def prepare_grid(varied: VariedConfig, tasks: Mapping[str, Task], *, device: str) -> list[Setup]:
    """Every combination's setup; what is wrong with any of them is reported together.

    Raises:
        ConfigError: As `rankprobe.search.setup.prepare`.
    """
    setups: list[Setup] = []
    problems: dict[Problem, None] = {}
    for name, config in varied.configs.items():
        try:
            setups.append(prepare(config, tasks[name], device=device))
        except ConfigError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise ConfigError(problems)
    # Networks of one architecture differ in nothing that is used, and are kept once.
    first = Sharing(list(varied.configs.values()), setups).baselines
    for setup, owner in zip(setups, first, strict=True):
        setup.bench.backbone = setups[owner].bench.backbone
    return setups
