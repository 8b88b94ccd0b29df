"""Files of a grid: an ordinary run folder a combination, and what shows all of them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote

from rankprobe.records.grid import GRID_FILE, Grid
from rankprobe.reporting import page
from rankprobe.reporting.folder import write_folder, write_whole
from rankprobe.reporting.grid_figure import plot_grid
from rankprobe.reporting.grid_words import (
    caption,
    cost_line,
    differences,
    header,
    measured_ranks,
    notes,
    rows,
)
from rankprobe.reporting.html import page_html
from rankprobe.reporting.plots import png_bytes
from rankprobe.reporting.wording import clean

PICTURE = "comparison.png"


def write_grid(grid: Grid, folder: str | Path) -> Path:
    """Write every combination's folder, ``comparison.png``, ``report.html`` and ``grid.json``.

    Args:
        grid: A finished grid.
        folder: Where to; made if missing.

    Returns:
        The folder.

    Raises:
        StoreError: The folder cannot be made or written to, or the disk is full.
    """
    folder = Path(folder)
    picture = png_bytes(plot_grid(grid))
    for name, result in grid.results.items():
        write_folder(result, folder / name)
    for name, content in (
        (PICTURE, picture),
        ("report.html", grid_html(grid, picture, linked=True).encode()),
        (GRID_FILE, grid.to_json(results=False).encode()),
    ):
        write_whole(folder / name, content)
    return folder


def write_grid_page(grid: Grid, out: Path) -> Path:
    """Write the page about a grid somewhere else than in its folder.

    Raises:
        StoreError: The file cannot be written.
    """
    return write_whole(out, grid_html(grid, png_bytes(plot_grid(grid))).encode())


def grid_html(grid: Grid, picture: bytes, *, linked: bool = False) -> str:
    """One page about a grid.

    Args:
        grid: A finished grid.
        picture: The figure of `rankprobe.reporting.grid_figure.plot_grid`.
        linked: Whether the page stands beside the combinations' folders, to link to them.

    Returns:
        HTML that loads nothing and runs nothing.
    """
    ranks = measured_ranks(grid)
    title = f"{clean(grid.name)}: {len(grid.results)} combinations"
    varied = [(key, ", ".join(map(str, values))) for key, values in grid.vary.items()]
    shown = "Recovery of full training by adapter rank, a combination each."
    lines = [*differences(grid), *notes(grid)]
    parts = [
        f"<h1>{escape(title)}</h1>",
        page.picture(picture, shown, shown),
        "<h2>Combinations</h2>",
        page.table(header(grid, ranks), [(row, False) for row in rows(grid, ranks)]),
        f'<p class="soft">{escape(caption(grid))}</p>',
        _list(lines),
        f"<h2>What varies</h2>{page.pairs(varied)}",
        _links(grid) if linked else "",
        f'<p class="soft">{escape(cost_line(grid))}</p>',
    ]
    return page_html(title, f"<section>{''.join(parts)}</section>")


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="notes">{items}</ul>' if items else ""


def _links(grid: Grid) -> str:
    items = "".join(
        f'<li><a href="{quote(name)}/report.html">{escape(name)}</a></li>' for name in grid.results
    )
    return f"<h2>Each by itself</h2><ul>{items}</ul>"
