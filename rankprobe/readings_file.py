"""What is read from several results, back from its JSON."""

from __future__ import annotations

import json
from typing import Any

from rankprobe.errors import ArtifactError
from rankprobe.records import Interval, MinimalRank
from rankprobe.records.capacity import SCHEMA as CAPACITY_SCHEMA
from rankprobe.records.capacity import Capacity, MeasuredSize, SizeForm, Trending
from rankprobe.records.transition import SCHEMA, Transition, TransitionPoint


def transition_from_json(text: str) -> Transition:
    """What `Transition.to_json` wrote; limits that are null are infinite again.

    Raises:
        ArtifactError: Not such a text, or of another schema.
    """
    data = _opened(text, "transition rank", SCHEMA)
    try:
        points = tuple(_point(dict(point)) for point in data.pop("points"))
        pairs = tuple((rank, share) for rank, share in data.pop("distribution"))
        flags = tuple(data.pop("flags"))
        return Transition(**data, points=points, distribution=pairs, flags=flags)
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"this transition rank is damaged or incomplete: {error}") from None


def capacity_from_json(text: str) -> Capacity:
    """What `Capacity.to_json` wrote; limits that are null are infinite again.

    Raises:
        ArtifactError: Not such a text, or of another schema.
    """
    data = _opened(text, "capacity", CAPACITY_SCHEMA)
    try:
        sizes = tuple(_size(item) for item in data.pop("sizes"))
        trends = tuple(_trend(item) for item in data.pop("trends"))
        left_out = tuple(data.pop("left_out"))
        return Capacity(**data, sizes=sizes, trends=trends, left_out=left_out)
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"this capacity is damaged or incomplete: {error}") from None


def _size(data: dict[str, Any]) -> MeasuredSize:
    minimal = data["minimal_rank"]
    pairs = tuple((rank, share) for rank, share in minimal["distribution"])
    minimal = {**minimal, "flags": tuple(minimal["flags"]), "distribution": pairs}
    values = {name: _interval(item) for name, item in data["values"].items()}
    return MeasuredSize(**{**data, "minimal_rank": MinimalRank(**minimal), "values": values})


def _trend(data: dict[str, Any]) -> Trending:
    intervals = {
        name: None if data[name] is None else _interval(data[name]) for name in ("level", "limit")
    }
    rest = {
        "slope": _interval(data["slope"]),
        "over": tuple(data["over"]),
        "forms": tuple(SizeForm(**form) for form in data["forms"]),
        "flags": tuple(data["flags"]),
    }
    return Trending(**{**data, **intervals, **rest})


def _opened(text: str, what: str, schema: int) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ArtifactError(f"this is not JSON ({error}), so no {what}") from None
    if not isinstance(data, dict) or "schema" not in data:
        raise ArtifactError(f"this JSON is no {what}: it has no `schema`")
    if (found := data.pop("schema")) != schema:
        raise ArtifactError(
            f"this {what} has schema {found}, and this version reads {schema}: "
            "compute it again from its results"
        )
    return data


def _point(data: dict[str, Any]) -> TransitionPoint:
    intervals = {key: _interval(data[key]) for key in ("static", "resampled", "share")}
    return TransitionPoint(**{**data, **intervals})


def _interval(data: dict[str, float | None]) -> Interval:
    low, mean, high = data["low"], data["mean"], data["high"]
    return Interval(
        float("nan") if mean is None else mean,
        float("-inf") if low is None else low,
        float("inf") if high is None else high,
    )
