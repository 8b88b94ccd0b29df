"""Redraw every picture that the README and the studies show, from their committed results.

``python figures/redraw.py`` reads each ``studies/STUDY/results/**/result.json`` and writes
``figures/STUDY.png``, or ``figures/STUDY-FOLDER.png`` where a study holds several results. The
same results give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

from rankprobe.records import load_result
from rankprobe.reporting.folder import draw_figure

ROOT = Path(__file__).resolve().parent.parent


def pictures(root: Path) -> dict[Path, Path]:
    """Every committed result and the picture that shows it.

    Args:
        root: The repository.

    Returns:
        From each picture to its ``result.json``, in alphabetical order.
    """
    found = {}
    for result in sorted(root.glob("studies/*/results/**/result.json")):
        study, _, *folders = result.parent.relative_to(root / "studies").parts
        found[root / "figures" / f"{'-'.join([study, *folders])}.png"] = result
    return found


def main(root: Path = ROOT) -> None:
    """Draw each picture and say so."""
    for picture, result in pictures(root).items():
        draw_figure([load_result(result)], picture)
        print(picture.relative_to(root))


if __name__ == "__main__":
    main()
