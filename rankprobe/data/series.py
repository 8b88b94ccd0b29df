"""The source ``series``: irregular series with gaps, one example a person or machine.

Read from a table with one row a reading and a second one with the labels, from a folder of
PhysioNet 2012 records, or from an .npz. Times are kept as they are: each distinct time of a series
is a step. The layout is that of ``series`` in `rankprobe.backbones.Inputs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.config_data import DataConfig
from rankprobe.data import arrays
from rankprobe.data.columns import (
    check_complete,
    divider_of,
    first_few,
    named_column,
    number_column,
    targets_of,
    time_column,
)
from rankprobe.data.examples import FREE, Examples, Rows
from rankprobe.data.frames import read_frame
from rankprobe.data.names import missing_name, paths
from rankprobe.data.physionet import RECORD, TARGET, read_records
from rankprobe.data.readings import Readings, Steps
from rankprobe.data.table import last_free, listed
from rankprobe.errors import ConfigError, DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

LENGTH = 64
_DEFAULTS = {"id": "id", "time": "time", "channel": "channel", "value": "value"}


@dataclass(frozen=True, eq=False)
class _Labelled:
    """Readings with the target of each series, and what to divide by."""

    readings: Readings
    y: NDArray[Any]
    by: NDArray[Any] | None
    target: str
    holder: str
    notes: tuple[str, ...] = ()
    ids: NDArray[Any] | None = None

    def of(self, kept: NDArray[np.bool_]) -> _Labelled:
        """Of some series alone, all of whose readings are kept."""
        r, place = self.readings, np.cumsum(kept) - 1
        readings = replace(r, who=place[r.who], series=int(kept.sum()), static=r.static[kept])
        by = None if self.by is None else self.by[kept]
        return replace(self, readings=readings, y=self.y[kept], by=by)


def read_series(config: TaskConfig) -> Examples:
    """Read ``data.path``, with ``data.labels`` beside it where it is a table or a folder.

    ``until`` leaves out later readings, ``length`` the early steps of long series (by default the
    last 64 steps stay).

    Raises:
        DataError: Files or values that cannot be read.
        ConfigError: A column or array that is named is not there.
    """
    assert config.data is not None
    data, path = config.data, paths(config.data, config.folder)[0]
    if path.suffix.lower() == ".npz":
        given = _from_arrays(path, config)
    else:
        given = _from_tables(path, config)
    if data.until is not None:
        given = replace(given, readings=given.readings.until(data.until))
    kept = given.readings.has_any()
    if not kept.any():
        until = "" if data.until is None else f" up to the time {data.until:g}"
        raise DataError(f"no series in {path.name} has a reading{until}")
    notes, cut = list(given.notes), {}
    if not kept.all():
        notes.append(_without_readings(given, kept, path.name))
        given = given.of(kept)
    r = given.readings
    length = data.length or LENGTH
    steps = Steps.of(r, length)
    if steps.cut:
        cut["long series"] = f"{steps.cut} of {r.series} cut to their last {length} steps"
    names = (*r.channels, *r.static_names)

    def encode(rows: Sequence[Rows]) -> tuple[list[NDArray[Any]], Mapping[str, str]]:
        parts, done = steps.encoded(
            rows, names, standardize=data.standardize is not False, holder=path.name
        )
        return parts, {**done, **cut}

    return Examples(
        holder=given.holder,
        target=given.target,
        y=given.y,
        fixed=np.full(r.series, FREE, dtype=np.int8),
        by=given.by,
        encode=encode,
        kind="series",
        form=lambda: {"sizes": {"channels": len(names)}},
        notes=tuple(notes),
    )


def _without_readings(given: _Labelled, kept: NDArray[np.bool_], holder: str) -> str:
    """The note of series that have labels, and nothing to tell them from."""
    missing = np.flatnonzero(~kept)
    named = [int(row) + 1 for row in missing] if given.ids is None else given.ids[missing].tolist()
    which = "in rows " if given.ids is None else ""
    return (
        f"{len(missing)} of {len(kept)} series of {given.holder} have no reading in {holder} and "
        f"are left out: {which}{first_few(named)}"
    )


def _from_tables(path: Path, config: TaskConfig) -> _Labelled:
    """Readings from a table or a folder of records, labels from a second table."""
    data = config.data
    assert data is not None
    if data.labels is None:
        raise ConfigError(
            Problem(
                "`data.labels` is missing: readings need a table with one row a series",
                config.where("data", "labels"),
                "name a table with the columns id and target, or give an .npz",
            )
        )
    records = path.is_dir()
    labels, holder = read_frame(config.folder / data.labels), Path(data.labels).name

    def column(frame: pd.DataFrame, name: str, where: str, key: str) -> pd.Series[Any]:
        return named_column(frame, name, where, config.where("data", key))

    own = data.id or (RECORD if records else _DEFAULTS["id"])
    ids = column(labels, own, holder, "id")
    _check_ids(ids, own, holder)
    target = listed(data.target) or [
        TARGET if records else last_free(labels, {own, data.split.by}, holder)
    ]
    static = [
        number_column(column(labels, name, holder, "features"), name, holder, gaps=True)
        for name in listed(data.features)
    ]
    if records:
        import pandas as pd

        table = pd.DataFrame(read_records(path), columns=list(_DEFAULTS.values()))
        keys = dict(_DEFAULTS)
    else:
        table = read_frame(path)
        keys = {key: getattr(data, key) or name for key, name in _DEFAULTS.items()}
    columns = {key: column(table, name, path.name, key) for key, name in keys.items()}
    readings, notes = _readings(columns, keys, ids, path.name, holder)
    if static:
        readings = replace(
            readings,
            static=np.stack(static, axis=1),
            static_names=tuple(listed(data.features)),
        )
    return _Labelled(
        readings,
        targets_of(labels, target, config, holder),
        divider_of(labels, config, holder),
        ", ".join(target),
        holder,
        notes,
        ids.to_numpy(object),
    )


def _readings(
    columns: Mapping[str, pd.Series[Any]],
    names: Mapping[str, str],
    ids: pd.Series[Any],
    holder: str,
    labels: str,
) -> tuple[Readings, tuple[str, ...]]:
    """Readings of the labelled series, and the note of others that there were."""
    import pandas as pd
    from pandas.api import types

    owner = columns["id"]
    for key in ("id", "channel"):
        check_complete(columns[key], names[key], holder)
    numeric = types.is_numeric_dtype(owner.dtype) and types.is_numeric_dtype(ids.dtype)
    index = pd.Index(ids if numeric else ids.astype(str))
    who = index.get_indexer(pd.Index(owner if numeric else owner.astype(str)))
    time = time_column(columns["time"], names["time"], holder)
    value = number_column(columns["value"], names["value"], holder, gaps=True)
    known = who >= 0
    if not known.any():
        raise DataError(
            f"no `{names['id']}` in {holder} is among the labels: it holds {str(owner.iloc[0])!r}, "
            f"the labels {str(ids.iloc[0])!r}"
        )
    channels, channel = np.unique(columns["channel"].astype(str).to_numpy(str), return_inverse=True)
    kept = known & np.isfinite(value)
    readings = Readings(
        who[kept],
        time[kept],
        channel[kept],
        value[kept],
        tuple(channels.tolist()),
        len(ids),
        np.empty((len(ids), 0)),
    )
    if known.all():
        return readings, ()
    others, total = owner[~known].unique().tolist(), owner.nunique()
    note = (
        f"{len(others)} of {total} `{names['id']}` of {holder} have no row in {labels} and are "
        f"left out with their {int((~known).sum()):,} readings: {first_few(others)}"
    )
    return readings, (note,)


def _check_ids(ids: pd.Series[Any], name: str, holder: str) -> None:
    """Refuse missing ids, and two rows of labels for one series: it would be in two splits."""
    check_complete(ids, name, holder)
    twice = ids.duplicated().to_numpy()
    if twice.any():
        row = int(twice.argmax())
        raise DataError(
            f"{holder} has two rows for the `{name}` {str(ids.iloc[row])!r}, the second in row "
            f"{row + 1}; labels need one row a series"
        )


def _from_arrays(path: Path, config: TaskConfig) -> _Labelled:
    """Values (n, steps, channels) with NaN for gaps, times (n, steps) or (steps,), targets."""
    data: DataConfig | None = config.data
    assert data is not None
    archive = arrays.read_archive(path)

    def named(name: str, *keys: str) -> NDArray[Any]:
        if name not in archive:
            where = config.where("data", *keys)
            raise ConfigError(missing_name(name, list(archive), "array", path.name, where))
        return archive[name]

    inputs, target = (listed(data.features) or ["values"])[0], (listed(data.target) or ["y"])[0]
    clock, split = data.time or "times", data.split
    values, times, y = named(inputs, "features"), named(clock, "time"), named(target, "target")
    by, divide = split.by, None
    if by:
        divide = arrays.divider(named(by, "split"), by, path.name, in_time=bool(split.time))
    if values.ndim != 3 or len(values) != len(y) or values.dtype.kind not in "biuf":
        raise DataError(
            f"`{inputs}` in {path.name} has the shape {values.shape} and `{target}` {y.shape}; "
            "they need (n, steps, channels) numbers and n targets"
        )
    if times.shape not in (values.shape[:2], values.shape[1:2]) or times.dtype.kind not in "iuf":
        raise DataError(
            f"`{clock}` in {path.name} has the shape {times.shape}; the times of `{inputs}` need "
            f"{values.shape[:2]} or {values.shape[1:2]} numbers"
        )
    if np.isinf(values).any():
        raise DataError(f"`{inputs}` in {path.name} holds infinite values; gaps are NaN")
    who, step, channel = np.nonzero(~np.isnan(values))
    time = np.broadcast_to(times, values.shape[:2])[who, step].astype(np.float64)
    if not np.isfinite(time).all():
        row = int(who[~np.isfinite(time)][0])
        raise DataError(
            f"`{clock}` in {path.name} is missing in row {row + 1} where `{inputs}` was observed"
        )
    readings = Readings(
        who,
        time,
        channel,
        values[who, step, channel].astype(np.float64),
        tuple(f"{inputs} {index + 1}" for index in range(values.shape[2])),
        len(values),
        np.empty((len(values), 0)),
    )
    return _Labelled(readings, y, divide, target, path.name)
