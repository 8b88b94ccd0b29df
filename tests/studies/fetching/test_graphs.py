from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from rankprobe.errors import DataError
from studies.fetching.citations import cora
from studies.fetching.molecules import molhiv
from tests.studies.fetching.files import parquet

NODES: dict[str, list[Any]] = {
    "nodeId": [31336, 1061127, 35],
    "labels": ["Paper"] * 3,
    "subject": [0, 6, 2],
    "features": [[0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 0]],
}
EDGES: dict[str, list[Any]] = {
    "sourceNodeId": [35, 35],
    "targetNodeId": [31336, 1061127],
    "relationshipType": ["CITES"] * 2,
}


def test_papers_and_citations_keep_their_ids() -> None:
    nodes, edges = cora(parquet(NODES), parquet(EDGES))
    with np.load(io.BytesIO(nodes)) as arrays:
        assert arrays["id"].tolist() == NODES["nodeId"]
        assert arrays["features"].tolist() == NODES["features"]
        assert arrays["features"].dtype == np.uint8
        assert arrays["subject"].tolist() == [0, 6, 2]
    assert edges == b"source,target\n35,31336\n35,1061127\n"


@pytest.mark.parametrize(
    ("nodes", "edges", "message"),
    [
        ({"subject": [0, 7, 2]}, {}, "not 0 or 1, or an unknown subject"),
        ({"features": [[0, 2], [0, 1], [0, 1]]}, {}, "not 0 or 1, or an unknown subject"),
        ({"features": [[0, 1], [0], [0]]}, {}, "the same number of features"),
        ({"nodeId": [35, 35, 1]}, {}, "there twice, or a citation names a paper"),
        ({}, {"targetNodeId": [31336, 4]}, "there twice, or a citation names a paper"),
    ],
)
def test_a_graph_that_contradicts_itself_is_refused(
    nodes: dict[str, Any], edges: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        cora(parquet({**NODES, **nodes}), parquet({**EDGES, **edges}))


def test_a_graph_in_another_form_is_refused() -> None:
    with pytest.raises(DataError, match="a table of the graph of citations cannot be read"):
        cora(b"no table", b"")
    with pytest.raises(DataError, match="a table of the graph of citations cannot be read"):
        cora(parquet(EDGES), parquet(EDGES))


def test_moderately_active_molecules_are_active() -> None:
    (table,) = molhiv(b"smiles,target\nCCO,CI\n[O+][Cu-3]2,CM\nOC,CA\n")
    assert table == b"smiles,active\nCCO,0\n[O+][Cu-3]2,1\nOC,1\n"


def test_other_molecules_are_refused() -> None:
    with pytest.raises(DataError, match="a molecule is `CX`; it can be CI, CM, CA"):
        molhiv(b"smiles,target\nCCO,CX\n")
    with pytest.raises(DataError, match="does not hold `smiles` and `target`"):
        molhiv(b"molecule,target\nCCO,CI\n")
