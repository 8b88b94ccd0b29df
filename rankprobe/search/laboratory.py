"""Members in, runs out: from the store where they are finished, trained where they are not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from rankprobe.records import Member, Run, scaffold_index
from rankprobe.search.bench import Bench
from rankprobe.search.cohorts import Bytes
from rankprobe.search.executor import Executor
from rankprobe.search.store import Store


class Progress(Protocol):
    """What someone watching wants to know. Work is counted in member-steps."""

    def phase(self, text: str) -> None:
        """A new phase begins."""

    def expect(self, work: int) -> None:
        """About this much work is still to come."""

    def done(self, work: int) -> None:
        """This much work has been done."""


class Laboratory:
    """Obtains members, and remembers which were asked for.

    Args:
        bench: Backbone, data and protocol.
        store: The record of finished members.
        executor: Where cohorts train.
        progress: Told what happens.
        bytes_of: Memory that a member of a rank takes while training.
        scaffolds: Scaffold seeds that the repeats take turns with.
    """

    def __init__(
        self,
        bench: Bench,
        store: Store,
        executor: Executor,
        progress: Progress,
        *,
        bytes_of: Bytes,
        scaffolds: int,
    ) -> None:
        self.bench, self.store, self.executor = bench, store, executor
        self.progress, self.bytes_of = progress, bytes_of
        self.scaffolds = scaffolds
        self.asked: set[Member] = set()

    def member(self, rank: int | None, rate: float, repeat: int, epochs: int) -> Member:
        """The member of a repeat, with the scaffold that is the repeat's."""
        return Member(rank, rate, repeat, epochs, scaffold_index(rank, repeat, self.scaffolds))

    def obtain(self, members: Iterable[Member]) -> None:
        """See that the members are in the store.

        Cohorts that were planned before and not finished train again as they were planned, so
        an interrupted measurement ends as an uninterrupted one does.
        """
        wanted = set(members)
        self.asked |= wanted
        missing = wanted - self.store.runs.keys()
        if not missing:
            return
        unfinished = [cohort for cohort in self.store.planned() if missing & set(cohort)]
        left = missing.difference(*unfinished)
        new = self.bench.cohorts(left, bytes_of=self.bytes_of)
        self.store.plan(new)
        for runs in self.executor.train([*unfinished, *new], self.progress.done):
            self.store.record(runs)

    def work(self, members: Iterable[Member]) -> int:
        """Member-steps that are still to be trained for these members."""
        return sum(self.bench.steps(m) for m in set(members) - self.store.runs.keys())

    def run(self, member: Member) -> Run | None:
        """What became of a member; ``None`` if it was not asked for yet."""
        return self.store.runs.get(member)
