"""The control study: an expert that is one, a search that resumes, a record that is a task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rankprobe.config import config_from_settings
from rankprobe.data.environments import linear_policy, make, random_return, record
from rankprobe.data.load import load_task
from studies.control import expert
from studies.control.record import trajectories
from tests.data import toy_world

SETTINGS = expert.Settings(directions=4, best=2, step=0.1, noise=0.1, horizon=10)


def test_the_expert_runs() -> None:
    world = make(expert.ENVIRONMENT)
    played = record(world, linear_policy(expert.EXPERT, world), 2)
    returns = [episode.rewards.sum() for episode in played]
    assert min(returns) > 5400
    assert random_return(world) < 0
    with np.load(expert.EXPERT, allow_pickle=False) as kept:
        assert abs(np.mean(returns) - kept["search_return"]) < 150


def test_its_record_is_a_task(tmp_path: Path) -> None:
    file = trajectories(tmp_path / "data" / "trajectories.npz", episodes=3)
    before = file.read_bytes()
    assert trajectories(file, episodes=3) == file
    again = trajectories(tmp_path / "again.npz", episodes=3)
    assert again.read_bytes() == before
    settings = {"data": {"source": "trajectories", "path": "data/trajectories.npz"}}
    task = load_task(config_from_settings(settings, folder=tmp_path))
    assert task.sizes == {"states": 17, "actions": 6, "longest": 1000}
    assert [len(split) for split in (task.train, task.validation, task.test)] == [50, 50, 50]


def test_moments_are_those_of_all_states() -> None:
    states = np.random.default_rng(0).normal(3, 2, size=(50, 2))
    moments = expert.Moments(0.0, np.zeros(2), np.zeros(2))
    for part in np.split(states, [5, 20]):
        moments.add(part)
    np.testing.assert_allclose(moments.mean, states.mean(axis=0))
    np.testing.assert_allclose(moments.scale, states.std(axis=0, ddof=1))


def test_the_search_improves_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_world.register()
    monkeypatch.setattr(expert, "ENVIRONMENT", toy_world.NAME)

    def searched(*stops: int) -> dict[str, np.ndarray]:
        folder = tmp_path / "-".join(map(str, stops))
        folder.mkdir()
        monkeypatch.setattr(expert, "EXPERT", folder / "expert.npz")
        monkeypatch.setattr(expert, "PROGRESS", folder / "data" / "search.npz")
        for stop in stops:
            expert.search(stop, SETTINGS)
        with np.load(folder / "expert.npz") as kept:
            return dict(kept)

    whole, parts = searched(80), searched(40, 80)
    for name, values in whole.items():
        np.testing.assert_array_equal(values, parts[name])
    world = make(toy_world.NAME)
    policy = (whole["weights"], whole["state_mean"], whole["state_scale"])
    reached = np.mean([expert.episode(world, policy, k, 10)[0] for k in range(50)])
    still = (0 * policy[0], *policy[1:])
    assert reached > np.mean([expert.episode(world, still, k, 10)[0] for k in range(50)]) + 1
