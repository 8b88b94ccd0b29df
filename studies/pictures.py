"""Every picture of the studies, drawn from committed results; equal results give equal bytes."""

from __future__ import annotations

from pathlib import Path

from rankprobe.calibration.figure import draw as draw_calibration
from rankprobe.reporting.folder import write_whole
from rankprobe.reporting.grid_figure import plot_grid
from rankprobe.reporting.grid_folder import PICTURE as GRID_PICTURE
from rankprobe.reporting.plots import plot_curve, plot_rates, png_bytes
from studies.calibration import report as calibration
from studies.catalogue import (
    FAN_IN,
    FURTHER,
    GRIDS,
    KINDS,
    PUBLISHED_PROTOCOLS,
    REMOVAL_PAPER,
    ROOT,
    STUDIES,
    Measurement,
)
from studies.mnist import compare_paper
from studies.nine import figure as nine
from studies.nine.kinds import results as nine_results
from studies.nine.overview import PICTURE as NINE
from studies.ordering import report as ordering
from studies.planted import report as planted
from studies.scaffold import readings


def draw(measurement: Measurement, root: Path = ROOT) -> list[Path]:
    """Draw ``curve.png``, and ``rates.png`` where rates were tuned, beside a result.

    Raises:
        ArtifactError: The result cannot be read.
        StoreError: A picture cannot be written.
    """
    result = measurement.result(root)
    if result is None:
        return []
    folder = measurement.results(root)
    drawn = [write_whole(folder / "curve.png", png_bytes(plot_curve(result)))]
    ranks = [rate.rank for rate in result.rates]
    if len(set(ranks)) < len(ranks):
        drawn.append(write_whole(folder / "rates.png", png_bytes(plot_rates(result))))
    return drawn


def draw_all(root: Path = ROOT) -> list[Path]:
    """Draw the pictures of every study that has results; returns them.

    The tasks of the ordering study share one picture, and so do the nine kinds of task.

    Raises:
        ArtifactError: A result cannot be read.
        StoreError: A picture cannot be written.
    """
    own = (*STUDIES, *KINDS, *FURTHER, *PUBLISHED_PROTOCOLS)
    drawn = [picture for measurement in own for picture in draw(measurement, root)]
    for measurement in (*GRIDS, FAN_IN, REMOVAL_PAPER):
        if (grid := measurement.grid(root)) is not None:
            content = png_bytes(plot_grid(grid))
            drawn.append(write_whole(measurement.results(root) / GRID_PICTURE, content))
    drawn += readings.draw(root)
    if kinds := nine_results(root):
        drawn.append(write_whole(root / NINE, png_bytes(nine.plot(kinds))))
    if (results := compare_paper.load(root)) is not None:
        content = png_bytes(compare_paper.plot(results))
        drawn.append(write_whole(root / compare_paper.PICTURE, content))
    if tasks := ordering.load(root):
        content = png_bytes(ordering.plot(tasks))
        drawn.append(write_whole(root / ordering.PICTURE, content))
    if (outcomes := planted.load(root)) is not None:
        content = png_bytes(planted.plot(outcomes))
        drawn.append(write_whole(root / planted.PICTURE, content))
    if (calibrated := calibration.load(root)) is not None:
        content = png_bytes(draw_calibration(calibrated.outcomes))
        drawn.append(write_whole(root / calibration.PICTURE, content))
    return drawn
