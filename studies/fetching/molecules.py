"""Molecules that were tried against HIV: the ones of MolHIV, as SMILES."""

from __future__ import annotations

import csv
import io

from rankprobe.errors import DataError
from studies.fetching.dataset import table

# Confirmed inactive, moderately active, active: MolHIV takes the last two together.
ACTIVE = {"CI": 0, "CM": 1, "CA": 1}


def molhiv(content: bytes) -> tuple[bytes]:
    """``hiv.csv``: a row a molecule, ``smiles`` and ``active`` (0 or 1).

    Raises:
        DataError: Other columns, or another activity than `ACTIVE` knows.
    """
    reader = csv.DictReader(io.StringIO(content.decode()))
    if reader.fieldnames != ["smiles", "target"]:
        raise DataError("the table of molecules does not hold `smiles` and `target`")
    rows = [(row["smiles"], row["target"]) for row in reader]
    unknown = sorted({target for _, target in rows} - set(ACTIVE))
    if unknown:
        raise DataError(f"a molecule is `{unknown[0]}`; it can be {', '.join(ACTIVE)}")
    return (table(("smiles", "active"), ((smiles, ACTIVE[target]) for smiles, target in rows)),)
