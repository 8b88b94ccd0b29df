"""What measuring hands to reading: frozen records.

This module is the only meeting place of the two halves of the package, with its JSON form
in `rankprobe.result_file`. Neither imports torch or scipy, so that reading stays quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Verdict = Literal[
    "resolved",
    "at_or_below_smallest",
    "above_largest",
    "not_monotone",
    "no_signal",
    "baseline_suspect",
]
Status = Literal["finished", "diverged", "failed"]


@dataclass(frozen=True, order=True)
class Member:
    """One training: a rank, a learning rate, a repeat and a scaffold.

    Attributes:
        rank: Adapter rank; 0 trains the head alone; ``None`` is the baseline (every weight).
        learning_rate: Peak learning rate.
        repeat: Index of the repeat: initialisation, data order and dropout masks.
        epochs: Passes over the training split.
        scaffold: Index of the scaffold seed (`rankprobe.lowrank.Scaffold.sibling`), not the
            seed; 0 for the baseline, which has no frozen weights.
    """

    rank: int | None
    learning_rate: float
    repeat: int
    epochs: int
    scaffold: int = 0


def scaffold_index(rank: int | None, repeat: int, scaffolds: int) -> int:
    """Index of the scaffold seed that a repeat of a rank uses, of so many: they take turns."""
    return 0 if rank is None else repeat % scaffolds


@dataclass(frozen=True)
class Run:
    """What became of one member. Scores are in the task's metric, in its own units.

    Attributes:
        member: The member that was trained.
        status: ``finished``, or why there is no score.
        reason: One sentence when the status is not ``finished``.
        validation: Metric on the validation split after the last step.
        validation_error: Its standard error over the validation examples.
        test: Metric on the test split after the last step.
        history: (epoch, validation metric) at a few evenly spaced epochs, the last included.
        trainable: Number of trained parameters.
        seconds: Its share of the wall time of its cohort.
        predictions: Test predictions in the metric's compact form
            (`rankprobe.statistics.metrics.Metric.compact`); first axis: test examples.
    """

    member: Member
    status: Status
    reason: str = ""
    validation: float | None = None
    validation_error: float | None = None
    test: float | None = None
    history: tuple[tuple[float, float], ...] = ()
    trainable: int = 0
    seconds: float = 0.0
    predictions: NDArray[Any] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Interval:
    """A mean with the limits of its confidence interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    """Scores at one rank, at the rank's own learning rate, one score a repeat.

    Attributes:
        rank: Adapter rank.
        mean: Mean score, in the metric's units.
        low: Lower end of its interval.
        high: Upper end of its interval.
        scores: One a finished repeat.
        learning_rate: The rank's own rate.
        trainable: Number of trained parameters.
        recovery: Share of full training's gain over the floor.
        flags: What the reader should know beside it.
        over_chance: The same with chance as the floor.
        p_value: One-sided p-value of the non-inferiority test against full training, the margin
            being the target: small when the rank surely reaches it. ``None`` with one repeat.
        non_inferior: Whether that test rejects at (1 - confidence) / 2.
        variance: Variance of the recovery by source: ``repeats`` (initialisation and order),
            ``scaffolds`` (several scaffold seeds alone), ``test_set``, ``learning_rate``.
    """

    rank: int
    mean: float
    low: float
    high: float
    scores: tuple[float, ...]
    learning_rate: float
    trainable: int
    recovery: Interval
    flags: tuple[str, ...] = ()
    over_chance: Interval | None = None
    p_value: float | None = None
    non_inferior: bool | None = None
    variance: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Baseline:
    """Scores of the backbone trained in full, one a repeat."""

    mean: float
    low: float
    high: float
    scores: tuple[float, ...]
    learning_rate: float
    parameters: int
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class MinimalRank:
    """The smallest rank that reaches the target, or the verdict that says why there is none.

    Attributes:
        value: The rank; ``None`` unless the verdict allows one.
        low: Lower end of the interval; ``None`` when open below.
        high: Upper end of the interval; ``None`` when open above.
        confidence: Level of the interval.
        verdict: One of the six verdicts.
        flags: What the reader should know beside it.
        degrees_of_freedom: Trained adapter parameters at ``value``.
        share: The same as a share of all parameters of the backbone.
        non_inferior: Smallest measured rank from which on every rank passes the
            non-inferiority test at the target's margin; ``None`` when none does.
        distribution: Share of the resamples that name each measured rank, as (rank, share);
            the rank is ``None`` for those that cross above the largest.
    """

    value: int | None
    low: int | None
    high: int | None
    confidence: float
    verdict: Verdict
    flags: tuple[str, ...] = ()
    degrees_of_freedom: int | None = None
    share: float | None = None
    non_inferior: int | None = None
    distribution: tuple[tuple[int | None, float], ...] = ()


@dataclass(frozen=True)
class Variant:
    """The minimal rank under one changed setting, as `measure --sensitivity` finds it.

    Attributes:
        setting: What was changed: ``epochs``, ``batch_size``, ``weight_decay``, ``scaffold``.
        value: What it was changed to, in words.
        minimal_rank: The answer under it.
        recoveries: (rank, recovery) of the ranks measured under it.
    """

    setting: str
    value: str
    minimal_rank: MinimalRank
    recoveries: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Curve:
    """The fitted saturation curve on a grid of ranks, for drawing; it never names the rank.

    Attributes:
        forms: One mapping a saturating form: name, parameters, weight, trouble.
        continuous_rank: Where the averaged curve crosses the target; ``None`` if it does not.
        ranks: Grid of ranks, ascending, at least 1.
        mean: Averaged curve on the grid, in the metric's units.
        low: Lower limit of the band.
        high: Upper limit of the band.
    """

    forms: tuple[Mapping[str, Any], ...] = ()
    continuous_rank: float | None = None
    ranks: tuple[float, ...] = ()
    mean: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Rate:
    """Learning-rate sensitivity: one candidate rate of one rank (``None``: the baseline)."""

    rank: int | None
    learning_rate: float
    validation: float | None
    repeats: int
    failed: int
    chosen: bool


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
        head_score: Mean score of rank 0 (scaffold frozen, head alone trained).
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
        provenance: Versions, date, threads, the configuration as read.
        epsilon: When given, a rank counts that comes within it of full training, in the
            metric's units, and `minimal_rank` is the smallest of those.
        design: What a sequential design did: ``precision``, ``budget``, ``stopped`` and why.
        sensitivity: The answer under changed settings.
        methods: A paragraph for the methods section of a paper.
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
    folder: Path | None = field(default=None, compare=False, repr=False)
    evidence: Any = field(default=None, compare=False, repr=False)

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
