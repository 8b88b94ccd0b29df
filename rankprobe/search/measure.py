"""Measure a task: configuration in, result out."""

from __future__ import annotations

import datetime
import math
import pickle
import platform
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import rankprobe
from rankprobe.checkout import commit
from rankprobe.config import TaskConfig
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, Problem, StoreError
from rankprobe.lowrank.scaffold import SPEC_VERSION
from rankprobe.records import Result, TaskSummary
from rankprobe.search.driver import Driver
from rankprobe.search.executor import Cluster, Executor, InProcess, Trainer, Workers
from rankprobe.search.laboratory import Laboratory, Progress
from rankprobe.search.lora import lora_advice
from rankprobe.search.own_network import output_shape
from rankprobe.search.scope import scope_of
from rankprobe.search.setup import Setup, prepare, threads
from rankprobe.search.store import Store
from rankprobe.search.trained import KEPT_BYTES, write_facts
from rankprobe.statistics.metrics import METRICS
from rankprobe.statistics.reading import read_evidence

_MEMBERS = 150  # trainings of a usual measurement
_BASELINES = 20  # of these
_FILES = 8_000_000  # bytes of record, figures and report


class Silent:
    """Progress that nobody watches."""

    def phase(self, text: str) -> None:
        """A new phase begins."""

    def expect(self, work: int) -> None:
        """About this much work is still to come."""

    def done(self, work: int) -> None:
        """This much work has been done."""


def measure_task(
    config: TaskConfig,
    task: Task,
    *,
    folder: Path | None,
    device: str = "auto",
    workers: int | None = None,
    executor: str | None = None,
    storage: str | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    keep: bool = True,
) -> Result:
    """Measure a task, going on from whatever the folder already holds.

    Args:
        config: Settings.
        task: Data.
        folder: Run folder; ``None`` keeps everything in memory.
        device: ``auto``, ``cpu`` or ``cuda``.
        workers: Local worker processes; by default this process trains.
        executor: Address of a Dask scheduler.
        storage: URL of an Optuna storage; by default a file in the folder.
        fresh: Throw away what the folder holds.
        progress: Told what happens.
        keep: Whether trained tensors stay in the folder.

    Raises:
        ConfigError, DataError, StoreError: Found wrong before training starts.
        TrainingError: A failure while running; what finished is kept.
    """
    commit()  # remembered: the files may change while this process goes on with what it has read
    check_options(workers, executor)
    if storage is not None and folder is None:
        raise ConfigError("a storage keeps no predictions: give a run folder too, as `out`")
    setup = prepare(config, task, device=device)
    if keep and folder is not None:
        setup.bench.keep = KEPT_BYTES
    check_room(folder, room_for(setup))
    with Store(folder, setup.identity, url=storage, fresh=fresh) as store:
        runner = executor_of(setup.bench, [setup.bench.backbone], workers, executor)
        try:
            laboratory = Laboratory(
                setup.bench,
                store,
                runner,
                progress or Silent(),
                bytes_of=setup.bytes_of,
                scaffolds=setup.search.scaffolds,
            )
            driver = Driver(laboratory, setup.search)
            if folder is not None:
                write_facts(folder, task)
            driver.run()
            return result_of(config, setup, driver, folder)
        finally:
            runner.close()


def check_options(workers: int | None, address: str | None) -> None:
    """Refuse options that exclude each other."""
    if workers is not None and address is not None:
        raise ConfigError("--workers and --executor exclude each other; give one of them")
    if workers is not None and workers < 1:
        raise ConfigError("--workers: give a whole number of at least 1")


def check_room(folder: Path | None, need: int) -> None:
    """Refuse a disk that cannot hold what is going to be written, in bytes."""
    if folder is None:
        return
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < need:
        raise StoreError(
            f"{folder} needs about {need / 1e6:.0f} MB of room and the disk has "
            f"{free / 1e6:.0f} MB; free some, or choose another folder with --out"
        )


def room_for(setup: Setup) -> int:
    """Bytes that a measurement of usual size takes on disk, at most."""
    return bytes_needed(setup.bench.task) + _bytes_kept(setup)


def bytes_needed(task: Task) -> int:
    """Room that a measurement of usual size takes on disk, at most."""
    # Of a text its loss and its length are kept, whatever the vocabulary.
    numbers = 2 if task.objective == "next_token" else math.prod(output_shape(task))
    return _FILES + _MEMBERS * 4 * len(task.test) * numbers


