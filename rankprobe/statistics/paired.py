"""Two measurements of one task as paired tables: repeat by repeat, example by example.

Repeats of equal index share their seed, so that initial values, the order of the data and
dropout masks are the same in both, and test examples are the same ones: differences between the
two are not differences in luck. With the predictions of both at hand every gain is a table of
repeats by examples. A result alone holds a score a repeat, and how large the variance of a
recovery is by source: there each score counts as one example, and the variance of the test set
and of the choice of learning rates is added by itself, as if it were not shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rankprobe.records import Baseline, Point, Result
from rankprobe.records.transition import Basis
from rankprobe.statistics.evidence import Evidence, RankEvidence
from rankprobe.statistics.metrics import find_metric
from rankprobe.statistics.table import Row, ScoreTable, resolve_floor, tabulate
from rankprobe.statistics.variance import Moments, Values

_ALONE = ("learning_rate", "test_set")


@dataclass(frozen=True, eq=False)
class PairedTables:
    """Rows of two measurements that can be set against each other.

    Attributes:
        table: The first measurement's table, which computes gains.
        first: Rows of the first by rank, ascending.
        second: Rows of the second, of the same ranks.
        floor: Influence values of the floor, to be subtracted: (repeats or 1, examples).
        repeats: Repeats that both have.
        basis: Whether examples are paired, or scores alone.
    """

    table: ScoreTable
    first: Mapping[int, Row]
    second: Mapping[int, Row]
    floor: Values
    repeats: int
    basis: Basis

    @property
    def ranks(self) -> list[int]:
        """Ranks measured by both, ascending."""
        return list(self.first)

    def gains(self, *rows: Row) -> Moments | None:
        """Moments of the gains of rows of either; ``None`` without a repeat that all finished."""
        return self.table.gains(*rows, floor=self.floor)


def pair_results(
    first: Result,
    second: Result,
    *,
    evidence: tuple[Evidence, Evidence] | None = None,
) -> PairedTables:
    """Set two results of the same data, metric, floor and seed against each other.

    Args:
        first: One of them; its floor is that of both.
        second: The other.
        evidence: What they were read from, where it is at hand for both. It is used when both
            hold the same test examples, and else the scores are.
    """
    if evidence is not None and _same_examples(*evidence):
        tables = [tabulate(item) for item in evidence]
        floor = tables[0].floor_values(resolve_floor(evidence[0].metric, first.floor))
    else:
        evidence = None
        tables = [_table_of_scores(item) for item in (first, second)]
        floor = np.full((1, 1), first.floor_score)
    by_rank = [{row.rank: row for row in table.rows} for table in tables]
    ranks = sorted(by_rank[0].keys() & by_rank[1].keys())
    repeats = min(len(table.baseline.values) for table in tables)
    return PairedTables(
        table=tables[0],
        first={rank: _cut(by_rank[0][rank], repeats) for rank in ranks},
        second={rank: _cut(by_rank[1][rank], repeats) for rank in ranks},
        floor=floor[:repeats],
        repeats=repeats,
        basis="scores" if evidence is None else "examples",
    )


def _cut(row: Row, repeats: int) -> Row:
    """The first repeats, which the other measurement has too."""
    return replace(row, values=row.values[:repeats])


def _same_examples(first: Evidence, second: Evidence) -> bool:
    return first.metric == second.metric and np.array_equal(
        first.target_values, second.target_values, equal_nan=first.target_values.dtype.kind == "f"
    )


def _table_of_scores(result: Result) -> ScoreTable:
    """A table whose rows have one column: the score of a repeat."""
    gain = result.baseline.mean - result.floor_score
    counts = [len(result.baseline.scores), *(len(point.scores) for point in result.points)]
    most = max(counts)
    evidence = Evidence(
        metric="score" if result.higher_is_better else "loss",
        ranks=tuple(_scores(point, point.rank, most) for point in result.points),
        baseline=_scores(result.baseline, None, most),
        target_values=np.zeros(1),
        chance=np.array([result.floor_score]),
        scaffolds=_scaffolds(result),
    )
    rows = tuple(
        Row(item, item.scores[:, None], sum(point.variance.get(k, 0.0) for k in _ALONE) * gain**2)
        for item, point in zip(evidence.ranks, result.points, strict=True)
    )
    baseline = Row(evidence.baseline, evidence.baseline.scores[:, None], 0.0)
    return ScoreTable(evidence, find_metric(evidence.metric), rows, baseline, None)


def _scores(item: Point | Baseline, rank: int | None, repeats: int) -> RankEvidence:
    """Scores by repeat, the first ones first; a failed repeat is not told apart from a last one.

    So repeats may be paired with another repeat's, which keeps more luck in their difference
    than there is.
    """
    scores = np.full(repeats, np.nan)
    scores[: len(item.scores)] = item.scores
    predictions = tuple(np.array([score]) if np.isfinite(score) else None for score in scores)
    return RankEvidence(rank, item.learning_rate, scores, predictions, trainable=1)


def _scaffolds(result: Result) -> int:
    search = (result.provenance.get("configuration") or {}).get("search") or {}
    return int(search.get("scaffolds") or 1)
