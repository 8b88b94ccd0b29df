"""Redraw every picture and rewrite every result block: ``python -m figures.redraw``.

Everything comes from the committed results under ``studies/``: pictures beside each result, those
here in ``figures/`` that the README shows, and the marked blocks of the README and of the
studies'. The same results give the same bytes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import RenderableType

import rankprobe
from rankprobe.reporting import comparison
from rankprobe.reporting.folder import draw_figure, write_whole
from rankprobe.reporting.printing import as_text
from rankprobe.reporting.tables import summary
from studies.calibration import report as calibration
from studies.catalogue import TUNED, find
from studies.command import guarded
from studies.markdown import named_blocks, not_measured, replaced, studies_block
from studies.mnist import compare_paper
from studies.nine import overview as nine
from studies.ordering import report as ordering
from studies.pictures import draw_all
from studies.planted import report as planted
from studies.readme import refresh
from studies.scaffold import beside as scaffold
from studies.speed import report as speed

REPOSITORY = Path(__file__).resolve().parent.parent


def redraw(repository: Path = REPOSITORY) -> list[Path]:
    """Redraw and rewrite everything that shows a result.

    Args:
        repository: The repository: ``studies`` is read, ``figures`` and READMEs are written.

    Returns:
        The files, pictures first.

    Raises:
        ArtifactError: A result that cannot be read, or a README without its blocks.
        StoreError: A file that cannot be written.
    """
    studies, figures = repository / "studies", repository / "figures"
    return [*draw_all(studies), *_draw_own(studies, figures), *refresh(studies), *_readme(studies)]


def _draw_own(studies: Path, figures: Path) -> list[Path]:
    """The README's pictures: each tuned study, all of them together, and the checks."""
    shown = {f"{m.name}.png": m.results(studies) / "curve.png" for m in TUNED}
    shown |= {
        "nine.png": studies / nine.PICTURE,
        "mnist-paper.png": studies / compare_paper.PICTURE,
        "ordering.png": studies / ordering.PICTURE,
        "planted.png": studies / planted.PICTURE,
        "calibration.png": studies / calibration.PICTURE,
    }
    drawn = [
        write_whole(figures / name, picture.read_bytes())
        for name, picture in shown.items()
        if picture.is_file()
    ]
    results = [result for m in TUNED if (result := m.result(studies)) is not None]
    if len(results) > 1:
        drawn.append(draw_figure(results, figures / "studies.png"))
    return drawn


def _readme(studies: Path) -> list[Path]:
    """The README, in those of the blocks that it has a place for."""
    path = studies.parent / "README.md"
    if not path.is_file():
        return []
    blocks = {
        "example": _example(studies),
        "comparison": _comparison(studies),
        "nine": nine.block(studies, prefix="studies/"),
        "studies": studies_block(studies, prefix="studies/"),
        "ordering": ordering.sentence(studies),
        "planted": planted.sentence(studies),
        "calibration": calibration.headline_table(studies),
        "speed": speed.sentence(studies),
        "size": scaffold.size(studies),
    }
    before = path.read_text(encoding="utf-8")
    after = replaced(before, named_blocks(before, blocks), where=path)
    return [write_whole(path, after.encode())] if after != before else []


def _example(studies: Path) -> str:
    """What a measurement prints, on a terminal of 80 columns."""
    measurement = find("mnist5k")
    result = measurement.result(studies)
    if result is None:
        return not_measured(f"python -m studies.run {measurement.name}")
    return _printed(summary(replace(result, folder=None)))


def _comparison(studies: Path) -> str:
    """What comparing the tuned studies prints."""
    results = [result for m in TUNED if (result := m.result(studies)) is not None]
    if len(results) < 2:
        return not_measured(f"python -m studies.run {TUNED[0].name}")
    shown = [replace(result, folder=None) for result in results]
    # Settings that differ are printed with the comparison; they do not stop the redrawing.
    return _printed(comparison.summary(rankprobe.compare(*shown, anyway=True)))


def _printed(renderable: RenderableType) -> str:
    return f"```\n{as_text(renderable)}```"


def main() -> int:
    """Redraw, and name what was written; returns the exit status."""

    def work() -> None:
        for path in redraw():
            print(path.relative_to(REPOSITORY))

    return guarded(work)


if __name__ == "__main__":
    raise SystemExit(main())
