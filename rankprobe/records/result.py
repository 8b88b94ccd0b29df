"""A finished measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankprobe.records.answers import Baseline, Curve, MinimalRank, Point, Rate, Variant

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class TaskSummary:
    """What was measured on."""

    name: str
    objective: str
    metric: str
    train: int
    validation: int
    test: int
    hash: str


@dataclass(frozen=True)
class Result:
    """A finished measurement, as written to ``result.json`` (schema 1).

    Attributes:
        task: What was measured on.
        target: Share of full training's gain over the floor that a rank must reach.
        floor: ``none``, ``chance`` or ``head``.
        floor_score: Score of the floor, in the metric's units.
        chance_score: Score of chance, always shown.
        head_score: Mean score of rank 0 (scaffold frozen, no adapter: trained is
            what every rank trains in full, the head and, where settings say so, embeddings).
        higher_is_better: Direction of the metric.
        members: Counts of ``trained`` and ``failed`` members.
        baseline: Full training.
        points: One a rank, ascending.
        minimal_rank: The answer at ``target``.
        curve: The fitted curve.
        targets: The answer at other targets; keys are shortest decimals.
        rates: Learning-rate sensitivity.
        cost: ``seconds``, ``members``, ``steps``.
        scope: Architecture, optimiser, epochs, seeds: what the number is relative to.
        provenance: Versions, date, threads, the configuration as read; ``commit`` where
            rankprobe ran from a checkout, as ``abc1234`` or ``abc1234+changes``; ``left_out``:
            what of the data was not used, a sentence each, where there is any.
        epsilon: When given, a rank counts that comes within it of full training, in the
            metric's units, and `minimal_rank` is the smallest of those.
        design: What a sequential design did: ``precision``, ``budget``, ``stopped`` and why.
        sensitivity: The answer under changed settings.
        methods: A paragraph for the methods section of a paper.
        lora: Where given weights were kept frozen: ``config``, Python text that makes a
            ``peft.LoraConfig`` of the minimal rank, and ``notes`` on what differs from it, or
            on why there is none.
        folder: The run folder it was written to or read from.
        evidence: The `rankprobe.statistics.evidence.Evidence` that it was read from, in the
            process that measured it; not part of the JSON.
    """

    task: TaskSummary
    target: float
    floor: str
    floor_score: float
    chance_score: float
    head_score: float | None
    higher_is_better: bool
    members: Mapping[str, int]
    baseline: Baseline
    points: tuple[Point, ...]
    minimal_rank: MinimalRank
    curve: Curve
    targets: Mapping[str, MinimalRank]
    rates: tuple[Rate, ...]
    cost: Mapping[str, float]
    scope: Mapping[str, Any]
    provenance: Mapping[str, Any]
    epsilon: float | None = None
    design: Mapping[str, Any] = field(default_factory=dict)
    sensitivity: tuple[Variant, ...] = ()
    methods: str = ""
    lora: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = field(default=None, compare=False, repr=False)
    evidence: Any = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """The answer in one line; ``repr`` holds everything."""
        from rankprobe.reporting.verdicts import headline

        return headline(self)

    def to_json(self) -> str:
        """The result as JSON text, keys in the order of the contract."""
        from rankprobe.result_file import result_to_json

        return result_to_json(self)

    def frame(self) -> pd.DataFrame:
        """One row a rank and repeat: rank, repeat, score, learning_rate, trainable, recovery.

        The baseline's rows have the rank ``"full"``. The recovery is that of the rank, from
        all its repeats.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = [
            {
                "rank": point.rank,
                "repeat": repeat,
                "score": score,
                "learning_rate": point.learning_rate,
                "trainable": point.trainable,
                "recovery": point.recovery.mean,
            }
            for point in self.points
            for repeat, score in enumerate(point.scores)
        ]
        rows += [
            {
                "rank": "full",
                "repeat": repeat,
                "score": score,
                "learning_rate": self.baseline.learning_rate,
                "trainable": self.baseline.parameters,
                "recovery": 1.0,
            }
            for repeat, score in enumerate(self.baseline.scores)
        ]
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw metric against rank; see `rankprobe.reporting.plots.plot_curve`."""
        from rankprobe.reporting.plots import plot_curve

        return plot_curve(self, ax=ax)

    def save(self, folder: str | Path | None = None) -> Path:
        """Write ``result.json``, the figures and the report; returns the folder."""
        from rankprobe.reporting.folder import write_folder

        target = Path(folder) if folder is not None else self.folder
        return write_folder(self, target if target is not None else Path("runs") / self.task.name)
