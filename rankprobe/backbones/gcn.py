"""Graph convolutional network (GCN, arXiv:1609.02907) over the nodes of one graph."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.backbones.inputs import Inputs
from rankprobe.backbones.sparse import Rows, Sparse


class Gcn(nn.Module):
    """Graph convolutions, BatchNorm, ReLU and dropout between them; the last one is the head.

    A convolution is ``S X W + b`` with S the symmetrically normalised adjacency with self-loops,
    ``D^-1/2 (A + I) D^-1/2``. S X is made first, and for the first layer only once: the features
    of the nodes do not change.

    Args:
        nodes: (nodes, features).
        edges: (2, edges), both directions listed.
        outputs: Width of the head.
        hidden, layers, dropout: See `gcn`.
    """

    spread: Tensor
    start: Tensor
    column: Tensor
    value: Tensor

    def __init__(
        self,
        nodes: Tensor,
        edges: Tensor,
        outputs: int,
        *,
        hidden: int,
        layers: int,
        dropout: float,
    ) -> None:
        super().__init__()
        matrix = normalised(edges, len(nodes), nodes.dtype)
        # What is given with the task is no state of the network.
        self.register_buffer("spread", matrix.times(nodes), persistent=False)
        for name in ("start", "column", "value"):
            self.register_buffer(name, getattr(matrix, name), persistent=False)
        widths = [nodes.shape[1], *[hidden] * (layers - 1)]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths[1:])
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, chosen: Tensor) -> Tensor:
        """(n, outputs) from indices of nodes, (n,). All nodes are computed."""
        rows = Rows(self.start, self.column, self.value, len(self.spread))
        matrix = Sparse(rows, rows)  # symmetric
        spread = self.spread
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = self.dropout(F.relu(norm(layer(spread))))
            spread = matrix @ h
        outputs: Tensor = self.head(spread.index_select(0, chosen))
        return outputs


def normalised(edges: Tensor, nodes: int, dtype: torch.dtype) -> Rows:
    """``D^-1/2 (A + I) D^-1/2``, with a self-loop of weight 1 at every node.

    Args:
        edges: (2, edges), both directions listed; self-loops among them change nothing.
        nodes: Number of nodes.
        dtype: Of the weights.

    Raises:
        ValueError: An edge whose other direction is not listed.
    """
    source, target = edges[:, edges[0] != edges[1]].long()
    there, back = (source * nodes + target).sort()[0], (target * nodes + source).sort()[0]
    if not torch.equal(there, back):
        raise ValueError("the graph's edges are listed in one direction; list both")
    loops = torch.arange(nodes, device=edges.device)
    source, target = torch.cat([source, loops]), torch.cat([target, loops])
    scale = torch.bincount(target, minlength=nodes).to(dtype).rsqrt()
    return Rows.of(target, source, scale[source] * scale[target], nodes, nodes)


def gcn(
    inputs: Inputs,
    outputs: int,
    *,
    hidden: int = 64,
    layers: int = 2,
    dropout: float = 0.5,
) -> Gcn:
    """A GCN; the published size is hidden 256, 3 layers.

    Args:
        inputs: ``nodes`` of a graph.
        outputs: Outputs of a node.
        hidden: Width of all layers but the last.
        layers: Number of convolutions, the head among them.
        dropout: Share of hidden units dropped.

    Raises:
        ValueError: Edges listed in one direction.
    """
    nodes = inputs.context["nodes"]
    if not nodes.is_floating_point():
        nodes = nodes.to(torch.get_default_dtype())
    return Gcn(
        nodes, inputs.context["edges"], outputs, hidden=hidden, layers=layers, dropout=dropout
    )
