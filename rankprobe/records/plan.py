"""What planning hands to reporting: frozen records of a prediction, and their JSON.

Like `rankprobe.records` this imports neither torch nor scipy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

Basis = Literal["pilot", "pilot_borrowed_noise", "past_results"]


@dataclass(frozen=True)
class PlannedRow:
    """What so many repeats would give.

    Attributes:
        repeats: Repeats of every rank, in all.
        low: Predicted lower end of the interval of the minimal rank; ``None``: open below, or
            not predicted (no pilot).
        high: Predicted upper end; ``None``: open above, or not predicted.
        width: Predicted ``high - low``; ``None`` when the interval stays open.
        trainings: Trainings in all, of the planned ranks and full training, tuning included.
        new: Those of them that the pilot has not done.
        seconds: Time that the new ones take; ``None`` when nothing says so.
    """

    repeats: int
    low: int | None
    high: int | None
    width: float | None
    trainings: int
    new: int
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """How many repeats, which ranks and how many test examples an interval of a width needs.

    Attributes:
        task: Name of the task.
        target: Share of full training's gain over the floor that a rank must reach.
        confidence: Level of the interval.
        wished: Width of the interval wished for, in ranks between its ends.
        basis: Where curve and noise come from: both from a pilot, the curve from a pilot and
            the noise from results of other tasks, or both from results of other tasks.
        sources: Names of the results used, the pilot first.
        pilot_repeats: Repeats of the pilot; 0 without one.
        test_examples: Number of test examples now.
        value: Where the target is crossed as far as is known; ``None`` without a pilot.
        rows: One a number of repeats, ascending.
        enough: The smallest number of repeats that reaches the wished width; ``None``: none.
        limit: Width that no number of repeats can pass; ``None`` when it stays open.
        plateau: Repeats from which on more of them change nothing.
        examples: (repeats, test examples) that would reach the wished width where repeats alone
            cannot; ``None`` when not needed, or when nothing would.
        ranks: Ranks to measure; empty without a pilot.
        thinned: Largest gap between those ranks; 1 when every rank between them is there.
        noise: Standard deviation of the recovery near the crossing by source: ``repeats`` of a
            single repeat, the others as they stand with ``test_examples``.
        bytes: Memory that training takes beside the program; ``None`` without a dataset.yaml.
        differing: Settings in which the pilot differs from the dataset.yaml, as dotted keys.
        estimated: Whether a result used does not carry variances by source, so that they are
            told from the scatter of scores and the widths of intervals.
        unused: Names of results that were given and not needed.
    """

    task: str
    target: float
    confidence: float
    wished: int
    basis: Basis
    sources: tuple[str, ...]
    pilot_repeats: int
    test_examples: int
    value: int | None
    rows: tuple[PlannedRow, ...]
    enough: int | None
    limit: float | None
    plateau: int
    examples: tuple[int, int] | None
    ranks: tuple[int, ...]
    thinned: int
    noise: Mapping[str, float] = field(default_factory=dict)
    bytes: int | None = None
    differing: tuple[str, ...] = ()
    estimated: bool = False
    unused: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The plan as JSON text; what is not known or stays open is null."""
        return json.dumps({"schema": 1, **asdict(self)}, indent=1, allow_nan=False) + "\n"
