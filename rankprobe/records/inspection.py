"""What was learned in a measurement: frozen records, made by `rankprobe.inspection`.

Like `rankprobe.records`, this is where the numbers and their presentation meet, and it imports
neither torch nor scipy. On disk they are ``inspection.json`` in the run folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rankprobe.errors import ArtifactError
from rankprobe.records.answers import Interval
from rankprobe.records.result import Result

SCHEMA = 1
FILE = "inspection.json"

DIFFERENCES = ("lost", "gained", "short")  # of a cut

Shortfall = Literal["capacity", "optimisation"]


@dataclass(frozen=True)
class Spread:
    """A number of every repeat.

    Attributes:
        median: Their median.
        low: The smallest.
        high: The largest.
        values: All of them, by repeat.
    """

    median: float
    low: float
    high: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of one value or more."""
        listed = tuple(float(value) for value in values)
        return cls(statistics.median(listed), min(listed), max(listed), listed)


@dataclass(frozen=True)
class AdapterSpectrum:
    """The adapter of one layer at one rank; spectra are of ``scaling * B A``.

    Attributes:
        layer: Name of the layer.
        rank: Rank that was measured.
        nominal: Rank of this layer's adapter: less where the layer is smaller.
        beta: The scalar before the frozen weights.
        stable: Stable rank: squared Frobenius norm over squared spectral norm.
        effective: Effective rank: exponential of the entropy of the singular values.
        norm: Spectral norm.
        scaffold: Spectral norm of the frozen weights; ``None`` when not known.
        over_scaffold: ``norm`` over the spectral norm of ``beta W``; ``None`` when not known, or
            where that is zero.
    """

    layer: str
    rank: int
    nominal: int
    beta: Spread
    stable: Spread
    effective: Spread
    norm: Spread
    scaffold: Spread | None = None
    over_scaffold: Spread | None = None


@dataclass(frozen=True)
class UpdateSpectrum:
    """What full training added to one layer's weights: trained less initial.

    Attributes:
        layer: Name of the layer.
        shape: Of its weights; as a matrix all axes but the first are one.
        singular_values: Medians over the repeats, descending, at most 1024.
        needed: How many singular values hold a share of the squared Frobenius norm, by share.
        stable: Stable rank.
        effective: Effective rank.
        norm: Spectral norm.
        initial: Spectral norm of the initial weights.
    """

    layer: str
    shape: tuple[int, ...]
    singular_values: tuple[float, ...]
    needed: Mapping[str, Spread]
    stable: Spread
    effective: Spread
    norm: Spread
    initial: Spread

    @property
    def largest_rank(self) -> int:
        """The largest rank that the update can have."""
        return min(self.shape[0], math.prod(self.shape[1:]))


