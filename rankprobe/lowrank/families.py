"""The families of scaffold weights: 22 distributions, each by its definition.

A family turns raw 16-bit words into float32 values of mean 0 and variance 1, in steps that give
the same bits on every machine; what it is then scaled by is the second half of this page. The
families and their published scales are those of Hazan et al., arXiv:2604.08749.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import ConfigError
from rankprobe.lowrank import elementwise, quantised, structured
from rankprobe.lowrank.normal import NORMAL_TABLE_SHA256, normal_table
from rankprobe.lowrank.quantised import Coding
from rankprobe.lowrank.randomness import Words

__all__ = [
    "DEFINITIONS",
    "FAMILIES",
    "NORMAL_TABLE_SHA256",
    "SPEC_VERSION",
    "Family",
    "family",
    "normal_table",
]

SPEC_VERSION = 2
"""Of what `FAMILIES` makes. A version's weights never change: where those of a family would, or a
family is added, there is a new version; the other families have the same weights in it."""

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Family:
    """A distribution of scaffold weights.

    Attributes:
        name: Name in ``backbone.weights``.
        bits: Random bits that one weight takes; a divisor or multiple of 16.
        transform: (n_words,) uint16 to (n_words * 16 / bits,) float32 with variance 1; of a
            family that makes whole tensors the weights before they are arranged.
        since: Version of the specification that made its weights what they are; part of the key.
        arrange: (words, (d_out, fan_in)) to (d_out, fan_in) float32 with variance 1, where
            weights depend on each other.
        own: The scale that is part of the family's definition, by the tensor's shape.
        radius: The spectral radius that is part of the family's definition.
        published: Standard deviation with which the family was published, where it has one.
        words_of_scale: How ``own``, ``radius`` or ``published`` is said.
        coding: How weights are codes of few bits, where they are.
    """

    name: str
    bits: int
    transform: Callable[[Words], Matrix]
    since: int = SPEC_VERSION
    arrange: Callable[[Words, tuple[int, int]], Matrix] | None = None
    own: Callable[[tuple[int, ...]], float] | None = None
    radius: float | None = None
    published: float | None = None
    words_of_scale: str = ""
    coding: Coding | None = None

    @property
    def whole(self) -> bool:
        """Whether rows of a tensor can only be made with the others."""
        return self.arrange is not None or self.radius is not None

    def words(self, count: int) -> int:
        """Number of 16-bit words that ``count`` weights take."""
        return -(-count * self.bits // 16)

    def scale(self, shape: tuple[int, ...], wanted: float | Literal["family"] | None) -> float:
        """Standard deviation of a tensor's weights.

        Args:
            shape: Of the tensor; all axes but the first count as fan-in.
            wanted: A number; ``None``: 1 / sqrt(fan-in), or the scale that is part of the
                family's definition; ``family``: that scale, or the published one, before fan-in.
        """
        if wanted is not None and wanted != "family":
            return wanted
        if self.own is not None:
            return self.own(shape)
        if wanted == "family" and self.published is not None:
            return self.published
        return 1.0 / math.sqrt(math.prod(shape[1:]))

    def scale_in_words(self, wanted: float | Literal["family"] | None) -> str:
        """What `scale` gives, and `radius` where it decides."""
        if wanted is not None and wanted != "family":
            return f"standard deviation {wanted:g}"
        defined = self.own is not None or self.radius is not None
        if defined or (wanted == "family" and self.published is not None):
            return self.words_of_scale
        return "standard deviation 1/sqrt(fan-in)"


def family(name: str, version: int = SPEC_VERSION) -> Family:
    """A family by its name, as a version of the specification has it.

    Raises:
        ConfigError: Unknown family or version.
    """
    if not 1 <= version <= SPEC_VERSION:
        raise ConfigError(
            f"unknown version {version} of the scaffold specification; this rankprobe knows 1 to "
            f"{SPEC_VERSION}, and a newer one may know more"
        )
    known = {each.name: each for each in DEFINITIONS if each.since <= version}
    if name not in known:
        raise ConfigError(
            f"unknown family of scaffold weights `{name}`; there are: {', '.join(sorted(known))}"
        )
    return known[name]


def redefined(name: str, version: int = SPEC_VERSION) -> int | None:
    """The version that changed a family's weights to what they are; ``None``: they never changed.

    Raises:
        ConfigError: As `family`.
    """
    now = family(name, version).since
    first = min(each.since for each in DEFINITIONS if each.name == name)
    return None if now == first else now


def _kaiming(shape: tuple[int, ...]) -> float:
    """He et al., arXiv:1502.01852: gain sqrt(2), of ReLU."""
    return math.sqrt(2.0 / math.prod(shape[1:]))


def _xavier(shape: tuple[int, ...]) -> float:
    """Glorot and Bengio, 2010: gain 1; the fan-out of a convolution counts its places."""
    return math.sqrt(2.0 / (math.prod(shape[1:]) + shape[0] * math.prod(shape[2:])))


def _orthonormal(shape: tuple[int, ...]) -> float:
    return 1.0 / math.sqrt(max(shape[0], math.prod(shape[1:])))


_KAIMING = "standard deviation sqrt(2/fan-in)"
_XAVIER = "standard deviation sqrt(2/(fan-in + fan-out))"
_NORMAL, _UNIFORM = elementwise.normal, elementwise.uniform


def _published(
    name: str,
    words: int,
    transform: Callable[[Words], Matrix],
    deviation: float,
    said: str,
    *,
    since: int = SPEC_VERSION,
) -> Family:
    bits = 16 * words
    return Family(name, bits, transform, since, published=deviation, words_of_scale=said)


def _coded(name: str, coding: Coding, *, bits: int = 16, since: int = SPEC_VERSION) -> Family:
    return Family(name, bits, coding.values, since=since, coding=coding)


DEFINITIONS: tuple[Family, ...] = (
    Family("normal", 16, _NORMAL, since=1),
    _published("uniform", 1, _UNIFORM, 0.1 / math.sqrt(3), "between -0.1 and 0.1", since=1),
    Family("truncated_normal", 16, elementwise.truncated_normal),
    Family(
        "orthogonal",
        16,
        _NORMAL,
        arrange=structured.orthogonal,
        own=_orthonormal,
        words_of_scale="gain 1",
    ),
    Family("kaiming_normal", 16, _NORMAL, own=_kaiming, words_of_scale=_KAIMING),
    Family("kaiming_uniform", 16, _UNIFORM, own=_kaiming, words_of_scale=_KAIMING),
    Family("xavier_normal", 16, _NORMAL, own=_xavier, words_of_scale=_XAVIER),
    Family("xavier_uniform", 16, _UNIFORM, own=_xavier, words_of_scale=_XAVIER),
    Family(
        "spectral_radius",
        16,
        _NORMAL,
        radius=0.95,
        words_of_scale="spectral radius 0.95 (of what is not square: largest singular value)",
    ),
    _published(
        "cauchy",
        2,
        elementwise.cauchy,
        0.1 * elementwise.CAUCHY_DEVIATION,
        "scale 0.1, clipped at 1",
    ),
    _published("laplace", 4, elementwise.laplace, 0.1 * math.sqrt(2), "scale 0.1"),
    Family("student_t", 64, elementwise.student_t),
    _published(
        "gaussian_mixture",
        2,
        elementwise.gaussian_mixture,
        elementwise.MIXTURE_DEVIATION,
        "standard deviations 0.05 and 0.5",
    ),
    Family("sparse_normal", 32, elementwise.sparse_normal),
    Family("sparse_erdos_renyi", 48, _NORMAL, arrange=structured.erdos_renyi),
    _published("beta", 3, elementwise.beta, 0.1 * math.sqrt(0.2), "between -0.1 and 0.1"),
    _published("exponential", 2, elementwise.exponential, 0.1, "rate 10"),
    *(_coded(f"normal_{b}bit", quantised.quantised_normal(b)) for b in (16, 8, 4, 2)),
    _coded("binary", quantised.binary(), bits=1, since=1),
)
"""All that there ever were, in the order of their versions: a family whose weights change is here
once more, and `family` takes the last one that a version knows."""

FAMILIES: Mapping[str, Family] = {each.name: each for each in DEFINITIONS}
