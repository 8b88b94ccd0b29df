"""The Python interface. Importing it does not import torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from rankprobe.errors import ConfigError, StoreError, TrainingError
from rankprobe.records import Result
from rankprobe.records.grid import Grid

if TYPE_CHECKING:
    from rankprobe.config import TaskConfig
    from rankprobe.data.task import Task
    from rankprobe.records.gated import SeedGated
    from rankprobe.search.laboratory import Progress


@overload
def measure(data: Any, target: Any = None, /, *, vary: None = None, **settings: Any) -> Result: ...


@overload
def measure(
    data: Any, target: Any = None, /, *, vary: Mapping[str, Any], **settings: Any
) -> Grid: ...


def measure(
    data: Any,
    target: Any = None,
    /,
    *,
    out: str | Path | None = None,
    test: tuple[Any, Any] | None = None,
    validation: tuple[Any, Any] | None = None,
    device: str = "auto",
    workers: int | None = None,
    executor: str | None = None,
    storage: str | None = None,
    fresh: bool = False,
    trust: bool = False,
    sensitivity: bool = False,
    progress: Progress | None = None,
    vary: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Result | Grid:
    """Measure the minimal rank of a task, or of every combination of a grid of settings.

    ``measure("dataset.yaml")`` does what the command does: it goes on from what ``out``
    (default ``runs/NAME``) holds, and writes the result, the figures and the report there.
    ``measure(x, y)`` measures arrays in memory and writes nothing unless ``out`` is given.

    Args:
        data: Path of a dataset.yaml, or inputs (n, ...).
        target: Targets, (n,) or (n, outputs); only with arrays.
        out: Run folder.
        test: Inputs and targets to score on; only with arrays. Else a split is cut.
        validation: Inputs and targets to choose learning rates on; only with arrays.
        device: ``auto``, ``cpu`` or ``cuda``.
        workers: Local worker processes; by default this process trains.
        executor: Address of a Dask scheduler, ``tcp://HOST:PORT``.
        storage: URL of an Optuna storage; by default a file in the run folder.
        fresh: Throw away what the run folder holds.
        trust: Allow a dataset.yaml to run code of yours.
        sensitivity: Measure the ranks around the minimal rank again with one setting changed
            at a time, and say how far it moves; see `rankprobe.search.sensitivity`.
        progress: Told what happens, see `rankprobe.search.laboratory.Progress`.
        vary: Lists of values by dotted setting, for a grid of all their combinations, such as
            ``{"backbone.weights": ["normal", "binary"]}``. A file may hold it as well.
        **settings: The keys of dataset.yaml, such as ``search={"repeats": 3}``. With a path
            they replace what the file says.

    Returns:
        The result; of a grid a `rankprobe.Grid`, with a result for each combination.

    Raises:
        ConfigError, DataError, StoreError: Found wrong before training starts.
        TrainingError: A failure while running; with a run folder, what finished is kept.
    """
    from rankprobe.config_grid import VariedConfig, any_config_from_settings, load_any_config
    from rankprobe.data.load import load_task, task_from_arrays

    if vary is not None:
        settings["vary"] = vary
    if isinstance(data, str | Path):
        if target is not None or test is not None or validation is not None:
            raise ConfigError("with a dataset.yaml the arrays come from the file; give it alone")
        config = load_any_config(data, overrides=settings, trust=trust)
        default: Path | None = Path("runs") / config.name

        def read(one: TaskConfig) -> Task:
            return load_task(one, trust=trust)

    else:
        if isinstance(data, Mapping) or target is None:
            raise ConfigError("give the path of a dataset.yaml, or two arrays: measure(x, y)")
        config, default = any_config_from_settings(settings), None

        def read(one: TaskConfig) -> Task:
            return task_from_arrays(data, target, config=one, test=test, validation=validation)

    folder = Path(out) if out is not None else default
    options: dict[str, Any] = {
        "device": device,
        "workers": workers,
        "executor": executor,
        "storage": storage,
        "fresh": fresh,
        "sensitivity": sensitivity,
        "progress": progress,
    }
    if isinstance(config, VariedConfig):
        from rankprobe.api_grid import measure_and_save_grid

        return measure_and_save_grid(config, read, folder=folder, **options)
    return measure_and_save(config, read(config), folder=folder, **options)


def seed_gated(
    file: str | Path, /, *, device: str = "auto", trust: bool = False, **settings: Any
) -> SeedGated:
    """Train one adapter over several scaffolds, each with its own classes of a dataset.yaml.

    The file says them under ``scaffold``, such as ``seeds: {42: [0, 1, 2], 43: [3, 4, 5]}``;
    ``outside: class`` adds a class for what is not a seed's own. Nothing is written.

    Args:
        file: Path of a dataset.yaml with listed ranks and a number of epochs.
        device: ``auto``, ``cpu`` or ``cuda``.
        trust: Allow the file to run code of yours.
        **settings: Keys of dataset.yaml, which replace what the file says.

    Returns:
        Accuracies by rank and seed; there is no minimal rank, for full training knows no seeds.

    Raises:
        ConfigError, DataError: Found wrong before training starts.
        TrainingError: A failure while training.
    """
    from rankprobe.config import load_config
    from rankprobe.data.load import load_task

    config = load_config(file, overrides=settings, trust=trust)
    task = load_task(config, trust=trust)
    from rankprobe.search.gated import seed_gated_task

    return seed_gated_task(config, task, device=device)


def measure_and_save(
    config: TaskConfig,
    task: Task,
    *,
    folder: Path | None,
    sensitivity: bool = False,
    storage: str | None = None,
    fresh: bool = False,
    **options: Any,
) -> Result:
    """Measure, and write the result beside its store.

    Args:
        config: Settings.
        task: Data.
        folder: Run folder; ``None`` writes nothing.
        sensitivity: Also measure how far the minimal rank moves. The result without it is
            written before that begins, so an interruption does not lose it.
        storage: As `rankprobe.search.measure.measure_task`; variants have none.
        fresh: Throw away what the folder holds, variants included.
        **options: As `rankprobe.search.measure.measure_task`.

    Raises:
        TrainingError: Also when the result cannot be written: what was measured is kept.
    """
    from rankprobe.evidence_file import FILE as EVIDENCE
    from rankprobe.reporting.wording import FILES
    from rankprobe.search.measure import measure_task
    from rankprobe.search.sensitivity import forget

    if folder is not None and (folder / "grid.json").is_file():
        raise StoreError(f"{folder} holds a grid; write to another folder with --out")
    if fresh and folder is not None:
        forget(folder)
        for name in (*FILES, EVIDENCE):  # of another measurement, perhaps, and no longer true
            (folder / name).unlink(missing_ok=True)
    result = measure_task(config, task, folder=folder, storage=storage, fresh=fresh, **options)
    result = described(result)
    save(result)
    if sensitivity:
        result = described(_varied(config, task, result, folder=folder, **options))
        save(result)
    return result


def _varied(
    config: TaskConfig, task: Task, result: Result, *, folder: Path | None, **options: Any
) -> Result:
    """The result with its answers under changed settings, or the reason why there are none."""
    from rankprobe.reporting.trust import not_varied
    from rankprobe.search.sensitivity import vary

    variants = vary(config, task, result, folder=folder, **options)
    if variants:
        return replace(result, sensitivity=variants)
    return replace(result, scope={**result.scope, "sensitivity": not_varied(result)})


def described(result: Result) -> Result:
    """The result with its paragraph for the methods section."""
    from rankprobe.reporting.methods import methods_paragraph

    return replace(result, methods=methods_paragraph(result))


def save(result: Result | Grid) -> None:
    """Write a result or a grid into its folder, if it has one.

    Raises:
        TrainingError: It cannot be written.
    """
    if result.folder is None:
        return
    from rankprobe.evidence_file import FILE, write_evidence

    try:
        for one in result.results.values() if isinstance(result, Grid) else (result,):
            if one.folder is not None:
                # Other readings pair it with another result's, example by example.
                write_evidence(one.folder / FILE, one.evidence, {})
        result.save()
    except StoreError as error:
        raise TrainingError(
            f"{error}; everything measured is kept, and the same command writes it"
        ) from error
