"""What is read from several results, back from its JSON."""

from __future__ import annotations

import json
from typing import Any

from rankprobe.errors import ArtifactError
from rankprobe.records import Interval
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
    intervals = {key: _interval(data.pop(key)) for key in ("static", "resampled", "share")}
    return TransitionPoint(**data, **intervals)


def _interval(data: dict[str, float | None]) -> Interval:
    low, mean, high = data["low"], data["mean"], data["high"]
    return Interval(
        float("nan") if mean is None else mean,
        float("-inf") if low is None else low,
        float("inf") if high is None else high,
    )
