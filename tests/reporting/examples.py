"""Synthetic results: one for every verdict, metric and awkward shape that reporting meets."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rankprobe.records import (
    Baseline,
    Curve,
    Interval,
    MinimalRank,
    Point,
    Rate,
    Result,
    TaskSummary,
    Variant,
    Verdict,
)
from rankprobe.records.bounds import within_bounds

HOSTILE = (
    "<script>alert('x')</script> $\\frac{1}{0}$ [red]bold[/red] \x1b[31m a\nb \u202e "
    "& 100 % of a very long name that goes on and on and on and on"
)


def make(
    name: str = "letters",
    *,
    ranks: Sequence[int] = (1, 2, 4, 5, 6, 7, 8, 16, 32),
    full: float = 0.956,
    worst: float = 0.40,
    half: float = 1.1,
    noise: float = 0.006,
    repeats: int = 5,
    metric: str = "accuracy",
    floor: str = "none",
    chance: float = 0.038,
    head: float | None = 0.31,
    minimal: MinimalRank | None = None,
    target: float = 0.95,
    baseline_flags: tuple[str, ...] = (),
    fitted: bool = True,
    seed: int = 0,
) -> Result:
    """A saturating curve from ``worst`` to ``full``, with noise; lower is better if it falls."""
    random = np.random.default_rng(seed)
    floor_score = {"none": 0.0, "chance": chance, "head": head or 0.0}[floor]
    gain = full - floor_score

    def mean(rank: float) -> float:
        return float(full - (full - worst) * np.exp(-half * (rank - ranks[0]) / 2.2))

    def scores(centre: float) -> tuple[float, ...]:
        return tuple(float(s) for s in centre + noise * random.standard_normal(repeats))

    def point(rank: int) -> Point:
        drawn = scores(mean(rank))
        middle, half_width = float(np.mean(drawn)), 2.3 * noise / np.sqrt(repeats) + 1e-6
        low, high = middle - half_width, middle + half_width
        ends = sorted([(low - floor_score) / gain, (high - floor_score) / gain])
        recovery = Interval((middle - floor_score) / gain, ends[0], ends[1])
        made = Point(rank, middle, low, high, drawn, 3e-3, 1_000 * rank + 4_000, recovery, ())
        return within_bounds(made, metric)

    points = tuple(point(rank) for rank in ranks)
    drawn = scores(full)
    middle, width = float(np.mean(drawn)), 1.2 * noise
    ends = (middle - width, middle + width)
    baseline = Baseline(middle, *ends, drawn, 1e-3, 575_050, baseline_flags)
    grid = tuple(float(r) for r in np.geomspace(ranks[0], ranks[-1], 60))
    curve = Curve(
        forms=({"name": "exponential", "weight": 0.7, "parameters": {}, "trouble": ""},),
        continuous_rank=5.6,
        ranks=grid,
        mean=tuple(mean(r) for r in grid),
        low=tuple(mean(r) - noise for r in grid),
        high=tuple(mean(r) + noise for r in grid),
    )
    answer = minimal or MinimalRank(6, 5, 7, 0.95, "resolved", (), 12_345, 0.0213)
    return Result(
        task=TaskSummary(name, "classification", metric, 12_800, 1_600, 3_200, "ab" * 32),
        target=target,
        floor=floor,
        floor_score=floor_score,
        chance_score=chance,
        head_score=head,
        higher_is_better=worst <= full,
        members={"trained": 163, "failed": 2},
        baseline=within_bounds(baseline, metric),
        points=points,
        minimal_rank=answer,
        curve=within_bounds(curve, metric) if fitted else Curve(),
        targets={
            "0.9": MinimalRank(4, 4, 5, 0.95, "resolved", (), 8_000, 0.014),
            "0.95": answer,
            "0.99": MinimalRank(None, 33, None, 0.95, "above_largest"),
        },
        rates=make_rates(ranks, mean, full, seed=seed),
        cost={"seconds": 83.4, "members": 165, "steps": 123_456},
        scope={
            "backbone": {"family": "mlp", "hidden": [512, 256, 128, 64], "dropout": 0.1},
            "optimizer": "adamw",
            "epochs": 20,
            "seeds": {"scaffold": 42, "repeats": 0},
        },
        provenance={"rankprobe": "0.1.0", "torch": "2.13.0", "date": "2026-05-01", "threads": 2},
    )


def make_rates(
    ranks: Sequence[int],
    mean: Callable[[float], float],
    full: float,
    *,
    seed: int = 0,
    rates: Sequence[float] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
) -> tuple[Rate, ...]:
    """A bowl over the rates for every rank; the largest rate fails at the largest rank."""
    random = np.random.default_rng(seed)
    rows = []
    for rank in (None, *ranks):
        best = full if rank is None else mean(rank)
        chosen = 1e-3 if rank is None else 3e-3
        for rate in rates:
            shortfall = 0.03 * np.log(rate / chosen) ** 2 + 0.001 * random.random()
            value = float(best - np.sign(full - mean(ranks[0]) or 1) * abs(full) * shortfall)
            failed = rank == ranks[-1] and rate == rates[-1]
            partly = rank == ranks[0] and rate == rates[-1]
            rows.append(
                Rate(
                    rank,
                    rate,
                    None if failed else value,
                    2,
                    2 if failed else int(partly),
                    rate == chosen,
                )
            )
    return tuple(rows)


def unresolved(verdict: Verdict, **limits: int | None) -> MinimalRank:
    return MinimalRank(
        None,
        limits.get("low"),
        limits.get("high"),
        0.95,
        verdict,
        (),
    )


def trusted() -> Result:
    """Every field that says how far the answer can be trusted."""
    flags = ("unresolved_tie", "failed_members", "mostly_duplicates", "time_across_splits")
    minimal = MinimalRank(6, 5, 7, 0.95, "resolved", flags, 12_345, 0.0213, 7)
    result = make("trusted letters", minimal=minimal)
    noise = {"repeats": 2e-6, "test_set": 7e-6, "scaffolds": 0.0, "learning_rate": 1e-6}

    def tested(point: Point) -> Point:
        share = point.recovery.mean - 0.01
        return replace(
            point,
            over_chance=Interval(share, share - 0.02, share + 0.02),
            p_value=1e-9 if point.rank > 7 else 0.3 / point.rank,
            non_inferior=point.rank > 6,
            variance=noise,
        )

    return replace(
        result,
        points=tuple(tested(point) for point in result.points),
        design={
            "precision": 1,
            "budget": 400,
            "stopped": "test_set",
            "repeats": {"5": 9, "6": 12, "full": 12},
            "narrowest": 2,
            "trainings": 312,
        },
        sensitivity=variants(),
        scope={**result.scope, "split": "by `writer`, with no group in two splits, seed 0"},
    )


def variants() -> tuple[Variant, ...]:
    """Answers under changed settings: the same, moved, past the ranks tried, withheld."""
    near = ((5, 0.93), (6, 0.96), (7, 0.97))
    return (
        Variant("epochs", "10 (half)", unresolved("baseline_suspect"), near),
        Variant("epochs", "40 (double)", MinimalRank(6, 5, 6, 0.95, "resolved"), near),
        Variant("batch_size", "64 (half)", MinimalRank(5, 5, 6, 0.95, "resolved"), near),
        Variant("weight_decay", "0.02 (double)", MinimalRank(9, 8, 9, 0.95, "resolved"), near),
        Variant(
            "scaffold", "seed 43", unresolved("above_largest", low=12), (*near, (11, math.nan))
        ),
    )


def within_epsilon() -> Result:
    """A loss that has to come within 0.02 of full training's."""
    result = make(
        "close enough",
        metric="log_loss",
        full=0.21,
        worst=1.4,
        chance=2.302,
        head=1.9,
        floor="chance",
        noise=0.004,
        ranks=(1, 2, 4, 6, 8, 16),
        minimal=MinimalRank(8, 6, 16, 0.95, "resolved", (), 9_999, 0.02, 16),
    )
    points = tuple(replace(point, p_value=0.01, non_inferior=True) for point in result.points)
    return replace(result, epsilon=0.02, points=points)


