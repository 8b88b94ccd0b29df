"""What a source hands over: targets, given splits, and a way to turn rows into inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rankprobe.data.task import Kind, Objective
from rankprobe.errors import DataError

Rows = NDArray[np.intp]
Inputs = NDArray[Any]
Encoded = tuple[list[Inputs], Mapping[str, str]]
Encoder = Callable[[Sequence[Rows]], Encoded]
Scaling = Literal["none", "pixels", "features"]

FREE, TRAIN, VALIDATION, TEST = -1, 0, 1, 2


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples as a source read them, before they are divided.

    Attributes:
        holder: The file or set they come from, for messages.
        target: Name of the target, for messages.
        y: Targets: (n,) or (n, outputs); numbers, truth values or text.
        fixed: (n,) the split that each example was given to: `TRAIN`, `VALIDATION`, `TEST`,
            or `FREE` for those still to be divided.
        by: (n,) values of the column to divide by, if there is one.
        encode: From the rows of each split, training first, to its inputs; anything that is
            fitted is fitted on the first. Also returns what was done, by column.
        kind: How an example is to be read; see `rankprobe.backbones.Inputs`.
        form: What goes into the `Task` as it is: ``sizes``, ``context``, ``augment``,
            ``environment``. Called after ``encode``, because fitting may decide sizes.
        fingerprints: (n,) what tells whether two examples are the same, where the inputs do
            not, as indices of graphs do not.
        metric: The metric where none is configured; by default accuracy or R².
        chosen: The objective where none is configured; by default inferred from the target.
        division: How ``fixed`` came about, in words, where the source divided by a rule.
        alike: (n,) equal for examples that are to be in one split where they are divided at
            random, such as copies of a text.
        notes: What was left out, a sentence each, for people.
    """

    holder: str
    target: str
    y: NDArray[Any]
    fixed: NDArray[np.int8]
    by: NDArray[Any] | None
    encode: Encoder
    kind: Kind = "numbers"
    form: Callable[[], Mapping[str, Any]] = dict
    fingerprints: NDArray[Any] | None = None
    metric: str | None = None
    chosen: Objective | None = None
    division: str = ""
    alike: NDArray[np.intp] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Scaler:
    """What is taken off inputs, and what they are multiplied by then.

    Attributes:
        mean: One number, or one a feature; ``None``: inputs stay as they are.
        factor: Likewise.
    """

    mean: NDArray[np.float64] | None = None
    factor: NDArray[np.float64] | None = None

    @classmethod
    def fitted(cls, inputs: Inputs, how: Scaling) -> Scaler:
        """Mean 0 and standard deviation 1 over inputs (n, ...); see `scaled`."""
        if how == "none":
            return cls()
        axis = 0 if how == "features" else None
        mean = inputs.mean(axis=axis, dtype=np.float64)
        deviation = inputs.std(axis=axis, dtype=np.float64)
        # Rounding can leave a constant feature a deviation, far below what float32 can tell apart.
        constant = deviation <= 1e-7 * np.abs(mean)
        factor = np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, deviation))
        return cls(np.asarray(mean), factor)

    def __call__(self, inputs: Inputs) -> Inputs:
        """Inputs scaled, (n, ...) float32."""
        if self.mean is None or self.factor is None:
            return inputs
        scaled: Inputs = ((inputs - self.mean) * self.factor).astype(np.float32)
        return scaled

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        if self.mean is None or self.factor is None:
            return {}
        return {"mean": self.mean.tolist(), "factor": self.factor.tolist()}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Scaler:
        """What `plain` wrote."""
        if "mean" not in plain:
            return cls()
        return cls(np.asarray(plain["mean"], float), np.asarray(plain["factor"], float))


def scaled(parts: Sequence[Inputs], how: Scaling) -> tuple[list[Inputs], str]:
    """Inputs with mean 0 and standard deviation 1 over the first part, the training split.

    Args:
        parts: Inputs (n, ...) of each split.
        how: ``pixels``: one mean and deviation for all features; ``features``: each its own,
            and a feature that never changes in training becomes 0; ``none``: untouched.

    Returns:
        The scaled parts, and what was done in words.
    """
    scaler = Scaler.fitted(parts[0], how)
    return [scaler(part) for part in parts], scaling_words(scaler, how)


def scaling_words(scaler: Scaler, how: Scaling) -> str:
    """What a scaler does, for people."""
    if scaler.mean is None or scaler.factor is None:
        return "as they are"
    if how == "features":
        return "each feature to mean 0 and standard deviation 1 in training"
    deviation = 1.0 / float(scaler.factor) if scaler.factor else 0.0
    return f"mean {float(scaler.mean):.6g} taken off, divided by {deviation:.6g}"


def numbers(values: NDArray[Any], name: str, holder: str) -> Inputs:
    """Numbers or truth values as float32.

    Raises:
        DataError: Something else, or NaN, infinite or too large values.
    """
    if values.dtype.kind not in "biuf":
        raise DataError(
            f"`{name}` in {holder} holds {_kind(values)}, not numbers: "
            "save it as an array of numbers, or use a table for mixed columns"
        )
    with np.errstate(over="ignore"):
        result = values.astype(np.float32)
    bad = ~np.isfinite(result)
    if bad.any():
        flat = bad.reshape(len(bad), -1)
        feature = np.unravel_index(int(flat.any(axis=0).argmax()), bad.shape[1:])
        where = f"feature {', '.join(str(int(i)) for i in feature)} of " if feature else ""
        raise DataError(
            f"{where}`{name}` in {holder}: NaN, infinite or too large values in "
            f"{int(flat.any(axis=1).sum())} of {len(bad)} rows; fill them in or remove the rows"
        )
    return result


def _kind(values: NDArray[Any]) -> str:
    kinds = {"O": "Python objects", "U": "text", "S": "text", "M": "dates", "c": "complex numbers"}
    return kinds.get(values.dtype.kind, f"values of type {values.dtype}")
