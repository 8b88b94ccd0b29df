"""Trained tensors of a run folder: one safetensors file a member, named as its predictions are.

The files hold what a member is and how it scored, so that reading them needs no record, no torch
and no Optuna. Only members at the chosen rate of their rank stay when a measurement ends.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.data.facts import FACTS, facts_of
from rankprobe.data.task import Task
from rankprobe.errors import StoreError
from rankprobe.records import Member, Run

WEIGHTS = "weights"  # folder of trained tensors
# Bytes of tensors of one training above which none of them are kept.
KEPT_BYTES = 128_000_000


@dataclasses.dataclass(frozen=True)
class Trained:
    """What is kept of a finished member.

    Attributes:
        member: The member.
        key: Name of its files: ``weights/KEY.safetensors`` and ``predictions/KEY.npy``.
        file: Its tensors.
        validation: Metric on the validation split.
        test: Metric on the test split.
    """

    member: Member
    key: str
    file: Path
    validation: float
    test: float


def trained(folder: str | Path) -> list[Trained]:
    """Every member whose tensors a run folder holds, with its scores, in the order of members.

    Raises:
        StoreError: A file of tensors is damaged.
    """
    found = [_described(file) for file in (Path(folder) / WEIGHTS).glob("*.safetensors")]
    return sorted(found, key=lambda item: _order(item.member))


def trained_members(folder: str | Path) -> list[Member]:
    """Every member whose tensors a run folder holds: baselines first, then by rank.

    Raises:
        StoreError: A file of tensors is damaged.
    """
    return [item.member for item in trained(folder)]


def load_tensors(folder: str | Path, member: Member) -> dict[str, NDArray[Any]]:
    """Trained tensors of a member by name, as `rankprobe.records.Run.tensors` has them.

    Raises:
        StoreError: The folder holds none of this member, or its file is damaged.
    """
    for item in trained(folder):
        if item.member == member:
            return read_tensors(item.file)
    raise StoreError(
        f"{folder} holds no trained tensors of rank {member.rank}, repeat {member.repeat}; "
        "measure again with --fresh to have them"
    )


def read_tensors(file: Path) -> dict[str, NDArray[Any]]:
    """The tensors of one file.

    Raises:
        StoreError: It is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(file)
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise _damaged(file, error) from None


def write_tensors(folder: Path, key: str, run: Run) -> None:
    """Write the tensors of a finished member: whole, or not at all."""
    from safetensors.numpy import save

    assert run.tensors is not None
    words = {"member": dataclasses.astuple(run.member), "scores": [run.validation, run.test]}
    metadata = {name: json.dumps(value) for name, value in words.items()}
    file = weights_file(folder, key)
    file.parent.mkdir(exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(save(_contiguous(run.tensors), metadata))
    part.replace(file)


def write_facts(folder: Path, task: Task) -> None:
    """Write what a network and new data must know of a task, beside the tensors.

    Raises:
        StoreError: The folder cannot be written.
    """
    from rankprobe.training import TrainingData

    shift: tuple[float, ...] = ()
    scale = 1.0
    if task.objective == "regression":
        data = TrainingData.of(task)
        shift, scale = tuple(data.shift.reshape(-1).tolist()), data.scale
    text = facts_of(task, shift=shift, scale=scale).model_dump_json(indent=1)
    file = folder / FACTS
    part = file.with_suffix(".part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    except OSError as error:
        raise StoreError(f"cannot write {file}: {error.strerror}") from None


def weights_file(folder: Path, key: str) -> Path:
    """Where the tensors of a member are."""
    return folder / WEIGHTS / f"{key}.safetensors"


def forget_all(folder: Path) -> None:
    """Remove the tensors of every member."""
    for file in (folder / WEIGHTS).glob("*.safetensors"):
        file.unlink()


def _contiguous(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    # `np.ascontiguousarray` makes a vector of a scalar.
    return {name: np.array(value, order="C", copy=None) for name, value in tensors.items()}


def _described(file: Path) -> Trained:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy") as opened:
            words = opened.metadata()
        member = Member(*json.loads(words["member"]))
        validation, test = json.loads(words["scores"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _damaged(file, error) from None
    return Trained(member, file.stem, file, float(validation), float(test))


def _damaged(file: Path, error: Exception) -> StoreError:
    return StoreError(
        f"the trained tensors in {file} cannot be read ({error}); remove the file, or measure "
        "again with --fresh"
    )


def _order(member: Member) -> tuple[int, int, float, int, int]:
    rank = -1 if member.rank is None else member.rank
    return rank, member.repeat, member.learning_rate, member.epochs, member.scaffold
