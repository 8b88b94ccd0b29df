"""Our scores beside the published ones, for the experiments that the paper has too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rankprobe.records import Result
from rankprobe.records.grid import Grid
from rankprobe.reporting.wording import minimal_words
from studies.catalogue import FAN_IN, GRIDS, ROOT, Measurement
from studies.markdown import not_measured, table

# Test accuracies in per cent by combination and rank: Hazan et al., arXiv:2604.08749, all of MNIST,
# the medium network (heads: the large one), one learning rate for all ranks.
_REMOVAL = {
    "seeded": {1: 89.33, 2: 92.73, 4: 95.44, 8: 96.80},
    "zero": {1: 82.9, 2: 91.0, 4: 94.5, 8: 96.3},
    "removed": {1: 82.6, 2: 90.8, 4: 94.4, 8: 96.3},
}
PUBLISHED: Mapping[str, Mapping[str, Mapping[int, float]]] = {
    "scaffold-removal": _REMOVAL,
    "scaffold-removal-paper": _REMOVAL,
    "scaffold-resampling": {
        "none": {2: 92.61, 4: 95.53, 8: 96.80},
        "epoch": {2: 67.96, 4: 89.00, 8: 95.53},
        "step-count-2": {2: 42.46, 4: 54.94, 8: 91.19},
        "batch-count-4": {2: 41.49, 4: 47.67, 8: 56.29},
    },
    "scaffold-b-init": {"zeros": {1: 89.40}, "kaiming": {1: 70.59}},
    "scaffold-heads": {"trained": {1: 92.16}, "adapter": {1: 74.05}},
}
# Lowest and highest of the 22 family means.
FAMILIES: Mapping[int | None, tuple[float, float]] = {
    2: (90.84, 91.03),
    4: (94.33, 94.48),
    8: (96.24, 96.44),
    None: (97.91, 98.21),
}


def block(measurement: Measurement, root: Path = ROOT) -> str:
    """A table of ours beside the published scores; empty where there is nothing to compare."""
    grid = measurement.grid(root)
    if grid is None:
        return "Not measured yet."
    if measurement.name == "scaffold-families":
        return _families(grid, FAN_IN.grid(root))
    published = PUBLISHED.get(measurement.name)
    if published is None:
        return "The paper has no figures to set beside these."
    ranks = sorted({rank for scores in published.values() for rank in scores})
    lines = []
    for name, scores in published.items():
        ours = {point.rank: 100 * point.mean for point in grid.results[name].points}
        cells = (f"{_number(scores.get(rank))} / {_number(ours.get(rank))}" for rank in ranks)
        lines.append((name, *cells))
    return table(("published / ours", *(f"rank {rank}" for rank in ranks)), lines)


def overview(root: Path = ROOT, *, prefix: str = "") -> str:
    """A line a study: what varies, and the minimal rank of each combination."""
    lines = []
    for measurement in GRIDS:
        name = f"[{measurement.study.rpartition('/')[2]}]({prefix}{measurement.study}/)"
        grid = measurement.grid(root)
        if grid is None:
            lines.append((name, measurement.what, "not measured yet"))
            continue
        answers: dict[str, list[str]] = {}
        for combination, result in grid.results.items():
            answers.setdefault(minimal_words(result.minimal_rank), []).append(combination)
        words = (
            f"{answer}: {', '.join(names) if len(names) < 8 else f'{len(names)} combinations'}"
            for answer, names in answers.items()
        )
        lines.append((name, measurement.what, "; ".join(words)))
    return table(("study", "what varies", "minimal rank at 95 %"), lines)


def size(root: Path = ROOT) -> str:
    """What a model takes that is a seed and an adapter, as `studies.scaffold.size` measured it."""
    file = root / "scaffold" / "results" / "size.md"
    if not file.is_file():
        return not_measured("python -m studies.scaffold.size")
    return file.read_text(encoding="utf-8").strip()


def _families(grid: Grid, fan_in: Grid | None) -> str:
    """How far families differ: lowest to highest mean at each rank.

    Families that were measured at 1/sqrt(fan-in) too count as they are there.
    """
    results = dict(grid.results) | dict(fan_in.results if fan_in is not None else {})
    lines = []
    for rank, (low, high) in FAMILIES.items():
        ours = sorted((100 * _score(result, rank), name) for name, result in results.items())
        (lowest, worst), (highest, best) = ours[0], ours[-1]
        lines.append(
            (
                "full" if rank is None else str(rank),
                f"{low:.2f} to {high:.2f}",
                f"{high - low:.2f}",
                f"{lowest:.2f} ({worst}) to {highest:.2f} ({best})",
                f"{highest - lowest:.2f}",
            )
        )
    return table(("rank", "published means", "spread", "our means", "spread"), lines)


def _score(result: Result, rank: int | None) -> float:
    if rank is None:
        return result.baseline.mean
    return next(point.mean for point in result.points if point.rank == rank)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