@dataclass(frozen=True)
class Cut:
    """A rank as it was trained, beside full training cut to that rank.

    Attributes:
        rank: The rank.
        scores: Test scores of full training with the update of every adapted layer cut to the
            rank, everything else as trained, by repeat.
        trained: Test scores of the rank as it was trained, by repeat.
        lost: Mean of the cut less full training, repeat by repeat, better being positive.
        gained: Mean of the rank as trained less the cut, likewise.
        short: Mean of the rank as trained less full training, likewise.
        shortfalls: What the rank as trained falls short by. ``optimisation``: it is worse than
            the cut, so that a better network of that rank was there to be found. ``capacity``: it
            is worse than full training, and the cut is so too. Where training does better than
            the cut, the cut bounds what the rank can hold from below only.
    """

    rank: int
    scores: tuple[float, ...]
    trained: tuple[float, ...]
    lost: Interval
    gained: Interval
    short: Interval
    shortfalls: tuple[Shortfall, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """What the adapters and full training learned, as `rankprobe inspect` writes it.

    Attributes:
        task: Name of the task.
        metric: Its metric.
        adapters: Every rank and layer, ascending by rank, layers in the network's order.
        updates: Every adapted layer.
        cuts: Every rank, ascending; empty where they could not be scored.
        full: Test scores of full training, by repeat.
        confidence: Level of the intervals in `cuts`.
        minimal_rank: The answer of the measurement; ``None`` without one.
        notes: What the reader should know, and what is missing.
        of: Marks the result that was inspected; see `mark`.
    """

    task: str
    metric: str
    adapters: tuple[AdapterSpectrum, ...]
    updates: tuple[UpdateSpectrum, ...]
    cuts: tuple[Cut, ...]
    full: tuple[float, ...]
    confidence: float = 0.95
    minimal_rank: int | None = None
    notes: tuple[str, ...] = ()
    of: str = field(default="", repr=False)

    @property
    def ranks(self) -> tuple[int, ...]:
        """Ranks that were inspected, ascending."""
        return tuple(sorted({item.rank for item in self.adapters}))

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the adapted layers, in the network's order."""
        updates = [item.layer for item in self.updates]
        return tuple(dict.fromkeys(updates + [item.layer for item in self.adapters]))

    def at(self, layer: str, rank: int) -> AdapterSpectrum | None:
        """The adapter of a layer at a rank."""
        found = (a for a in self.adapters if (a.layer, a.rank) == (layer, rank))
        return next(found, None)

    def to_json(self) -> str:
        """JSON text."""
        data = {"schema": SCHEMA, **asdict(self)}
        for cut in data["cuts"]:
            for name in DIFFERENCES:
                ends = cut[name]  # open where there is one repeat
                cut[name] = {k: v if math.isfinite(v) else None for k, v in ends.items()}
        return json.dumps(data, indent=1, allow_nan=False) + "\n"


def mark(result: Result) -> str:
    """Tells results apart: an inspection of another state of a run is out of date."""
    scores = [[point.rank, point.learning_rate, point.scores] for point in result.points]
    full = [result.baseline.learning_rate, result.baseline.scores]
    text = json.dumps([result.task.hash, scores, full])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def inspection_of(result: Result) -> Inspection | None:
    """The inspection in a result's run folder; ``None`` where there is none of this result.

    Raises:
        ArtifactError: There is one, and it cannot be read.
    """
    if result.folder is None:
        return None
    file = result.folder / FILE
    if not file.is_file():
        return None
    found = read_inspection(file)
    return found if found.of == mark(result) else None


def read_inspection(file: str | Path) -> Inspection:
    """Read an ``inspection.json``.

    Raises:
        ArtifactError: It cannot be read, or is of an unknown schema.
    """
    try:
        data = json.loads(Path(file).read_text(encoding="utf-8"))
        if data.pop("schema") != SCHEMA:
            raise ArtifactError(f"{file} has another schema than {SCHEMA}; inspect the run again")
        return Inspection(
            **{
                **data,
                "adapters": tuple(_adapter(item) for item in data["adapters"]),
                "updates": tuple(_update(item) for item in data["updates"]),
                "cuts": tuple(_cut(item) for item in data["cuts"]),
                "full": tuple(data["full"]),
                "notes": tuple(data["notes"]),
            }
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{file} is damaged ({error}); inspect the run again with `rankprobe inspect`"
        ) from None


def _adapter(data: Mapping[str, Any]) -> AdapterSpectrum:
    return AdapterSpectrum(**{key: _spread_or_plain(value) for key, value in data.items()})


def _update(data: Mapping[str, Any]) -> UpdateSpectrum:
    plain = {key: _spread_or_plain(value) for key, value in data.items()}
    needed = {share: _spread_or_plain(value) for share, value in data["needed"].items()}
    return UpdateSpectrum(**{**plain, "needed": needed})


def _cut(data: Mapping[str, Any]) -> Cut:
    tuples = {key: tuple(data[key]) for key in ("scores", "trained", "shortfalls")}
    intervals = {key: _interval(**data[key]) for key in DIFFERENCES}
    return Cut(**{**data, **tuples, **intervals})


def _interval(mean: float, low: float | None, high: float | None) -> Interval:
    """Open ends are null in JSON."""
    return Interval(mean, -math.inf if low is None else low, math.inf if high is None else high)


def _spread_or_plain(value: Any) -> Any:
    if isinstance(value, Mapping) and "values" in value:
        return Spread(**{**value, "values": tuple(value["values"])})
    return tuple(value) if isinstance(value, list) else value
