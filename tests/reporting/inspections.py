"""Synthetic inspections: a usual one, one of many layers, one of adapters alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rankprobe.records import Interval
from rankprobe.records.inspection import AdapterSpectrum, Cut, Inspection, Spread, UpdateSpectrum

RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


def inspection(
    layers: Sequence[str] = ("hidden0", "hidden1"),
    ranks: Sequence[int] = RANKS,
    *,
    repeats: int = 3,
    width: int = 40,
    task: str = "letters",
) -> Inspection:
    """Rank 2 falls short of its cut, rank 1 of full training, the others of nothing."""
    random = np.random.default_rng(0)

    def spread(centre: float) -> Spread:
        return Spread.of(centre * (1 + 0.05 * random.standard_normal(repeats)))

    def adapter(layer: str, rank: int) -> AdapterSpectrum:
        nominal = min(rank, width)
        return AdapterSpectrum(
            layer,
            rank,
            nominal,
            beta=spread(0.9),
            stable=spread(nominal**0.5),
            effective=spread(nominal**0.9),
            norm=spread(3.0),
            scaffold=spread(2.0),
            over_scaffold=spread(1.6),
        )

    def update(layer: str) -> UpdateSpectrum:
        values = tuple(4.0 * 0.8**k for k in range(width))
        needed = {"0.9": spread(6), "0.95": spread(8), "0.99": spread(12)}
        return UpdateSpectrum(
            layer, (width, 64), values, needed, spread(3), spread(9), spread(4), spread(1)
        )

    def cut(rank: int) -> Cut:
        below, nothing = Interval(-0.1, -0.12, -0.08), Interval(0.0, -0.01, 0.01)
        lost, gained, short = {1: (below, nothing, below), 2: (nothing, below, below)}.get(
            rank, (nothing, nothing, nothing)
        )
        named = {1: ("capacity",), 2: ("optimisation",)}.get(rank, ())
        scores = tuple(0.95 + lost.mean for _ in range(repeats))
        trained = tuple(score + gained.mean for score in scores)
        return Cut(rank, scores, trained, lost, gained, short, named)  # type: ignore[arg-type]

    return Inspection(
        task=task,
        metric="accuracy",
        adapters=tuple(adapter(layer, rank) for rank in ranks for layer in layers),
        updates=tuple(map(update, layers)),
        cuts=tuple(map(cut, ranks)),
        full=tuple(0.95 for _ in range(repeats)),
        minimal_rank=4,
    )


def adapters_alone() -> Inspection:
    """As it is without the data."""
    whole = inspection()
    adapters = tuple(replace(a, scaffold=None, over_scaffold=None) for a in whole.adapters)
    return replace(
        whole, adapters=adapters, updates=(), cuts=(), full=(), notes=("no data were found",)
    )


INSPECTIONS = {
    "usual": inspection(),
    "deep": inspection([f"encoder.layers.{k}.self_attn.out_proj" for k in range(9)]),
    "adapters alone": adapters_alone(),
    "one repeat": inspection(repeats=1),
    "one rank": inspection(ranks=[2]),
}
