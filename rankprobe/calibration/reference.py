"""What the recovery at a rank really is: a second measurement, scored on many fresh examples."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from rankprobe.evidence_file import damaged
from rankprobe.statistics.evidence import Evidence, RankEvidence
from rankprobe.statistics.metrics import METRICS

Values = NDArray[np.float64]


@dataclass(frozen=True)
class ReferencePoint:
    """Recovery at one rank, as the reference finds it.

    Attributes:
        recovery: Share of full training's score.
        over_repeats: Standard error from the repeats.
        over_examples: Standard error from the fresh examples.
        repeats: Number of repeats.
    """

    recovery: float
    over_repeats: float
    over_examples: float
    repeats: int

    def margin(self, confidence: float = 0.95) -> float:
        """Half the width of its own interval; degrees of freedom after Satterthwaite.

        The two errors count what repeats and examples share twice, which errs on the wide side
        by a part in the number of repeats.
        """
        variance = self.over_repeats**2 + self.over_examples**2
        if variance == 0.0:
            return 0.0
        rows = max(self.repeats - 1, 1)
        degrees = variance**2 / (self.over_repeats**4 / rows) if self.over_repeats else math.inf
        return float(stdtrit(min(degrees, 1e6), (1 + confidence) / 2)) * math.sqrt(variance)


def reference_points(evidence: Evidence) -> list[dict[str, Any]]:
    """Recovery of every rank with its errors, by the delta method on paired tables.

    These are computed here, apart from the instrument's own intervals, which they check. The
    floor is 0, as it is for accuracy and R² by default.

    Args:
        evidence: Of the reference.

    Returns:
        One mapping a rank that shares a finished repeat with full training.
    """
    full = _table(evidence, evidence.baseline)
    points = []
    for item in evidence.ranks:
        own = _table(evidence, item)
        both = np.isfinite(own).all(axis=1) & np.isfinite(full).all(axis=1)
        if not both.any():
            continue
        gain, whole = own[both], full[both]
        ratio = float(gain.mean() / whole.mean())
        spread = (gain - ratio * whole) / whole.mean()
        repeats, examples = spread.shape
        rows, columns = spread.mean(axis=1), spread.mean(axis=0)
        over_repeats = float(rows.std(ddof=1) / math.sqrt(repeats)) if repeats > 1 else 0.0
        points.append(
            {
                "rank": item.rank,
                "recovery": ratio,
                "over_repeats": over_repeats,
                "over_examples": float(columns.std(ddof=1) / math.sqrt(examples)),
                "repeats": repeats,
            }
        )
    return points


def load_reference(path: Path) -> tuple[dict[int, ReferencePoint], dict[str, Any]]:
    """The points of a reference by rank, and the facts beside them.

    Raises:
        ArtifactError: The file is damaged.
    """
    try:
        record = json.loads(path.read_bytes())
        points = {int(point.pop("rank")): ReferencePoint(**point) for point in record["points"]}
        return points, dict(record["facts"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, error) from None


def _table(evidence: Evidence, item: RankEvidence) -> Values:
    """Influence values, (repeats, examples); rows of failed repeats are NaN."""
    influence = METRICS[evidence.metric].influence
    table = np.full((len(item.scores), len(evidence.target_values)), np.nan)
    for repeat, prediction in enumerate(item.predictions):
        if prediction is not None:
            table[repeat] = influence(prediction, evidence.target_values)
    return table
