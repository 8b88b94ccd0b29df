"""Measure all combinations of a grid together, with everything shared that they have in common.

The search of a combination is the one that measuring it alone does. All searches run side by
side: each goes on until it needs trainings; then what all of them need is trained together,
and they go on. A training that several need is done once.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rankprobe.config import TaskConfig
from rankprobe.config_grid import VariedConfig
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, RankprobeError, StoreError
from rankprobe.records import Member, Result, Run
from rankprobe.search.bench import Bench, Tick
from rankprobe.search.cohorts import Bytes
from rankprobe.search.driver import Driver
from rankprobe.search.executor import Executor
from rankprobe.search.laboratory import Laboratory, Progress
from rankprobe.search.measure import (
    Silent,
    check_options,
    check_room,
    executor_of,
    result_of,
    room_for,
)
from rankprobe.search.planned import Planned
from rankprobe.search.setup import Setup, prepare
from rankprobe.search.sharing import Placed, Sharing, placed, task_key
from rankprobe.search.store import JOURNAL, Store
from rankprobe.search.trained import KEPT_BYTES
from rankprobe.search.turns import Turns
from rankprobe.training import TrainingData


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
    check_options(workers, executor)
    if storage is not None and folder is None:
        raise ConfigError("a storage keeps no predictions: give a run folder too, as `out`")
    if folder is not None and (folder / JOURNAL).is_file():
        raise StoreError(
            f"{folder} holds a single measurement; write the grid to another folder with --out"
        )
    names = list(varied.configs)
    setups = prepare_grid(varied, tasks, device=device)
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
    setups, problems = [], {}
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


@dataclass(eq=False)
class GridBench:
    """The benches of all combinations, as one that trains placed members.

    Attributes:
        benches: One a combination; they share their data.
    """

    benches: tuple[Bench, ...]
    _data: dict[str, TrainingData] = field(default_factory=dict, repr=False)

    def train(self, members: Sequence[Placed], tick: Tick | None = None) -> tuple[Run, ...]:
        """Train a cohort of one combination."""
        bench = self.benches[members[0].combination]
        self._prepare(bench)
        runs = bench.train([member.member for member in members], tick)
        return tuple(replace(run, member=member) for run, member in zip(runs, members, strict=True))

    def steps(self, member: Placed) -> int:
        """Optimiser steps of a member."""
        return self.benches[member.combination].steps(member)

    def cohorts(
        self, members: Iterable[Placed], *, bytes_of: Sequence[Bytes]
    ) -> list[tuple[Placed, ...]]:
        """Who of the members trains with whom."""
        by_combination: dict[int, list[Member]] = {}
        for member in members:
            by_combination.setdefault(member.combination, []).append(member.member)
        return [
            tuple(placed(member, index) for member in cohort)
            for index, own in sorted(by_combination.items())
            for cohort in self.benches[index].cohorts(own, bytes_of=bytes_of[index])
        ]

    def _prepare(self, bench: Bench) -> None:
        """Give a bench the tensors that another one of the same data has."""
        if bench._data is None:
            protocol = bench.protocol
            key = f"{bench.task.hash} {protocol.device} {protocol.class_weights}"
            if key not in self._data:
                self._data[key] = bench.training_data()
            bench._data = self._data[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_data": {}}


class Together:
    """The searches of all combinations, run side by side.

    Args:
        names: Names of the combinations.
        setups: What each is measured with.
        stores: Where each is recorded.
        sharing: Which of their trainings are the same.
        bench: Trains members of all of them.
        executor: Where cohorts train.
        planned: Cohorts planned before.
        progress: Told what happens.
    """

    def __init__(
        self,
        names: Sequence[str],
        setups: Sequence[Setup],
        stores: Sequence[Store],
        sharing: Sharing,
        bench: GridBench,
        executor: Executor,
        planned: Planned,
        progress: Progress | None,
    ) -> None:
        self.names, self.stores, self.sharing = names, stores, sharing
        self.bench, self.executor, self.planned = bench, executor, planned
        self.progress = progress or Silent()
        self._bytes = [setup.bytes_of for setup in setups]
        self.seats = [_Seat(self, index, setup) for index, setup in enumerate(setups)]
        self.drivers = [
            Driver(seat, setup.search) for seat, setup in zip(self.seats, setups, strict=True)
        ]

    def run(self) -> list[Driver]:
        """Run every search to its end; returns them."""
        for seat, driver in zip(self.seats, self.drivers, strict=True):
            seat.turns = Turns(driver.run)
        try:
            while waiting := [seat for seat in self.seats if self._advanced(seat)]:
                self._obtain(waiting)
        finally:
            for seat in self.seats:
                assert seat.turns is not None
                seat.turns.cancel()
        return self.drivers

    def cost(self) -> dict[str, float]:
        """What all searches took together: every training counts once."""
        runs = {
            placed(member, self.sharing.owner(member, seat.index)): seat.store.runs[member]
            for seat in self.seats
            for member in seat.asked
        }
        return {
            "seconds": round(sum(run.seconds for run in runs.values()), 1),
            "members": len(runs),
            "steps": sum(self.bench.steps(member) for member in runs),
        }

    def _advanced(self, seat: _Seat) -> bool:
        assert seat.turns is not None
        try:
            return seat.turns.advance()
        except RankprobeError as error:
            raise type(error)(f"{self.names[seat.index]}: {error}") from error

    def _obtain(self, seats: Sequence[_Seat]) -> None:
        """Train what the searches wait for, and is nowhere yet; all of it is in their stores."""
        takers: dict[Placed, list[int]] = {}
        for seat in seats:
            assert seat.turns is not None
            for member in seat.turns.asked or ():
                if member not in seat.store.runs:
                    owner = self.sharing.owner(member, seat.index)
                    takers.setdefault(placed(member, owner), []).append(seat.index)
        missing = {member for member in takers if not self._copied(member, takers[member])}
        self._tell(seats)
        if not missing:
            return
        unfinished = [cohort for cohort in self.planned.cohorts if missing & set(cohort)]
        new = self.bench.cohorts(missing.difference(*unfinished), bytes_of=self._bytes)
        self.planned.add(new)
        for runs in self.executor.train([*unfinished, *new], self.progress.done):
            self._record(runs, takers)

    def _copied(self, member: Placed, takers: Sequence[int]) -> bool:
        """Whether another combination has the same training, which is then copied."""
        own = member.member
        for other in self.sharing.alike(own, member.combination):
            if own in self.stores[other].runs:
                run = self.stores[other].whole(own)
                for index in takers:
                    self.stores[index].record([run])
                return True
        return False

    def _record(self, runs: Sequence[Run], takers: Mapping[Placed, Sequence[int]]) -> None:
        """Record the runs of a cohort with everyone who asked for them."""
        by_taker: dict[int, list[Run]] = {}
        for run in runs:
            assert isinstance(run.member, Placed)
            # Of a cohort planned before an interruption some may be recorded already.
            for index in takers.get(run.member, [run.member.combination]):
                by_taker.setdefault(index, []).append(replace(run, member=run.member.member))
        for index, own in by_taker.items():
            self.stores[index].record(own)

    def _tell(self, seats: Sequence[_Seat]) -> None:
        """Say what most searches are at, and what all of them still need."""
        ((text, _),) = Counter(seat.phase for seat in seats).most_common(1)
        ended = len(self.seats) - len(seats)
        done = f", {ended} done" if ended else ""
        self.progress.phase(f"{len(self.seats)} combinations{done}: {text}")
        self.progress.expect(sum(seat.expected for seat in seats))


class _Seat(Laboratory):
    """The laboratory of one combination: what it is asked for is obtained with the others'."""

    def __init__(self, together: Together, index: int, setup: Setup) -> None:
        super().__init__(
            setup.bench,
            together.stores[index],
            together.executor,
            _Told(self),
            bytes_of=setup.bytes_of,
            scaffolds=setup.search.scaffolds,
        )
        self.together, self.index = together, index
        self.turns: Turns[set[Member]] | None = None
        self.phase, self._expected, self._at = "", 0.0, 0

    def obtain(self, members: Iterable[Member]) -> None:
        """See that the members are in the store, when the other searches wait as well."""
        wanted = set(members)
        self.asked |= wanted
        assert self.turns is not None
        self.turns.ask(wanted)

    def work(self, members: Iterable[Member]) -> int:
        """Member-steps still to be trained; what several combinations share is divided."""
        missing = set(members) - self.store.runs.keys()
        alike = self.together.sharing.alike
        return round(sum(self.bench.steps(m) / len(alike(m, self.index)) for m in missing))

    @property
    def expected(self) -> int:
        """Member-steps that its search expects still to need."""
        return max(0, round(self._expected - (self._trained() - self._at)))

    def expect(self, work: int) -> None:
        """Its search expects to need so many member-steps from here on."""
        self._expected, self._at = work, self._trained()

    def _trained(self) -> int:
        alike = self.together.sharing.alike
        return round(sum(self.bench.steps(m) / len(alike(m, self.index)) for m in self.store.runs))


class _Told:
    """Progress of one search, kept for whoever tells that of all."""

    def __init__(self, seat: _Seat) -> None:
        self._seat = seat

    def phase(self, text: str) -> None:
        """A new phase begins."""
        self._seat.phase = text

    def expect(self, work: int) -> None:
        """About this much work is still to come."""
        self._seat.expect(work)

    def done(self, work: int) -> None:
        """Told by whoever trains."""
