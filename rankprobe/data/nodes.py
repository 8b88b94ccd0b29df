"""Nodes of one graph: each is an example, and all share the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.data import arrays
from rankprobe.data.columns import (
    check_complete,
    divider_of,
    named_column,
    number_column,
    targets_of,
)
from rankprobe.data.examples import FREE, Examples, Rows, numbers, scaled
from rankprobe.data.frames import read_frame
from rankprobe.data.graph_arrays import both_directions
from rankprobe.data.molecules import EXTRA
from rankprobe.data.names import missing_name, paths
from rankprobe.data.table import last_free, listed
from rankprobe.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd


def read_nodes(config: TaskConfig) -> Examples:
    """Read nodes from ``data.path``, a table or an .npz, and ``data.edges``.

    Raises:
        ConfigError: A column or array is not there.
        DataError: Files or values that cannot be read, or an edge to a node that is not there.
    """
    data = config.data
    assert data is not None
    assert data.edges is not None
    path = paths(data, config.folder)[0]
    read = _nodes_from_arrays if path.suffix.lower() == ".npz" else _nodes_from_table
    ids, features, y, by, target = read(path, config)
    edges = _edges(config.folder / data.edges, ids, path.name)
    return node_examples(
        features,
        both_directions(edges),
        y,
        by=by,
        standardize=data.standardize,
        holder=path.name,
        names=("features", target),
    )


def node_examples(
    features: NDArray[Any],
    edges: NDArray[np.int64],
    y: NDArray[Any],
    *,
    by: NDArray[Any] | None,
    fixed: NDArray[np.int8] | None = None,
    chosen: NDArray[np.intp] | None = None,
    standardize: bool | str,
    holder: str,
    names: tuple[str, str],
) -> Examples:
    """One example a node.

    Args:
        features: (nodes, features) numbers.
        edges: (2, edges) places of nodes, both directions.
        y: (nodes,) or (nodes, outputs).
        by: (nodes,) what to divide by.
        fixed: (nodes,) splits that are given.
        chosen: Places of the nodes that are examples; by default all are.
        standardize: ``auto``: unless all features are 0 or 1.
        holder: Where they come from, for messages.
        names: Of features and target.
    """
    x = numbers(features, names[0], holder)
    places = np.arange(len(x)) if chosen is None else chosen
    given = np.full(len(x), FREE, dtype=np.int8) if fixed is None else fixed
    binary = bool(((x == 0) | (x == 1)).all())
    wanted = not binary if standardize == "auto" else bool(standardize)
    nodes: list[NDArray[Any]] = []

    def encode(rows: Sequence[Rows]) -> tuple[list[NDArray[Any]], Mapping[str, str]]:
        (_, everything), how = scaled([x[places[rows[0]]], x], "features" if wanted else "none")
        nodes[:] = [everything]
        done = {
            names[0]: f"{x.shape[1]} numbers a node, {how}",
            "edges": f"{edges.shape[1] // 2} between {len(x)} nodes, in both directions",
        }
        return [places[part].astype(np.int64) for part in rows], done

    def form() -> Mapping[str, Any]:
        return {
            "sizes": {
                "node_features": x.shape[1],
                "edge_features": 0,
                "node_categories": (),
                "edge_categories": (),
            },
            "context": {"nodes": nodes[0], "edges": edges},
        }

    return Examples(
        holder=holder,
        target=names[1],
        y=y[places],
        fixed=given[places],
        by=None if by is None else by[places],
        encode=encode,
        kind="nodes",
        form=form,
    )


_Nodes = tuple["pd.Series[Any]", NDArray[Any], NDArray[Any], NDArray[Any] | None, str]


def _nodes_from_table(path: Path, config: TaskConfig) -> _Nodes:
    data = config.data
    assert data is not None
    frame = read_frame(path)
    own = data.id or "id"
    ids = named_column(frame, own, path.name, config.where("data", "id"))
    targets = listed(data.target) or [last_free(frame, {own, data.split.by}, path.name)]
    y = targets_of(frame, targets, config, path.name)
    roles = {own, *targets, data.split.by, ""}
    wanted = listed(data.features) or [name for name in frame.columns if name not in roles]
    if not wanted:
        raise DataError(f"{path.name} has no features beside `{own}` and the target")
    columns = [
        named_column(frame, name, path.name, config.where("data", "features")) for name in wanted
    ]
    features = np.concatenate(
        [_wide(column, name, path.name) for column, name in zip(columns, wanted, strict=True)],
        axis=1,
    )
    return ids, features, y, divider_of(frame, config, path.name), ", ".join(targets)


def _wide(column: pd.Series[Any], name: str, holder: str) -> NDArray[Any]:
    """A column of numbers, or of lists of equally many numbers as Parquet can hold."""
    if len(column) and isinstance(column.iloc[0], list | np.ndarray):
        try:
            return np.stack([np.asarray(row, dtype=np.float64) for row in column])
        except (TypeError, ValueError):
            raise DataError(
                f"the lists in the column `{name}` in {holder} differ in length, or hold no numbers"
            ) from None
    return number_column(column, name, holder)[:, None]


def _nodes_from_arrays(path: Path, config: TaskConfig) -> _Nodes:
    try:
        import pandas as pd
    except ImportError:
        raise DataError(EXTRA) from None
    data = config.data
    assert data is not None
    archive = arrays.read_archive(path)

    def named(name: str, key: str) -> NDArray[Any]:
        if name not in archive:
            where = config.where("data", key)
            raise ConfigError(missing_name(name, list(archive), "array", path.name, where))
        return archive[name]

    of_features, target = (
        (listed(data.features) or ["features"])[0],
        (listed(data.target) or ["y"])[0],
    )
    ids, features, y = (
        named(data.id or "id", "id"),
        named(of_features, "features"),
        named(target, "target"),
    )
    if features.ndim != 2 or ids.shape != (len(features),) or y.shape[:1] != ids.shape:
        raise DataError(
            f"`{of_features}` in {path.name} has the shape {features.shape}, the ids {ids.shape} "
            f"and the targets {y.shape}; a node needs one row of features, one id and one target"
        )
    split = data.split
    by, divide = split.by, None
    if by:
        divide = arrays.divider(named(by, "split"), by, path.name, in_time=bool(split.time))
    return pd.Series(ids), features, y, divide, target


def _edges(path: Path, ids: pd.Series[Any], holder: str) -> NDArray[np.int64]:
    """Edges (2, edges) as places of nodes, from the columns source and target, or the first two.

    Raises:
        DataError: An id that no node has, or that two have.
    """
    import pandas as pd
    from pandas.api import types

    check_complete(ids, str(ids.name or "id"), holder)
    if ids.duplicated().any():
        row = int(ids.duplicated().to_numpy().argmax())
        raise DataError(
            f"two nodes in {holder} have the id {str(ids.iloc[row])!r}, the second in row "
            f"{row + 1}; every node needs its own"
        )
    frame = read_frame(path)
    known = {"source", "target"} <= set(frame.columns)
    ends = []
    for name in ("source", "target") if known else frame.columns[:2]:
        column = frame[name]
        numeric = types.is_numeric_dtype(column.dtype) and types.is_numeric_dtype(ids.dtype)
        index = pd.Index(ids if numeric else ids.astype(str))
        places = index.get_indexer(pd.Index(column if numeric else column.astype(str)))
        if (places < 0).any():
            row = int((places < 0).argmax())
            raise DataError(
                f"`{name}` in {path.name} is {str(column.iloc[row])!r} in row {row + 1}, and no "
                f"node has that id ({int((places < 0).sum())} of {len(places)} edges)"
            )
        ends.append(places)
    return np.stack(ends).astype(np.int64)
