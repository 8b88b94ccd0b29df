"""Adapted tables of embeddings, and heads that are tied to them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.lowrank.adapter import Adapter
from rankprobe.lowrank.base import Given, LowRankLayer
from rankprobe.lowrank.scaffold import Scaffold


class LowRankEmbedding(LowRankLayer):
    """A frozen random table of embeddings with a low-rank adapter.

    The row of entry i is ``beta * W_i + scaling * B A_i``: W (entries, width) frozen, A
    (r, entries) uniform on +-1 at the start, for a look-up sums one entry, and B (width, r)
    zero. A layer has r * (entries + width) + 1 trained parameters. As elsewhere an output is a
    column of the table: ``dora`` normalises the columns, ``layer_norm`` is over the width.

    Args:
        name: Name of the layer in its network; keys the scaffold and the initial values.
        like: The layer that it replaces; where it has a padding entry, that entry's row is zero
            (a given one is kept) and its factors are not trained.
        rank: Rank of the adapter, at most min(entries, width).
        adapter: How the adapter is built.
        scaffold: How W is made.
        beta: Whether to train beta.
        given: Frozen weights in place of random ones.

    Shapes: (...) whole numbers to (..., width).
    """

    packs = False  # a look-up needs few rows of a table, and the padding entry's has no code

    def __init__(
        self,
        name: str,
        like: nn.Embedding,
        *,
        rank: int,
        adapter: Adapter,
        scaffold: Scaffold,
        beta: bool,
        given: Given | None = None,
    ) -> None:
        super().__init__(
            name,
            like.weight.shape,
            rank=rank,
            adapter=adapter,
            scaffold=scaffold,
            bias=False,
            beta=beta,
            given=given,
        )
        entries, width = self.weight.shape
        self.padding_idx = like.padding_idx
        if self.padding_idx is not None and given is None:
            self.weight[self.padding_idx] = 0.0
            if self.magnitude is not None:  # of the table as it is now
                self.magnitude = nn.Parameter(self.row_norms(self.weight))
        self.A = nn.Parameter(self.weight.new_zeros(self.rank, entries))
        self.B = nn.Parameter(self.weight.new_zeros(width, self.rank))
        if adapter.layer_norm:
            self.norm = self.make_norm(width, self.weight.dtype)

    def row_norms(self, weight: Tensor) -> Tensor:
        """The norms of the table's columns, (width,)."""
        norms: Tensor = weight.norm(dim=0)
        return norms

    def merged(self) -> Tensor:
        """The dense table beta W + scaling (B A)', (entries, width)."""
        return self.beta * self.weight + self.scaling * (self.B @ self.A).t()

    def table(self) -> Tensor:
        """The dense table that is looked up, (entries, width)."""
        merged = self.merged()
        if self.magnitude is None:
            return merged
        return merged * (self.magnitude / self.row_norms(merged))

    def forward(self, index: Tensor) -> Tensor:
        """Rows, (..., width), of whole numbers, (...)."""
        if self.magnitude is None:
            rows = self.beta * F.embedding(index, self.weight)
            factors = looked_up(self.A.t(), index, self.padding_idx)
            h = rows + self.scaling * (factors @ self.B.t())
        else:
            h = looked_up(self.table(), index, self.padding_idx)
        return h if self.norm is None else self.norm(h)

    def initial(self, rank: int, *, seed: int, repeat: int) -> dict[str, Tensor]:
        """Initial A and B of a member; see the class."""
        start = super().initial(rank, seed=seed, repeat=repeat)
        if self.padding_idx is not None:
            start["A"][:, self.padding_idx] = 0.0
        return start

    def bound(self) -> float:
        """Largest initial value of A."""
        return 1.0


class TiedLinear(nn.Module):
    """A linear layer whose matrix is an adapted table of embeddings.

    ``h = beta * W x + scaling * A' B' x``, with the table's own W, A, B, beta and scaling.

    Args:
        table: The table; held, but not owned.
        bias: The layer's own bias, (entries,), trained in full.

    Shapes: (batch, ..., width) to (batch, ..., entries).
    """

    def __init__(self, table: LowRankEmbedding, bias: nn.Parameter | None) -> None:
        super().__init__()
        self.__dict__["table"] = table  # past torch's registry: its tensors are the embedding's
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        """Outputs, (batch, ..., entries), of inputs, (batch, ..., width)."""
        table: LowRankEmbedding = self.__dict__["table"]
        if table.magnitude is not None:
            return F.linear(x, table.table(), self.bias)
        frozen = table.beta * F.linear(x, table.weight)
        h = frozen + table.scaling * ((x @ table.B) @ table.A)
        return h if self.bias is None else h + self.bias


def looked_up(table: Tensor, index: Tensor, padding: int | None) -> Tensor:
    """Rows of a table, in the form that is fast, and right, for the members of a cohort.

    Args:
        table: (entries, width).
        index: (...) whole numbers.
        padding: The entry that no gradient reaches.

    Returns:
        (..., width).
    """
    rows = table.index_select(0, index.reshape(-1)).view(*index.shape, table.shape[-1])
    if padding is None:
        return rows
    absent = (index == padding).unsqueeze(-1)
    return torch.where(absent, rows.detach(), rows)
