import multiprocessing
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from rankprobe.errors import ConfigError, TrainingError
from rankprobe.records import Member, Run
from rankprobe.search import executor
from rankprobe.search.bench import Bench, Tick
from rankprobe.search.executor import Cluster, InProcess, Workers
from rankprobe.training import TrainingProtocol
from tests.search.fakes import make_bench

COHORTS = [(Member(rank, 0.01, 0, 1),) for rank in (1, 2, 4)]


class Mortal(Bench):
    """A bench whose process dies as often as there are files to take."""

    lives: Path

    def train(
        self,
        members: Sequence[Member],
        tick: Tick | None = None,
        protocols: Sequence[TrainingProtocol] = (),
    ) -> tuple[Run, ...]:
        for file in self.lives.iterdir():
            file.unlink()
            os._exit(9)
        return tuple(Run(member, "finished", test=float(member.rank or 0)) for member in members)


def mortal(folder: Path, deaths: int) -> Mortal:
    for death in range(deaths):
        (folder / str(death)).touch()
    bench = make_bench()
    mortal = Mortal(bench.backbone, bench.task, bench.protocol)
    mortal.lives = folder
    return mortal


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that start at once, where what is tested is what happens when they die."""
    context = multiprocessing.get_context("fork")
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: context)


FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


def test_in_process_and_workers_train_the_same() -> None:
    bench = make_bench()
    ticks: list[int] = []
    alone = {runs[0].member: runs[0] for runs in InProcess(bench).train(COHORTS, ticks.append)}
    workers = Workers(bench, workers=2, threads=1)
    together = {runs[0].member: runs[0] for runs in workers.train(COHORTS, ticks.append)}
    workers.close()
    assert alone.keys() == together.keys() == {cohort[0] for cohort in COHORTS}
    for member in alone:
        assert together[member].test == pytest.approx(alone[member].test, abs=0.02)


@FORKS
@pytest.mark.usefixtures("forked")
def test_a_worker_that_dies_costs_its_cohort_which_is_tried_again(tmp_path: Path) -> None:
    workers = Workers(mortal(tmp_path, deaths=1), workers=1, threads=1)
    runs = [runs[0] for runs in workers.train(COHORTS, lambda _: None)]
    workers.close()
    assert sorted(run.test or 0 for run in runs) == [1.0, 2.0, 4.0]


@FORKS
@pytest.mark.usefixtures("forked")
def test_workers_that_keep_dying_are_an_error(tmp_path: Path) -> None:
    workers = Workers(mortal(tmp_path, deaths=20), workers=1, threads=1)
    with pytest.raises(TrainingError, match=r"died 3 times.*fewer --workers.*is kept"):
        list(workers.train(COHORTS, lambda _: None))
    workers.close()


def test_a_cluster_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'rankprobe\[cluster\]'"):
        Cluster(make_bench(), "tcp://127.0.0.1:1")


def test_attempts_are_those_of_the_message() -> None:
    assert executor.ATTEMPTS == 3
