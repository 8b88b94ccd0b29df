"""Online returns: the same as a plain loop that plays one policy's episodes one after another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import gymnasium
import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

import rankprobe
from rankprobe.config import config_from_settings
from rankprobe.data.load import load_task
from rankprobe.data.task import Task
from rankprobe.errors import DataError
from rankprobe.lowrank.randomness import integer_seed
from rankprobe.records import Member
from rankprobe.training import Score, TrainingData, TrainingProtocol
from rankprobe.training.build import build_cohort
from rankprobe.training.rollout import Rollouts
from rankprobe.training.trainees import Cohort
from tests.data import toy_world

LENGTH = 4


class Reader(nn.Module):
    """Reads everything in a window up to each step: (n, steps, features) -> (n, steps, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(6, 8)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        counts = x[..., -1:].cumsum(dim=1).clamp_min(1)
        outputs: Tensor = self.head(self.drop(self.hidden(x).tanh().cumsum(dim=1) / counts))
        return outputs


class Keep:
    """A scorer that keeps what it is told."""

    def compact(self, outputs: NDArray[Any], target: NDArray[Any]) -> NDArray[Any]:
        return outputs

    def __call__(self, split: Literal["validation", "test"], predictions: NDArray[Any]) -> Score:
        return Score(float(predictions.mean()), 0.0, predictions)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    toy_world.register()
    np.savez(tmp_path / "p.npz", weights=np.array([[-1.0, 1.0]]))
    data = {"environment": toy_world.NAME, "policy": "p.npz", "episodes": 30, "length": LENGTH}
    settings = {"data": {"source": "trajectories", **data}, "metric": "episode_return"}
    return load_task(config_from_settings(settings, folder=tmp_path))


def cohort_of(task: Task, ranks: list[int | None]) -> Cohort:
    torch.manual_seed(0)
    protocol = TrainingProtocol("regression")
    members = [Member(rank, 1e-3, 0, 1) for rank in ranks]
    x = torch.from_numpy(task.train.x[:8]).double()
    cohort = build_cohort(Reader(), members, protocol, x, dtype=torch.float64)
    with torch.no_grad():
        for stack in cohort.stacks.values():
            stack += torch.randn(stack.shape, dtype=stack.dtype)
    return cohort


def data_of(task: Task) -> TrainingData:
    return TrainingData.of(task, dtype=torch.float64)


def alone(cohort: Cohort, member: int) -> Any:
    """A function of one window, by one member, in evaluation mode."""

    def act(x: Tensor) -> Tensor:
        tensors = [tensor[member] for tensor in cohort._tensors()]
        return cohort._one(x, *tensors)

    return act


def plain_returns(task: Task, act: Any, data: TrainingData, split: str) -> list[float]:
    """Returns in percent of one policy, by the plainest loop: the whole past, cut at the end."""
    around = task.environment
    assert around is not None
    scores = []
    for episode in range(around.episodes):
        world = gymnasium.make(toy_world.NAME)
        state, _ = world.reset(seed=integer_seed(["episode", split, episode]) % 2**31)
        past: list[list[float]] = []
        total, over, time = 0.0, False, 0
        while not over and time < task.sizes["longest"]:  # type: ignore[operator]
            scaled = (state - np.array(around.state_mean)) / np.array(around.state_scale)
            to_go = (around.target_return - total) / around.return_scale
            past.append([to_go, *scaled, 0.0, time, 1.0])
            window = np.zeros((1, LENGTH, 6), dtype=np.float32)
            recent = past[-LENGTH:]
            window[0, : len(recent)] = recent
            output = act(torch.from_numpy(window).double())[0, len(recent) - 1]
            action = np.clip((output * data.scale + data.shift).numpy(), -1, 1).astype(np.float32)
            past[-1][3] = float(action[0])
            state, reward, ended, cut, _ = world.step(action)
            total, over, time = total + float(reward), ended or cut, time + 1
        span = around.expert_return - around.random_return
        scores.append(100 * (total - around.random_return) / span)
    return scores


@pytest.mark.parametrize("ranks", [[1, 2, 4], [2], [None]])
@pytest.mark.parametrize("split", ["validation", "test"])
def test_returns_are_those_of_a_plain_loop(
    task: Task, ranks: list[int | None], split: Literal["validation", "test"]
) -> None:
    cohort = cohort_of(task, ranks)
    data = data_of(task)
    scores = Rollouts(task, data, Keep())(cohort, split)
    assert cohort.module.training
    cohort.module.eval()
    with torch.no_grad():
        for member, score in enumerate(scores):
            assert score is not None
            plain = plain_returns(task, alone(cohort, member), data, split)
            np.testing.assert_allclose(score.predictions, plain, rtol=1e-5, atol=1e-4)
    values = [score.value for score in scores if score is not None]
    assert len(set(values)) == len(values)  # members are told apart


def test_episodes_are_the_same_again_and_others_in_another_split(task: Task) -> None:
    cohort = cohort_of(task, [1, 1])
    rollouts = Rollouts(task, data_of(task), Keep())
    first, again = rollouts(cohort, "test"), rollouts(cohort, "test")
    other = rollouts(cohort, "validation")
    assert first[0] is not None
    assert again[0] is not None
    assert other[0] is not None
    np.testing.assert_array_equal(first[0].predictions, again[0].predictions)
    assert first[0].value != other[0].value


def test_a_member_without_finite_actions_fails_alone(task: Task) -> None:
    cohort = cohort_of(task, [1, 2, 4])
    rollouts = Rollouts(task, data_of(task), Keep())
    before = rollouts(cohort, "test")
    with torch.no_grad():
        next(iter(cohort.stacks.values()))[1] = torch.nan
    after = rollouts(cohort, "test")
    assert after[1] is None
    for index in (0, 2):
        one, two = before[index], after[index]
        assert one is not None
        assert two is not None
        np.testing.assert_allclose(one.predictions, two.predictions, rtol=1e-6)


def test_tasks_without_an_environment_are_refused(task: Task) -> None:
    with pytest.raises(DataError, match="names no environment to act in"):
        Rollouts(replace(task, environment=None), data_of(task), Keep())


def test_a_measurement_of_online_returns(task: Task, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "data": {
            "source": "trajectories",
            "environment": toy_world.NAME,
            "policy": "p.npz",
            "episodes": 30,
            "length": LENGTH,
        },
        "metric": "episode_return",
        "backbone": {"width": 16, "layers": 1, "dropout": 0.0},
        "training": {"learning_rate": 0.01, "epochs": 8, "batch_size": 16},
        "search": {"ranks": [1, 4], "repeats": 2, "floor": "none"},
    }
    (tmp_path / "dataset.yaml").write_text(yaml.safe_dump(settings))
    result = rankprobe.measure(tmp_path / "dataset.yaml", out=tmp_path / "run")
    assert result.task.metric == "episode_return"
    assert result.baseline.mean > 50  # random actions are 0, the expert is 100
    assert len(result.points) == 2
    assert (result.task.validation, result.task.test) == (10, 10)  # episodes
