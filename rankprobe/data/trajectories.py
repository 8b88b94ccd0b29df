"""The source ``trajectories``: recorded episodes, to learn the actions of whom they show.

An example is a window of an episode, in the layout of ``windows`` in `rankprobe.backbones.Inputs`;
its targets are the actions. Windows follow each other without overlap, so that every action is a
target once, and an episode is in one split with all its windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.data import environments
from rankprobe.data.episodes import Episode, read_episodes
from rankprobe.data.examples import FREE, TEST, TRAIN, VALIDATION, Examples, Rows
from rankprobe.data.names import paths
from rankprobe.data.splits import DEFAULT_SHARES, shuffled
from rankprobe.data.task import Environment
from rankprobe.errors import ConfigError, DataError, Problem
from rankprobe.user_code import UserCode

LENGTH = 20
EPISODES = 50


def read_trajectories(config: TaskConfig) -> Examples:
    """Read ``data.path``, or record ``data.policy`` in ``data.environment``.

    Raises:
        ConfigError: Something is missing in the settings.
        DataError: Files, environments or policies that do not serve.
    """
    data = config.data
    assert data is not None
    rest = 0
    if data.path is None:
        episodes, holder, name = _recorded(config), str(data.environment), data.environment
    else:
        path = paths(data, config.folder)[0]
        episodes, known, rest = read_episodes(path)
        holder, name = path.name, data.environment or known
    widths = {(episode.states.shape[1], episode.actions.shape[1]) for episode in episodes}
    if len(widths) != 1:
        raise DataError(f"the episodes of {holder} differ in their states or actions: {widths}")
    acts = config.metric == "episode_return"
    if acts and name is None:
        raise ConfigError(
            Problem(
                f"`episode_return` needs an environment to act in, and {holder} names none",
                config.where("data"),
                "write `environment: NAME`",
            )
        )
    return _examples(episodes, config, holder, name if acts else None, rest)


def _recorded(config: TaskConfig) -> list[Episode]:
    data = config.data
    assert data is not None
    assert data.environment is not None
    if data.policy is None:
        raise ConfigError(
            Problem(
                "`data.policy` is missing: recording an environment needs one",
                config.where("data", "policy"),
                "name an .npz with `weights`, or `module:function`",
            )
        )
    world = environments.make(data.environment)
    if ":" in data.policy:
        policy = UserCode(data.policy, config.folder).function(DataError)
    else:
        policy = environments.linear_policy(config.folder / data.policy, world)
    return environments.record(world, policy, data.episodes or EPISODES)


def _examples(
    episodes: list[Episode], config: TaskConfig, holder: str, name: str | None, rest: int
) -> Examples:
    """Windows of all episodes; ``rest`` steps belong to none of them."""
    assert config.data is not None
    length, split = config.data.length or LENGTH, config.data.split
    counts = [-(-len(episode.rewards) // length) for episode in episodes]
    part_of = _divided(len(episodes), config, holder)
    owner = np.repeat(np.arange(len(episodes)), counts)
    windows = [_windows(episode, length) for episode in episodes]
    x = np.concatenate([inputs for inputs, _ in windows])
    y = np.concatenate([actions for _, actions in windows])
    states, longest = episodes[0].states.shape[1], max(len(e.rewards) for e in episodes)
    returns = np.array([episode.rewards.sum() for episode in episodes])
    train = np.flatnonzero(part_of == TRAIN)
    seen = np.concatenate([episodes[index].states for index in train]).astype(np.float64)
    mean, scale = seen.mean(axis=0), seen.std(axis=0)
    scale = np.where(scale <= 1e-6 * np.maximum(np.abs(mean), 1.0), 1.0, scale)
    if config.data.standardize is False:
        mean, scale = np.zeros(states), np.ones(states)
    unit = float(f"{np.abs(returns[train]).mean():.4g}") or 1.0

    def encode(rows: Sequence[Rows]) -> tuple[list[NDArray[Any]], Mapping[str, str]]:
        parts = []
        for part in rows:
            inputs = x[part]
            real = inputs[..., -1:]
            inputs[..., :1] /= np.float32(unit)
            inputs[..., 1 : 1 + states] = (
                (inputs[..., 1 : 1 + states] - mean) / scale * real
            ).astype(np.float32)
            parts.append(inputs)
        done = {
            "return to go": f"divided by {unit:g}",
            "states": "as they are" if config.data and config.data.standardize is False
            else "each feature to mean 0 and standard deviation 1 in training",
            "windows": f"{length} steps each, without overlap",
        }  # fmt: skip
        return parts, done

    def form() -> Mapping[str, Any]:
        sizes = {"states": states, "actions": y.shape[-1], "longest": longest}
        if name is None:
            return {"sizes": sizes}
        around = _environment(name, returns[train], unit, mean, scale, holder)
        return {"sizes": sizes, "environment": around}

    return Examples(
        holder=holder,
        target="actions",
        y=y,
        fixed=part_of[owner],
        by=None,
        encode=encode,
        kind="windows",
        form=form,
        metric="mse",
        chosen="regression",
        division=f"{len(episodes)} episodes at random, none in two splits, seed {split.seed}",
        notes=(f"{rest} steps of {holder} are left out: their episode has no end",) if rest else (),
    )


def _divided(episodes: int, config: TaskConfig, holder: str) -> NDArray[np.int8]:
    """The split of each episode."""
    assert config.data is not None
    split = config.data.split
    sizes = {}
    for part, share in ((TEST, split.test), (VALIDATION, split.validation)):
        wanted = share if isinstance(share, float | int) else DEFAULT_SHARES[part]
        sizes[part] = max(1, round(wanted * episodes))
    if sum(sizes.values()) >= episodes:
        raise DataError(
            f"{holder} has {episodes} episodes, too few to divide: at least one is needed to train "
            f"on beside {sizes[VALIDATION]} for validation and {sizes[TEST]} for the test"
        )
    parts = np.full(episodes, FREE, dtype=np.int8)
    order = shuffled(episodes, split.seed)
    parts[order] = TRAIN
    parts[order[: sizes[TEST]]] = TEST
    parts[order[sizes[TEST] :][: sizes[VALIDATION]]] = VALIDATION
    return parts


def _windows(episode: Episode, length: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Inputs (windows, length, 1 + states + actions + 2), targets (windows, length, actions)."""
    steps = len(episode.rewards)
    to_go = episode.rewards[::-1].cumsum()[::-1]
    columns = [
        to_go[:, None],
        episode.states,
        episode.actions,
        np.arange(steps)[:, None],
        np.ones((steps, 1)),
    ]
    x = np.concatenate(columns, axis=1, dtype=np.float32, casting="same_kind")
    rest = -steps % length
    x = np.pad(x, ((0, rest), (0, 0)))
    y = np.pad(episode.actions, ((0, rest), (0, 0)), constant_values=np.nan)
    return x.reshape(-1, length, x.shape[1]), y.reshape(-1, length, y.shape[1])


def _environment(
    name: str,
    returns: NDArray[np.float64],
    unit: float,
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
    holder: str,
) -> Environment:
    """Where the policy will act; it is asked for the best return seen in training."""
    world = environments.make(name)
    if world.observation_space.shape != mean.shape:
        raise DataError(
            f"the states of {holder} have {len(mean)} numbers and those of the environment "
            f"`{name}` {world.observation_space.shape[0]}; name the one that it was recorded in"
        )
    chance, expert = environments.random_return(world), float(returns.mean())
    world.close()
    if expert <= chance:
        raise DataError(
            f"the episodes of {holder} return {expert:g} in the mean, no more than random actions "
            f"({chance:g}): there is no expert to measure against"
        )
    return Environment(
        name=name,
        target_return=float(returns.max()),
        expert_return=expert,
        random_return=chance,
        return_scale=unit,
        state_mean=tuple(mean.tolist()),
        state_scale=tuple(scale.tolist()),
    )
