"""ogbn-arxiv as the files that paper.yaml names, from the official archive's own.

    python -m studies.citations.arxiv FOLDER

FOLDER is the unpacked ``arxiv`` of the Open Graph Benchmark, with ``raw`` and ``split/time``.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rankprobe.errors import DataError
from rankprobe.reporting.folder import write_whole
from studies.catalogue import ROOT
from studies.command import guarded
from studies.fetching.dataset import Arrays, npz, table

NODES, EDGES = Path("citations/data/arxiv_nodes.npz"), Path("citations/data/arxiv_edges.csv")
SPLITS = {"train": "train", "valid": "validation", "test": "test"}


def convert(folder: Path, root: Path = ROOT) -> tuple[Path, Path]:
    """Write the nodes with their split by year, and the citations; returns both files.

    Raises:
        DataError: A file that is missing or damaged, or a node in no split or in two.
    """
    features = _numbers(folder / "raw" / "node-feat.csv.gz").astype(np.float32)
    subject = _numbers(folder / "raw" / "node-label.csv.gz").astype(np.int64).ravel()
    edges = _numbers(folder / "raw" / "edge.csv.gz").astype(np.int64)
    split = np.full(len(subject), "", dtype="<U10")
    taken = 0
    for name, word in SPLITS.items():
        rows = _numbers(folder / "split" / "time" / f"{name}.csv.gz").astype(np.int64).ravel()
        split[rows] = word
        taken += len(rows)
    if len(features) != len(subject) or taken != len(subject) or (split == "").any():
        raise DataError(f"{folder}: not every node has features, a subject and one split")
    arrays: Arrays = {
        "id": np.arange(len(subject)),
        "features": features,
        "subject": subject,
        "split": split,
    }
    return (
        write_whole(root / NODES, npz(arrays)),
        write_whole(root / EDGES, table(("source", "target"), edges.tolist())),
    )


def _numbers(file: Path) -> NDArray[np.float64]:
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            return np.loadtxt(lines, delimiter=",", ndmin=2)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{file} cannot be read: {error}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.citations.arxiv")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)
    return guarded(lambda: print(*convert(options.folder), sep="\n"))


if __name__ == "__main__":
    raise SystemExit(main())
