"""Gymnasium environments: making them, policies that act in them, recording what they do."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.data.arrays import read_archive
from rankprobe.data.episodes import Episode
from rankprobe.errors import DataError

EXTRA = "acting in environments needs more packages: pip install 'rankprobe[control]'"
RANDOM_EPISODES = 10

Policy = Callable[[NDArray[Any]], Any]


def make(name: str) -> Any:
    """An environment with vectors of numbers as states and actions.

    Raises:
        DataError: gymnasium is not installed, it does not know the name, or states and actions
            are of another kind.
    """
    try:
        import gymnasium
    except ImportError:
        raise DataError(EXTRA) from None
    if ":" in name:  # gymnasium would import the module before the colon
        raise DataError(
            f"the environment `{name}` is in a module of its own, which is not imported"
        )
    try:
        with quiet():
            world = gymnasium.make(name, disable_env_checker=True)
    except ImportError:
        raise DataError(EXTRA) from None
    except gymnasium.error.Error as error:
        raise DataError(f"the environment `{name}` cannot be made: {error}") from None
    spaces = world.observation_space, world.action_space
    if not all(isinstance(s, gymnasium.spaces.Box) and len(s.shape) == 1 for s in spaces):
        raise DataError(
            f"the environment `{name}` has the states {spaces[0]} and the actions {spaces[1]}; "
            "both must be vectors of numbers"
        )
    return world


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings of gymnasium, and without the log file that MuJoCo writes its own to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import mujoco
        except ImportError:
            yield
            return
        before = mujoco.get_mju_user_warning()
        mujoco.set_mju_user_warning(lambda _text: None)
        try:
            yield
        finally:
            mujoco.set_mju_user_warning(before)


def linear_policy(path: Path, world: Any) -> Policy:
    """The policy ``weights @ ((state - state_mean) / state_scale) + bias`` of an .npz.

    All but ``weights`` (actions, states) may be left out. Actions are held within their limits.

    Raises:
        DataError: The file cannot be read, or does not fit the environment.
    """
    arrays = read_archive(path)
    states, actions = world.observation_space.shape[0], world.action_space.shape[0]
    defaults = {
        "weights": np.empty(0),
        "bias": np.zeros(actions),
        "state_mean": np.zeros(states),
        "state_scale": np.ones(states),
    }
    weights, bias, mean, scale = (arrays.get(name, default) for name, default in defaults.items())
    shapes = {"weights": (actions, states), "bias": (actions,)}
    shapes |= {"state_mean": (states,), "state_scale": (states,)}
    for (name, shape), array in zip(shapes.items(), (weights, bias, mean, scale), strict=True):
        if array.shape != shape or array.dtype.kind not in "biuf":
            raise DataError(
                f"`{name}` in the policy {path} has the shape {array.shape}, and needs {shape} "
                "numbers for this environment"
            )

    def act(state: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(weights @ ((state - mean) / scale) + bias)

    return act


def record(
    world: Any, policy: Policy, episodes: int, *, seed: int = 0, noise: float = 0.0
) -> list[Episode]:
    """Episodes of a policy, with the actions that were carried out.

    Args:
        world: From `make`.
        policy: From a state (states,) to an action (actions,); held within the limits.
        episodes: How many.
        seed: Of the starts and the noise.
        noise: Deviation of Gaussian noise on actions, for states beside the policy's own path.

    Raises:
        DataError: The policy fails or gives something else.
    """
    low, high = world.action_space.low, world.action_space.high
    made = []
    with quiet():
        for index in range(episodes):
            rng = np.random.Generator(np.random.Philox(key=[seed, index]))
            state, _ = world.reset(seed=int(rng.integers(2**31)))
            states, actions, rewards, over = [], [], [], False
            while not over:
                action = _action(policy, state, low.shape)
                action = action + noise * rng.standard_normal(low.shape)
                action = np.clip(action, low, high).astype(np.float32)
                states.append(np.asarray(state, dtype=np.float32))
                actions.append(action)
                state, reward, ended, cut, _ = world.step(action)
                rewards.append(float(reward))
                over = ended or cut
            made.append(Episode(np.stack(states), np.stack(actions), np.array(rewards)))
    return made


def random_return(world: Any) -> float:
    """Mean return of actions drawn evenly within their limits, to six digits."""
    low, high = world.action_space.low, world.action_space.high
    rng = np.random.Generator(np.random.Philox(key=[0, 2**32]))
    played = record(world, lambda _state: rng.uniform(low, high), RANDOM_EPISODES)
    return float(f"{np.mean([episode.rewards.sum() for episode in played]):.6g}")


def _action(policy: Policy, state: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
    try:
        action = np.asarray(policy(state), dtype=np.float64)
    except Exception as error:
        raise DataError(f"the policy failed: {type(error).__name__}: {error}") from error
    if action.shape != shape or not np.isfinite(action).all():
        raise DataError(
            f"the policy gave an action of the shape {action.shape}, or one that is not finite; "
            f"{shape} numbers are needed"
        )
    return action
