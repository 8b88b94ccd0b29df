"""Cora: papers on machine learning, the words in them, and who cites whom."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from rankprobe.errors import DataError
from studies.fetching.dataset import Arrays, library, npz, table

# Class 0, class 1 ...: as the package numbers them.
SUBJECTS = (
    "neural networks",
    "rule learning",
    "reinforcement learning",
    "probabilistic methods",
    "theory",
    "genetic algorithms",
    "case-based",
)


def cora(nodes: bytes, edges: bytes) -> tuple[bytes, bytes]:
    """The graph of citations.

    Args:
        nodes: Parquet with ``nodeId``, ``subject`` and ``features``, a list of 0 and 1.
        edges: Parquet with ``sourceNodeId``, the cited paper, and ``targetNodeId``, the citing.

    Returns:
        ``nodes.npz``: ``id`` (n,) int64, ``features`` (n, words) uint8, ``subject`` (n,) int64,
        an index of `SUBJECTS`. ``edges.csv``: ``source,target``, ids of nodes.

    Raises:
        DataError: Other columns or values, an edge without its node, or pyarrow is missing.
    """
    papers = _columns(nodes, ("nodeId", "subject", "features"))
    cited, citing = (
        np.asarray(column, dtype=np.int64)
        for column in _columns(edges, ("sourceNodeId", "targetNodeId"))
    )
    ids, subject = (np.asarray(column, dtype=np.int64) for column in papers[:2])
    if len({len(row) for row in papers[2]}) != 1:
        raise DataError("the papers do not all have the same number of features")
    features = np.array(papers[2], dtype=np.int64)
    if not np.isin(features, (0, 1)).all() or not np.isin(subject, range(len(SUBJECTS))).all():
        raise DataError("a paper has a feature that is not 0 or 1, or an unknown subject")
    if len(np.unique(ids)) != len(ids) or not np.isin([cited, citing], ids).all():
        raise DataError("a paper is there twice, or a citation names a paper that is not there")
    arrays: Arrays = {"id": ids, "features": features.astype(np.uint8), "subject": subject}
    pairs = zip(cited.tolist(), citing.tolist(), strict=True)
    return npz(arrays), table(("source", "target"), pairs)


def _columns(content: bytes, names: tuple[str, ...]) -> list[Any]:
    parquet = library("pyarrow.parquet", "the graph of citations")
    try:
        frame = parquet.read_table(io.BytesIO(content), columns=list(names))
        return [frame.column(name).to_pylist() for name in names]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"a table of the graph of citations cannot be read: {error}") from None
