"""Files of a result, written whole or not at all: an old file stays until its successor is."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from rankprobe.errors import ArtifactError, ConfigError, Problem, StoreError
from rankprobe.records import Result
from rankprobe.records.inspection import FILE as INSPECTION
from rankprobe.records.inspection import Inspection, inspection_of
from rankprobe.reporting.html import report_html, reports_html
from rankprobe.reporting.inspection_figure import plot_inspection
from rankprobe.reporting.inspection_html import inspection_html
from rankprobe.reporting.page import notes
from rankprobe.reporting.plots import (
    image_bytes,
    plot_curve,
    plot_rates,
    plot_results,
    png_bytes,
)
from rankprobe.reporting.wording import clean

_REASONS = {
    errno.ENOSPC: "there is no room left on the disk; free some and run the command again",
    errno.EDQUOT: "your disk quota is used up; free some and run the command again",
    errno.EACCES: "you may not write there; give another place with --out",
    errno.EPERM: "you may not write there; give another place with --out",
    errno.EROFS: "that disk is read-only; give another place with --out",
    errno.ENOTDIR: "a file stands where a folder is needed; give another place with --out",
    errno.EEXIST: "a file stands where a folder is needed; give another place with --out",
    errno.EISDIR: "a folder of that name is there; give another name",
}


def write_folder(result: Result, folder: str | Path) -> Path:
    """Write ``curve.png``, ``rates.png``, ``report.html`` and, last, ``result.json``.

    Everything is drawn before anything is written, and each file replaces its predecessor
    in one step.

    Args:
        result: A finished measurement.
        folder: Where to; made if missing.

    Returns:
        The folder.

    Raises:
        StoreError: The folder cannot be made or written to, or the disk is full.
    """
    folder = Path(folder)
    curve, rates = png_bytes(plot_curve(result)), png_bytes(plot_rates(result))
    page = report_html(result, curve_png=curve, rates_png=rates, learned=_learned(result))
    for name, content in (
        ("curve.png", curve),
        ("rates.png", rates),
        ("report.html", page.encode()),
        ("result.json", result.to_json().encode()),
    ):
        write_whole(folder / name, content)
    return folder


def draw_figure(results: Sequence[Result], out: str | Path) -> Path:
    """Draw one result's curve, or several results' recoveries, into one file.

    Args:
        results: One result or more.
        out: A file that ends in .png, .pdf or .svg.

    Returns:
        The file.

    Raises:
        ConfigError: Another suffix.
        StoreError: The file cannot be written.
    """
    axes = plot_curve(results[0]) if len(results) == 1 else plot_results(results)
    return write_figure(axes, out)


def write_figure(axes: Axes, out: str | Path) -> Path:
    """Write a figure in the format that the file's suffix names.

    Args:
        axes: Axes of the figure.
        out: A file that ends in .png, .pdf or .svg.

    Returns:
        The file.

    Raises:
        ConfigError: Another suffix.
        StoreError: The file cannot be written.
    """
    out = Path(out)
    try:
        content = image_bytes(axes, out.suffix)
    except ConfigError as error:
        raise ConfigError(
            Problem(problem.message, where=str(out), hint=problem.hint)
            for problem in error.problems
        ) from None
    return write_whole(out, content)


def write_report(results: Sequence[Result], out: str | Path) -> Path:
    """Write one self-contained HTML page about one result or several.

    Args:
        results: One result or more.
        out: A file that ends in .html.

    Returns:
        The file.

    Raises:
        ConfigError: Another suffix.
        StoreError: The file cannot be written.
    """
    out = Path(out)
    if out.suffix.lower() not in {".html", ".htm"}:
        raise ConfigError(
            Problem("a report is an HTML page", where=str(out), hint="use a name ending in .html")
        )
    pictures = [(png_bytes(plot_curve(r)), png_bytes(plot_rates(r))) for r in results]
    if len(results) == 1:
        curve, rates = pictures[0]
        learned = _learned(results[0])
        page = report_html(results[0], curve_png=curve, rates_png=rates, learned=learned)
    else:
        overview = png_bytes(plot_results(results))
        learned_of = [_learned(result) for result in results]
        page = reports_html(results, pictures, overview_png=overview, learned=learned_of)
    return write_whole(out, page.encode())


def write_inspection(result: Result, inspection: Inspection) -> Path:
    """Write what was learned into a result's run folder, and its report again.

    Args:
        result: A finished measurement, read from a run folder.
        inspection: Of that run.

    Returns:
        The folder.

    Raises:
        StoreError: The folder cannot be written to, or the disk is full.
    """
    assert result.folder is not None
    picture = png_bytes(plot_inspection(inspection))
    write_whole(result.folder / "inspection.png", picture)
    write_whole(result.folder / INSPECTION, inspection.to_json().encode())
    write_report([result], result.folder / "report.html")
    return result.folder


def _learned(result: Result) -> str:
    """The section on what was learned, where a run was inspected."""
    try:
        inspection = inspection_of(result)
    except ArtifactError as error:  # no reason to be without the rest
        return notes([clean(error)])
    if inspection is None:
        return ""
    return inspection_html(inspection, png_bytes(plot_inspection(inspection)))


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file beside its final name, then put it in place in one step.

    Args:
        path: The final name; its folder is made if missing.
        content: The whole file.

    Returns:
        The path.

    Raises:
        StoreError: It could not be written; what stood there before still does.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
        raise StoreError(f"{path}: not written: {reason}") from error
    return path
