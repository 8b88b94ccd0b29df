"""The return of policies that act: all members and all their episodes step by step together."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from rankprobe.data.environments import make, quiet
from rankprobe.data.task import Task
from rankprobe.errors import DataError
from rankprobe.lowrank.randomness import integer_seed

if TYPE_CHECKING:
    from rankprobe.training.data import TrainingData
    from rankprobe.training.protocol import Score, Scorer
    from rankprobe.training.trainees import Cohort


class Rollouts:
    """Scores policies in percent: 0 for random actions, 100 for whom they learned from.

    A policy reads the last steps of its own episode in the layout of ``windows``, and is asked for
    the return that is left of the environment's ``target_return`` (Chen et al. 2021,
    arXiv:2106.01345). Episodes start alike for all members, and differently for validation and
    test. An episode is cut at the longest that training knows.

    Args:
        task: A task of windows with an environment.
        data: The same task as tensors; its scale turns outputs into actions.
        score: Turns (episodes,) percentages into a score.

    Raises:
        DataError: The task names no environment.
    """

    def __init__(self, task: Task, data: TrainingData, score: Scorer) -> None:
        if task.environment is None or task.kind != "windows":
            raise DataError(f"{task.name} names no environment to act in")
        self.around, self.data, self.score = task.environment, data, score
        self.length = task.input_shape[0]
        self.states, self.actions, self.longest = (
            int(np.asarray(task.sizes[name])) for name in ("states", "actions", "longest")
        )
        self._worlds: list[Any] = []

    def __call__(self, cohort: Cohort, split: Literal["validation", "test"]) -> list[Score | None]:
        """One score a member; ``None`` where an action was not finite."""
        cohort.module.eval()
        try:
            with torch.no_grad(), quiet():
                returns = self._returns(cohort, split)
        finally:
            cohort.module.train()
        span = self.around.expert_return - self.around.random_return
        percent = 100 * (returns - self.around.random_return) / span
        return [self.score(split, row) if np.isfinite(row).all() else None for row in percent]

    def cut(self, longest: int) -> Rollouts:
        """The same environments, with episodes of at most so many steps."""
        cut = copy.copy(self)
        cut.longest = min(longest, self.longest)
        return cut

    def _returns(self, cohort: Cohort, split: str) -> NDArray[np.float64]:
        """(members, episodes), NaN for members whose actions were not finite."""
        members, episodes = cohort.size, self.around.episodes
        playing = _Play(self, members, episodes)
        playing.reset(self._several(members * episodes), split)
        device, dtype = self.data.train_x.device, self.data.dtype
        for step in range(self.longest):
            # Episodes that are over for every member are left out of the batch.
            columns = np.flatnonzero(playing.going.any(axis=0))
            if not len(columns):
                break
            windows, place = playing.windows(step, columns)
            x = torch.from_numpy(windows).to(device, dtype)
            places = torch.from_numpy(columns)
            outputs = cohort.outputs(x, seed=0, apart=True, places=places)[:, :, place]
            actions = outputs * self.data.scale + self.data.shift
            playing.act(step, columns, actions.double().cpu().numpy())
        return playing.returns

    def _several(self, count: int) -> list[Any]:
        """That many environments, kept for the next call."""
        while len(self._worlds) < count:
            self._worlds.append(make(self.around.name))
        return self._worlds[:count]


class _Play:
    """Episodes under way.

    Attributes:
        going: (members, episodes) which are not over.
        returns: (members, episodes) so far.
    """

    def __init__(self, rollouts: Rollouts, members: int, episodes: int) -> None:
        self.of, shape = rollouts, (members, episodes)
        around, r = rollouts.around, rollouts
        self.mean, self.scale = np.array(around.state_mean), np.array(around.state_scale)
        width = 1 + r.states + r.actions + 2
        self.x = np.zeros((*shape, r.longest, width), dtype=np.float32)
        self.going = np.ones(shape, dtype=bool)
        self.returns = np.zeros(shape)

    def reset(self, worlds: list[Any], split: str) -> None:
        """Start all episodes; the same for every member."""
        self.worlds = np.array(worlds, dtype=object).reshape(self.going.shape)
        self.now = np.empty((*self.going.shape, self.of.states))
        for (member, episode), world in np.ndenumerate(self.worlds):
            seed = integer_seed(["episode", split, episode]) % 2**31
            self.now[member, episode] = world.reset(seed=seed)[0]

    def windows(self, step: int, columns: NDArray[np.intp]) -> tuple[NDArray[np.float32], int]:
        """Inputs (members, columns, length, ...) that end now, and the place of the present.

        Windows that are not full have their padding at the end, as in training.
        """
        of, row = self.of, self.x[:, :, step]
        left = (of.around.target_return - self.returns) / of.around.return_scale
        row[..., 0] = left
        row[..., 1 : 1 + of.states] = (self.now - self.mean) / self.scale
        row[..., -2] = step
        row[..., -1] = 1
        start = max(0, step + 1 - of.length)
        windows = self.x[:, columns, start : start + of.length]
        missing = of.length - windows.shape[2]  # where no episode is as long as a window
        if missing:
            windows = np.pad(windows, ((0, 0), (0, 0), (0, missing), (0, 0)))
        return windows, step - start

    def act(self, step: int, columns: NDArray[np.intp], actions: NDArray[np.float64]) -> None:
        """One step of every episode that is not over.

        Args:
            step: From 0.
            columns: The episodes that the actions are for.
            actions: (members, columns, actions), in the environment's units.
        """
        for member, of_member in enumerate(actions):
            if not np.isfinite(of_member[self.going[member, columns]]).all():
                self.returns[member], self.going[member] = np.nan, False
                continue
            for episode, action in zip(columns, of_member, strict=True):
                if self.going[member, episode]:
                    self._one(step, member, int(episode), action)

    def _one(self, step: int, member: int, episode: int, action: NDArray[np.float64]) -> None:
        world = self.worlds[member, episode]
        limits = world.action_space
        held = np.clip(action, limits.low, limits.high).astype(np.float32)
        self.x[member, episode, step, 1 + self.of.states : -2] = held
        state, reward, ended, cut, _ = world.step(held)
        self.now[member, episode] = state
        self.returns[member, episode] += float(reward)
        self.going[member, episode] = not (ended or cut)
