"""Frozen weights from a seed: the same bits on every machine.

The weights of a tensor depend only on the specification's version, the seed, the tensor's
name, its shape and the family. Raw bits come from NumPy's Philox bit generator, whose
stream for a key is guaranteed by NumPy; see `rankprobe.lowrank.families` for what follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rankprobe.lowrank.families import SPEC_VERSION, Family, family
from rankprobe.lowrank.names import covered
from rankprobe.lowrank.quantised import Coded, Packed
from rankprobe.lowrank.randomness import Key, Words, integer_seed, random_words
from rankprobe.lowrank.structured import spectral_radius

__all__ = ["SPEC_VERSION", "Scaffold", "draw"]

# Weights made at once: their words and what lies between stay in the processor's caches.
_PART = 1 << 18


@dataclass(frozen=True)
class Scaffold:
    """How the frozen weights of a network are made.

    Attributes:
        seed: Seed of all tensors.
        family: Distribution, a key of `rankprobe.lowrank.families.FAMILIES`.
        scale: Standard deviation of a weight; ``None``: 1 / sqrt(fan-in), or the scale that is
            part of the family's definition; ``family``: the published one, where there is one.
        init: Which weights are frozen: those made from the seed (``scaffold``), those that the
            network came with (``pretrained``), or those it came with except in the layers that
            ``random`` names (``mixed``).
        random: Names of these layers, which may hold ``*``; a name of a container covers what is
            inside.
        spec_version: Version of the specification of weights.
        packed: Whether adapted layers hold weights of few levels as codes, which are the same
            weights; ``None``: where they are many, see `rankprobe.lowrank.frozen`.
    """

    seed: int = 42
    family: str = "normal"
    scale: float | Literal["family"] | None = None
    init: Literal["scaffold", "pretrained", "mixed"] = "scaffold"
    random: tuple[str, ...] = ()
    spec_version: int = SPEC_VERSION
    packed: bool | None = None

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

    def weight(
        self, name: str, shape: Sequence[int], rows: slice | None = None
    ) -> NDArray[np.float32]:
        """Weights of one tensor.

        Args:
            name: Name of the tensor in its network.
            shape: Its shape; all axes but the first count as fan-in.
            rows: Which indices of the first axis, without a step; all unless given. Only these
                are made, but of families that make a tensor as a whole.

        Returns:
            float32 array of the given shape, or of the rows: the same bits as those of the whole.

        Raises:
            ConfigError: Unknown family or version of the specification.
        """
        kind, shape = self._kind(), tuple(shape)
        whole = kind.radius is not None
        unit = draw(name, shape, seed=self.seed, family=kind, rows=None if whole else rows)
        if kind.radius is None or isinstance(self.scale, float | int):
            scale = kind.scale(shape, self.scale)
        else:
            scale = kind.radius / spectral_radius(unit.reshape(shape[0], -1))
        if whole and rows is not None:
            unit = unit[rows].copy()
        unit *= np.float32(scale)
        return unit

    def parts(
        self, name: str, shape: Sequence[int], rows: int
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """A tensor's weights some rows at a time, in order, holding no more of it than these.

        Of families that make a tensor as a whole it is made once.

        Args:
            name: Name of the tensor in its network.
            shape: Its shape.
            rows: Indices of the first axis in a part; the last part may have fewer.
        """
        made = self.weight(name, shape) if self._kind().whole else None
        for start in range(0, shape[0], rows):
            part = slice(start, min(start + rows, shape[0]))
            yield part, self.weight(name, shape, part) if made is None else made[part]

    def codes(self, name: str, shape: Sequence[int]) -> Coded | None:
        """A tensor's weights as codes, one row an index of the first axis, of families of codes."""
        kind, (d_out, *rest) = self._kind(), shape
        if kind.coding is None:
            return None
        each, key = math.prod(rest), _key(kind, self.seed, name, shape)
        step = max(1, _PART // max(1, each))
        parts = []
        for start in range(0, d_out, step):
            count = min(step, d_out - start) * each
            words, skipped = _words(key, kind, start * each, count)
            codes = kind.coding.codes(words)[skipped : skipped + count]
            parts.append(kind.coding.packed(codes.reshape(-1, each)))
        packed: Packed = np.concatenate(parts)  # type: ignore[assignment]  # all of one type
        return kind.coding.coded(packed, kind.scale(tuple(shape), self.scale))

    def scale_in_words(self) -> str:
        """The scale of the weights, as it is reported."""
        return self._kind().scale_in_words(self.scale)

    def _kind(self) -> Family:
        return family(self.family, self.spec_version)


def draw(
    name: str,
    shape: Sequence[int],
    *,
    seed: int,
    family: Family,
    rows: slice | None = None,
) -> NDArray[np.float32]:
    """Values of mean 0 and variance 1 that depend on nothing but the arguments.

    Args:
        name: Name of the tensor.
        shape: Its shape.
        seed: Seed of the scaffold.
        family: The distribution.
        rows: Which indices of the first axis, without a step; all unless given.
    """
    d_out, each = shape[0], math.prod(shape[1:])
    first, end, step = (rows or slice(None)).indices(d_out)
    if step != 1:
        raise ValueError("rows of a scaffold tensor are made without a step")
    key = _key(family, seed, name, shape)
    if family.arrange is not None:
        words = random_words(key, family.words(d_out * each))
        arranged = family.arrange(words, (d_out, each))[first:end]
        return np.array(arranged).reshape(-1, *shape[1:])
    values = np.empty(max(0, end - first) * each, dtype=np.float32)
    for start in range(0, len(values), _PART):
        count = min(_PART, len(values) - start)
        words, skipped = _words(key, family, first * each + start, count)
        values[start : start + count] = family.transform(words)[skipped : skipped + count]
    return values.reshape(-1, *shape[1:])


def _key(family: Family, seed: int, name: str, shape: Sequence[int]) -> Key:
    return [family.since, seed, name, list(shape), family.name]


def _words(key: Key, family: Family, first: int, count: int) -> tuple[Words, int]:
    """The words of ``count`` weights from the first on, and how many weights lie before it."""
    bit = first * family.bits
    word = bit // 16
    words = random_words(key, -(-(bit + count * family.bits) // 16) - word, word)
    return words, (bit - word * 16) // family.bits
