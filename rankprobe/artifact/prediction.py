"""Predictions for new data from an artifact alone."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from numpy.typing import NDArray

from rankprobe.artifact.reading import Model, read_model
from rankprobe.data.facts import TaskFacts
from rankprobe.data.fitted import read_inputs, reads
from rankprobe.errors import ArtifactError, DataError, StoreError

_BATCH = 256  # examples that go through the network at once
# What preprocessing that was changed by somebody may raise.
_WRONG = (
    KeyError, TypeError, ValueError, IndexError, RuntimeError, AttributeError, OverflowError,
    MemoryError,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a model says of each example, in the order of the data.

    Attributes:
        task: What the model was trained for.
        outputs: (n, outputs): scores (logits) of classes, or values in the target's units.
        notes: What the data hold that training data did not, such as categories never seen, and
            what it is read as: a line a column.
        files: The file of each example; empty where the examples are rows of one.
    """

    task: TaskFacts
    outputs: NDArray[np.float32]
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(n, classes): the softmax of the scores."""
        scores = self.outputs.astype(np.float64)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return shares

    def header(self) -> list[str]:
        """Names of the columns."""
        first = ["file"] if self.files else []
        if self.task.classes:
            return [*first, "prediction", *(f"probability_{name}" for name in self.task.classes)]
        count = self.outputs.shape[1]
        names = [f"prediction_{index}" for index in range(1, count + 1)]
        return first + (["prediction"] if count == 1 else names)

    def rows(self) -> Iterator[list[str]]:
        """A row an example: its file, then the likeliest class and all probabilities, or values."""
        for index, row in enumerate(self._values()):
            yield [self.files[index], *row] if self.files else row

    def _values(self) -> Iterator[list[str]]:
        if not self.task.classes:
            for row in self.outputs:
                yield [f"{value:.9g}" for value in row]
            return
        for shares in self.probabilities:
            name = self.task.classes[int(shares.argmax())]
            yield [name, *(f"{share:.9g}" for share in shares)]

    def write(self, file: TextIO) -> None:
        """Write them as CSV."""
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(self.header())
        writer.writerows(self.rows())

    def save(self, path: Path) -> None:
        """Write them to a CSV file.

        Raises:
            StoreError: It cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("w", encoding="utf-8", newline="") as file:
                self.write(file)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}; name another file") from None


def predict(path: str | Path, data: str | Path, *, trust: bool = False) -> Predictions:
    """What an artifact's model says of new data; nothing else is needed.

    Args:
        path: A file that `rankprobe pack` wrote.
        data: A table, an .npz with the inputs, or a folder of pictures, as in training; a target
            in it is not looked at.
        trust: Whether code of the user's, which made the network, may run.

    Raises:
        ArtifactError: The file cannot be read, or its model is for data that are not read here.
        DataError: The data cannot be read; the column is named.
    """
    model = read_model(path, trust=trust)
    task = model.description.task
    if not reads(task.fitted) or task.objective == "next_token":
        why = (task.fitted or {}).get("refused", f"they are {task.kind}")
        raise ArtifactError(
            f"{path}: new data for `{task.name}` cannot be read from a file ({why}); use "
            "rankprobe.load, and give the network inputs that you prepare"
        )
    assert task.fitted is not None
    try:
        _check_sizes(task)
        new = read_inputs(task.fitted, Path(data))
        if new.inputs.shape[1:] != task.input_shape:
            raise ValueError(f"inputs of shape {new.inputs.shape[1:]}")
        return Predictions(task, _outputs(model, new.inputs), new.notes, new.files)
    except _WRONG as error:
        raise ArtifactError(
            f"{path}: its preprocessing does not fit its network ({type(error).__name__}: "
            f"{str(error)[:120]}); pack the model again"
        ) from None


def _check_sizes(task: TaskFacts) -> None:
    """Refuse preprocessing that would make larger inputs than the network reads, and missing names.

    Raises:
        ValueError: It would.
    """
    if task.classes and len(task.classes) != task.outputs:
        raise ValueError(f"{len(task.classes)} names of classes for {task.outputs} outputs")
    fitted = task.fitted or {}
    largest = max(task.input_shape, default=1)
    for key in ("width", "size"):
        if (fitted.get(key) or 0) > largest:
            raise ValueError(
                f"its {key} is {fitted[key]}, and inputs have the shape {task.input_shape}"
            )


def _outputs(model: Model, inputs: NDArray[Any]) -> NDArray[np.float32]:
    """Outputs of all examples, those of a regression in the target's units."""
    task, parts = model.description.task, []
    with torch.no_grad():
        for start in range(0, len(inputs), _BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(inputs[start : start + _BATCH]))
            parts.append(model.module(batch))
    outputs = torch.cat(parts).reshape(len(inputs), -1)
    if task.objective == "regression":
        outputs = outputs * task.scale + torch.tensor(task.shift, dtype=torch.float32)
    if not outputs.isfinite().all():
        row = int((~outputs.isfinite().all(dim=1)).nonzero()[0, 0]) + 1
        raise DataError(f"the model gives no finite numbers for row {row} of the data")
    return outputs.numpy()
