"""A finished grid: one result a combination of settings, and how they compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rankprobe.records.comparison import Comparison
from rankprobe.records.result import Result

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


GRID_FILE = "grid.json"


@dataclass(frozen=True)
class Grid:
    """Measurements of one task that differ in the settings under ``vary``.

    Attributes:
        name: Name of the grid.
        vary: Values by dotted setting, in order.
        settings: Values by dotted setting, by combination.
        results: The result of every combination, by the same names and in the order of the
            product; each is what measuring it alone gives.
        comparison: Their minimal ranks against each other.
        cost: What all of them took together, ``seconds``, ``members`` and ``steps``: a training
            that several share counts once.
        folder: The folder it was written to or read from.
    """

    name: str
    vary: Mapping[str, tuple[Any, ...]]
    settings: Mapping[str, Mapping[str, Any]]
    results: Mapping[str, Result]
    comparison: Comparison = field(repr=False)
    cost: Mapping[str, float] = field(default_factory=dict)
    folder: Path | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """A line a combination."""
        from rankprobe.reporting.grid_words import lines

        return "\n".join(lines(self))

    def __repr__(self) -> str:
        """What it is in one line; the results of all combinations would be pages."""
        varied = " x ".join(f"{key} ({len(values)})" for key, values in self.vary.items())
        return f"Grid({self.name!r}, {len(self.results)} combinations of {varied})"

    def frame(self) -> pd.DataFrame:
        """One row a combination and rank: its settings, score with interval, and recovery.

        Full training's rows have the rank ``"full"``. One row a combination, with its minimal
        rank, is ``comparison.frame()``.
        """
        import pandas as pd

        rows = []
        for name, result in self.results.items():
            values = {key: _word(value) for key, value in self.settings[name].items()}
            of = {"combination": name, **values}
            rows += [
                {
                    **of,
                    "rank": point.rank,
                    "score": point.mean,
                    "low": point.low,
                    "high": point.high,
                    "recovery": point.recovery.mean,
                }
                for point in result.points
            ]
            full = result.baseline
            rows.append(
                {
                    **of,
                    "rank": "full",
                    "score": full.mean,
                    "low": full.low,
                    "high": full.high,
                    "recovery": 1.0,
                }
            )
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw recovery against rank; see `rankprobe.reporting.grid_figure.plot_grid`."""
        from rankprobe.reporting.grid_figure import plot_grid

        return plot_grid(self, ax=ax)

    def to_json(self, *, results: bool = True) -> str:
        """The grid as JSON text, with all its results, or only the names of their folders."""
        from rankprobe.grid_file import grid_to_json

        return grid_to_json(self, results=results)

    def save(self, folder: str | Path | None = None) -> Path:
        """Write a run folder a combination, ``comparison.png``, ``report.html``, ``grid.json``.

        Returns:
            The folder.
        """
        from rankprobe.reporting.grid_folder import write_grid

        target = Path(folder) if folder is not None else self.folder
        return write_grid(self, target if target is not None else Path("runs") / self.name)


def _word(value: Any) -> Any:
    """A value as a cell of a table holds it."""
    return str(value) if isinstance(value, Mapping | list | tuple) else value
