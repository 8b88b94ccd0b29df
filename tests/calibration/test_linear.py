from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from rankprobe.calibration.linear import (
    PlantedTask,
    best_recovery,
    margin,
    minimal_rank,
    plant_linear,
)
from rankprobe.errors import ConfigError
from rankprobe.lowrank.scaffold import Scaffold
from studies.planted.measure import TASKS


@pytest.mark.parametrize(
    "task", [PlantedTask(k=3), PlantedTask(k=6, d=9, m=13, n=500, decay=0.7, noise=0.4, seed=5)]
)
def test_the_matrix_has_the_spectrum_that_was_planted(task: PlantedTask) -> None:
    planted = plant_linear(task)
    values = np.linalg.svdvals(planted.weight)
    np.testing.assert_allclose(values[: task.k], planted.singular_values, atol=1e-12)
    np.testing.assert_allclose(values[task.k :], 0, atol=1e-12)
    np.testing.assert_allclose(values[1 : task.k] / values[: task.k - 1], task.decay)
    assert planted.x.shape == (task.n, task.d)
    assert planted.y.shape == (task.n, task.m)


def test_noise_is_its_deviation_over_that_of_the_signal() -> None:
    task = PlantedTask(k=4, d=10, m=8, n=50_000, noise=0.5, seed=2)
    planted = plant_linear(task)
    signal = planted.x @ planted.weight.T
    assert signal.std() == pytest.approx(1, rel=0.02)
    assert (planted.y - signal).std() / signal.std() == pytest.approx(0.5, rel=0.02)


def test_a_task_is_the_same_for_the_same_seed_alone() -> None:
    first, again, other = (plant_linear(PlantedTask(k=2, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.y, other.y)


@pytest.mark.parametrize("k", [0, 9])
def test_an_impossible_rank_is_refused(k: int) -> None:
    with pytest.raises(ConfigError, match=f"of 8 x 12 has no rank {k}: choose k from 1 to 8"):
        plant_linear(PlantedTask(k=k, d=12, m=8))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_closed_form_is_what_optimisation_finds(rank: int) -> None:
    """Minimises |W - beta W_seed - B A|² over A, B and beta from several starts."""
    random = np.random.default_rng(rank)
    # A frozen matrix of W's own kind, so that beta has something to do.
    weight = random.standard_normal((5, 3)) @ random.standard_normal((3, 6))
    frozen = weight + random.standard_normal((5, 6))

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        beta, A, B = flat[0], flat[1 : 1 + 6 * rank], flat[1 + 6 * rank :]
        A, B = A.reshape(rank, 6), B.reshape(5, rank)
        left = weight - beta * frozen - B @ A
        gradient = [[-2 * np.sum(left * frozen)], (-2 * B.T @ left).ravel()]
        return float(np.sum(left**2)), np.concatenate([*gradient, (-2 * left @ A.T).ravel()])

    starts = random.standard_normal((40, 1 + 11 * rank))
    found = min(
        float(minimize(loss, start, jac=True, options={"gtol": 1e-9}).fun) for start in starts
    )
    recovery = best_recovery(weight, frozen)
    assert recovery[rank - 1] == pytest.approx(1 - found / np.sum(weight**2), abs=1e-6)
    without_beta = np.sum(np.linalg.svdvals(weight)[:rank] ** 2) / np.sum(weight**2)
    if rank < 3:
        assert recovery[rank - 1] > without_beta + 0.005


def test_recovery_is_all_but_the_share_of_the_spectrum() -> None:
    task = PlantedTask(k=8, decay=0.8)
    weight = plant_linear(task).weight
    recovery = best_recovery(weight, Scaffold().weight("head", weight.shape).astype(np.float64))
    shares = np.cumsum(0.64 ** np.arange(8)) / np.sum(0.64 ** np.arange(8))
    np.testing.assert_allclose(recovery[:8], shares, atol=0.01)
    assert np.all(recovery[:8] >= shares - 1e-9)
    np.testing.assert_allclose(recovery[7:], 1)
    assert minimal_rank(recovery, 0.95) == 6
    assert margin(recovery, 0.95) == pytest.approx(0.0083, abs=0.002)


@pytest.mark.parametrize("k", [2, 3, 5, 6, 8, 12])
def test_a_flat_spectrum_needs_every_rank(k: int) -> None:
    weight = plant_linear(PlantedTask(k=k)).weight
    frozen = Scaffold().weight("head", weight.shape).astype(np.float64)
    assert minimal_rank(best_recovery(weight, frozen), 0.95) == k


def test_a_tie_goes_to_the_smaller_rank() -> None:
    assert minimal_rank(np.array([0.5, 0.95 - 1e-15, 1.0]), 0.95) == 2
    assert minimal_rank(np.array([0.5, 0.949, 1.0]), 0.95) == 3


def test_every_task_has_a_name_of_its_own() -> None:
    assert len({task.name for task in TASKS}) == len(TASKS)
    assert [task.k for task in TASKS if task.decay == 1 and task.n == 2000] == [2, 3, 5, 6, 8, 12]
