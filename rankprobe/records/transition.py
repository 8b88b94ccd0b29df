"""Where resampled scaffolds catch up with a static one: frozen records, and their JSON.

Like `rankprobe.records` this imports neither torch nor scipy.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from rankprobe.records import Interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

SCHEMA = 1
TransitionVerdict = Literal[
    "resolved", "at_or_below_smallest", "above_largest", "not_monotone", "no_signal"
]
Basis = Literal["examples", "scores"]


@dataclass(frozen=True)
class TransitionPoint:
    """Both scores at one rank.

    Attributes:
        rank: Adapter rank, measured by both.
        static: Score with the static scaffold, in the metric's units.
        resampled: Score with the resampled one.
        share: Gain of the resampled over the floor as a share of the static one's, with
            limits after Fieller; infinite, or no number, where the static scaffold gains
            nothing.
        reaches: Whether the mean reaches the share that was asked for.
        read: Whether the rank takes part: not one at which the static scaffold itself is not
            above the floor.
    """

    rank: int
    static: Interval
    resampled: Interval
    share: Interval
    reaches: bool
    read: bool = True


@dataclass(frozen=True)
class Transition:
    """The smallest rank at which a resampled scaffold catches up with a static one.

    Attributes:
        task: Name of the task; of measurements under several names, what these share.
        static: Label of the result with the static scaffold.
        resampled: Label of the one with the resampled scaffold, and how it is resampled.
        metric: Metric of both.
        higher_is_better: Its direction.
        share: Share of the static scaffold's gain over the floor to be reached at equal rank.
        floor: ``none``, ``chance`` or ``head``.
        floor_score: Score of the floor.
        value: The transition rank; ``None`` unless the verdict allows one.
        low: Lower end of its interval; ``None`` when open below.
        high: Upper end; ``None`` when open above.
        confidence: Level of the interval.
        verdict: ``resolved``; ``at_or_below_smallest``, ``above_largest``: outside of the ranks
            measured; ``not_monotone``: it falls behind again by more than noise; ``no_signal``:
            the static scaffold itself gains nothing over the floor.
        flags: What the reader should know beside it.
        basis: ``examples``: the test set is resampled, example by example and paired;
            ``scores``: only scores are at hand, so that the noise of the test set is taken
            from each result by itself, which errs on the wide side.
        repeats: Repeats that both results share.
        points: One a rank measured by both, ascending.
        distribution: Share of the resamples that name each rank, as (rank, share); the rank is
            ``None`` for those that do not catch up.
    """

    task: str
    static: str
    resampled: str
    metric: str
    higher_is_better: bool
    share: float
    floor: str
    floor_score: float
    value: int | None
    low: int | None
    high: int | None
    confidence: float
    verdict: TransitionVerdict
    flags: tuple[str, ...]
    basis: Basis
    repeats: int
    points: tuple[TransitionPoint, ...]
    distribution: tuple[tuple[int | None, float], ...] = ()

    def __str__(self) -> str:
        """The answer in one line; ``repr`` holds everything."""
        from rankprobe.reporting.transition_words import headline

        return headline(self)

    def frame(self) -> pd.DataFrame:
        """One row a rank: both scores, the share with its limits, and whether it is reached."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "rank": point.rank,
                    "static": point.static.mean,
                    "resampled": point.resampled.mean,
                    "share": point.share.mean,
                    "low": point.share.low,
                    "high": point.share.high,
                    "reaches": point.reaches,
                    "read": point.read,
                }
                for point in self.points
            ]
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw both scores against rank, the transition marked."""
        from rankprobe.reporting.transition import plot_transition

        return plot_transition(self, ax=ax)

    def to_json(self) -> str:
        """JSON text; limits that are not finite are null."""
        return json.dumps(without_infinity({"schema": SCHEMA, **asdict(self)}), indent=1) + "\n"


def without_infinity(value: Any) -> Any:
    """Plain values as JSON knows them: numbers that are not finite are ``None``."""
    if isinstance(value, dict):
        return {key: without_infinity(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_infinity(item) for item in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value
