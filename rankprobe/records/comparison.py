"""What a comparison of tasks says: frozen records, made by `rankprobe.statistics.compare`.

Like `rankprobe.records`, this is where the numbers and their presentation meet, and it imports
neither torch nor scipy.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from rankprobe.records import MinimalRank, Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Basis = Literal["resamples", "intervals"]


@dataclass(frozen=True)
class ComparedTask:
    """One task's row.

    Attributes:
        label: The task's name, made unique.
        metric: Its metric.
        minimal_rank: Its answer.
        recovery: Share of full training at the minimal rank; ``None`` without one.
        width: Largest useful rank of the backbone; ``None`` when not recorded.
        relative_rank: The minimal rank as a share of the width.
        epochs: Length of every training; ``None`` when not recorded.
        group: Compact letters: tasks that share a letter cannot be told apart; empty for a
            task that cannot be compared.
    """

    label: str
    metric: str
    minimal_rank: MinimalRank
    recovery: float | None
    width: int | None
    relative_rank: float | None
    epochs: int | None
    group: str = ""


@dataclass(frozen=True)
class Difference:
    """The log2 of the ratio of two minimal ranks: 1 means twice the rank.

    Attributes:
        first: Label of the task that stands first in the table.
        second: Label of the other.
        log2: log2(rank of second) - log2(rank of first); ``None`` unless both are named.
        low: Lower limit; ``None`` when open below.
        high: Upper limit; ``None`` when open above.
        p_value: Two-sided p-value of equal ranks; ``None`` where intervals alone are judged.
        adjusted: The same after Holm's correction for the number of pairs.
        basis: ``resamples``: the limits hold for all pairs at once (Bonferroni).
            ``intervals``: they are those of the two minimal ranks' intervals, uncorrected.
        smaller: Label of the task with the smaller rank; ``None`` when not told apart.
    """

    first: str
    second: str
    log2: float | None
    low: float | None
    high: float | None
    p_value: float | None
    adjusted: float | None
    basis: Basis
    smaller: str | None = None


@dataclass(frozen=True)
class ScopeDifference:
    """A setting in which tasks were not measured alike.

    Attributes:
        setting: Its key, such as ``backbone.hidden``.
        values: One (value in words, labels of the tasks that have it) a distinct value.
    """

    setting: str
    values: tuple[tuple[str, tuple[str, ...]], ...]

    def words(self) -> str:
        """Every value with its tasks: ``64 in a; 512-256 in b, c``."""
        return "; ".join(f"{value} in {', '.join(labels)}" for value, labels in self.values)


@dataclass(frozen=True)
class Comparison:
    """Two tasks or more side by side, as `rankprobe.compare` returns them.

    Attributes:
        tasks: One row a task, ascending by minimal rank, those without one last.
        pairs: One difference a pair of tasks that have a minimal rank or a limit of it.
        groups: Largest sets of tasks of which no two can be told apart, as labels.
        confidence: 1 - chance that any two equal tasks are told apart.
        scope: Settings in which the tasks differ, compared all the same.
        results: The results behind `tasks`, in the same order.
    """

    tasks: tuple[ComparedTask, ...]
    pairs: tuple[Difference, ...]
    groups: tuple[tuple[str, ...], ...]
    confidence: float
    scope: tuple[ScopeDifference, ...] = ()
    results: tuple[Result, ...] = field(default=(), repr=False, compare=False)

    def frame(self) -> pd.DataFrame:
        """One row a task: rank, limits, recovery, parameters, width, epochs, verdict, group."""
        import pandas as pd

        return pd.DataFrame([_row(task) for task in self.tasks])

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw recovery against rank, one line a task, minimal ranks marked below."""
        from rankprobe.reporting.comparison import plot_comparison

        return plot_comparison(self, ax=ax)

    def to_json(self) -> str:
        """The numbers alone as JSON text."""
        data = {
            "confidence": self.confidence,
            "correction": {"p_values": "holm", "intervals": "bonferroni"},
            "tasks": [_row(task) for task in self.tasks],
            "differences": [asdict(pair) for pair in self.pairs],
            "groups": self.groups,
            "scope": [
                {"setting": item.setting, "values": [list(value) for value in item.values]}
                for item in self.scope
            ],
        }
        return json.dumps(data, indent=1, allow_nan=False) + "\n"


def _row(task: ComparedTask) -> dict[str, Any]:
    minimal = task.minimal_rank
    return {
        "task": task.label,
        "metric": task.metric,
        "minimal_rank": minimal.value,
        "low": minimal.low,
        "high": minimal.high,
        "verdict": minimal.verdict,
        "flags": ", ".join(minimal.flags),
        "recovery": task.recovery,
        "degrees_of_freedom": minimal.degrees_of_freedom,
        "share": minimal.share,
        "width": task.width,
        "relative_rank": task.relative_rank,
        "epochs": task.epochs,
        "group": task.group,
    }
