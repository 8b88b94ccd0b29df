"""Frozen weights from a seed: the same bits on every machine.

The weights of a tensor depend only on the specification's version, the seed, the tensor's
name, its shape and the family. Raw bits come from NumPy's Philox bit generator, whose
stream for a key is guaranteed by NumPy; see `rankprobe.lowrank.families` for what follows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import ConfigError
from rankprobe.lowrank.families import FAMILIES
from rankprobe.lowrank.names import covered
from rankprobe.lowrank.randomness import integer_seed, random_words

SPEC_VERSION = 1


@dataclass(frozen=True)
class Scaffold:
    """How the frozen weights of a network are made.

    Attributes:
        seed: Seed of all tensors.
        family: Distribution, a key of `rankprobe.lowrank.families.FAMILIES`.
        scale: Standard deviation of a weight; ``None``: 1 / sqrt(fan-in).
        init: Which weights are frozen: those made from the seed (``scaffold``), those that the
            network came with (``pretrained``), or those it came with except in the layers that
            ``random`` names (``mixed``).
        random: Names of these layers, which may hold ``*``; a name of a container covers what is
            inside.
    """

    seed: int = 42
    family: str = "normal"
    scale: float | None = None
    init: Literal["scaffold", "pretrained", "mixed"] = "scaffold"
    random: tuple[str, ...] = ()

    def keeps(self, name: str) -> bool:
        """Whether a layer keeps the weights that the network came with."""
        if self.init == "mixed":
            return not covered(name, self.random)
        return self.init == "pretrained"

    def sibling(self, index: int) -> Scaffold:
        """Another scaffold of the same kind: index 0 is this one, others have seeds of their own.

        Such a seed is a hash of (seed, index) below 2**32, so that scaffolds of neighbouring
        seeds have no siblings in common; given as ``backbone.seed`` it makes the same weights.
        """
        if index == 0:
            return self
        return replace(self, seed=integer_seed(["scaffold", self.seed, index]) % 2**32)

    def weight(self, name: str, shape: Sequence[int]) -> NDArray[np.float32]:
        """Weights of one tensor.

        Args:
            name: Name of the tensor in its network.
            shape: Its shape; all axes but the first count as fan-in.

        Returns:
            float32 array of the given shape.

        Raises:
            ConfigError: Unknown family.
        """
        scale = 1.0 / math.sqrt(math.prod(shape[1:])) if self.scale is None else self.scale
        return draw(name, shape, seed=self.seed, family=self.family) * np.float32(scale)


def draw(name: str, shape: Sequence[int], *, seed: int, family: str) -> NDArray[np.float32]:
    """Values of mean 0 and variance 1 that depend on nothing but the arguments.

    Raises:
        ConfigError: Unknown family.
    """
    if family not in FAMILIES:
        known = ", ".join(sorted(FAMILIES))
        raise ConfigError(f"unknown family of scaffold weights `{family}`; there are: {known}")
    kind = FAMILIES[family]
    count = math.prod(shape)
    words = random_words([SPEC_VERSION, seed, name, list(shape), family], kind.words(count))
    return kind.transform(words)[:count].reshape(tuple(shape))
