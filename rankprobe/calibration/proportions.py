"""Shares with their intervals: binomial, and for points that come in clusters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaincinv


@dataclass(frozen=True)
class Share:
    """A share of cases.

    Attributes:
        hits: Cases that count.
        total: All cases.
        low: Lower limit of the 95 % interval of the share.
        high: Upper limit.
    """

    hits: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share; NaN of no cases."""
        return self.hits / self.total if self.total else math.nan


def binomial(hits: int, total: int, *, confidence: float = 0.95) -> Share:
    """A share with the interval of Clopper and Pearson (1934)."""
    low, high = clopper_pearson(hits, total, confidence=confidence)
    return Share(hits, total, low, high)


def clopper_pearson(hits: float, total: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """Limits of a binomial share; also for a number of cases that is not whole."""
    if total <= 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = float(betaincinv(hits, total - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, total - hits, 1 - tail)) if hits < total else 1.0
    return low, high


def clustered(clusters: Sequence[Sequence[bool]], *, confidence: float = 0.95) -> Share:
    """A share of cases that come in clusters, after E. L. Korn and B. I. Graubard.

    The interval of Clopper and Pearson at the effective number of cases, which is what an
    independent sample would need for the variance between clusters (Survey Methodology 24
    (1998) 193). Where every case counts, or none, the clusters are taken as the cases.

    Args:
        clusters: Whether each case counts, by cluster.
        confidence: Level of the interval.
    """
    filled = [cluster for cluster in clusters if cluster]
    hits, sizes = (
        np.array([function(cluster) for cluster in filled], dtype=float) for function in (sum, len)
    )
    total = sizes.sum()
    if not filled:
        return Share(0, 0, 0.0, 1.0)
    share = float(hits.sum() / total)
    effective = float(len(filled))
    if 0.0 < share < 1.0 and len(filled) > 1:
        off = hits - share * sizes
        variance = len(filled) / (len(filled) - 1) * float(np.sum(off**2)) / total**2
        # Never more than as many cases as there are: clusters do not add knowledge.
        effective = min(share * (1 - share) / variance, float(total)) if variance else effective
    low, high = clopper_pearson(share * effective, effective, confidence=confidence)
    return Share(int(hits.sum()), int(total), low, high)
