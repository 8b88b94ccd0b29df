"""Changed settings: what is varied, at which ranks, and that a real move is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankprobe
from rankprobe.api import measure_and_save
from rankprobe.config import TaskConfig, config_from_settings
from rankprobe.data.load import task_from_arrays
from rankprobe.data.task import Task
from rankprobe.errors import TrainingError
from rankprobe.lowrank import Scaffold
from rankprobe.records import Member, MinimalRank, Result
from rankprobe.search import sensitivity
from rankprobe.search.bench import Bench, Tick
from rankprobe.search.measure import Silent
from rankprobe.search.sensitivity import crossing_ranks, wider_ranks
from tests.reporting.examples import make, unresolved

SIDE, RANK = 6, 2
SETTINGS: dict[str, Any] = {
    "name": "planted in its scaffold",
    "backbone": {"hidden": []},
    "adapter": {"head": "adapter"},
    "training": {
        "epochs": 20,
        "batch_size": 64,
        "learning_rate": {"adapter": 0.1, "baseline": 0.1},
    },
    "search": {"ranks": [1, 2, 3], "repeats": 3},
}


@pytest.fixture(scope="module")
def planted() -> tuple[TaskConfig, Task]:
    """A matrix of rank 2 on top of scaffold 42: under another scaffold it has full rank."""
    generator = np.random.default_rng(0)
    scaffold = Scaffold(seed=42).weight("head", (SIDE, SIDE))
    left, right = (np.linalg.qr(generator.standard_normal((SIDE, RANK)))[0] for _ in range(2))
    weight = scaffold + 2.0 * left @ right.T
    x = generator.standard_normal((300, SIDE)).astype(np.float32)
    config = config_from_settings(SETTINGS)
    return config, task_from_arrays(x, (x @ weight.T).astype(np.float32), config=config)


class Listener(Silent):
    """Remembers phases; may interrupt at one."""

    def __init__(self, stop: str = "") -> None:
        self.phases: list[str] = []
        self.stop = stop

    def phase(self, text: str) -> None:
        self.phases.append(text)
        if self.stop and text.startswith(self.stop):
            raise KeyboardInterrupt


def answers(result: Result) -> dict[str, MinimalRank]:
    return {f"{v.setting} {v.value}": v.minimal_rank for v in result.sensitivity}


@pytest.fixture(scope="module")
def whole(planted: tuple[TaskConfig, Task]) -> tuple[Result, list[str]]:
    """The uninterrupted measurement, and its phases."""
    listener = Listener()
    result = measure_and_save(*planted, folder=None, sensitivity=True, progress=listener)
    return result, listener.phases


def test_a_change_that_moves_the_rank_shows_it_and_others_do_not(
    whole: tuple[Result, list[str]],
) -> None:
    result, phases = whole
    assert result.minimal_rank.value == RANK
    found = answers(result)
    assert list(found) == [
        "epochs 10 (half)",
        "epochs 40 (double)",
        "batch_size 32 (half)",
        "batch_size 128 (double)",
        "weight_decay 0.005 (half)",
        "weight_decay 0.02 (double)",
        "scaffold seed 43",
        "scaffold seed 44",
    ]
    moved = {name: a.value for name, a in found.items() if a.value != RANK}
    assert moved.keys() == {"scaffold seed 43", "scaffold seed 44"}
    assert moved["scaffold seed 44"] == 3
    # This one left the ranks 1, 2, 3, which were extended, so it is no mere "above 3".
    assert moved["scaffold seed 43"] == 4
    recoveries = dict(result.sensitivity[-2].recoveries)
    assert list(recoveries) == [1, 2, 3, 4, 5, 6]
    assert recoveries[RANK] < 0.8
    assert "sensitivity 7 of 8, scaffold seed 43: ranks 1, 2, 3" in phases
    assert "2 move it to" in result.methods


def test_interrupted_in_the_middle_it_keeps_the_result_and_goes_on(
    planted: tuple[TaskConfig, Task],
    whole: tuple[Result, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changes = sensitivity._changes
    monkeypatch.setattr(sensitivity, "_changes", lambda *given: list(changes(*given))[:3])
    expected = whole[0].sensitivity[:3]
    stop = Listener(stop="sensitivity 3 of 3")
    with pytest.raises(KeyboardInterrupt):
        measure_and_save(*planted, folder=tmp_path, sensitivity=True, progress=stop)
    kept = rankprobe.load_result(tmp_path)
    assert kept.minimal_rank == whole[0].minimal_rank
    assert kept.sensitivity == ()
    started = {path.name for path in (tmp_path / "sensitivity").iterdir()}
    assert started == {"epochs-10", "epochs-40", "batch_size-32"}

    trained = count_trained(monkeypatch)
    again = measure_and_save(*planted, folder=tmp_path, sensitivity=True)
    assert again.sensitivity == expected
    assert rankprobe.load_result(tmp_path).sensitivity == expected
    # What the first two variants had trained was not trained again.
    assert 0 < len(trained) <= whole[0].cost["members"]
    trained.clear()
    assert measure_and_save(*planted, folder=tmp_path, sensitivity=True) == again
    assert trained == []

    (tmp_path / "sensitivity" / "notes").mkdir()
    other = planted[0].model_copy(update={"seed": 7})
    measure_and_save(other, planted[1], folder=tmp_path, fresh=True)
    assert [path.name for path in (tmp_path / "sensitivity").iterdir()] == ["notes"]


def count_trained(monkeypatch: pytest.MonkeyPatch) -> list[Member]:
    """Members that are trained from now on."""
    trained: list[Member] = []
    train = Bench.train

    def counted(bench: Bench, members: Sequence[Member], tick: Tick | None = None) -> Any:
        trained.extend(members)
        return train(bench, members, tick)

    monkeypatch.setattr(Bench, "train", counted)
    return trained


def test_without_a_minimal_rank_it_says_why_nothing_is_varied() -> None:
    generator = np.random.default_rng(0)
    x, noise = generator.standard_normal((300, SIDE)), generator.standard_normal((300, 2))
    settings = {key: value for key, value in SETTINGS.items() if key != "name"}
    settings["search"] = {"ranks": [1, 2], "repeats": 3}
    result = rankprobe.measure(x, noise, sensitivity=True, **settings)
    assert result.minimal_rank.verdict == "no_signal"
    assert result.sensitivity == ()
    assert result.scope["sensitivity"] == (
        "nothing was varied: nothing was learned, so there is no minimal rank that could move"
    )


def test_a_failure_names_the_variant(
    planted: tuple[TaskConfig, Task],
    whole: tuple[Result, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    def broken(*_: Any, **__: Any) -> Result:
        raise TrainingError("every training failed")

    monkeypatch.setattr(sensitivity, "measure_task", broken)
    with pytest.raises(TrainingError, match=r"sensitivity 1 of 8, epochs 10 \(half\): every"):
        sensitivity.vary(*planted, whole[0], folder=None)


@pytest.mark.parametrize(
    ("value", "largest", "ranks"),
    [
        (1, 64, (1, 2)),
        (6, 64, (5, 6, 7)),
        (20, 64, (18, 19, 20, 21, 22)),
        (47, 64, (42, 46, 47, 48, 52)),
        (8, 8, (7, 8)),
    ],
)
def test_the_ranks_around_the_crossing(value: int, largest: int, ranks: tuple[int, ...]) -> None:
    minimal = MinimalRank(value, value, value, 0.95, "resolved")
    result = replace(make(minimal=minimal), scope={"largest_useful_rank": largest})
    assert crossing_ranks(result) == ranks


def test_a_coarse_list_is_kept() -> None:
    minimal = MinimalRank(8, 5, 8, 0.95, "resolved", ("grid",))
    result = make(ranks=(1, 4, 8, 16, 32), minimal=minimal)
    assert crossing_ranks(result) == (4, 8, 16)
    above, below = unresolved("above_largest", low=17), unresolved("at_or_below_smallest", high=4)
    assert wider_ranks((4, 8, 16), above, result) == (4, 8, 16, 32)
    assert wider_ranks((4, 8, 16), below, result) == (1, 4, 8, 16)


def test_ranks_are_extended_where_the_answer_has_left_them() -> None:
    result = replace(make(), scope={"largest_useful_rank": 9})
    above, below = unresolved("above_largest", low=8), unresolved("at_or_below_smallest", high=5)
    assert wider_ranks((5, 6, 7), above, result) == (5, 6, 7, 8, 9)
    assert wider_ranks((5, 6, 7), below, result) == (1, 3, 4, 5, 6, 7)
    assert wider_ranks((5, 6, 7), result.minimal_rank, result) is None
    end = replace(result, scope={"largest_useful_rank": 7})
    assert wider_ranks((5, 6, 7), above, end) is None


def test_changes_that_change_nothing_are_left_out() -> None:
    config = config_from_settings(
        {"training": {"batch_size": 200, "weight_decay": 0.0}, "backbone": {"seed": 2**63 - 1}}
    )
    names = [change.name for change in sensitivity._changes(config, 1, 100)]
    assert names == ["epochs-2", "scaffold-0", "scaffold-1"]
