"""Trained betas of a finished grid: ``python -m studies.scaffold.betas runs/scaffold-resampling``.

Written beside the committed results of the grid; ``python -m studies.readme`` shows them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rankprobe.errors import ArtifactError
from rankprobe.grid_file import load_grid
from rankprobe.reporting.folder import write_whole
from studies.catalogue import ROOT, find
from studies.command import guarded
from studies.markdown import not_measured, table

FILE = "betas.json"


def read_betas(run: Path) -> dict[str, Any]:
    """Median, smallest and largest beta by combination and rank, over layers and repeats.

    Raises:
        ArtifactError: A run that is not finished, or keeps no trained tensors.
    """
    from rankprobe.search.trained import load_tensors, trained_members

    grid = load_grid(run)
    first = next(iter(grid.results.values()))
    combinations: dict[str, dict[str, list[float]]] = {}
    for name in grid.results:
        found: dict[int, list[float]] = {}
        for member in trained_members(run / name):
            if member.rank:
                tensors = load_tensors(run / name, member)
                betas = [float(value) for key, value in tensors.items() if key.endswith("beta")]
                found.setdefault(member.rank, []).extend(betas)
        combinations[name] = {
            str(rank): [float(np.median(values)), min(values), max(values)]
            for rank, values in sorted(found.items())
            if values
        }
    if not any(combinations.values()):
        raise ArtifactError(f"{run}: no betas are kept; measure it again with --fresh")
    made = {key: first.provenance[key] for key in ("rankprobe", "torch", "date")}
    made |= {"commit": first.provenance.get("commit"), "seed": first.scope["seed"]}
    return {"grid": grid.name, "provenance": made, "combinations": combinations}


def block(name: str, root: Path = ROOT) -> str:
    """A row a combination: the median beta at each rank, and its range."""
    file = find(name).results(root) / FILE
    if not file.is_file():
        return not_measured(f"python -m studies.scaffold.betas runs/{name}")
    combinations = json.loads(file.read_text(encoding="utf-8"))["combinations"]
    ranks = sorted({int(rank) for by_rank in combinations.values() for rank in by_rank})
    lines = [
        (combination, *(_words(by_rank.get(str(rank))) for rank in ranks))
        for combination, by_rank in combinations.items()
    ]
    return table(("beta", *(f"rank {rank}" for rank in ranks)), lines)


def _words(values: Sequence[float] | None) -> str:
    if values is None:
        return ""
    median, low, high = (f"{value:.2f}".replace("-0.00", "0.00") for value in values)
    return f"{median} ({low} to {high})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the betas of a run; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.scaffold.betas", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder of a grid")
    options = parser.parse_args(arguments)

    def work() -> None:
        betas = read_betas(options.run)
        text = json.dumps(betas, indent=1) + "\n"
        print(write_whole(find(betas["grid"]).results(ROOT) / FILE, text.encode()))

    return guarded(work)


if __name__ == "__main__":
    raise SystemExit(main())
