"""A small environment: a point that an action moves, rewarded for being near the origin."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

NAME = "RankprobePoint-v0"


class Point(gymnasium.Env[NDArray[Any], NDArray[Any]]):
    """A state (2,): place and target; actions (1,) move the place, and the start says how long."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self.place, self.goal = self.np_random.normal(size=2)
        self.left = 6 + int(self.np_random.integers(4))
        return np.array([self.place, self.goal]), {}

    def step(self, action: NDArray[Any]) -> tuple[NDArray[Any], float, bool, bool, dict[str, Any]]:
        self.place += float(action[0])
        self.left -= 1
        reward = 1.0 - abs(self.place - self.goal)
        return np.array([self.place, self.goal]), reward, self.left == 0, False, {}


def register() -> None:
    """Make the environment known to gymnasium by its name."""
    if NAME not in gymnasium.registry:
        gymnasium.register(NAME, entry_point="tests.data.toy_world:Point", max_episode_steps=50)
