"""Recorded episodes: from arrays that hold them one after another, or from Minari's HDF5."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.data.arrays import read_archive
from rankprobe.errors import DataError

MINARI = "main_data.hdf5"


@dataclass(frozen=True, eq=False)
class Episode:
    """One episode.

    Attributes:
        states: (steps, states) float32, before each action.
        actions: (steps, actions) float32.
        rewards: (steps,) after each action.
    """

    states: NDArray[np.float32]
    actions: NDArray[np.float32]
    rewards: NDArray[np.float64]


def read_episodes(path: Path) -> tuple[list[Episode], str | None, int]:
    """The episodes of a file or folder.

    Returns:
        The episodes, the name of their environment where it is there, and how many steps were
        left out because their episode has no end.

    Raises:
        DataError: It cannot be read, or its arrays do not fit each other.
    """
    if path.is_dir():
        inside = [path / "data" / MINARI, path / MINARI]
        found = next((file for file in inside if file.is_file()), None)
        if found is None:
            raise DataError(f"{path} holds no {MINARI}, as data sets of Minari do")
        path = found
    if path.suffix.lower() in (".hdf5", ".h5"):
        return *_from_minari(path), 0
    arrays = read_archive(path)
    name = arrays.get("environment")
    episodes = _from_arrays(arrays, path)
    rest = len(arrays["rewards"]) - sum(len(episode.rewards) for episode in episodes)
    return episodes, None if name is None else str(name), rest


def _from_arrays(arrays: dict[str, NDArray[Any]], path: Path) -> list[Episode]:
    """Steps one after another, with the ends or the starts of episodes marked.

    With ends, steps after the last are left out: their return is not known.
    """
    for name in ("rewards", "observations", "actions"):
        if name not in arrays:
            there = ", ".join(arrays)
            raise DataError(f"{path} has no array `{name}`; there are: {there}")
        if arrays[name].shape[:1] != arrays["rewards"].shape[:1] or not arrays[name].ndim:
            raise DataError(
                f"`{name}` in {path} has the shape {arrays[name].shape} and `rewards` "
                f"{arrays['rewards'].shape}; one row a step is needed, none after the last action"
            )
    marks = [arrays[name] for name in ("terminals", "timeouts") if name in arrays]
    starts = arrays.get("episode_starts")
    steps = len(arrays["rewards"])
    if any(mark.shape != (steps,) for mark in [*marks, *([] if starts is None else [starts])]):
        raise DataError(f"the marks of episodes in {path} need the shape ({steps},)")
    if marks:
        ends = np.flatnonzero(np.any([mark.astype(bool) for mark in marks], axis=0)) + 1
        if not len(ends):
            raise DataError(f"{path} marks no end of an episode; give `timeouts`, too")
        edges = np.concatenate([[0], ends])
    elif starts is not None:
        edges = np.unique([0, *np.flatnonzero(starts), steps])
    else:
        raise DataError(
            f"{path} does not say where episodes end: give `terminals` and `timeouts`, or "
            "`episode_starts`, one truth value a step"
        )
    return [
        _episode(
            arrays["observations"][a:b],
            arrays["actions"][a:b],
            arrays["rewards"][a:b],
            f"episode {index + 1} of {path.name}",
        )
        for index, (a, b) in enumerate(pairwise(edges))
    ]


def _from_minari(path: Path) -> tuple[list[Episode], str | None]:
    """Groups ``episode_0``, ``episode_1``, ...; states hold one more row, after the last action."""
    try:
        import h5py
    except ImportError:
        raise DataError(
            "reading HDF5 needs more packages: pip install 'rankprobe[control]'"
        ) from None
    try:
        with h5py.File(path, "r") as file:
            names = sorted(
                (name for name in file if re.fullmatch(r"episode_\d+", name)),
                key=lambda name: int(name.removeprefix("episode_")),
            )
            episodes = [_of_group(file[name], f"{name} of {path.name}") for name in names]
            spec = file.attrs.get("env_spec")
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:  # of damaged files
        raise DataError(f"{path} cannot be read as HDF5: {error}") from None
    if not episodes:
        raise DataError(f"{path} holds no groups episode_0, episode_1, ... as Minari's files do")
    beside = path.parent / "metadata.json"
    if spec is None and beside.is_file():
        spec = _json(beside.read_text(encoding="utf-8")).get("env_spec")
    return episodes, _json(spec).get("id")


def _of_group(group: Any, where: str) -> Episode:
    arrays = []
    for name in ("observations", "actions", "rewards"):
        if name not in group or not hasattr(group[name], "shape"):
            raise DataError(f"{where} has no array `{name}`; nested states are not read")
        arrays.append(np.asarray(group[name]))
    states, actions, rewards = arrays
    return _episode(states[: len(rewards)], actions, rewards, where)


def _json(text: Any) -> dict[str, Any]:
    try:
        made = json.loads(text) if isinstance(text, str | bytes) else text
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}


def _episode(
    states: NDArray[Any], actions: NDArray[Any], rewards: NDArray[Any], where: str
) -> Episode:
    for name, array, axes in (
        ("observations", states, 2),
        ("actions", actions, 2),
        ("rewards", rewards, 1),
    ):
        if array.ndim != axes or array.dtype.kind not in "biuf" or len(array) != len(rewards):
            kind = "vectors of numbers" if axes == 2 else "numbers"
            raise DataError(
                f"`{name}` in {where} has the shape {array.shape} and the type {array.dtype}; "
                f"{len(rewards)} {kind} are needed"
            )
        if not np.isfinite(array).all():
            raise DataError(f"`{name}` in {where} holds NaN or infinite values")
    return Episode(
        states.astype(np.float32), actions.astype(np.float32), rewards.astype(np.float64)
    )
