"""The minimal rank of one task against the size of its network: frozen records, and their JSON.

Like `rankprobe.records` this imports neither torch nor scipy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal

from rankprobe.records import Interval, MinimalRank
from rankprobe.records.transition import without_infinity

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

SCHEMA = 1
Quantity = Literal["rank", "relative_rank", "degrees_of_freedom", "share"]
QUANTITIES: tuple[Quantity, ...] = ("rank", "relative_rank", "degrees_of_freedom", "share")
Trend = Literal["levels_off", "still_falling", "still_rising", "undecided"]
SizeAxis = Literal["size", "width", "parameters"]


@dataclass(frozen=True)
class MeasuredSize:
    """One size of the network.

    Attributes:
        label: What its result is called.
        size: Where it stands on the axis of sizes.
        width: Largest useful rank of the network; ``None`` when not recorded.
        parameters: Parameters of the network.
        minimal_rank: The answer at this size.
        values: Each quantity with its limits; a limit beyond the measured ranks is infinite. The
            mean is no number where no rank is named, as where none up to the largest
            reaches the target; without a limit either, the quantity is left out.
    """

    label: str
    size: float
    width: int | None
    parameters: int
    minimal_rank: MinimalRank
    values: Mapping[Quantity, Interval]


@dataclass(frozen=True)
class SizeForm:
    """How a quantity q may go with size s.

    Attributes:
        name: ``constant``: q = a; ``power``: q = a s^-c; ``levelling``: q = a + b s^-c, a > 0.
        parameters: By letter; empty where it was not fitted.
        misfit: Chi-square of log2 q over the sizes that have a value.
        weight: Akaike weight among the forms that were fitted.
        trouble: Why it was not fitted, or ``c at the end of its range``.
    """

    name: str
    parameters: Mapping[str, float]
    misfit: float | None
    weight: float
    trouble: str = ""

    def at(self, sizes: Values) -> Values:
        """The fitted form at sizes, (n,)."""
        a, b, c = (self.parameters.get(letter, 0.0) for letter in "abc")
        if self.name == "levelling":
            return a + b * sizes**-c
        return a * sizes**-c  # of a constant c is 0


@dataclass(frozen=True)
class Trending:
    """How one quantity goes with size.

    Attributes:
        quantity: Which.
        verdict: ``levels_off``: over the largest sizes it changes by less than `LEVEL` of
            `rankprobe.statistics.capacity` a doubling, by its whole interval; ``still_falling``
            and ``still_rising``: it surely changes, and is not surely level; ``undecided``.
        slope: Change of log2 q a doubling of size, over the largest sizes, with its interval.
        over: Those sizes.
        level: Where it levels off, its mean over those sizes; ``None`` for any other verdict.
        limit: The ``a`` of the levelling form with its interval, an extrapolation; ``None``
            where that form is not fitted.
        forms: The forms that were compared.
        flags: What the reader should know beside it.
    """

    quantity: Quantity
    verdict: Trend
    slope: Interval
    over: tuple[float, ...]
    level: Interval | None
    limit: Interval | None
    forms: tuple[SizeForm, ...]
    flags: tuple[str, ...] = ()

    @property
    def best(self) -> SizeForm | None:
        """The form of largest weight; ``None`` when none was fitted."""
        fitted = [form for form in self.forms if form.parameters]
        return max(fitted, key=lambda form: form.weight) if fitted else None


@dataclass(frozen=True)
class Capacity:
    """One task over several sizes of a network, as `rankprobe.capacity` returns it.

    Attributes:
        task: Name of the task; of measurements under several names, what these share.
        target: Share of full training's gain over the floor that the minimal rank reaches.
        axis: What sizes are: the setting ``backbone.size``, the width, or the parameters.
        sizes: One a result, ascending.
        trends: One a quantity.
        confidence: Level of all intervals.
        left_out: Labels of sizes whose verdict gives neither a rank nor a limit.
    """

    task: str
    target: float
    axis: SizeAxis
    sizes: tuple[MeasuredSize, ...]
    trends: tuple[Trending, ...]
    confidence: float
    left_out: tuple[str, ...] = field(default=())

    def trend(self, quantity: Quantity) -> Trending:
        """How one quantity goes with size."""
        return next(trend for trend in self.trends if trend.quantity == quantity)

    def frame(self) -> pd.DataFrame:
        """One row a size and quantity: size, parameters, verdict, value and limits."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "size": item.size,
                    "width": item.width,
                    "parameters": item.parameters,
                    "verdict": item.minimal_rank.verdict,
                    "quantity": quantity,
                    "value": values.mean,
                    "low": values.low,
                    "high": values.high,
                }
                for item in self.sizes
                for quantity, values in item.values.items()
            ]
        )

    def plot(self, ax: Axes | None = None, *, quantity: Quantity = "rank") -> Axes:
        """Draw every quantity against size in a panel of its own, or one on the axes given."""
        from rankprobe.reporting.capacity import plot_capacity, plot_quantity

        return plot_capacity(self) if ax is None else plot_quantity(self, quantity, ax=ax)

    def to_json(self) -> str:
        """JSON text; numbers that are not finite are null."""
        return json.dumps(without_infinity({"schema": SCHEMA, **asdict(self)}), indent=1) + "\n"
