"""What measuring hands to reading: frozen records.

This room is the only meeting place of the two halves of the package, with its JSON form in
`rankprobe.result_file`. Neither imports torch or scipy, so that reading stays quick. Comparisons
and plans, which are read from results, have their records beside these.
"""

from __future__ import annotations

from rankprobe.records.answers import (
    Baseline,
    Curve,
    Interval,
    MinimalRank,
    Point,
    Rate,
    Variant,
    Verdict,
)
from rankprobe.records.result import Result, TaskSummary
from rankprobe.records.trainings import Member, Run, Status, scaffold_index

__all__ = [
    "Baseline",
    "Curve",
    "Interval",
    "Member",
    "MinimalRank",
    "Point",
    "Rate",
    "Result",
    "Run",
    "Status",
    "TaskSummary",
    "Variant",
    "Verdict",
    "scaffold_index",
]
