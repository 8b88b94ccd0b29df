"""Linear tasks with a planted rank, and the recovery that each adapter rank can reach at best.

Inputs are ``x ~ N(0, I_d)``, targets ``y = W x + noise`` with W (m, d) of rank k. The student is
one frozen random layer with its adapter, ``beta W_seed x + B A x``, and no trained head. By the
theorem of Eckart and Young the best R² at rank r, as a share of full training's, is::

    max over beta of  1 - sum_{i>r} s_i(W - beta W_seed)² / |W|²
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from rankprobe.errors import ConfigError

Matrix = NDArray[np.float64]
STUDENT: dict[str, Any] = {
    "backbone": {"family": "mlp", "hidden": []},
    "adapter": {"head": "adapter"},
}
"""Settings of a measurement of these tasks; all others stay at their defaults."""


@dataclass(frozen=True)
class PlantedTask:
    """A linear task, as its parameters.

    Attributes:
        k: Rank of the matrix.
        d: Number of inputs.
        m: Number of outputs.
        n: Number of examples.
        decay: Ratio of neighbouring singular values; 1 makes a flat spectrum.
        noise: Standard deviation of the noise over that of the signal.
        seed: Of the matrix, the inputs and the noise.
    """

    k: int
    d: int = 32
    m: int = 24
    n: int = 2000
    decay: float = 1.0
    noise: float = 0.1
    seed: int = 0

    @property
    def name(self) -> str:
        """A name that no other task has, fit for a folder."""
        return (
            f"k{self.k}-decay{self.decay:g}-d{self.d}-m{self.m}-n{self.n}"
            f"-noise{self.noise:g}-seed{self.seed}"
        )

    @property
    def label(self) -> str:
        """Rank and spectrum in words."""
        return f"{self.k}, flat" if self.decay == 1 else f"{self.k}, {self.decay:g}^i"


@dataclass(frozen=True, eq=False)
class Arrays:
    """Examples of a planted task; those past the first ``n`` are fresh ones for a reference.

    Attributes:
        x: Inputs, (n + fresh, d), float32.
        y: Targets, (n + fresh, m), float32, or (n + fresh,) class indices.
        n: Number of examples of the task itself.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]
    n: int


@dataclass(frozen=True, eq=False)
class Planted(Arrays):
    """A planted linear task.

    Attributes:
        weight: W, (m, d).
        singular_values: The k singular values of W that are not zero, descending.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    weight: Matrix
    singular_values: Matrix


def plant_linear(task: PlantedTask, *, fresh: int = 0) -> Planted:
    """Make the arrays of a planted task.

    The singular vectors are random; the singular values are ``decay**i``, scaled so that an
    output's signal has the variance 1 on average.

    Args:
        task: Its parameters.
        fresh: Number of examples beyond the task's own.

    Raises:
        ConfigError: A rank that such a matrix cannot have.
    """
    k, d, m = task.k, task.d, task.m
    if not 1 <= k <= min(d, m):
        raise ConfigError(f"a matrix of {m} x {d} has no rank {k}: choose k from 1 to {min(d, m)}")
    random = np.random.default_rng(task.seed)
    left = np.linalg.qr(random.standard_normal((m, k)))[0]
    right = np.linalg.qr(random.standard_normal((d, k)))[0]
    values = task.decay ** np.arange(k, dtype=np.float64)
    values *= np.sqrt(m / np.sum(values**2))
    weight = (left * values) @ right.T
    x, noise = normal_examples(random, (task.n, fresh), inputs=d, outputs=m)
    y = x @ weight.T + task.noise * noise
    return Planted(x.astype(np.float32), y.astype(np.float32), task.n, weight, values)


def normal_examples(
    random: np.random.Generator, counts: Sequence[int], *, inputs: int, outputs: int
) -> tuple[Matrix, Matrix]:
    """Normal inputs and normal noise, each of variance 1, part after part.

    Whatever parts follow, the first ones stay the same.

    Args:
        random: Draws them.
        counts: Number of examples of each part.
        inputs: Number of inputs.
        outputs: Number of outputs.

    Returns:
        (examples, inputs) and (examples, outputs).
    """
    parts = [
        (random.standard_normal((count, inputs)), random.standard_normal((count, outputs)))
        for count in counts
    ]
    return np.concatenate([x for x, _ in parts]), np.concatenate([noise for _, noise in parts])


def closed_form(planted: Planted) -> Matrix:
    """`best_recovery` with the frozen matrix that a measurement with `STUDENT` has."""
    from rankprobe.lowrank import Scaffold

    frozen = Scaffold().weight("head", planted.weight.shape)
    return best_recovery(planted.weight, frozen.astype(np.float64))


def best_recovery(weight: Matrix, frozen: Matrix) -> Matrix:
    """The closed form: best recovery at each rank, in the limit of many examples.

    The noise drops out: it takes the same share from every rank and from full training.

    Args:
        weight: W, (m, d).
        frozen: W_seed, (m, d).

    Returns:
        (min(m, d),): recovery at ranks 1, 2, ...
    """
    energy = float(np.sum(weight**2))
    # At |W| / |W_seed| the frozen part is as large as W itself. The residual is not convex in
    # beta, so a grid finds the valley before the search goes to its bottom.
    bound = 2 * np.sqrt(energy / np.sum(frozen**2))
    grid = np.linspace(-bound, bound, 81)
    spectra = np.linalg.svdvals(weight - grid[:, None, None] * frozen) ** 2

    def missed(beta: float, rank: int) -> float:
        return float(np.sum(np.linalg.svdvals(weight - beta * frozen)[rank:] ** 2))

    recoveries = []
    for rank in range(1, min(weight.shape) + 1):
        on_grid = spectra[:, rank:].sum(axis=1)
        start = grid[int(on_grid.argmin())]
        step = grid[1] - grid[0]
        found = minimize_scalar(
            missed, args=(rank,), bounds=(start - step, start + step), method="bounded"
        )
        recoveries.append(1 - min(float(found.fun), float(on_grid.min())) / energy)
    return np.array(recoveries)


def spectral_recovery(task: PlantedTask) -> Matrix:
    """Recovery at ranks 1 to k without the frozen matrix: shares of the squared spectrum."""
    squares = task.decay ** (2.0 * np.arange(task.k))
    shares: Matrix = np.cumsum(squares) / np.sum(squares)
    return shares


def minimal_rank(recoveries: Matrix, target: float) -> int:
    """The smallest rank whose best recovery reaches the target; ties within rounding count."""
    return 1 + int(np.argmax(recoveries >= target - 1e-12))


def margin(recoveries: Matrix, target: float) -> float:
    """How far the nearest recovery is from the target: near 0 the task is close to a tie."""
    return float(np.abs(recoveries - target).min())
