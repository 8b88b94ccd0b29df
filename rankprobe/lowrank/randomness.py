"""Random bits that depend on nothing but a key: the one source of chance in rankprobe.

NumPy's Philox bit generator guarantees its stream for a key, so the same key gives the same
bits on every machine, in every process and in any order of calls.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

Key = list[str | int | list[int]]
Words = NDArray[np.uint16]


# Words that one step of Philox's counter gives: four numbers of 64 bits.
_BLOCK = 16


def random_words(key: Key, count: int, start: int = 0) -> Words:
    """``count`` random 16-bit words, in the little-endian order of Philox's raw output.

    Those from ``start`` on are reached without making the ones before.
    """
    generator, skipped = _philox(key), start % _BLOCK
    if start >= _BLOCK:
        generator.advance(start // _BLOCK)
    raw = generator.random_raw(-(-(skipped + count) // 4))
    return np.asarray(raw, dtype="<u8").view("<u2")[skipped : skipped + count]


def permutation(key: Key, n: int) -> NDArray[np.int64]:
    """A random order of ``n`` items."""
    return np.random.Generator(_philox(key)).permutation(n)


def integer_seed(key: Key) -> int:
    """A 63-bit seed for a generator that is not ours, such as torch's."""
    return int.from_bytes(_digest(key)[:8], "little") >> 1


def _philox(key: Key) -> np.random.Philox:
    return np.random.Philox(key=np.frombuffer(_digest(key)[:16], dtype="<u8"))


def _digest(key: Key) -> bytes:
    return hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).digest()
