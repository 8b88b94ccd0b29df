"""The search: which members are trained next, until the minimal rank is known.

One loop a question: how long to train, at which rate, up to which rank, between which ranks.
Every decision follows from finished members alone, so the same search replayed over a store
asks for the same members again and finds them there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rankprobe.lowrank import adapted_layers, attach, count_trainable
from rankprobe.records import Member, Rate, Run
from rankprobe.search.epochs import choose_epochs, still_rising
from rankprobe.search.laboratory import Laboratory
from rankprobe.search.learning_rate import (
    Tuned,
    candidate,
    paired_error,
    tune,
    tuning_repeats,
)
from rankprobe.search.narrow import narrow
from rankprobe.search.refine import beside, between, first_rungs, next_rungs
from rankprobe.search.sequential import Step
from rankprobe.search.settings import Search
from rankprobe.statistics.evidence import Candidate, Evidence, RankEvidence
from rankprobe.statistics.metrics import METRICS
from rankprobe.statistics.minimal_rank import bracket, find_minimal_rank


class Driver:
    """Runs a search in a laboratory."""

    def __init__(self, laboratory: Laboratory, search: Search) -> None:
        self.laboratory, self.search = laboratory, search
        self.tuned: dict[int | None, Tuned] = {}
        self.epochs = search.epochs or 0
        self.converged = True
        self._paired: dict[tuple[int | None, float], float | None] = {}
        self.repeats: dict[int | None, int] = {}  # of the ranks that have more than others
        self.design: dict[str, Any] = {}
        self._counts: dict[int, tuple[int, int]] = {}

    def run(self) -> Evidence:
        """Measure until the question is answered; returns everything measured."""
        self._baseline()
        self._search()
        if self.search.precision is not None:
            self.design = narrow(self, self.search.precision)
        return self.evidence()

    def _search(self) -> None:
        if self.search.ranks is not None:
            self._measure(self.search.ranks, "ranks")
            return
        self._measure(first_rungs(self.search.largest), "ranks")
        while rungs := next_rungs(self._ranks(), self._bracket()[1], self.search.largest):
            self._measure(rungs, "ranks")
        if self.search.refine:
            self._refine()

    def evidence(self) -> Evidence:
        """What has been measured so far, as the statistics read it."""
        bench = self.laboratory.bench
        task, metric = bench.task, METRICS[bench.task.metric]
        return Evidence(
            metric=task.metric,
            ranks=tuple(self._rank_evidence(rank) for rank in self._ranks()),
            baseline=self._rank_evidence(None),
            target_values=bench.targets("test"),
            chance=metric.chance_influence(bench.targets("train"), bench.targets("test")),
            head=self._rank_evidence(0) if 0 in self.tuned else None,
            flags=task.flags,
            scaffolds=self.search.scaffolds,
        )

    def rates(self) -> tuple[Rate, ...]:
        """Learning-rate sensitivity of everything measured."""
        order = sorted(rank for rank in self.tuned if rank is not None)
        return tuple(
            self._rate(rank, rate)
            for rank in [*order, None]
            for rate in self.tuned[rank].candidates or (self.tuned[rank].learning_rate,)
        )

    def _baseline(self) -> None:
        progress = self.laboratory.progress
        if self.search.epochs is None:
            progress.phase("full training: how long")
            progress.expect(self._expected())
            self.epochs, self.converged = choose_epochs(self.laboratory, self.search.rates)
        progress.phase("full training")
        progress.expect(self._expected())
        self._complete([None])
        if self.search.epochs is not None:
            self.converged = not still_rising(self.laboratory, self._finished(None))
        if self.search.with_head:
            self._complete([0])

    def _refine(self) -> None:
        while True:
            below, reaching = self._bracket()
            if reaching is None or not (inside := between(below or 0, reaching)):
                break
            alone = reaching - (below or 0) == 2  # a single rank between is always worth it
            if len(inside) == 1 and not alone and self._noise_decides(below, reaching):
                break
            self._measure(inside, "between ranks")
        answer = find_minimal_rank(self.evidence(), **self.search.question)
        if "imprecise" in answer.flags and (
            ranks := beside(answer, self._ranks(), self.search.largest)
        ):
            self._measure(ranks, "beside the minimal rank")

    def take(self, step: Step) -> None:
        """Train what a step of the sequential design asks for."""
        if step.ranks:
            self._measure(step.ranks, "for precision: ranks")
            return
        ranks = ", ".join(str(rank) for rank in sorted(rank for rank in step.repeats if rank))
        self.laboratory.progress.phase(f"for precision: repeats of {ranks}")
        self.repeats |= step.repeats
        members = [self._member(rank, k) for rank in step.repeats for k in self._repeats(rank)]
        self.laboratory.progress.expect(self.laboratory.work(members))
        self.laboratory.obtain(members)

    def _noise_decides(self, below: int | None, reaching: int) -> bool:
        """Whether both ends of a gap are too close to the target for more ranks to help."""
        answer = find_minimal_rank(self.evidence(), **self.search.question)
        low, high = answer.low or 1, answer.high
        return low <= (below or 0) and (high is None or high > reaching)

    def _measure(self, ranks: Sequence[int], what: str) -> None:
        progress = self.laboratory.progress
        progress.phase(f"{what} {', '.join(str(rank) for rank in ranks)}")
        progress.expect(self._expected(adding=ranks))
        self._complete(ranks)

    def _complete(self, ranks: Iterable[int | None]) -> None:
        """Tune the ranks, then train the repeats that tuning left out."""
        new = [rank for rank in ranks if rank not in self.tuned]
        fixed = {rank: self.search.rates.fixed(rank) for rank in new}
        to_tune = [rank for rank in new if fixed[rank] is None]
        if to_tune:
            self.tuned |= tune(
                self.laboratory,
                to_tune,
                epochs=self.epochs,
                repeats=tuning_repeats(self.search.repeats),
                allowed=self.search.rates,
            )
        self.tuned |= {rank: Tuned(rank, rate) for rank, rate in fixed.items() if rate is not None}
        self.laboratory.obtain(self._member(rank, k) for rank in new for k in self._repeats(rank))
        self.laboratory.store.forget_tensors(
            member for member in self.laboratory.asked if member.rank in new and self._lost(member)
        )

    def _lost(self, member: Member) -> bool:
        """Whether a member was trained only to choose a rate or a length, and is not of those."""
        rate = self.tuned[member.rank].learning_rate
        return (member.learning_rate, member.epochs) != (rate, self.epochs)

    def _bracket(self) -> tuple[int | None, int | None]:
        return bracket(self.evidence(), **self.search.question)

    def _ranks(self) -> list[int]:
        return sorted(rank for rank in self.tuned if rank)

    def _repeats(self, rank: int | None) -> range:
        return range(self.repeats.get(rank, self.search.repeats))

    def _member(self, rank: int | None, repeat: int) -> Member:
        return self.laboratory.member(rank, self.tuned[rank].learning_rate, repeat, self.epochs)

    def _rank_evidence(self, rank: int | None) -> RankEvidence:
        laboratory, planned = self.laboratory, len(self._repeats(rank))
        longest = max([self.search.repeats, *self.repeats.values()])
        runs = [laboratory.run(self._member(rank, repeat)) for repeat in self._repeats(rank)]
        predictions = [
            laboratory.store.predictions(run.member) if run and run.status == "finished" else None
            for run in runs
        ]
        tuned = self.tuned[rank]
        tried = [self._tried(tuned, rate) for rate in tuned.candidates]
        chosen = self._candidate(rank, tuned.learning_rate)
        flags = ["rate_at_edge"] if tuned.at_edge else []
        if not self.converged if rank is None else still_rising(laboratory, self._finished(rank)):
            flags.append("not_converged")
        trainable, of_adapters = self._parameters(rank)
        return RankEvidence(
            rank=rank,
            learning_rate=tuned.learning_rate,
            scores=np.append(chosen.test, np.full(longest - planned, np.nan)),
            predictions=(*predictions, *[None] * (longest - planned)),
            trainable=trainable,
            adapter_parameters=of_adapters,
            flags=tuple(flags),
            candidates=tuple(tried),
            planned=planned,
        )

    def _candidate(self, rank: int | None, rate: float) -> Candidate:
        repeats = len(self._repeats(rank))
        return candidate(self.laboratory, rank, rate, epochs=self.epochs, repeats=repeats)

    def _tried(self, tuned: Tuned, rate: float) -> Candidate:
        """A rate beside the chosen one; evidence is asked for again and again."""
        key = (tuned.rank, rate)
        if key not in self._paired:
            self._paired[key] = paired_error(
                self.laboratory,
                tuned.rank,
                rate,
                tuned.learning_rate,
                epochs=self.epochs,
                repeats=self.search.repeats,
            )
        return replace(self._candidate(tuned.rank, rate), paired_error=self._paired[key])

    def _finished(self, rank: int | None) -> list[Run]:
        runs = [self.laboratory.run(self._member(rank, repeat)) for repeat in self._repeats(rank)]
        return [run for run in runs if run is not None and run.status == "finished"]

    def _parameters(self, rank: int | None) -> tuple[int, int]:
        """All trained parameters, and those that belong to adapters."""
        bench = self.laboratory.bench
        if rank is None:
            return bench.parameters, 0
        if rank not in self._counts:
            twin = attach(bench.backbone, rank=rank, adapter=bench.protocol.adapter)
            of_adapters = sum(map(count_trainable, adapted_layers(twin).values()))
            self._counts[rank] = count_trainable(twin), of_adapters
        return self._counts[rank]

    def _rate(self, rank: int | None, rate: float) -> Rate:
        repeats = range(tuning_repeats(self.search.repeats))
        laboratory = self.laboratory
        runs = [laboratory.run(laboratory.member(rank, rate, k, self.epochs)) for k in repeats]
        scores = [run.validation for run in runs if run and run.validation is not None]
        return Rate(
            rank,
            rate,
            validation=sum(scores) / len(scores) if scores else None,
            repeats=len(scores),
            failed=sum(run is not None and run.status != "finished" for run in runs),
            chosen=rate == self.tuned[rank].learning_rate,
        )

    def _expected(self, adding: Sequence[int] = ()) -> int:
        """Member-steps still to come, as far as can be told: for the time left."""
        epochs = self.epochs or 20
        ranks: list[int | None] = [*adding]
        if not self._ranks() and not adding:
            first = self.search.ranks or (*first_rungs(self.search.largest), 3, 5, 6)
            ranks += [None, 0, *first] if self.search.with_head else [None, *first]
        elif self.search.ranks is None and not self.tuned.keys() - {None, 0}:
            ranks += [3, 5, 6]
        tuning = tuning_repeats(self.search.repeats)
        member, members = self.laboratory.member, []
        for rank in ranks:
            rates = self.search.rates.first(rank)
            members += [member(rank, rate, k, epochs) for rate in rates for k in range(tuning)]
            members += [
                member(rank, rates[0], k, epochs) for k in range(tuning, self.search.repeats)
            ]
        return self.laboratory.work(members)
