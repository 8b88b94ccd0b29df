"""Random features against pre-trained ones: where the method ends."""

from __future__ import annotations

from pathlib import Path

from rankprobe.records import Result
from rankprobe.reporting.wording import minimal_words, score_text
from studies.catalogue import FEATURES, Measurement
from studies.markdown import not_measured, table
from studies.nine.published import PUBLISHED, RANDOM_FLOWERS

PUBLISHED_LINE = (
    f"- published, Flowers-102 on ViT-B/16: {PUBLISHED['flowers'].scores[8]:.4f} at rank 8 with "
    f"pre-trained surroundings, {RANDOM_FLOWERS.scores[16]:.4f} at rank 16 with a random backbone, "
    f"{RANDOM_FLOWERS.full:.4f} by full training"
)


def block(root: Path) -> str:
    """Both tasks: a table each, and how far random features are behind."""
    parts = [_task(random, pretrained, root) for random, pretrained in FEATURES]
    return "\n\n".join([PUBLISHED_LINE, *parts])


def _task(random: Measurement, pretrained: Measurement, root: Path) -> str:
    found = [measurement.result(root) for measurement in (random, pretrained)]
    heading = f"**{random.what} against {pretrained.what.rpartition(', ')[2]}**"
    if found[0] is None or found[1] is None:
        names = [
            m.name for m, result in zip((random, pretrained), found, strict=True) if not result
        ]
        return f"{heading}\n\n{not_measured('python -m studies.run ' + ' '.join(names))}"
    first, second = found[0], found[1]
    scores = [{point.rank: point.mean for point in result.points} for result in (first, second)]
    rows = [
        _row(str(rank), first, second, scores[0].get(rank), scores[1].get(rank))
        for rank in sorted({*scores[0], *scores[1]})
    ]
    rows.append(_row("full", first, second, first.baseline.mean, second.baseline.mean))
    answers = [minimal_words(result.minimal_rank) for result in (first, second)]
    rows.append(["r*", *answers, ""])
    return f"{heading}\n\n{table(['rank', 'random', 'pre-trained', 'difference'], rows)}"


def _row(
    name: str, first: Result, second: Result, random: float | None, pretrained: float | None
) -> list[str]:
    cells = [name, "", "", ""]
    if random is not None:
        cells[1] = score_text(first, random)
    if pretrained is not None:
        cells[2] = score_text(second, pretrained)
    if random is not None and pretrained is not None:
        cells[3] = f"{random - pretrained:+.4f}"
    return cells
