"""The frozen tensor of an adapted layer: dense, or as codes of few bits that are read when used."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rankprobe.lowrank.quantised import Coded
from rankprobe.lowrank.scaffold import Scaffold

SMALLEST_PACKED = 1 << 20
"""Weights of a layer from which on it is held as codes, unless asked otherwise.

Codes save memory and cost time, which members of a cohort share. Measured on one busy core, rank 8,
batch 128, forwards and backwards, against dense weights: four layers of 2048 with 1, 2, 4, 8 and 16
bits take 1.8, 3.6, 7.1, 14 and 28 MB for 57 MB and 19, 30, 42, 45 and 39 % more time for one
member; a network of 784-512-256-128-64, whose weights take 2.3 MB in all, 18 to 42 % more for one
member, and between 5 % less and 23 % more for twelve together.
"""


class FrozenTensor(nn.Module):
    """Holds a tensor W, (d_out, ...), that is never trained.

    Weights of families with codes of 1, 2, 4, 8 or 16 bits are held as these (``codes``, uint8 or
    int16, one row an output) and made when ``weight`` is asked for, the same bits as if they had
    been held: nothing keeps what was made, so that of a whole network one layer at a time is
    dense. Other weights are held as they are, in a buffer of the name ``weight``.

    Attributes:
        shape: Of W.
        weight: W; a new tensor each time where codes are held, so that writing into it changes
            nothing.
    """

    weight: Tensor
    codes: Tensor
    levels: Tensor
    scaling: Tensor
    coded: Coded | None = None
    packs = True

    def hold(self, weight: Tensor) -> None:
        """Hold a tensor as it is."""
        self.shape = tuple(weight.shape)
        self.register_buffer("weight", weight)

    def hold_random(self, name: str, shape: Sequence[int], scaffold: Scaffold) -> None:
        """Hold random weights, as codes where there are any and that is wanted."""
        large = math.prod(shape) >= SMALLEST_PACKED
        wanted = self.packs and (large if scaffold.packed is None else scaffold.packed)
        coded = scaffold.codes(name, shape) if wanted else None
        if coded is None:
            self.hold(torch.from_numpy(scaffold.weight(name, shape)))
            return
        self.shape, self.coded = tuple(shape), coded.without_codes()
        self.register_buffer("codes", torch.from_numpy(coded.codes))
        if coded.bits < 8:
            self.register_buffer("levels", torch.from_numpy(coded.of_bytes()))

    @property
    def frozen(self) -> Tensor | Callable[[], Tensor]:
        """W, or what makes it: for operations that need it more than once, but never keep it."""
        return self.weight if self.coded is None else self.dense

    def dense(self) -> Tensor:
        """W made from its codes, (d_out, ...)."""
        assert self.coded is not None
        if self.coded.bits < 8:
            values = self.levels.index_select(0, self.codes.view(-1).int())
            rows = values.view(len(self.codes), -1)
            return rows[:, : math.prod(self.shape[1:])].contiguous().view(self.shape)
        # In float32, in which the weights are defined, whatever the type of the network.
        values = self.codes.to(torch.float32).sub_(self.coded.offset)
        values = values.mul_(self.coded.step).mul_(float(np.float32(self.coded.scale)))
        return values.to(self.scaling.dtype).view(self.shape)

    def __getattr__(self, name: str) -> Any:
        if name == "weight" and self.coded is not None:
            return self.dense()
        return super().__getattr__(name)