def _bytes_kept(setup: Setup) -> int:
    """Room that trained tensors take until rates are chosen, roughly."""
    if not setup.bench.keep:
        return 0
    baseline, adapter = (4 * setup.trainable(rank) for rank in (None, min(8, setup.largest)))
    counted = ((_BASELINES, baseline), (_MEMBERS - _BASELINES, adapter))
    return sum(count * size for count, size in counted if size <= setup.bench.keep)


def executor_of(
    bench: Trainer, networks: Iterable[nn.Module], workers: int | None, address: str | None
) -> Executor:
    """Where cohorts train; the networks are those of the bench."""
    if address is not None or workers is not None:
        for network in networks:
            _check_sending(network)
    if address is not None:
        return Cluster(bench, address)
    if workers is None:
        return InProcess(bench)
    return Workers(bench, workers=workers, threads=max(1, threads() // workers))


def _check_sending(network: nn.Module) -> None:
    """Refuse a network that cannot be sent to other processes."""
    try:
        pickle.dumps(network)
    except Exception as error:  # pickle calls code of anybody's
        raise ConfigError(
            Problem(
                f"the network cannot be sent to worker processes: {type(error).__name__}: {error}",
                hint="define its class, and functions it holds, at the top level of a module that "
                "can be imported, or measure without workers",
            )
        ) from error


def result_of(config: TaskConfig, setup: Setup, driver: Driver, folder: Path | None) -> Result:
    """What a driver that has run says of its task."""
    task, laboratory = setup.bench.task, driver.laboratory
    laboratory.progress.phase("reading the curve")
    evidence = driver.evidence()
    reading = read_evidence(evidence, **setup.search.question, seed=config.seed)
    runs = [laboratory.store.runs[member] for member in laboratory.asked]
    failed = sum(run.status != "finished" for run in runs)
    return Result(
        task=TaskSummary(
            name=config.name,
            objective=task.objective,
            metric=task.metric,
            train=len(task.train),
            validation=len(setup.bench.targets("validation")),
            test=len(setup.bench.targets("test")),
            hash=task.hash,
        ),
        target=config.search.target,
        floor=reading.floor,
        floor_score=reading.floor_score,
        chance_score=reading.chance_score,
        head_score=reading.head_score,
        higher_is_better=METRICS[task.metric].higher_is_better,
        members={"trained": len(runs), "failed": failed},
        baseline=reading.baseline,
        points=reading.points,
        minimal_rank=reading.minimal_rank,
        curve=reading.curve,
        targets=reading.targets,
        rates=driver.rates(),
        cost={
            "seconds": round(sum(run.seconds for run in runs), 1),
            "members": len(runs),
            "steps": sum(setup.bench.steps(run.member) for run in runs),
        },
        scope=scope_of(config, setup, epochs=driver.epochs),
        provenance=_provenance(config, setup, driver),
        epsilon=config.search.epsilon,
        design=driver.design,
        lora=lora_advice(
            setup.bench.backbone,
            setup.bench.protocol.adapter,
            setup.bench.protocol.scaffold,
            reading.minimal_rank.value,
        ),
        folder=folder,
        evidence=evidence,
    )


def _provenance(config: TaskConfig, setup: Setup, driver: Driver) -> dict[str, Any]:
    return {
        "rankprobe": rankprobe.__version__,
        **({"commit": made_by} if (made_by := commit()) else {}),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "scaffold_specification": SPEC_VERSION,
        "device": setup.bench.protocol.device,
        "threads": torch.get_num_threads(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "configuration": config.model_dump(mode="json"),
        **({"left_out": list(setup.bench.task.notes)} if setup.bench.task.notes else {}),
        **({"network": dict(setup.network)} if setup.network else {}),
        **({"weights": words} if (words := _not_kept(setup, driver)) else {}),
    }


def _not_kept(setup: Setup, driver: Driver) -> str:
    """Whose trained tensors were too large to keep, in one sentence; nothing if all are there."""
    if not setup.bench.keep:
        return ""
    sizes = {rank: 4 * setup.trainable(rank) for rank in driver.tuned}
    large = {rank: size for rank, size in sizes.items() if size > setup.bench.keep}
    if not large:
        return ""
    names = ["full training" if rank is None else f"rank {rank}" for rank in large]
    least, most = min(large.values()) / 1e6, max(large.values()) / 1e6
    span = f"{least:,.0f} to {most:,.0f}" if len(large) > 1 else f"{most:,.0f}"
    return (
        f"the trained tensors of {', '.join(names)} were not kept: they take {span} MB a "
        f"training, and the limit is {setup.bench.keep / 1e6:,.0f} MB; measure a smaller network "
        "to have them"
    )
