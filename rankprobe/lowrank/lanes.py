"""Frozen matrices of which each serves some of the members of a cohort.

Members of networks that differ in nothing but their frozen weights train together: everything
but the product with these matrices is one operation for all, and of a shared input a matrix is
multiplied once for all members that it serves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional as F

Matrix = Tensor | Callable[[], Tensor]


def dense(weight: Matrix) -> Tensor:
    """A matrix, made if need be."""
    return weight if isinstance(weight, Tensor) else weight()


class Lanes:
    """The matrices W, (d_out, d_in), of a layer.

    Args:
        weights: One a lane, or what makes it.
        of: Lane of every member; neighbours of one lane are multiplied at once.

    Attributes:
        now: Index of the member that is computed, where members are computed one by one.
    """

    def __init__(self, weights: Sequence[Matrix], of: Sequence[int]) -> None:
        self.weights, self.of, self.now = list(weights), list(of), 0
        self.runs: list[tuple[int, slice]] = []
        start = 0
        for lane, group in groupby(self.of):
            end = start + len(list(group))
            self.runs.append((lane, slice(start, end)))
            start = end

    @property
    def alone(self) -> Matrix:
        """The matrix of the member that is computed by itself."""
        return self.weights[self.of[self.now]]

    def each(self) -> Tensor:
        """The matrix of every member, (members, ...)."""
        made = [dense(weight) for weight in self.weights]
        return torch.stack([made[lane] for lane in self.of])

    def shared(self, x: Tensor) -> Tensor:
        """W x of an input that members share, (..., d_in): (lanes, ..., d_out)."""
        return torch.stack([F.linear(x, dense(weight)) for weight in self.weights])

    def spread(self, values: Tensor) -> Tensor:
        """What lanes have, (lanes, ...), as a new tensor for every member, (members, ...)."""
        return values.index_select(0, torch.tensor(self.of, device=values.device))

    def own(self, x: Tensor) -> Tensor:
        """W x of members' inputs, (members, ..., d_in): (members, ..., d_out)."""
        return torch.cat([F.linear(x[run], dense(self.weights[lane])) for lane, run in self.runs])

    def back(self, gradient: Tensor) -> Tensor:
        """W' g of members' gradients, (members, rows, d_out): (members, rows, d_in)."""
        return torch.cat([gradient[run] @ dense(self.weights[lane]) for lane, run in self.runs])

    def along(self, gradient: Tensor, products: Tensor) -> Tensor:
        """<g, W x> of every member, (members,), from what `shared` gave."""
        flat = products.flatten(1)
        return torch.cat([gradient[run].flatten(1) @ flat[lane] for lane, run in self.runs])

    def summed(self, gradient: Tensor, beta: Tensor) -> Tensor:
        """The sum of beta W' g over members, (rows, d_in): the gradient of a shared input."""
        parts = [
            torch.einsum("mbo,m->bo", gradient[run], beta[run]) @ dense(self.weights[lane])
            for lane, run in self.runs
        ]
        return torch.stack(parts).sum(dim=0)
