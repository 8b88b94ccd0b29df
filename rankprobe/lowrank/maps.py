"""Linear maps inside layers that hold several: gates, projections."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

Rows = tuple[int, int] | None


@dataclass(frozen=True)
class Source:
    """A tensor of the network that was attached, or some of its rows.

    Attributes:
        name: Its name there.
        rows: First row, and the one after the last; ``None``: all.
    """

    name: str
    rows: Rows = None

    def of(self, tensors: dict[str, Tensor]) -> Tensor:
        """The tensor, from all by name."""
        whole = tensors[self.name]
        return whole if self.rows is None else whole[slice(*self.rows)]


@dataclass(frozen=True, eq=False)
class Map:
    """A linear map inside a layer.

    Attributes:
        weight: (d_out, d_in).
        key: Name of the layer's parameter that holds it.
        bias: (d_out,), or ``None``.
        bias_key: Name of the parameter that holds the bias.
        rows: Rows of the parameter that are this map's.
        bias_rows: Likewise of the bias.
    """

    weight: Tensor
    key: str
    bias: Tensor | None
    bias_key: str
    rows: Rows = None
    bias_rows: Rows = None
