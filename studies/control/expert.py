"""An expert for HalfCheetah by augmented random search over linear policies.

Mania, Guy and Recht, "Simple random search provides a competitive approach to reinforcement
learning" (2018, arXiv:1803.07055), version V2-t: states are normalised by their running mean and
deviation, only the best directions count, and the step is divided by the deviation of their
returns. Every perturbation and every episode's start is a function of (seed, iteration), so a
search that was stopped goes on as if it had not been.

    python -m studies.control.expert --iterations 1060      # about 20 minutes on one core
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.data.environments import make

Array = NDArray[np.float64]

FOLDER = Path(__file__).parent
ENVIRONMENT = "HalfCheetah-v5"
EXPERT = FOLDER / "expert.npz"
PROGRESS = FOLDER / "data" / "search.npz"


@dataclass(frozen=True)
class Settings:
    """Of the search; the names in the paper are N, b, alpha and nu.

    Attributes:
        directions: N, perturbations an iteration, each tried forwards and backwards.
        best: b, how many of them make the step.
        step: alpha.
        noise: nu, deviation of a perturbation.
        horizon: Steps of an episode in the search; the task's own episodes have 1,000.
        seed: Of perturbations and of the episodes' starts.
    """

    directions: int = 16
    best: int = 8
    step: float = 0.02
    noise: float = 0.03
    horizon: int = 500
    seed: int = 0


class Moments:
    """Running mean and deviation of states, by the pairwise update of Chan et al. (1979)."""

    def __init__(self, count: float, mean: Array, squares: Array) -> None:
        self.count, self.mean, self.squares = count, mean, squares

    @property
    def scale(self) -> Array:
        """Standard deviation of each feature; 1 where it never changes."""
        scale = np.sqrt(self.squares / max(self.count - 1, 1))
        return np.where(scale < 1e-7, 1.0, scale)

    def add(self, states: Array) -> None:
        """Take in states (n, features)."""
        n, mean = len(states), states.mean(axis=0)
        apart, total = mean - self.mean, self.count + n
        self.squares += states.var(axis=0) * n + apart**2 * self.count * n / total
        self.mean = self.mean + apart * n / total
        self.count = total


def act(weights: Array, mean: Array, scale: Array, state: Array) -> Array:
    """The action of a linear policy, held within the limits of the joints' motors."""
    return np.clip(weights @ ((state - mean) / scale), -1.0, 1.0)


def episode(
    world: Any, policy: tuple[Array, Array, Array], seed: int, steps: int
) -> tuple[float, Array]:
    """Return of an episode, and the states that it went through."""
    weights, mean, scale = policy
    state, _ = world.reset(seed=seed)
    states, total = np.empty((steps, len(state))), 0.0
    for step in range(steps):
        states[step] = state
        state, reward, ended, cut, _ = world.step(act(weights, mean, scale, state))
        total += float(reward)
        if ended or cut:
            return total, states[: step + 1]
    return total, states


def improve(
    world: Any, weights: Array, moments: Moments, settings: Settings, iteration: int
) -> Array:
    """One iteration of the search; the moments take in its states."""
    rng = np.random.Generator(np.random.Philox(key=[settings.seed, iteration]))
    directions = rng.standard_normal((settings.directions, *weights.shape))
    returns = np.empty((settings.directions, 2))
    mean, scale, seen = moments.mean.copy(), moments.scale, []
    for index, direction in enumerate(directions):
        for side, sign in enumerate((1.0, -1.0)):
            tried = weights + sign * settings.noise * direction
            start = (iteration * settings.directions + index) % 2**31
            returns[index, side], states = episode(
                world, (tried, mean, scale), start, settings.horizon
            )
            seen.append(states)
    for states in seen:
        moments.add(states)
    order = np.argsort(-returns.max(axis=1), kind="stable")[: settings.best]
    kept = returns[order]
    change = np.einsum("k,kij->ij", kept[:, 0] - kept[:, 1], directions[order])
    moved: Array = weights + settings.step / (settings.best * kept.std()) * change
    return moved


def search(iterations: int, settings: Settings) -> None:
    """Search on, and keep the policy that did best in whole episodes."""
    world = make(ENVIRONMENT)
    shape = (world.action_space.shape[0], world.observation_space.shape[0])
    weights = np.zeros(shape)
    moments = Moments(0.0, np.zeros(shape[1]), np.zeros(shape[1]))
    iteration, best = 0, -np.inf
    if PROGRESS.is_file():
        with np.load(PROGRESS, allow_pickle=False) as kept:
            weights = kept["weights"]
            moments = Moments(float(kept["count"]), kept["mean"], kept["squares"])
            iteration, best = int(kept["iteration"]), float(kept["best"])
    PROGRESS.parent.mkdir(exist_ok=True)
    while iteration < iterations:
        weights = improve(world, weights, moments, settings, iteration)
        iteration += 1
        if iteration % 20 == 0:
            policy = weights, moments.mean, moments.scale
            returns = [episode(world, policy, 10**6 + k, 1000)[0] for k in range(4)]
            print(
                f"iteration {iteration}: {np.mean(returns):.0f} {np.std(returns):.0f}", flush=True
            )
            if np.mean(returns) > best:
                best = float(np.mean(returns))
                _save(policy, settings, iteration, best)
            np.savez(
                PROGRESS,
                weights=weights,
                count=moments.count,
                mean=moments.mean,
                squares=moments.squares,
                iteration=iteration,
                best=best,
            )


def _save(
    policy: tuple[Array, Array, Array], settings: Settings, iteration: int, value: float
) -> None:
    weights, mean, scale = policy
    np.savez(
        EXPERT,
        weights=weights,
        state_mean=mean,
        state_scale=scale,
        settings=np.array(f"{ENVIRONMENT} {settings} iteration {iteration}"),
        search_return=value,
    )


def main() -> None:
    """Search from the command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.control.expert")
    parser.add_argument("--iterations", type=int, default=1060)
    search(parser.parse_args().iterations, Settings())


if __name__ == "__main__":
    main()
