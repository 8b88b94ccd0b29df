"""Where cohorts train: in this process, in local worker processes, or on a Dask cluster.

Executors only train; the coordinator records. A worker that dies costs its cohort, which is
tried again.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Protocol

from rankprobe.errors import ConfigError, TrainingError
from rankprobe.records import Run
from rankprobe.search.bench import Tick
from rankprobe.search.cohorts import Cohort

ATTEMPTS = 3  # times that a cohort is started before a dying worker is an error


class Trainer(Protocol):
    """What trains a cohort in whichever process: a bench, or those of a grid."""

    def train(self, members: Any, tick: Tick | None = None) -> tuple[Run, ...]:
        """Train a cohort; ``tick`` is told the member-steps done."""

    def steps(self, member: Any) -> int:
        """Optimiser steps of a member."""


class Executor(Protocol):
    """Trains cohorts and yields each one's runs when it is done, in any order."""

    def train(self, cohorts: Sequence[Cohort], tick: Tick) -> Iterator[tuple[Run, ...]]:
        """Train cohorts; ``tick`` is told the member-steps done."""

    def close(self) -> None:
        """Let go of whatever trains."""


class InProcess:
    """Trains one cohort after another, here, with torch's own threads."""

    def __init__(self, bench: Trainer) -> None:
        self.bench = bench

    def train(self, cohorts: Sequence[Cohort], tick: Tick) -> Iterator[tuple[Run, ...]]:
        """Train cohorts; ``tick`` is told the member-steps done."""
        for cohort in cohorts:
            yield self.bench.train(cohort, tick)

    def close(self) -> None:
        """Nothing to close."""


class Workers:
    """Trains in local processes that share the cores between them.

    Args:
        bench: Sent to each process once.
        workers: Number of processes.
        threads: Threads of each.
    """

    def __init__(self, bench: Trainer, *, workers: int, threads: int) -> None:
        self.bench, self.workers, self.threads = bench, workers, threads
        self._pool: ProcessPoolExecutor | None = None

    def train(self, cohorts: Sequence[Cohort], tick: Tick) -> Iterator[tuple[Run, ...]]:
        """Train cohorts; ``tick`` is told the member-steps done."""
        waiting = list(cohorts)
        for attempt in range(1, ATTEMPTS + 1):
            pool = self._started()
            futures = {pool.submit(_train, cohort): cohort for cohort in waiting}
            try:
                for runs in _finished(futures, tick, self.bench):
                    waiting.remove(tuple(run.member for run in runs))
                    yield runs
                return
            except BrokenProcessPool as error:
                self.close()
                if attempt == ATTEMPTS:
                    raise TrainingError(
                        f"worker processes died {ATTEMPTS} times, perhaps for lack of memory; "
                        "run again with fewer --workers: what finished is kept"
                    ) from error

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        if self._pool is not None:
            for process in list(self._pool._processes.values()):
                process.terminate()
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(self.bench, self.threads),
            )
        return self._pool


class Cluster:
    """Trains on the workers of a Dask cluster; needs the ``cluster`` extra.

    Args:
        bench: Scattered to the workers once.
        address: Address of the scheduler, ``tcp://HOST:PORT``.

    Raises:
        ConfigError: Dask is missing, or nothing answers at the address.
    """

    def __init__(self, bench: Trainer, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise ConfigError("--executor needs Dask: pip install 'rankprobe[cluster]'") from None
        try:
            self.client = Client(address, timeout="10s")
        except OSError as error:
            raise ConfigError(f"no Dask scheduler answers at {address}: {error}") from None
        self.bench = bench
        self._scattered = self.client.scatter(bench, broadcast=True, hash=False)

    def train(self, cohorts: Sequence[Cohort], tick: Tick) -> Iterator[tuple[Run, ...]]:
        """Train cohorts; ``tick`` is told the member-steps done."""
        pool = self.client.get_executor(retries=ATTEMPTS - 1)
        futures = {pool.submit(_train_on, self._scattered, cohort): cohort for cohort in cohorts}
        yield from _finished(futures, tick, self.bench)

    def close(self) -> None:
        """Leave the cluster; it runs on."""
        self.client.close()


def _finished(
    futures: dict[Future[tuple[Run, ...]], Cohort], tick: Tick, bench: Trainer
) -> Iterator[tuple[Run, ...]]:
    for future in as_completed(futures):
        runs = future.result()
        tick(sum(bench.steps(run.member) for run in runs))
        yield runs


_bench: Trainer | None = None  # of this worker process


def _start(bench: Trainer, threads: int) -> None:
    import signal

    import torch

    global _bench  # noqa: PLW0603  a worker process serves one bench
    _bench = bench
    torch.set_num_threads(threads)
    # Ctrl-C is for the coordinator, which ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _train(cohort: Cohort) -> tuple[Run, ...]:
    assert _bench is not None
    return _bench.train(cohort)


def _train_on(bench: Trainer, cohort: Cohort) -> tuple[Run, ...]:
    return bench.train(cohort)
