"""The one committed table: 65,536 equally probable levels of the standard normal."""

from __future__ import annotations

import functools
import hashlib
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import ArtifactError

NORMAL_TABLE_SHA256 = "aa44eb897dea7d5a59d30af6b3aa6e5d95191807a3c197d304f0065eec578c21"


@functools.cache
def normal_table() -> NDArray[np.float32]:
    """Means of 65,536 equally probable bins of the standard normal, ascending, float32.

    The committed file holds the upper half; the lower half mirrors it.

    Raises:
        ArtifactError: The file is not the one that the scaffold specification names.
    """
    raw = resources.files("rankprobe.lowrank").joinpath("normal_table.f32").read_bytes()
    if hashlib.sha256(raw).hexdigest() != NORMAL_TABLE_SHA256:
        raise ArtifactError("the table of normal weights is damaged; reinstall rankprobe")
    upper = np.frombuffer(raw, dtype="<f4").astype(np.float32)
    return np.concatenate([-upper[::-1], upper])
