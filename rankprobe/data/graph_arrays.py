"""Graphs as arrays that examples share, in the layout of `rankprobe.backbones.Inputs`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.data.task import Sizes


@dataclass(frozen=True, eq=False)
class Graph:
    """One graph, before it joins the others.

    Attributes:
        nodes: (nodes, features), floats, or whole numbers for categories.
        edges: (2, edges) places of nodes, both directions listed.
        edge_features: (edges, features), likewise.
    """

    nodes: NDArray[Any]
    edges: NDArray[Any]
    edge_features: NDArray[Any]


def joined(
    graphs: Sequence[Graph],
    *,
    node_categories: tuple[int, ...] = (),
    edge_categories: tuple[int, ...] = (),
) -> dict[str, Any]:
    """``sizes`` and ``context`` of graphs; see `rankprobe.backbones.Inputs`.

    Args:
        graphs: All with the same number of features.
        node_categories: Values that each feature of a node can have, if they are categories.
        edge_categories: Likewise of edges.
    """
    node_start = _starts([len(graph.nodes) for graph in graphs])
    edge_start = _starts([graph.edges.shape[1] for graph in graphs])
    nodes = np.concatenate([graph.nodes for graph in graphs])
    edge_features = np.concatenate([graph.edge_features for graph in graphs])
    edges = np.concatenate([graph.edges for graph in graphs], axis=1).astype(np.int64)
    edges += np.repeat(node_start[:-1], np.diff(edge_start))
    sizes: Sizes = {
        "node_features": nodes.shape[1],
        "edge_features": edge_features.shape[1],
        "node_categories": node_categories,
        "edge_categories": edge_categories,
    }
    return {
        "sizes": sizes,
        "context": {
            "nodes": nodes.astype(np.int64 if node_categories else np.float32),
            "edges": edges,
            "edge_features": edge_features.astype(np.int64 if edge_categories else np.float32),
            "node_start": node_start,
            "edge_start": edge_start,
        },
    }


def both_directions(edges: NDArray[Any]) -> NDArray[np.int64]:
    """Edges (2, edges) in both directions, each once, sorted, none from a node to itself."""
    apart = edges[:, edges[0] != edges[1]].astype(np.int64)
    both = np.concatenate([apart, apart[::-1]], axis=1)
    return np.unique(both, axis=1) if both.size else both


def _starts(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
