"""Graph isomorphism network with bond features (GINE, arXiv:1905.12265), as OGB builds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.backbones.inputs import Inputs, several, whole
from rankprobe.backbones.sparse import Sparse


class CategoryTable(nn.Embedding):
    """Embeddings of several categorical features in one table; each part starts Xavier-uniform.

    Args:
        categories: How many values each feature has.
        width: Width of an embedding.
    """

    def __init__(self, categories: Sequence[int], width: int) -> None:
        self.categories = list(categories)
        super().__init__(sum(categories), width)

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        with torch.no_grad():
            for part in torch.split(self.weight, self.categories):
                nn.init.xavier_uniform_(part)


class Encoder(nn.Module):
    """Features of nodes or edges as vectors: the sum of embeddings, or a linear map of numbers.

    Args:
        features: Number of features.
        categories: How many values each has; empty where they are numbers.
        width: Width of a vector.
    """

    first: Tensor

    def __init__(self, features: int, categories: Sequence[int], width: int) -> None:
        super().__init__()
        self.categorical = bool(categories)
        if self.categorical:
            first = torch.tensor([0, *categories[:-1]]).cumsum(0)
            self.register_buffer("first", first, persistent=False)
            self.table = CategoryTable(categories, width)
        else:
            self.linear = nn.Linear(features, width)

    def forward(self, features: Tensor) -> Tensor:
        """(rows, width) from (rows, features)."""
        if self.categorical:
            embedded: Tensor = self.table(features + self.first)
            return embedded.sum(dim=-2)
        mapped: Tensor = self.linear(features)
        return mapped


class Gine(nn.Module):
    """A layer: ``mlp(x_i + sum_j relu(x_j + e_ji))`` over the edges from j to i.

    Args:
        width: Width of nodes and edges.
        edges: Encodes the features of edges; ``None`` where there are none.
    """

    def __init__(self, width: int, edges: Encoder | None) -> None:
        super().__init__()
        self.edges = edges
        self.up = nn.Linear(width, 2 * width)
        self.norm = nn.BatchNorm1d(2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """(nodes, width) from the same."""
        messages = batch.source @ x
        if self.edges is not None:
            encoded = self.edges(batch.edge_features)
            messages = messages + (encoded if batch.edge is None else batch.edge @ encoded)
        x = x + batch.target @ F.relu(messages)
        output: Tensor = self.down(F.relu(self.norm(self.up(x))))
        return output


@dataclass(frozen=True, eq=False)
class Batch:
    """Some graphs as one.

    Attributes:
        node_features: (nodes, features).
        edge_features: (edges, features); or of each kind of edge.
        edge: Gives every edge what its kind has; ``None`` where edges are their own kind.
        source: Gives every edge what the node has that it comes from.
        target: Sums what edges have at the nodes that they go to.
        mean: The mean over the nodes of every graph.
    """

    node_features: Tensor
    edge_features: Tensor
    edge: Sparse | None
    source: Sparse
    target: Sparse
    mean: Sparse


class Gin(nn.Module):
    """GINE layers with BatchNorm and dropout, the mean over a graph's nodes, a linear head.

    Args:
        inputs: ``graphs``, all of which it holds.
        outputs: Width of the head.
        hidden, layers, dropout, residual: See `gin`.
    """

    nodes: Tensor
    edges: Tensor
    node_start: Tensor
    edge_start: Tensor
    edge_features: Tensor
    kind: Tensor | None
    one: Tensor

    def __init__(
        self,
        inputs: Inputs,
        outputs: int,
        *,
        hidden: int,
        layers: int,
        dropout: float,
        residual: bool,
    ) -> None:
        super().__init__()
        of_nodes = several(inputs, "node_categories")
        of_edges = several(inputs, "edge_categories")
        features = whole(inputs, "edge_features")
        self.residual = residual
        self._hold(inputs.context, of_nodes, of_edges, features)

        self.encode = Encoder(whole(inputs, "node_features"), of_nodes, hidden)
        self.layers = nn.ModuleList(
            Gine(hidden, Encoder(features, of_edges, hidden) if features else None)
            for _ in range(layers)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, outputs)

    def forward(self, chosen: Tensor) -> Tensor:
        """(n, outputs) from indices of graphs, (n,)."""
        batch = self.batch(chosen)
        x = self.encode(batch.node_features)
        last = len(self.layers) - 1
        for index, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            h = norm(layer(x, batch))
            h = self.dropout(h if index == last else F.relu(h))
            x = h + x if self.residual and index > 0 else h
        outputs: Tensor = self.head(batch.mean @ x)
        return outputs

    def batch(self, chosen: Tensor) -> Batch:
        """The chosen graphs, (n,) indices, as one."""
        node, graph_of_node, before = _runs(self.node_start, chosen)
        edge, graph_of_edge, _ = _runs(self.edge_start, chosen)
        shift = (before - self.node_start[chosen])[graph_of_edge]
        source, target = self.edges[:, edge] + shift
        nodes, edges, graphs = len(node), len(edge), len(chosen)
        each, one = torch.arange(edges, device=edge.device), self.one.expand(edges)
        share = 1 / torch.bincount(graph_of_node, minlength=graphs).clamp_min(1).to(one)
        places = torch.arange(nodes, device=node.device)
        if self.kind is None:
            edge_features, kind = self.edge_features[edge], None
        else:
            edge_features = self.edge_features
            kind = Sparse.of(each, self.kind[edge], one, edges, len(edge_features))
        return Batch(
            node_features=self.nodes[node],
            edge_features=edge_features,
            edge=kind,
            source=Sparse.of(each, source, one, edges, nodes),
            target=Sparse.of(target, each, one, nodes, edges),
            mean=Sparse.of(graph_of_node, places, share[graph_of_node], graphs, nodes),
        )

    def _hold(
        self,
        context: Mapping[str, Tensor],
        of_nodes: Sequence[int],
        of_edges: Sequence[int],
        features: int,
    ) -> None:
        """Keep the graphs, which are given with the task and no state of the network."""
        dtype = torch.get_default_dtype()
        edges = context["edges"].long()
        kind = None
        edge_features = context["edge_features"] if features else edges.new_zeros(edges.shape[1], 0)
        if of_edges:  # many edges are of few kinds, and each kind is encoded once
            edge_features, kind = _kinds(edge_features.long(), of_edges)
        held = {
            "nodes": context["nodes"].long() if of_nodes else context["nodes"].to(dtype),
            "edges": edges,
            "node_start": context["node_start"].long(),
            "edge_start": context["edge_start"].long(),
            "edge_features": edge_features if of_edges else edge_features.to(dtype),
            "kind": kind,
            "one": torch.ones(1),
        }
        for name, tensor in held.items():
            self.register_buffer(name, tensor, persistent=False)


def _kinds(features: Tensor, categories: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The different rows of categorical features, and which of them each row is."""
    sizes = torch.tensor(categories)
    step = torch.tensor([1, *categories[:-1]]).cumprod(0)
    codes, kind = torch.unique((features * step).sum(dim=1), return_inverse=True)
    return codes[:, None] // step % sizes, kind


