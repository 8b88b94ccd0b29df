"""Targets: which objective they call for, and their encoding as classes or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.data.examples import numbers
from rankprobe.data.task import Objective
from rankprobe.errors import DataError

_NAME = 24  # characters of a class's name in a message


@dataclass(frozen=True, eq=False)
class Target:
    """An encoded target.

    Attributes:
        objective: ``classification`` or ``regression``.
        y: (n,) int64 class indices, or (n, outputs) float32.
        classes: Names of the classes by index; empty for regression.
        reason: How the objective came about, in words.
    """

    objective: Objective
    y: NDArray[Any]
    classes: tuple[str, ...]
    reason: str


def encoded_target(
    y: NDArray[Any], objective: Objective | None, *, name: str, holder: str
) -> Target:
    """Encode a target, inferring the objective when none is given.

    Args:
        y: (n,) or (n, outputs).
        objective: What the user asked for.
        name: Name of the target, for messages.
        holder: Where it comes from, for messages.

    Raises:
        DataError: The target cannot serve the objective.
    """
    what = f"the target `{name}` in {holder}"
    if objective == "next_token":
        return Target(objective, np.asarray(y, dtype=np.int64), (), "the token that follows")
    if objective == "regression" and y.ndim == 3:  # steps of an episode, as their source made them
        return Target(objective, np.asarray(y, dtype=np.float32), (), "values at every step")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim > 2 or y.ndim == 0 or y.shape[-1] == 0:
        raise DataError(f"{what} has the shape {y.shape}; give one value, or one row, an example")
    y = _text(y, what)
    reason = "as configured"
    if objective is None:
        objective, reason = infer_objective(y)
    if objective == "regression":
        return Target(objective, _numbers(y, name, holder, what), (), reason)
    values = _labels(y, name, holder, what)
    classes, codes = np.unique(values, return_inverse=True)
    _check_classes(classes, np.bincount(codes), what, inferred=reason != "as configured")
    return Target(objective, codes.astype(np.int64), tuple(str(c) for c in classes), reason)


def infer_objective(y: NDArray[Any]) -> tuple[Objective, str]:
    """The objective that a target calls for, and why.

    Floats mean regression, even when all are whole; text, truth values and whole numbers mean
    classification, but for whole numbers that hardly repeat (over 20 values, fewer than 5
    examples each on average).
    """
    if y.ndim == 2:
        return "regression", f"{y.shape[1]} targets an example"
    if y.dtype.kind == "f":
        return "regression", "the target holds decimal numbers"
    if y.dtype.kind in "iu":
        distinct = len(np.unique(y))
        if distinct > 20 and distinct * 5 > len(y):
            return "regression", f"the target holds {distinct} different whole numbers"
        return "classification", f"the target holds {distinct} whole numbers"
    kind = "truth values" if y.dtype.kind == "b" else "text"
    return "classification", f"the target holds {kind}"


def _text(y: NDArray[Any], what: str) -> NDArray[Any]:
    """Text of any make as NumPy's own; everything else untouched."""
    if y.dtype.kind == "S":
        return np.char.decode(y, "utf-8", "replace")
    if y.dtype.kind == "O":
        if not all(isinstance(value, str) for value in y.flat):
            raise DataError(f"{what} mixes Python objects; give numbers or text")
        return y.astype(np.str_)
    if y.dtype.kind not in "biufU":
        raise DataError(f"{what} holds values of type {y.dtype}; give numbers or text")
    return y


def _numbers(y: NDArray[Any], name: str, holder: str, what: str) -> NDArray[np.float32]:
    if y.dtype.kind == "U":
        y = _parsed(y, what)
    values = numbers(y, name, holder)
    return values.reshape(len(values), -1)


def _parsed(y: NDArray[Any], what: str) -> NDArray[np.float64]:
    """Text as the numbers it spells; the first that spells none is named."""
    result = np.empty(y.shape)
    for index in np.ndindex(y.shape):
        try:
            result[index] = float(y[index])
        except ValueError:
            raise DataError(
                f"{what} holds the text {str(y[index])!r} in row {index[0] + 1}; "
                "regression needs a number in every row"
            ) from None
    return result


def _labels(y: NDArray[Any], name: str, holder: str, what: str) -> NDArray[Any]:
    """What classes are told apart by; whole numbers stored as floats count as whole."""
    if y.ndim == 2:
        raise DataError(
            f"{what} has {y.shape[1]} columns; classification needs one class an example "
            "(for one-hot rows, take their argmax)"
        )
    if y.dtype.kind != "f":
        return y
    numbers(y, name, holder)
    broken = y[y != np.floor(y)]
    if len(broken):
        raise DataError(
            f"{what} holds {float(broken[0]):g}; classes are whole numbers or text: "
            "write `objective: regression` if it is a quantity"
        )
    return y.astype(np.int64)


def _short(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 3]}..."


def _check_classes(
    classes: NDArray[Any], counts: NDArray[np.intp], what: str, *, inferred: bool
) -> None:
    if len(classes) < 2:
        raise DataError(
            f"{what} holds only one class, {str(classes[0])!r}; classification needs two"
        )
    single = classes[counts == 1]
    if len(single) == 0:
        return
    shown = ", ".join(repr(_short(str(name))) for name in single[:3])
    more = f" and {len(single) - 3} more" if len(single) > 3 else ""
    advice = "; if it is a quantity, write `objective: regression`" if inferred else ""
    raise DataError(
        f"{what}: the class {shown}{more} has a single example; every class needs at least two, "
        f"one to train on and one to score: add examples, or merge or remove the class{advice}"
    )