def examples() -> dict[str, Result]:
    """Every example by name."""
    wide = tuple(2**k for k in range(10))
    made = {
        "resolved": make(),
        "rank_one": make(
            "breast cancer",
            ranks=(1, 2, 4),
            worst=0.93,
            full=0.96,
            noise=0.01,
            chance=0.63,
            head=0.90,
            minimal=MinimalRank(1, 1, 2, 0.95, "resolved", ("few_repeats",), 900, 0.004),
        ),
        "wide": make(
            "a wide ladder",
            ranks=wide,
            half=0.05,
            worst=0.12,
            full=0.99,
            minimal=MinimalRank(120, 64, 256, 0.95, "resolved", ("imprecise",), 90_000, 0.31),
        ),
        "everywhere": make(
            "an interval over everything",
            ranks=(1, 2, 4, 8),
            worst=0.90,
            noise=0.04,
            repeats=2,
            minimal=MinimalRank(3, 1, 8, 0.95, "resolved", ("imprecise",), 9, 0.1),
        ),
        "smallest": make(
            "from rank 4 up",
            ranks=(4, 8, 16),
            worst=0.94,
            minimal=unresolved("at_or_below_smallest", high=4),
        ),
        "largest": make(
            "hard to recover",
            ranks=(1, 2, 4, 8, 16, 32, 64),
            half=0.02,
            full=0.9,
            minimal=unresolved("above_largest", low=65),
        ),
        "not_monotone": make("falls again", minimal=unresolved("not_monotone")),
        "no_signal": make(
            "shuffled labels",
            worst=0.501,
            full=0.503,
            chance=0.5,
            head=0.497,
            noise=0.012,
            ranks=(1, 2, 4, 8),
            minimal=unresolved("no_signal"),
        ),
        "suspect": make(
            "stopped too early",
            minimal=unresolved("baseline_suspect"),
            baseline_flags=("not_converged", "rate_at_edge"),
        ),
        "r2": make(
            "diabetes",
            metric="r2",
            full=0.49,
            worst=0.12,
            chance=0.0,
            head=-0.02,
            noise=0.01,
            ranks=(1, 2, 3, 4, 8),
            minimal=MinimalRank(4, 3, 4, 0.95, "resolved", (), 2_000, 0.05),
        ),
        "loss": make(
            "log-loss falls",
            metric="log_loss",
            full=0.21,
            worst=1.4,
            chance=2.302,
            head=1.9,
            floor="chance",
            noise=0.02,
            ranks=(1, 2, 4, 6, 8, 16),
            minimal=MinimalRank(6, 5, 8, 0.95, "resolved", (), 9_999, 0.02),
        ),
        "mse": make(
            "prices",
            metric="mse",
            full=3_120.5,
            worst=9_000.0,
            chance=11_000.0,
            head=8_000.0,
            floor="head",
            noise=90.0,
            ranks=(1, 2, 3, 4, 8),
            minimal=MinimalRank(3, 3, 4, 0.95, "resolved", (), 9_999, 0.02),
        ),
        "flat": make(
            "flat",
            worst=0.9797,
            full=0.98,
            noise=0.0004,
            ranks=(1, 2, 4, 8),
            head=0.951,
            minimal=MinimalRank(1, 1, 1, 0.95, "resolved", ("grid",), 100, 0.001),
        ),
        "hostile": make(HOSTILE, ranks=(1, 2, 3, 4, 5, 6, 7, 8, 16, 512)),
        "outlier": make("one bad repeat", noise=0.004, fitted=False),
        "foreign": make("日本語 тест 🙂"),
    }
    made["trusted"] = trusted()
    made["epsilon"] = within_epsilon()
    bad = made["outlier"]
    first = replace(bad.points[0], low=0.0, high=1.0, scores=(0.4, float("nan"), 0.41))
    made["outlier"] = replace(bad, points=(first, *bad.points[1:]))
    return made
