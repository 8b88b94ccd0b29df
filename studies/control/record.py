"""Record the expert's episodes: ``python -m studies.control.record``.

Noise on its actions makes it show what to do beside its own path, without which a policy that
imitates it is lost after the first error. What is recorded is what was carried out, noise included.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from rankprobe.data.environments import linear_policy, make, record
from rankprobe.reporting.folder import write_whole
from studies.control.expert import ENVIRONMENT, EXPERT, FOLDER

EPISODES = 60
NOISE = 0.1
TARGET = FOLDER / "data" / "trajectories.npz"


def trajectories(target: Path = TARGET, *, episodes: int = EPISODES) -> Path:
    """Write the episodes one after another, unless they are there."""
    if target.is_file():
        return target
    world = make(ENVIRONMENT)
    played = record(world, linear_policy(EXPERT, world), episodes, noise=NOISE)
    lengths = [len(episode.rewards) for episode in played]
    starts = np.zeros(sum(lengths), dtype=bool)
    starts[np.cumsum([0, *lengths[:-1]])] = True
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        observations=np.concatenate([episode.states for episode in played]),
        actions=np.concatenate([episode.actions for episode in played]),
        rewards=np.concatenate([episode.rewards for episode in played]),
        episode_starts=starts,
        environment=np.array(ENVIRONMENT),
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    return write_whole(target, buffer.getvalue())


if __name__ == "__main__":
    print(trajectories())
