"""Synthetic score tables with a known truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.statistics.evidence import Candidate, Evidence, RankEvidence
from rankprobe.statistics.metrics import METRICS

Values = NDArray[np.float64]


def accuracy_evidence(
    curve: Mapping[int, float],
    *,
    full: float = 0.96,
    head: float | None = None,
    repeats: int = 5,
    examples: int = 2000,
    wobble: float = 0.001,
    classes: int = 10,
    flags: Mapping[int | None, tuple[str, ...]] | None = None,
    data_flags: tuple[str, ...] = (),
    failed: Mapping[int | None, tuple[int, ...]] | None = None,
) -> Evidence:
    """Ten balanced classes; at each rank the given share of labels is right, +- ``wobble``.

    The repeats' deviations differ from rank to rank and sum to zero, so that means are exact.
    """
    target = np.arange(examples) % classes
    deviations = np.linspace(-1.0, 1.0, repeats) if repeats > 1 else np.zeros(1)

    def row(rank: int | None, score: float) -> RankEvidence:
        order = np.random.default_rng([repeats, 0 if rank is None else rank + 1])
        levels = score + wobble * order.permutation(deviations)
        lost = (failed or {}).get(rank, ())
        predictions: list[NDArray[Any] | None] = []
        for repeat, level in enumerate(levels):
            right = np.zeros(examples, dtype=bool)
            right[: round(level * examples)] = True
            labels = np.where(right, target, (target + 1) % classes).astype(np.int16)
            predictions.append(None if repeat in lost else labels)
        scores = [np.nan if p is None else float(np.mean(p == target)) for p in predictions]
        return RankEvidence(
            rank=rank,
            learning_rate=0.01,
            scores=np.array(scores),
            predictions=tuple(predictions),
            trainable=10_000 if rank is None else 100 + 50 * rank,
            adapter_parameters=0 if rank is None else 50 * rank,
            flags=(flags or {}).get(rank, ()),
        )

    return Evidence(
        metric="accuracy",
        ranks=tuple(row(rank, score) for rank, score in curve.items()),
        baseline=row(None, full),
        target_values=target,
        chance=METRICS["accuracy"].chance_influence(target, target),
        head=None if head is None else row(0, head),
        flags=data_flags,
    )


def loss_evidence(
    losses: Mapping[int | None, Values],
    *,
    chance: float,
    candidates: Mapping[int | None, tuple[Candidate, ...]] | None = None,
) -> Evidence:
    """Log-losses given example by example, (repeats, examples); rank ``None``: full training."""

    def row(rank: int | None, values: Values) -> RankEvidence:
        tried = (candidates or {}).get(rank, ())
        return RankEvidence(
            rank=rank,
            learning_rate=tried[0].learning_rate if tried else 0.01,
            scores=values.mean(axis=1),
            predictions=tuple(values),
            trainable=1000,
            adapter_parameters=10 * (rank or 0),
            candidates=tried,
        )

    n = losses[None].shape[1]
    return Evidence(
        metric="log_loss",
        ranks=tuple(row(rank, values) for rank, values in losses.items() if rank),
        baseline=row(None, losses[None]),
        target_values=np.zeros(n, dtype=np.int64),
        chance=np.full(n, chance),
    )


def gaussian_losses(
    means: Mapping[int | None, float],
    *,
    repeats: int,
    examples: int,
    over_repeats: float,
    over_examples: float,
    rest: float,
    generator: np.random.Generator,
) -> dict[int | None, Values]:
    """Losses with three sources of noise: repeats, examples (half shared by ranks), the rest."""
    draw = generator.standard_normal
    shared = draw((1, examples))
    losses: dict[int | None, Values] = {}
    for rank, mean in means.items():
        own = draw((1, examples))
        losses[rank] = (
            mean
            + over_repeats * draw((repeats, 1))
            + over_examples * (shared + own) / np.sqrt(2.0)
            + rest * draw((repeats, examples))
        )
    return losses
