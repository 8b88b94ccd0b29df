"""The benches of a grid as one: cohorts of members of several combinations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from rankprobe.records import Run
from rankprobe.search.bench import Bench, Tick
from rankprobe.search.cohorts import Bytes, cohort_bytes, compose
from rankprobe.search.sharing import Placed
from rankprobe.training import TrainingData
from rankprobe.training.variants import copy_bytes, structure


@dataclass(eq=False)
class GridBench:
    """The benches of all combinations, as one that trains placed members.

    Attributes:
        benches: One a combination; they share their data.
    """

    benches: tuple[Bench, ...]
    _data: dict[str, TrainingData] = field(default_factory=dict, repr=False)

    def train(self, members: Sequence[Placed], tick: Tick | None = None) -> tuple[Run, ...]:
        """Train a cohort, of one combination or of several."""
        bench = self.benches[members[0].combination]
        self._prepare(bench)
        several = len({member.combination for member in members}) > 1
        protocols = [self.benches[member.combination].protocol for member in members]
        own = [member.member for member in members]
        runs = bench.train(own, tick, protocols if several else ())
        return tuple(replace(run, member=member) for run, member in zip(runs, members, strict=True))

    def steps(self, member: Placed) -> int:
        """Optimiser steps of a member."""
        return self.benches[member.combination].steps(member)

    def cohorts(
        self, members: Collection[Placed], *, bytes_of: Sequence[Bytes]
    ) -> list[tuple[Placed, ...]]:
        """Who of the members trains with whom.

        Args:
            members: Members of all combinations.
            bytes_of: Memory that a member of a rank takes, one function a combination.
        """
        found: list[tuple[Placed, ...]] = []
        for first in sorted(set(self.structures)):
            bench = self.benches[first]
            found += compose(
                [member for member in members if self.structures[member.combination] == first],
                bytes_of=bytes_of[first],
                parameters=bench.parameters,
                draws_masks=bench.draws_masks or bool(bench.task.context),
                lane=self._lane,
                copy=self.copies[first],
            )
        return found

    def largest(self, members: Collection[Placed], *, bytes_of: Sequence[Bytes]) -> int:
        """Memory of the largest cohort of members with adapters; arguments as `cohorts`."""
        sizes = [0]
        for cohort in self.cohorts(members, bytes_of=bytes_of):
            first = self.structures[cohort[0].combination]
            copy, own = self.copies[first], bytes_of[first]
            sizes.append(cohort_bytes(cohort, bytes_of=own, lane=self._lane, copy=copy))
        return max(sizes)

    def _lane(self, member: Placed) -> int:
        return self.scaffolds[member.combination]

    @cached_property
    def structures(self) -> list[int]:
        """For every combination, the first one whose members can train with its own."""
        keys = [
            (id(bench.backbone), bench.task.hash, structure(bench.backbone, bench.protocol))
            for bench in self.benches
        ]
        return [keys.index(key) for key in keys]

    @cached_property
    def scaffolds(self) -> list[int]:
        """For every combination, the first one that has the same frozen weights."""
        keys = [(bench.protocol.scaffold, bench.protocol.use) for bench in self.benches]
        return [keys.index(key) for key in keys]

    @cached_property
    def copies(self) -> dict[int, int]:
        """Bytes of one copy of the frozen weights, by structure; 0 where all share one."""
        return {
            first: copy_bytes(self.benches[first].backbone, self.benches[first].protocol)
            if len({self.scaffolds[k] for k, own in enumerate(self.structures) if own == first}) > 1
            else 0
            for first in set(self.structures)
        }

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
