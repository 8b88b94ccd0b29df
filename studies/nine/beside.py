"""Each study beside the paper's numbers: published and measured scores, and shares of full."""

from __future__ import annotations

from pathlib import Path

from rankprobe.records import Result
from rankprobe.reporting.wording import metric_name, score_text
from studies.catalogue import Measurement, find
from studies.markdown import not_measured, table
from studies.nine.kinds import Kind
from studies.nine.published import Published
from studies.nine.shape import Spot, measured_spots, published_spots, reading


def block(kind: Kind, root: Path) -> str:
    """The tables of a study: its own measurement, then those that have a curve of their own."""
    first = comparison(kind.measurement, kind.published, root)
    further = [comparison(find(name), published, root) for name, published in kind.further]
    return "\n\n".join([first, *further])


def comparison(measurement: Measurement, published: Published, root: Path) -> str:
    """One measurement beside one published curve: what each is, the table, the shapes."""
    result = measurement.result(root)
    measured = [] if result is None else measured_spots(result, published)
    ranks = sorted({*published.scores, *(spot.rank for spot in measured)})
    by_rank = {spot.rank: spot for spot in measured}
    rows = [_row(rank, published, result, by_rank.get(rank)) for rank in ranks]
    names = ["rank", "published", "of full training", "measured", "of full training"]
    lines = [
        f"- published: {published.what}; it {reading(published_spots(published))}",
        f"- measured: {measurement.what}, {_what(measurement, result)}"
        + (f"; it {reading(measured)}" if result is not None else ""),
        f"- {_meaning(published, result)}",
    ]
    return "\n\n".join([table(names, [*rows, _full(published, result)]), "\n".join(lines)])


def _what(measurement: Measurement, result: Result | None) -> str:
    if result is None:
        return not_measured(f"python -m studies.run {measurement.name}").lower()
    repeats = len(result.baseline.scores)
    return f"test {metric_name(result.task.metric)}, mean ± standard deviation of {repeats} repeats"


def _row(rank: int, published: Published, result: Result | None, spot: Spot | None) -> list[str]:
    cells = [str(rank), "", "", "", ""]
    if rank in published.scores:
        cells[1:3] = [f"{published.scores[rank]:.4g}", _percent(published.recovery(rank))]
    if result is not None and spot is not None:
        point = next(point for point in result.points if point.rank == rank)
        cells[3:] = [_score(result, point.scores), _percent(spot.mean)]
    return cells


def _full(published: Published, result: Result | None) -> list[str]:
    cells = ["full", f"{published.full:.4g}", "100 %", "", ""]
    if result is not None:
        cells[3:] = [_score(result, result.baseline.scores), "100 %"]
    return cells


def _meaning(published: Published, result: Result | None) -> str:
    """What the shares are shares of."""
    if published.guess is None:
        return (
            "of full training: its loss over that of the rank, as the loss of a guess is not known"
        )
    words = f"published over {published.guess:.4g}, {published.guess_is}"
    if result is not None:
        chance = score_text(result, result.chance_score)
        words += f"; measured over {chance}, the score of a constant prediction"
    return f"of full training: the share of its gain over a guess; {words}"


def _score(result: Result, scores: tuple[float, ...]) -> str:
    mean = sum(scores) / len(scores)
    spread = (sum((score - mean) ** 2 for score in scores) / max(1, len(scores) - 1)) ** 0.5
    return f"{score_text(result, mean)} ± {score_text(result, spread)}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
