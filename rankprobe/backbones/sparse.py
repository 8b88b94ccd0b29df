"""Sums over the edges of a graph: products of a sparse matrix, for one network or a cohort."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Rows:
    """A sparse matrix by its rows (CSR).

    Attributes:
        start: Where each row begins, (rows + 1,).
        column: Columns of its entries, (entries,).
        value: Their values, (entries,).
        columns: Number of columns.
    """

    start: Tensor
    column: Tensor
    value: Tensor
    columns: int

    @classmethod
    def of(cls, row: Tensor, column: Tensor, value: Tensor, rows: int, columns: int) -> Rows:
        """From the places of the entries, (entries,) each, in any order."""
        order = row.argsort(stable=True)
        start = row.new_zeros(rows + 1)
        start[1:] = torch.bincount(row, minlength=rows).cumsum(0)
        return cls(start, column[order], value[order], columns)

    def times(self, x: Tensor) -> Tensor:
        """The product with a dense matrix, (columns, width)."""
        with warnings.catch_warnings():
            # torch calls its CSR tensors beta; tests hold this product against a dense one.
            warnings.filterwarnings("ignore", "Sparse (CSR|invariant)", UserWarning)
            matrix = torch.sparse_csr_tensor(
                self.start, self.column, self.value, (len(self.start) - 1, self.columns)
            )
        return torch.mv(matrix, x) if x.dim() == 1 else torch.sparse.mm(matrix, x)


@dataclass(frozen=True, eq=False)
class Sparse:
    """A sparse matrix and its transpose, which gradients are multiplied by.

    Attributes:
        forth: The matrix.
        back: Its transpose.
    """

    forth: Rows
    back: Rows

    @classmethod
    def of(cls, row: Tensor, column: Tensor, value: Tensor, rows: int, columns: int) -> Sparse:
        """From the places of the entries, (entries,) each, in any order."""
        return cls(
            Rows.of(row, column, value, rows, columns),
            Rows.of(column, row, value, columns, rows),
        )

    def __matmul__(self, x: Tensor) -> Tensor:
        """The product with a dense matrix, (columns, width); the sparse one has no gradient.

        Under `torch.vmap` it is made once a network: forward and backward on one thread, a sixth
        of the time of adding rows one by one (``index_add``), with 6 networks of width 64 on
        2,708 nodes and 13,264 edges, and a tenth on 100,000 nodes and 1.2 million edges.
        """
        product: Tensor = _Product.apply(x, self)  # type: ignore[no-untyped-call]
        return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, matrix: Sparse) -> Tensor:
        return matrix.forth.times(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Sparse], _output: Tensor) -> None:
        ctx.matrix = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return Sparse(ctx.matrix.back, ctx.matrix.forth) @ gradient, None

    @staticmethod
    def vmap(_info: Any, in_dims: Sequence[int], x: Tensor, matrix: Sparse) -> tuple[Tensor, int]:
        return torch.stack([matrix @ own for own in x.movedim(in_dims[0], 0)]), 0
