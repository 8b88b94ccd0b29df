from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.func import functional_call

from rankprobe.backbones import build
from rankprobe.calibration.controls import ControlTask, plant_control
from rankprobe.calibration.linear import PlantedTask, plant_linear
from rankprobe.calibration.plan import CLEAR, FULL, SMALL, plan, preset_ranks
from rankprobe.calibration.teacher import TeacherTask, plant_teacher, teacher
from rankprobe.config import config_from_settings
from rankprobe.lowrank import Adapter, adapted_layers, attach
from rankprobe.search.backbone import own_settings


@pytest.mark.parametrize("k", [1, 3])
def test_a_student_of_the_planted_rank_can_be_the_teacher(k: int) -> None:
    """The student as a measurement builds it, with the teacher's adapters given."""
    task = TeacherTask(k=k, n=50, noise=0.0, seed=4)
    arrays = plant_teacher(task)
    network = teacher(task, np.random.default_rng(4))
    config = config_from_settings(task.student)
    plain = build(config.backbone.family, (task.d,), task.m, **own_settings(config.backbone))
    student = attach(plain, rank=k, adapter=Adapter(**task.student["adapter"]))
    given: dict[str, torch.Tensor] = {
        name: value for name, value in network.named_parameters() if name.endswith((".A", ".B"))
    }
    assert len(given) == 4
    outputs = functional_call(student.eval(), given, (torch.from_numpy(arrays.x),))
    np.testing.assert_array_equal(outputs.detach().numpy(), arrays.y)
    # And not without them.
    assert not np.allclose(student(torch.from_numpy(arrays.x)).detach().numpy(), arrays.y)


def test_the_adapters_of_a_teacher_have_the_size_that_was_asked_for() -> None:
    task = TeacherTask(k=3, size=2.5, seed=1)
    for layer in adapted_layers(teacher(task, np.random.default_rng(1))).values():
        part = (layer.merged() - layer.weight).detach().numpy()
        values = np.linalg.svdvals(part)
        assert np.linalg.norm(part) == pytest.approx(2.5 * float(layer.weight.norm()), rel=1e-5)
        np.testing.assert_allclose(values[:3], values[0], rtol=1e-5)
        np.testing.assert_allclose(values[3:], 0, atol=1e-5)


def test_noise_of_a_teacher_is_a_share_of_its_signal() -> None:
    task = TeacherTask(k=2, n=4000, noise=0.3, seed=2)
    noisy, clean = plant_teacher(task), plant_teacher(replace(task, noise=0.0))
    signal = clean.y - clean.y.mean(axis=0)
    assert np.std(noisy.y - clean.y) == pytest.approx(0.3 * np.sqrt(np.mean(signal**2)), rel=0.03)


def test_fresh_examples_leave_those_of_the_task_as_they_are() -> None:
    linear, network = PlantedTask(k=2, d=5, m=4, n=60), TeacherTask(k=2, n=60)
    for some, more in (
        (plant_linear(linear), plant_linear(linear, fresh=40)),
        (plant_teacher(network), plant_teacher(network, fresh=40)),
    ):
        assert (len(some.x), len(more.x), more.n) == (60, 100, 60)
        np.testing.assert_array_equal(some.x, more.x[:60])
        np.testing.assert_allclose(some.y, more.y[:60], rtol=1e-5, atol=1e-6)


def test_a_control_has_nothing_to_learn() -> None:
    task = ControlTask(classes=3, d=5, n=6000, seed=1)
    arrays = plant_control(task)
    assert set(arrays.y.tolist()) == {0, 1, 2}
    means = np.stack([arrays.x[arrays.y == label].mean(axis=0) for label in range(3)])
    assert np.abs(means).max() < 0.12  # four standard errors
    values = plant_control(replace(task, classes=0)).y
    assert values.shape == (6000, 2)
    assert np.abs(np.corrcoef(arrays.x.T, values.T)[:5, 5:]).max() < 0.06


def test_the_plan_is_what_the_goals_ask_for() -> None:
    tasks = plan(3, FULL)
    linear = [item.task for item in tasks if isinstance(item.task, PlantedTask)]
    assert len(linear) >= 210
    assert {min(task.k, 17) for task in linear} == set(range(1, 18))
    assert max(task.k for task in linear) == 32
    assert all(task.k <= min(task.d, task.m) for task in linear)
    assert all(500 <= task.n <= 20_000 and 0 <= task.noise <= 0.5 for task in linear)
    assert 0.05 * len(linear) < sum(task.n > 5000 for task in linear) <= 0.1 * len(linear)
    assert 0.2 * len(linear) < sum(task.decay == 1 for task in linear)
    assert len({(task.d, task.m) for task in linear}) <= 4
    teachers = [item.task for item in tasks if isinstance(item.task, TeacherTask)]
    assert len(teachers) >= 60
    assert all(1 <= task.k <= 4 and 1000 <= task.n <= 5000 for task in teachers)
    assert sum(item.kind == "control" for item in tasks) >= 40
    assert sum(item.again for item in tasks) >= 60
    assert len({item.name for item in tasks}) == len(tasks)


def test_the_strata_are_filled_whatever_the_seed() -> None:
    from rankprobe.calibration.linear import closed_form, margin

    distances = [
        margin(closed_form(plant_linear(replace(item.task, n=10))), 0.95)
        for item in plan(5, replace(FULL, linear=24, teacher=1, control=1))
        if isinstance(item.task, PlantedTask)
    ]
    assert sum(distance >= CLEAR for distance in distances) >= 0.7 * len(distances)
    assert sum(distance < CLEAR for distance in distances) >= 0.15 * len(distances)


def test_a_seed_makes_the_same_plan_and_another_seed_another() -> None:
    assert plan(1, FULL) == plan(1, FULL)
    assert not {item.name for item in plan(1, FULL)} & {item.name for item in plan(2, FULL)}
    small = plan(1, SMALL)
    assert {item.kind for item in small} == {"linear", "teacher", "control"}
    assert all(item.task.n <= 1000 for item in small)


@pytest.mark.parametrize(
    ("expected", "largest", "planted", "ranks"),
    [
        (1, 12, 1, (1, 2, 4, 8)),
        (7, 24, 7, (1, 2, 4, 5, 6, 7, 8)),
        (14, 32, 20, (1, 2, 4, 8, 12, 13, 14, 15, 16)),
        (3, 32, 30, (1, 2, 3, 4, 8)),
        (12, 12, 12, (1, 2, 4, 8, 9, 10, 11, 12)),
        (2, 2, 2, (1, 2)),
    ],
)
def test_preset_ranks(expected: int, largest: int, planted: int, ranks: tuple[int, ...]) -> None:
    assert preset_ranks(expected, largest, planted) == ranks
