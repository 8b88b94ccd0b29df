"""MNIST with the paper's fixed protocol, beside what the paper published.

Published: Hazan, Zhang, Hartl and Levin, "A Little Rank Goes a Long Way", arXiv:2604.08749v2,
MNIST MLP, preset "medium" (784-512-256-128-64-10), mean test accuracy in percent.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes

from rankprobe.records import Point, Result
from rankprobe.reporting.style import (
    BLUE,
    GREY,
    INK,
    VERMILLION,
    new_axes,
    settle,
    styled,
)
from studies.catalogue import find
from studies.markdown import not_measured, table

PUBLISHED = {1: 89.33, 2: 92.73, 4: 95.44, 8: 96.80, 16: 97.53, 32: 97.80}
PUBLISHED_FULL = 98.38
PICTURE = Path("mnist/results/paper.png")


@dataclass(frozen=True)
class PaperResults:
    """The two readings of the paper's protocol, five repeats each.

    Attributes:
        unscaled: The adapter added as it is, B A.
        standard: The adapter scaled by alpha/r with alpha = 1, as the paper's formula is printed.
    """

    unscaled: Result
    standard: Result


def load(root: Path) -> PaperResults | None:
    """The committed results; ``None`` unless both are there.

    Raises:
        ArtifactError: One of them cannot be read.
    """
    unscaled = find("mnist-paper").result(root)
    standard = find("mnist-paper-standard").result(root)
    if unscaled is None or standard is None:
        return None
    return PaperResults(unscaled, standard)


def block(root: Path) -> str:
    """The comparison in Markdown: verdicts on both readings, the picture, the table."""
    results = load(root)
    if results is None:
        return not_measured("python -m studies.run mnist-paper mnist-paper-standard")
    readings = [("unscaled, `B A`", results.unscaled), ("`alpha/r B A`", results.standard)]
    verdicts = [f"- {name}: {_distance(result)}" for name, result in readings]
    repeats = len(results.unscaled.baseline.scores)
    return "\n\n".join(
        [
            "\n".join(verdicts),
            f"![accuracy against rank, published and measured]({PICTURE.relative_to('mnist')})",
            table(
                ["rank", "published", "unscaled", "difference", "alpha/r", "difference"],
                [*(_row(rank, results) for rank in PUBLISHED), _full_row(results)],
            ),
            f"Test accuracy in percent; ours: mean and standard deviation of {repeats} repeats.",
        ]
    )


def plot(results: PaperResults) -> Axes:
    """Accuracy in percent against rank: published, unscaled and alpha/r."""
    with styled():
        ax = new_axes(6.6, 3.8)
        ranks = list(PUBLISHED)
        ax.axhline(PUBLISHED_FULL, color=INK, linewidth=0.9)
        ax.text(1, PUBLISHED_FULL + 0.1, "full training, published", va="bottom", fontsize=8)
        ax.plot(ranks, list(PUBLISHED.values()), "D-", color=INK, label="published")
        for result, words, form, colour in (
            (results.unscaled, "measured, adapter unscaled", "o--", BLUE),
            (results.standard, "measured, adapter scaled by alpha/r", "s:", VERMILLION),
        ):
            points = _points(result)
            means = [100 * points[rank].mean for rank in ranks]
            ax.plot(ranks, means, form, color=colour, label=words)
            for rank in ranks:
                scores = [100 * score for score in points[rank].scores]
                ax.plot([rank] * len(scores), scores, "o", color=GREY, markersize=2, alpha=0.7)
        ax.set_xscale("log", base=2)
        ax.set_xticks(ranks, [str(rank) for rank in ranks])
        ax.set_xlabel("adapter rank")
        ax.set_ylabel("test accuracy, %")
        ax.set_title("MNIST, the paper's protocol", loc="left", fontsize=11)
        ax.legend(loc="lower right")
        settle(ax, freeze=True)
    return ax


def _points(result: Result) -> dict[int, Point]:
    return {point.rank: point for point in result.points}


def _difference(result: Result, rank: int) -> float:
    return 100 * _points(result)[rank].mean - PUBLISHED[rank]


def _distance(result: Result) -> str:
    """How far a reading is from the published column, and whether the column fits it."""
    far = max((abs(_difference(result, rank)), rank) for rank in PUBLISHED if rank >= 4)
    at_two = abs(_difference(result, 2))
    fits = "fits" if far[0] <= 0.5 and at_two <= 1.2 else "does not fit"
    return (
        f"{fits} the published column: at most {far[0]:.2f} points away at rank 4 and above "
        f"(at rank {far[1]}), {at_two:.2f} at rank 2"
    )


def _row(rank: int, results: PaperResults) -> list[str]:
    cells = [str(rank), f"{PUBLISHED[rank]:.2f}"]
    for result in (results.unscaled, results.standard):
        cells += [_score(_points(result)[rank].scores), f"{_difference(result, rank):+.2f}"]
    return cells


def _full_row(results: PaperResults) -> list[str]:
    cells = ["full", f"{PUBLISHED_FULL:.2f}"]
    for result in (results.unscaled, results.standard):
        baseline = result.baseline
        cells += [_score(baseline.scores), f"{100 * baseline.mean - PUBLISHED_FULL:+.2f}"]
    return cells


def _score(scores: tuple[float, ...]) -> str:
    mean = sum(scores) / len(scores)
    spread = (sum((score - mean) ** 2 for score in scores) / max(1, len(scores) - 1)) ** 0.5
    return f"{100 * mean:.2f} ± {100 * spread:.2f}"
