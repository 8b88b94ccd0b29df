"""Searches that run side by side: what all of them wait for is trained together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from rankprobe.errors import RankprobeError
from rankprobe.records import Member, Run
from rankprobe.search.driver import Driver
from rankprobe.search.executor import Executor
from rankprobe.search.grid_bench import GridBench
from rankprobe.search.laboratory import Laboratory, Progress
from rankprobe.search.measure import Silent
from rankprobe.search.planned import Planned
from rankprobe.search.setup import Setup
from rankprobe.search.sharing import Placed, Sharing, placed
from rankprobe.search.store import Store
from rankprobe.search.turns import Turns


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
        alike = (self.stores[index] for index in self.sharing.alike(own, member.combination))
        there = [store for store in alike if own in store.runs]
        if not there:
            return False
        # Those that chose another rate have forgotten its tensors.
        run = max(there, key=lambda store: store.has_tensors(own)).whole(own)
        for index in takers:
            self.stores[index].record([run])
        return True

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
