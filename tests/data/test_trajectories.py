"""Trajectories: windows of episodes, from arrays, from Minari's files, or recorded here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankprobe.config import config_from_settings
from rankprobe.data.load import load_task
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, DataError
from tests.data import toy_world

LENGTHS = [7, 4, 9, 5, 8, 6, 7, 3, 10, 5]
STEPS = sum(LENGTHS)
ENDS = np.isin(np.arange(1, STEPS + 1), np.cumsum(LENGTHS))
EPISODE = np.repeat(np.arange(10), LENGTHS)
RNG = np.random.default_rng(0)
# The first feature tells the episode, the first action the step among all.
ARRAYS = {
    "observations": np.stack([EPISODE, RNG.normal(size=STEPS)], axis=1),
    "actions": np.stack([np.arange(STEPS), RNG.normal(size=STEPS)], axis=1),
    "rewards": np.arange(STEPS) / 10 + 1,
}
MARKED = {**ARRAYS, "terminals": ENDS & (EPISODE % 2 == 0), "timeouts": ENDS & (EPISODE % 2 == 1)}


def load(folder: Path, arrays: dict[str, Any] | None = None, **data: Any) -> Task:
    np.savez(folder / "t.npz", **(MARKED if arrays is None else arrays))
    settings: dict[str, Any] = {"data": {"source": "trajectories", "path": "t.npz", "length": 4}}
    settings["data"] |= data
    if metric := settings["data"].pop("metric", None):
        settings["metric"] = metric
    return load_task(config_from_settings(settings, folder=folder))


def test_the_layout(tmp_path: Path) -> None:
    task = load(tmp_path, standardize=False)
    assert (task.kind, task.objective, task.metric) == ("windows", "regression", "mse")
    assert task.sizes == {"states": 2, "actions": 2, "longest": 10}
    assert task.input_shape == (4, 1 + 2 + 2 + 2)
    assert task.outputs == 2
    assert task.environment is None
    assert task.preprocessing is not None
    unit = float(task.preprocessing["return to go"].removeprefix("divided by "))
    seen = []
    for split in (task.train, task.validation, task.test):
        for x, y in zip(split.x, split.y, strict=True):
            steps = x[x[:, -1] == 1]
            assert (np.diff(x[:, -1]) <= 0).all()  # padding at the end
            assert not x[len(steps) :].any()
            assert np.isnan(y[len(steps) :]).all()
            np.testing.assert_array_equal(y[: len(steps)], steps[:, 3:5])
            for to_go, episode, _, step, _, time, _ in steps.tolist():
                first, end = np.searchsorted(EPISODE, [episode, episode + 1])
                assert step == first + time
                np.testing.assert_allclose(
                    to_go, ARRAYS["rewards"][int(step) : end].sum() / unit, rtol=1e-5
                )
                seen.append(step)
    assert sorted(seen) == list(range(STEPS))  # every action is a target once


def test_an_episode_is_in_one_split(tmp_path: Path) -> None:
    task = load(tmp_path, standardize=False, split={"test": 0.3, "validation": 0.2})
    parts = [
        {int(e) for e in split.x[..., 1][split.x[..., -1] == 1]}
        for split in (task.train, task.validation, task.test)
    ]
    assert [len(part) for part in parts] == [5, 2, 3]
    assert len(set.union(*parts)) == 10
    assert "10 episodes at random, none in two splits" in task.division


def test_states_are_standardised_by_the_real_steps_of_training(tmp_path: Path) -> None:
    task = load(tmp_path)
    real = task.train.x[..., -1] == 1
    states = task.train.x[real][:, 1:3]
    np.testing.assert_allclose(states.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(states.std(axis=0), 1, atol=1e-5)
    assert not task.train.x[~real].any()


def test_starts_serve_as_well_as_ends_and_what_has_no_end_is_left_out(tmp_path: Path) -> None:
    starts = np.concatenate([[True], ENDS[:-1]])
    assert load(tmp_path, {**ARRAYS, "episode_starts": starts}).hash == load(tmp_path).hash
    more = {name: np.concatenate([a, a[:2]]) for name, a in ARRAYS.items()}
    marked = {**more, "timeouts": np.concatenate([ENDS, [False, False]])}
    assert load(tmp_path, marked).hash == load(tmp_path).hash


@pytest.mark.parametrize("place", ["m.hdf5", "set/data/main_data.hdf5"])
def test_minari_files(tmp_path: Path, place: str) -> None:
    import h5py

    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(file, "w") as made:
        made.attrs["env_spec"] = json.dumps({"id": toy_world.NAME})
        for index in range(10):
            group, rows = made.create_group(f"episode_{index}"), index == EPISODE
            states = ARRAYS["observations"][rows]
            group["observations"] = np.concatenate([states, states[-1:]])  # one more than actions
            group["actions"], group["rewards"] = ARRAYS["actions"][rows], ARRAYS["rewards"][rows]
    path = place.partition("/")[0]
    assert load(tmp_path, path=path).hash == load(tmp_path).hash
    toy_world.register()
    acting = load(tmp_path, path=path, metric="episode_return")
    assert acting.environment is not None
    assert acting.environment.name == toy_world.NAME


def policy(folder: Path, **more: Any) -> None:
    """Go to the goal."""
    np.savez(folder / "p.npz", weights=np.array([[-1.0, 1.0]]), **more)


def recorded(folder: Path, *, trust: bool = False, metric: str = "mse", **data: Any) -> Task:
    toy_world.register()
    data = {"environment": toy_world.NAME, "policy": "p.npz", "episodes": 20, "length": 4, **data}
    settings = {"data": {"source": "trajectories", **data}, "metric": metric}
    return load_task(config_from_settings(settings, folder=folder, trust=trust), trust=trust)


def test_recording_a_linear_policy(tmp_path: Path) -> None:
    policy(tmp_path)
    task = recorded(tmp_path, standardize=False)
    x = task.train.x[task.train.x[..., -1] == 1]
    np.testing.assert_allclose(x[:, 3], np.clip(x[:, 2] - x[:, 1], -1, 1), atol=1e-6)
    assert recorded(tmp_path, standardize=False).hash == task.hash
    shifted = {"bias": [0.5], "state_mean": [0.0, 0.0], "state_scale": [2.0, 2.0]}
    policy(tmp_path, **shifted)
    x = recorded(tmp_path, standardize=False).train.x
    x = x[x[..., -1] == 1]
    np.testing.assert_allclose(x[:, 3], np.clip((x[:, 2] - x[:, 1]) / 2 + 0.5, -1, 1), atol=1e-6)


def test_recording_a_function_needs_consent(tmp_path: Path) -> None:
    policy(tmp_path)
    (tmp_path / "own.py").write_text("def act(state): return state[1:] - state[:1]\n")
    assert recorded(tmp_path, policy="own:act", trust=True).hash == recorded(tmp_path).hash
    with pytest.raises(ConfigError, match="needs your consent"):
        recorded(tmp_path, policy="own:act")


def test_where_a_policy_will_act(tmp_path: Path) -> None:
    policy(tmp_path)
    task = recorded(tmp_path, metric="episode_return")
    around = task.environment
    assert around is not None
    x = task.train.x
    first = x[(x[..., -1] == 1) & (x[..., -2] == 0)]
    returns = first[:, 0] * around.return_scale
    assert around.expert_return == pytest.approx(returns.mean(), rel=1e-5)
    assert around.target_return == pytest.approx(returns.max(), rel=1e-5)
    assert around.random_return < around.expert_return
    plain = recorded(tmp_path)
    assert plain.environment is None
    raw = recorded(tmp_path, standardize=False).train.x
    real = raw[raw[..., -1] == 1][:, 1:3]
    np.testing.assert_allclose(around.state_mean, real.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(around.state_scale, real.std(axis=0), rtol=1e-4)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"environment": "Nowhere-v0"}, "the environment `Nowhere-v0` cannot be made"),
        ({"environment": "os:Nowhere-v0"}, "in a module of its own"),
        ({"environment": "FrozenLake-v1"}, "must be vectors of numbers"),
        ({"policy": "q.npz"}, r"`weights` in the policy \S+q.npz has the shape \(1, 3\)"),
        ({"policy": "r.npz"}, "the policy gave an action of the shape|one that is not finite"),
        ({"episodes": 2}, "has 2 episodes, too few to divide"),
    ],
)
def test_what_cannot_be_recorded(tmp_path: Path, data: dict[str, Any], message: str) -> None:
    policy(tmp_path)
    np.savez(tmp_path / "q.npz", weights=np.ones((1, 3)))
    np.savez(tmp_path / "r.npz", weights=np.full((1, 2), np.nan))
    with pytest.raises(DataError, match=message):
        recorded(tmp_path, **data)


def test_a_policy_that_is_missing(tmp_path: Path) -> None:
    toy_world.register()
    settings = {"data": {"source": "trajectories", "environment": toy_world.NAME}}
    with pytest.raises(ConfigError, match="is missing: recording an environment needs one"):
        load_task(config_from_settings(settings, folder=tmp_path))


def test_environments_need_their_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy(tmp_path)
    toy_world.register()
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(DataError, match=r"pip install 'rankprobe\[control\]'"):
        recorded(tmp_path)


@pytest.mark.parametrize(
    ("change", "data", "message"),
    [
        ({"actions": None}, {}, "has no array `actions`; there are: observations, rewards"),
        ({"terminals": None, "timeouts": None}, {}, "does not say where episodes end"),
        ({"timeouts": ENDS[:5]}, {}, r"need the shape \(64,\)"),
        ({"actions": np.zeros(STEPS)}, {}, "`actions` in episode 1 of t.npz has the shape"),
        ({"observations": np.full((STEPS, 2), np.nan)}, {}, "`observations` in episode 1 of t.npz"),
        ({}, {"metric": "episode_return"}, "needs an environment to act in, and t.npz names none"),
        ({}, {"path": "t.hdf5"}, "t.hdf5 cannot be read as HDF5"),
        ({}, {"path": "empty"}, "empty holds no main_data.hdf5"),
    ],
)
def test_bad_files_are_named(
    tmp_path: Path, change: dict[str, Any], data: dict[str, Any], message: str
) -> None:
    arrays = {k: v for k, v in {**MARKED, **change}.items() if v is not None}
    (tmp_path / "t.hdf5").write_bytes(b"no HDF5")
    (tmp_path / "empty").mkdir()
    with pytest.raises((DataError, ConfigError), match=message):
        load(tmp_path, arrays, **data)


def test_an_expert_must_be_better_than_chance(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", weights=np.array([[1.0, -1.0]]))  # away from the goal
    with pytest.raises(DataError, match="no more than random actions"):
        recorded(tmp_path, metric="episode_return")


def test_states_of_more_steps_are_refused(tmp_path: Path) -> None:
    """Cut by the same marks, all but the first episode would be beside their actions."""
    longer = np.concatenate([ARRAYS["observations"], ARRAYS["observations"][:10]])
    with pytest.raises(DataError, match=r"`observations` in .*t.npz has the shape \(74, 2\) and"):
        load(tmp_path, {**MARKED, "observations": longer})
    with pytest.raises(DataError, match=r"`rewards` in .*t.npz has the shape \(\)"):
        load(tmp_path, {**MARKED, "rewards": np.float64(1)})


def test_no_end_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t.npz marks no end of an episode; give `timeouts`"):
        load(tmp_path, {**ARRAYS, "terminals": np.zeros(STEPS, dtype=bool)})


def test_steps_without_an_end_are_counted(tmp_path: Path) -> None:
    ends = ENDS & (EPISODE < 9)
    (note,) = load(tmp_path, {**ARRAYS, "terminals": ends}).notes
    assert note.startswith("5 steps of ")
    assert note.endswith(".npz are left out: their episode has no end")
    assert load(tmp_path).notes == ()


def test_a_policy_beside_recorded_episodes_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", weights=np.ones((2, 2)))
    with pytest.raises(ConfigError, match=r"`data.policy` means nothing beside `data.path`"):
        load(tmp_path, policy="p.npz")


def test_a_damaged_group_is_named(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "main_data.hdf5", "w") as file:
        file["episode_0"] = h5py.SoftLink("/nowhere")
    with pytest.raises(DataError, match=r"main_data.hdf5 cannot be read as HDF5"):
        load(tmp_path, path="main_data.hdf5")


def test_only_actions_can_be_learned(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the objective of t.npz is regression, not classif"):
        load(tmp_path, metric="accuracy")
