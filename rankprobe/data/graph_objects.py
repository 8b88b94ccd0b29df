"""Graphs made in Python: objects with the attributes of ``torch_geometric.data.Data``.

Nothing is imported: an object serves if it has ``x``, ``edge_index`` and ``y``, whatever library
its arrays are from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.data.examples import FREE, TEST, TRAIN, VALIDATION, Examples, numbers
from rankprobe.data.graph_arrays import Graph, both_directions, joined
from rankprobe.data.nodes import node_examples
from rankprobe.errors import DataError

_MASKS = (("train_mask", TRAIN), ("val_mask", VALIDATION), ("test_mask", TEST))


def is_graph(made: Any) -> bool:
    """Whether something looks like a graph of torch_geometric."""
    return hasattr(made, "edge_index") and hasattr(made, "x")


def examples_from_graphs(graphs: Sequence[Any], holder: str) -> Examples:
    """One example a graph, of objects with ``x``, ``edge_index``, ``y`` and maybe ``edge_attr``.

    Whole numbers are categories, as in the Open Graph Benchmark. Both directions of an edge must
    be listed, as torch_geometric does.

    Raises:
        DataError: An array is missing or does not fit the others.
    """
    read = [_graph(graph, f"graph {index + 1} of {holder}") for index, graph in enumerate(graphs)]
    ys = [_array(graph, "y", f"graph {i + 1} of {holder}") for i, graph in enumerate(graphs)]
    rows = [np.asarray(y).reshape(-1) for y in ys]
    for what, sizes in (
        ("features a node", {graph.nodes.shape[1] for graph in read}),
        ("features an edge", {graph.edge_features.shape[1] for graph in read}),
        ("targets", {len(row) for row in rows}),
    ):
        if len(sizes) > 1:
            raise DataError(f"the graphs of {holder} differ in their number of {what}: {sizes}")
    y = np.stack(rows)
    form = joined(
        read,
        node_categories=_categories([graph.nodes for graph in read]),
        edge_categories=_categories([graph.edge_features for graph in read]),
    )
    sizes, nodes = form["sizes"], form["context"]["nodes"]
    numbers(nodes, "x", holder)
    numbers(form["context"]["edge_features"], "edge_attr", holder)
    kind = "categories" if sizes["node_categories"] else "numbers"
    done = {"x": f"{nodes.shape[1]} {kind} a node", "edge_index": "as it is"}
    return Examples(
        holder=holder,
        target="y",
        y=y[:, 0] if y.shape[1] == 1 else y,
        fixed=np.full(len(read), FREE, dtype=np.int8),
        by=None,
        encode=lambda parts: ([part.astype(np.int64) for part in parts], done),
        kind="graphs",
        form=lambda: form,
        fingerprints=np.array([_print(graph, row) for graph, row in zip(read, rows, strict=True)]),
    )


def examples_from_nodes(graph: Any, config: TaskConfig, holder: str) -> Examples:
    """One example a node of one object, divided by its masks where it has them.

    With a ``train_mask``, nodes in no mask are in the graph and in no split. Validation is drawn
    from training where there is no ``val_mask``.

    Raises:
        DataError: An array is missing or does not fit the others.
    """
    assert config.data is not None
    read, y = _graph(graph, holder), _array(graph, "y", holder)
    if len(y) != len(read.nodes):
        raise DataError(
            f"{holder} has {len(read.nodes)} nodes and {len(y)} targets; for one target a graph, "
            "return a list of graphs"
        )
    masks = {part: getattr(graph, name, None) for name, part in _MASKS}
    fixed = np.full(len(y), FREE, dtype=np.int8)
    for part, mask in masks.items():
        if mask is not None:
            fixed[np.asarray(_plain(mask), dtype=bool)] = part
    chosen = np.flatnonzero(fixed != FREE) if masks[TRAIN] is not None else np.arange(len(y))
    if masks[VALIDATION] is None:
        fixed[fixed == TRAIN] = FREE  # from which validation is drawn
    return node_examples(
        read.nodes,
        both_directions(read.edges),
        y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y,
        by=None,
        fixed=fixed,
        chosen=chosen,
        standardize=config.data.standardize,
        holder=holder,
        names=("x", "y"),
    )


def _graph(made: Any, holder: str) -> Graph:
    if not is_graph(made):
        raise DataError(f"{holder} has no `x` and `edge_index`; return graphs of torch_geometric")
    nodes, edges = _array(made, "x", holder), _array(made, "edge_index", holder)
    nodes = nodes.reshape(len(nodes), -1)
    given = getattr(made, "edge_attr", None)
    features = np.zeros((edges.shape[-1], 0)) if given is None else np.asarray(_plain(given))
    features = features.reshape(len(features), -1) if features.size else features
    if edges.ndim != 2 or len(edges) != 2 or len(features) != edges.shape[1]:
        raise DataError(
            f"{holder}: `edge_index` has the shape {edges.shape} and `edge_attr` "
            f"{features.shape}; they need (2, edges) and one row an edge"
        )
    if edges.size and not (edges.min() >= 0 and edges.max() < len(nodes)):
        raise DataError(f"{holder}: `edge_index` names nodes beyond the {len(nodes)} of `x`")
    return Graph(nodes, edges.astype(np.int64), features)


def _array(made: Any, name: str, holder: str) -> NDArray[Any]:
    value = getattr(made, name, None)
    if value is None:
        raise DataError(f"{holder} has no `{name}`; graphs need `x`, `edge_index` and `y`")
    return np.asarray(_plain(value))


def _plain(value: Any) -> Any:
    """A torch tensor as an array; anything else as it is."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _categories(arrays: Sequence[NDArray[Any]]) -> tuple[int, ...]:
    """How many values each feature has, if they are whole numbers of at least 0."""
    if not arrays[0].shape[1] or any(a.dtype.kind not in "bui" for a in arrays):
        return ()
    filled = [array for array in arrays if len(array)]
    if any(int(array.min()) < 0 for array in filled):
        return ()
    return tuple(int(top) + 1 for top in np.max([array.max(axis=0) for array in filled], axis=0))


def _print(graph: Graph, y: NDArray[Any]) -> str:
    """What two equal graphs, with equal order of nodes, have in common."""
    digest = hashlib.blake2b(digest_size=16)
    for array in (graph.nodes, graph.edges, graph.edge_features, y):
        digest.update(f"{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
