"""Molecules as graphs, by RDKit: features, canonical form and Bemis-Murcko scaffold.

The nine features of an atom, the three of a bond and the values that each can have are those of
the Open Graph Benchmark (Hu et al. 2020, arXiv:2005.00687, ``ogb.utils.features``). A value that
its list does not hold counts as the list's last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.data.graph_arrays import Graph
from rankprobe.errors import DataError

EXTRA = "reading molecules needs more packages: pip install 'rankprobe[graphs]'"
OTHER = "other"


def _places(values: Sequence[Any], *, other: bool = True) -> dict[Any, int]:
    """Place of each value; the last is for all others."""
    return {value: place for place, value in enumerate([*values, OTHER][: None if other else -1])}


_CHIRALITY = ("CHI_UNSPECIFIED", "CHI_TETRAHEDRAL_CW", "CHI_TETRAHEDRAL_CCW", "CHI_OTHER")
ATOM = (
    _places(range(1, 119)),  # atomic number
    _places(_CHIRALITY),
    _places(range(11)),  # degree, hydrogens included
    _places(range(-5, 6)),  # formal charge
    _places(range(9)),  # hydrogens
    _places(range(5)),  # radical electrons
    _places(("SP", "SP2", "SP3", "SP3D", "SP3D2")),
    _places((False, True), other=False),  # aromatic
    _places((False, True), other=False),  # in a ring
)
BOND = (
    _places(("SINGLE", "DOUBLE", "TRIPLE", "AROMATIC")),
    _places(
        ("STEREONONE", "STEREOZ", "STEREOE", "STEREOCIS", "STEREOTRANS", "STEREOANY"), other=False
    ),
    _places((False, True), other=False),  # conjugated
)
ATOM_CATEGORIES = tuple(len(places) for places in ATOM)
BOND_CATEGORIES = tuple(len(places) for places in BOND)


@dataclass(frozen=True, eq=False)
class Molecules:
    """Molecules that could be read.

    Attributes:
        graphs: One a molecule.
        rows: (molecules,) their rows among all that were given.
        canonical: (molecules,) hash of the canonical SMILES, which tells molecules apart.
        scaffolds: (molecules,) SMILES of the scaffold; empty where none was asked for, and for
            molecules without a ring.
        lenient: How many were read although RDKit does not know a valence of theirs.
    """

    graphs: list[Graph]
    rows: NDArray[np.intp]
    canonical: NDArray[np.str_]
    scaffolds: list[str]
    lenient: int


def read_molecules(smiles: Sequence[Any], holder: str, *, scaffolds: bool) -> Molecules:
    """Molecules from SMILES; those that cannot be read are left out.

    Args:
        smiles: Text, or something else where it is missing.
        holder: Where they are, for messages.
        scaffolds: Whether scaffolds are wanted, too.

    Raises:
        DataError: RDKit is not installed, or more than half cannot be read.
    """
    try:
        from rdkit import Chem
    except ImportError:
        raise DataError(EXTRA) from None
    graphs, rows, canonical, of_scaffolds, lenient = [], [], [], [], 0
    with _silent():
        for row, text in enumerate(smiles):
            molecule, odd = _parsed(Chem, text)
            if molecule is None:
                continue
            lenient += odd
            name = Chem.MolToSmiles(molecule)
            rows.append(row)
            graphs.append(_graph(molecule))
            canonical.append(hashlib.blake2b(name.encode(), digest_size=16).hexdigest())
            of_scaffolds.append(_scaffold(molecule, name) if scaffolds else "")
    if 2 * len(rows) < len(smiles) or not rows:
        first = min(set(range(len(smiles))) - set(rows))
        raise DataError(
            f"{len(smiles) - len(rows)} of {len(smiles)} rows of {holder} hold no molecule, the "
            f"first in row {first + 1}: {str(smiles[first])[:60]!r}; name a column of SMILES"
        )
    return Molecules(
        graphs, np.array(rows, dtype=np.intp), np.array(canonical), of_scaffolds, lenient
    )


def scaffold_parts(
    scaffolds: Sequence[str], rows: NDArray[np.intp], total: int, validation: float, test: float
) -> NDArray[np.int8]:
    """The split of each molecule: 0 training, 1 validation, 2 test; no scaffold is in two.

    As in MoleculeNet and the Open Graph Benchmark: groups of one scaffold, the largest first (of
    equal ones, that whose first molecule comes later), go to training as long as they fit, then to
    validation, then to test. Sizes are shares of ``total``, the rows that were given, so that
    molecules that cannot be read do not move the others.

    Args:
        scaffolds: (molecules,).
        rows: (molecules,) their rows.
        total: Number of rows.
        validation: Share.
        test: Share.
    """
    groups: dict[str, list[int]] = {}
    for index, scaffold in enumerate(scaffolds):
        groups.setdefault(scaffold, []).append(index)
    order = sorted(groups.values(), key=lambda g: (len(g), rows[g[0]]), reverse=True)
    room = [(1 - validation - test) * total + 1e-6, (1 - test) * total + 1e-6]  # of rounding
    parts = np.full(len(scaffolds), 2, dtype=np.int8)
    counts = [0, 0, 0]
    for group in order:
        size = len(group)
        if counts[0] + size <= room[0]:
            part = 0
        else:
            part = 1 if counts[0] + counts[1] + size <= room[1] else 2
        parts[group] = part
        counts[part] += size
    return parts


@contextmanager
def _silent() -> Iterator[None]:
    """RDKit without its warnings; what matters of them is counted and said."""
    from rdkit import rdBase

    with rdBase.BlockLogs():
        yield


def _parsed(chem: Any, text: Any) -> tuple[Any, bool]:
    """A molecule, and whether the valence of an atom is one that RDKit does not know.

    Newer versions of RDKit refuse some metal complexes that older ones, and with them published
    data sets, hold: those are read without that check.
    """
    if not isinstance(text, str) or not text.strip():
        return None, False
    molecule = chem.MolFromSmiles(text)
    if molecule is not None:
        return (molecule, False) if molecule.GetNumAtoms() else (None, False)
    molecule = chem.MolFromSmiles(text, sanitize=False)
    if molecule is None or not molecule.GetNumAtoms():
        return None, False
    molecule.UpdatePropertyCache(strict=False)
    steps = chem.SANITIZE_ALL ^ chem.SANITIZE_PROPERTIES
    failed = chem.SanitizeMol(molecule, steps, catchErrors=True)
    return (None, False) if failed else (molecule, True)


def _scaffold(molecule: Any, own: str) -> str:
    """Bemis-Murcko scaffold as SMILES; the molecule itself where RDKit cannot make one."""
    from rdkit.Chem.Scaffolds import MurckoScaffold

    try:
        # RDKit's own annotations leave this one out.
        return str(MurckoScaffold.MurckoScaffoldSmiles(mol=molecule))  # type: ignore[no-untyped-call]
    except ValueError:
        return own


def _graph(molecule: Any) -> Graph:
    atoms = [
        (
            atom.GetAtomicNum(),
            atom.GetChiralTag().name,
            atom.GetTotalDegree(),
            atom.GetFormalCharge(),
            atom.GetTotalNumHs(),
            atom.GetNumRadicalElectrons(),
            atom.GetHybridization().name,
            atom.GetIsAromatic(),
            atom.IsInRing(),
        )
        for atom in molecule.GetAtoms()
    ]
    bonds = [
        (bond.GetBondType().name, bond.GetStereo().name, bond.GetIsConjugated())
        for bond in molecule.GetBonds()
    ]
    ends = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in molecule.GetBonds()]
    edges = np.array(ends, dtype=np.int32).reshape(-1, 2)
    # Each bond in both directions, one after the other.
    both = np.stack([edges, edges[:, ::-1]], axis=1).reshape(-1, 2).T
    features = np.repeat(_coded(bonds, BOND), 2, axis=0)
    return Graph(_coded(atoms, ATOM), both, features)


def _coded(rows: Sequence[tuple[Any, ...]], lists: Sequence[dict[Any, int]]) -> NDArray[np.uint8]:
    codes = [
        [places.get(value, len(places) - 1) for value, places in zip(row, lists, strict=True)]
        for row in rows
    ]
    return np.array(codes, dtype=np.uint8).reshape(-1, len(lists))
