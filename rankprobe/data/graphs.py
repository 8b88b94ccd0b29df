"""The source ``graphs``: molecules from a SMILES column, or the nodes of one graph.

With ``smiles``, each row of a table is a molecule. With ``edges``, ``path`` lists nodes and each
node is an example. Graphs made in Python come by the source ``python``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rankprobe.config import TaskConfig
from rankprobe.data.columns import divider_of, first_few, named_column, targets_of
from rankprobe.data.examples import FREE, TEST, TRAIN, VALIDATION, Examples, Rows
from rankprobe.data.frames import read_frame
from rankprobe.data.graph_arrays import joined
from rankprobe.data.molecules import (
    ATOM_CATEGORIES,
    BOND_CATEGORIES,
    read_molecules,
    scaffold_parts,
)
from rankprobe.data.names import paths
from rankprobe.data.nodes import read_nodes
from rankprobe.data.table import last_free, listed
from rankprobe.errors import ConfigError, Problem

SCAFFOLD_SHARE = 0.1  # of validation, and of test
_PARTS = np.array([TRAIN, VALIDATION, TEST], dtype=np.int8)


def read_graphs(config: TaskConfig) -> Examples:
    """Read molecules if ``data.smiles`` names their column, else nodes and ``data.edges``.

    Raises:
        ConfigError: Neither is named, or a column is not there.
        DataError: Files or values that cannot be read.
    """
    data = config.data
    assert data is not None
    if data.smiles is not None:
        return _molecules(config)
    if data.edges is None:
        raise ConfigError(
            Problem(
                "the source `graphs` needs `smiles` or `edges`",
                config.where("data"),
                "name the column of SMILES, or a table with one row an edge",
            )
        )
    return read_nodes(config)


def _molecules(config: TaskConfig) -> Examples:
    data = config.data
    assert data is not None
    assert data.smiles is not None
    path = paths(data, config.folder)[0]
    frame, split = read_frame(path), data.split
    smiles = named_column(frame, data.smiles, path.name, config.where("data", "smiles"))
    targets = listed(data.target) or [last_free(frame, {data.smiles, split.by}, path.name)]
    y = targets_of(frame, targets, config, path.name)
    made = read_molecules(smiles.tolist(), path.name, scaffolds=split.scaffold)
    fixed, division = np.full(len(made.rows), FREE, dtype=np.int8), ""
    if split.scaffold:
        validation, test = (
            float(share) if isinstance(share, float | int) else SCAFFOLD_SHARE
            for share in (split.validation, split.test)
        )
        parts = scaffold_parts(made.scaffolds, made.rows, len(frame), validation, test)
        fixed = _PARTS[parts]
        division = (
            f"by Bemis-Murcko scaffold, none in two splits, the most frequent in training; "
            f"{validation:g} for validation, {test:g} for test"
        )
    form = joined(made.graphs, node_categories=ATOM_CATEGORIES, edge_categories=BOND_CATEGORIES)
    done = {data.smiles: f"molecule; {len(ATOM_CATEGORIES)} features an atom, 3 a bond"}
    if made.lenient:
        done["unknown valence"] = f"{made.lenient} molecules, read without the check of valences"
    by = divider_of(frame, config, path.name)
    return Examples(
        holder=path.name,
        target=", ".join(targets),
        y=y[made.rows],
        fixed=fixed,
        by=None if by is None else by[made.rows],
        encode=lambda rows: ([part.astype(np.int64) for part in rows], done),
        kind="graphs",
        form=lambda: form,
        fingerprints=made.canonical,
        alike=np.unique(made.canonical, return_inverse=True)[1],
        division=division,
        notes=_left_out(smiles.tolist(), made.rows, path.name),
    )


def _left_out(smiles: Sequence[Any], kept: Rows, holder: str) -> tuple[str, ...]:
    """The note of rows without a molecule, by their numbers and what stands in them."""
    missing = sorted(set(range(len(smiles))) - set(kept.tolist()))
    if not missing:
        return ()
    held = [smiles[row] if isinstance(smiles[row], str) else "" for row in missing]
    rows = "the row" if len(missing) == 1 else "the rows"
    note = (
        f"{len(missing)} of {len(smiles)} rows of {holder} hold no molecule and are left out: "
        f"{rows} {first_few([row + 1 for row in missing])}, with {first_few(held)}"
    )
    return (note,)
