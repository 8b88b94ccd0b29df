"""A calibration from nothing to its report; what is finished is never measured again."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Protocol

from rankprobe.calibration.figure import draw
from rankprobe.calibration.goals import goals
from rankprobe.calibration.measuring import Job, measured, start_worker
from rankprobe.calibration.plan import FRESH, FULL, SMALL, TARGET, Planned, plan
from rankprobe.calibration.provenance import provenance
from rankprobe.calibration.read import read_outcome
from rankprobe.calibration.report import SCHEMA, Calibration, load_calibration, markdown
from rankprobe.errors import ConfigError, TrainingError
from rankprobe.reporting.folder import write_whole
from rankprobe.reporting.style import png_bytes
from rankprobe.reporting.wording import percent


class Progress(Protocol):
    """Told what happens; `rankprobe.progress.Watch` is one."""

    def phase(self, text: str) -> None:
        """A new phase begins."""

    def expect(self, work: int) -> None:
        """About this much work is still to come."""

    def done(self, work: int) -> None:
        """This much work has been done."""


def calibrate(
    folder: Path, *, seed: int, small: bool, workers: int | None, progress: Progress
) -> Calibration:
    """Measure what is missing, read everything anew, and write the report.

    Args:
        folder: Holds the measurements and the report; what it holds is gone on from.
        seed: Everything is drawn from it.
        small: A few tasks of every kind.
        workers: Processes, each of which trains on one thread; by default one a core.
        progress: Told what happens.

    Raises:
        ConfigError: The folder holds another calibration.
        TrainingError: Measurements failed; the others are kept.
        StoreError, ArtifactError: A file that cannot be written or read.
    """
    if workers is not None and workers < 1:
        raise ConfigError("--workers: give a whole number of at least 1")
    if seed < 0:
        raise ConfigError("--seed: give a whole number of at least 0")
    _refuse_other(folder, seed=seed, small=small)
    tasks = plan(seed, SMALL if small else FULL)
    failures = train(missing(tasks, folder), folder, workers or cores(), progress)
    if failures:
        more = f"\n({len(failures) - 5} more)" if len(failures) > 5 else ""
        raise TrainingError(
            f"{len(failures)} measurements failed; the others are kept, and the same command tries "
            "these again:\n" + "\n".join(failures[:5]) + more
        )
    progress.phase("reading")
    calibration = read(tasks, folder, seed=seed, small=small)
    write_report(calibration, folder)
    return calibration


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def missing(tasks: Sequence[Planned], folder: Path) -> list[Job]:
    """Measurements that are not there, the longest first, so that the end is not ragged."""
    jobs = [Job(planned, role) for planned in tasks for role in planned.roles]
    left = [job for job in jobs if not job.file(folder).is_file()]
    return sorted(left, key=lambda job: -job.planned.work)


def read(tasks: Sequence[Planned], folder: Path, *, seed: int, small: bool) -> Calibration:
    """Read every task, all of which are there.

    Raises:
        ArtifactError: A file is damaged.
    """
    outcomes = tuple(read_outcome(planned, folder) for planned in tasks)
    return Calibration(
        schema=SCHEMA,
        seed=seed,
        small=small,
        settings={
            "measured": f"every setting at its default, target {percent(TARGET)}",
            "linear": "backbone {hidden: []}, adapter {head: adapter}",
            "teacher": "backbone {hidden: [32], dropout: 0}, adapter {head: adapter_bias}",
            "controls": "backbone {hidden: [32, 16]}",
            "reference": f"same training rows, another seed, {FRESH:,} fresh test examples; "
            "12 repeats for teachers",
        },
        provenance=provenance(tasks, folder),
        seconds=round(sum(outcome.seconds for outcome in outcomes), 1),
        goals=goals(outcomes),
        outcomes=outcomes,
    )


def write_report(calibration: Calibration, folder: Path) -> None:
    """Write the figure, the Markdown and, last, the record.

    Raises:
        StoreError: One cannot be written.
    """
    for name, content in (
        ("calibration.png", png_bytes(draw(calibration.outcomes))),
        ("calibration.md", markdown(calibration).encode()),
        ("calibration.json", calibration.to_json().encode()),
    ):
        write_whole(folder / name, content)


def train(jobs: Sequence[Job], folder: Path, workers: int, progress: Progress) -> list[str]:
    """Measure in worker processes; returns what went wrong with those that failed.

    Raises:
        TrainingError: A worker process died.
    """
    if not jobs:
        return []
    progress.phase(f"{len(jobs)} measurements of planted tasks")
    left = sum(_work(job) for job in jobs)
    progress.expect(left)
    pool = ProcessPoolExecutor(
        min(workers, len(jobs)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=start_worker,
    )
    failures = []
    try:
        futures = {pool.submit(measured, job, folder): job for job in jobs}
        for count, future in enumerate(as_completed(futures), 1):
            if (failure := _outcome(future)) is not None:
                failures.append(failure)
            work = _work(futures[future])
            left -= work
            progress.done(work)
            progress.phase(f"{count} of {len(jobs)} measurements")
            progress.expect(left)
    except BaseException:
        # A measurement takes minutes: end the workers rather than wait for them.
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return failures


def _outcome(future: Future[str | None]) -> str | None:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise TrainingError(
            "a worker process died, perhaps for lack of memory; run again with fewer --workers: "
            "what finished is kept"
        ) from error


def _work(job: Job) -> int:
    return round(job.planned.work)


def _refuse_other(folder: Path, *, seed: int, small: bool) -> None:
    file = folder / "calibration.json"
    if not file.is_file():
        return
    there = load_calibration(file)
    if (there.seed, there.small) != (seed, small):
        words = [
            f"{'small' if is_small else 'full'} calibration of seed {number}"
            for number, is_small in ((there.seed, there.small), (seed, small))
        ]
        raise ConfigError(
            f"{folder} holds the {words[0]}, and this is the {words[1]}; give another --out"
        )
