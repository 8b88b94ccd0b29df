"""Readings of irregular series, and how they become steps of one layout.

A reading is one value of one channel of one series at one time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rankprobe.data.examples import Encoded, Rows
from rankprobe.errors import DataError


@dataclass(frozen=True, eq=False)
class Readings:
    """Readings in any order.

    Attributes:
        who: (readings,) index of the series.
        time: (readings,) in the data's own unit.
        channel: (readings,) index of the channel.
        value: (readings,) none missing.
        channels: Names of the channels.
        series: How many series there are; some may have no reading.
        static: (series, further channels) values that hold for a series as a whole, NaN where
            missing.
        static_names: Names of those.
    """

    who: NDArray[np.intp]
    time: NDArray[np.float64]
    channel: NDArray[np.intp]
    value: NDArray[np.float64]
    channels: tuple[str, ...]
    series: int
    static: NDArray[np.float64]
    static_names: tuple[str, ...] = ()

    def until(self, latest: float) -> Readings:
        """Without the readings later than a time."""
        kept = self.time <= latest
        return Readings(
            self.who[kept],
            self.time[kept],
            self.channel[kept],
            self.value[kept],
            self.channels,
            self.series,
            self.static,
            self.static_names,
        )

    def has_any(self) -> NDArray[np.bool_]:
        """(series,) which have a reading, or a value that holds as a whole."""
        counts = np.bincount(self.who, minlength=self.series)
        seen: NDArray[np.bool_] = (counts > 0) | np.isfinite(self.static).any(axis=1)
        return seen


@dataclass(frozen=True, eq=False)
class Steps:
    """Series as steps: one for each distinct time, padding at the end.

    Attributes:
        values: (series, steps, channels) float32, NaN where nothing was observed.
        elapsed: (series, steps) time since the step before; 0 at the first.
        counts: (series,) steps that are none of padding.
        cut: Series of which early steps were left out.
    """

    values: NDArray[np.float32]
    elapsed: NDArray[np.float64]
    counts: NDArray[np.intp]
    cut: int

    @classmethod
    def of(cls, readings: Readings, length: int) -> Steps:
        """The last ``length`` steps of each series; readings of one cell are averaged.

        Values that hold for a series as a whole are observed at its first step.
        """
        r = readings
        # Ties broken by value, so that rounding of a mean does not depend on the order of rows.
        order = np.lexsort((r.value, r.channel, r.time, r.who))
        who, time, channel, value = (a[order] for a in (r.who, r.time, r.channel, r.value))
        new_step = _changes(who, time)
        cells = np.flatnonzero(_changes(who, time, channel))
        sums = np.add.reduceat(value, cells) if len(cells) else value
        means = sums / np.diff([*cells, len(value)])
        step_of = np.cumsum(new_step) - 1
        owner, moment = who[new_step], time[new_step]
        found = np.bincount(owner, minlength=r.series)
        first = np.concatenate([[0], np.cumsum(found)])[:-1]
        skipped = np.maximum(found - length, 0)
        place = np.arange(len(owner)) - (first + skipped)[owner]
        counts = np.maximum(found - skipped, 1)
        shape = (r.series, int(counts.max(initial=1)))
        elapsed = np.zeros(shape)
        later = place > 0
        elapsed[owner[later], place[later]] = np.diff(moment, prepend=0.0)[later]
        values = np.full((*shape, len(r.channels) + r.static.shape[1]), np.nan, dtype=np.float32)
        row, at = who[cells], place[step_of[cells]]
        kept = at >= 0
        values[row[kept], at[kept], channel[cells][kept]] = means[kept]
        values[:, 0, len(r.channels) :] = r.static
        return cls(values, elapsed, counts, int((skipped > 0).sum()))

    def encoded(
        self, rows: Sequence[Rows], names: Sequence[str], *, standardize: bool, holder: str
    ) -> Encoded:
        """Inputs of each split, (n, steps, 2 * channels + 1): values, mask, elapsed time.

        Channels get mean 0 and deviation 1 over what was observed in training, elapsed times a
        mean of 1 over its steps after the first. What was not observed is 0.

        Raises:
            DataError: Nothing was observed in training.
        """
        train = self.values[rows[0]]
        seen = np.isfinite(train)
        if not seen.any():
            raise DataError(f"no value is observed in the training split of {holder}")
        number = np.maximum(seen.sum(axis=(0, 1)), 1)
        mean = np.where(seen, train, 0.0).sum(axis=(0, 1), dtype=np.float64) / number
        apart = np.where(seen, train - mean, 0.0)
        deviation = np.sqrt(np.square(apart).sum(axis=(0, 1)) / number)
        constant = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-30)
        factor = np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, deviation))
        elapsed = self.elapsed[rows[0]]
        gaps = elapsed[elapsed > 0]
        unit = float(gaps.mean()) if len(gaps) else 1.0
        if not standardize:
            mean, factor, unit = np.zeros_like(mean), np.ones_like(factor), 1.0
        parts = []
        for part in rows:
            values = self.values[part]
            observed = np.isfinite(values)
            scaled = np.where(observed, (values - mean) * factor, 0.0)
            time = self.elapsed[part][..., None] / unit
            parts.append(np.concatenate([scaled, observed, time], axis=2, dtype=np.float32))
        how = "standardised" if standardize else "as it is"
        done = {
            name: "left out: never observed in training" if not n else f"channel, {how}"
            for name, n in zip(names, seen.sum(axis=(0, 1)), strict=True)
        }
        done["elapsed time"] = f"in units of {unit:.6g}, its mean in training" * standardize
        return parts, {name: words or "as it is" for name, words in done.items()}


def _changes(*keys: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Where sorted rows differ from the row before; the first row does."""
    changed = np.zeros(len(keys[0]), dtype=bool)
    changed[:1] = True
    for key in keys:
        changed[1:] |= key[1:] != key[:-1]
    return changed
