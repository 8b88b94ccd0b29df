"""The estimate of time holds evaluations and episodes, each counted as often as it happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankprobe.config import config_from_settings
from rankprobe.data.load import load_task, task_from_arrays
from rankprobe.records import Member
from rankprobe.search import timing
from rankprobe.search.bench import Bench
from rankprobe.search.check import check_task
from rankprobe.search.setup import prepare
from rankprobe.training.rollout import Rollouts
from tests.data import toy_world

SHORT: dict[str, Any] = {
    "training": {"epochs": 2, "learning_rate": 0.01},
    "search": {"ranks": [1, 2], "repeats": 2},
}


class Clock:
    """Seconds that pass only when told to."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timing, "time", made)
    return made


def test_evaluations_count_every_look_and_the_test(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
    settings = {**SHORT, "backbone": {"hidden": [8]}, "data": {"split": {"validation": 0.2}}}
    config = config_from_settings({k: v for k, v in settings.items() if k != "data"})
    task = task_from_arrays(x, (x[:, 0] > 0).astype(np.int64), config=config)
    bench = prepare(config, task).bench
    compact = Bench.compact
    seen: list[int] = []

    def slow(self: Bench, outputs: Any, target: Any) -> Any:
        seen.append(len(target))
        clock.now += 0.001 * len(target)
        return compact(self, outputs, target)

    monkeypatch.setattr(Bench, "compact", slow)
    members = [Member(rank, 0.01, 0, 2) for rank in (1, 2)]
    data = bench.training_data()
    times = timing.cohort_times(bench, data, members)
    assert times.steps == 0.0
    steps = bench.steps(members[0])
    looks = min(8, steps)
    expected = 2 * 0.001 * (looks * len(task.validation) + len(task.test))
    assert times.evaluations == pytest.approx(expected)
    seen.clear()
    bench.train(members)  # as many as really are evaluated
    assert times.evaluations == pytest.approx(0.001 * sum(seen))


def test_episodes_are_counted_to_their_longest(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    toy_world.register()
    np.savez(tmp_path / "p.npz", weights=np.array([[-1.0, 1.0]]))
    data = {"environment": toy_world.NAME, "policy": "p.npz", "episodes": 30, "length": 4}
    config = config_from_settings(
        {"data": {"source": "trajectories", **data}, "metric": "episode_return", **SHORT},
        folder=tmp_path,
    )
    task = load_task(config)
    played = Rollouts._returns

    def slow(self: Rollouts, cohort: Any, split: str) -> Any:
        clock.now += 3.0 + 0.5 * self.longest
        return played(self, cohort, split)

    monkeypatch.setattr(Rollouts, "_returns", slow)
    bench = prepare(config, task).bench
    training = bench.training_data()
    assert isinstance(training.rollout, Rollouts)
    longest = training.rollout.longest
    monkeypatch.setattr(timing, "_ACTIONS", longest // 2)  # the rest is extrapolated
    times = timing.cohort_times(bench, training, [Member(1, 0.01, 0, 2)])
    assert times.evaluations == pytest.approx(2 * (3.0 + 0.5 * longest))
    assert training.rollout.longest == longest
    checked = check_task(config, task)
    assert checked.evaluating > 2 * (3.0 + 0.5 * longest)
    assert checked.seconds == checked.evaluating
    assert " of it for episodes" in checked.words()