def _runs(start: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What belongs to the chosen of runs that lie one after another.

    Args:
        start: Where each run begins, (runs + 1,).
        chosen: (n,).

    Returns:
        Places of all items of the chosen runs, which of the n each belongs to, and how many
        items come before each of the n.
    """
    count = start[chosen + 1] - start[chosen]
    owner = torch.arange(len(chosen), device=chosen.device).repeat_interleave(count)
    before = count.cumsum(0) - count
    item = torch.arange(len(owner), device=chosen.device)
    return item + (start[chosen] - before)[owner], owner, before


def gin(
    inputs: Inputs,
    outputs: int,
    *,
    hidden: int = 64,
    layers: int = 3,
    dropout: float = 0.5,
    residual: bool = True,
) -> Gin:
    """A GIN whose messages carry the features of edges.

    The published size is hidden 300, 5 layers, dropout 0.5, with skips around layers 1 to 4.

    Args:
        inputs: ``graphs``.
        outputs: Outputs of a graph.
        hidden: Width of nodes.
        layers: Number of GINE layers.
        dropout: Share of each layer's outputs dropped.
        residual: Whether every layer but the first has a skip around it.

    Raises:
        ValueError: Sizes that do not say what the features are.
    """
    return Gin(inputs, outputs, hidden=hidden, layers=layers, dropout=dropout, residual=residual)
