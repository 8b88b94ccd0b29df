"""Measure a study from nothing to its committed results: ``python -m studies.run mnist``.

Fetches the data, measures into ``runs/NAME``, publishes. The same command goes on where an
interrupted one stopped, so that long studies can run in the background:
``nohup nice python -m studies.run imdb > runs/imdb.log 2>&1 &``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rankprobe.records import Result
from studies.catalogue import MEASUREMENTS, find
from studies.command import guarded
from studies.fetch import fetch
from studies.planted.measure import measure_all
from studies.publish import publish


def run(name: str, *, runs: Path, device: str = "auto", workers: int | None = None) -> None:
    """Fetch, measure and publish one measurement.

    Args:
        name: A name of the catalogue.
        runs: Folder of run folders.
        device: ``auto``, ``cpu`` or ``cuda``.
        workers: Local worker processes; by default this process trains.

    Raises:
        ConfigError, DataError, StoreError: Found wrong before training starts.
        TrainingError: A failure while running; what finished is kept.
    """
    import rankprobe
    from rankprobe.progress import Watch
    from rankprobe.records.grid import Grid
    from rankprobe.reporting import grid_words, tables
    from rankprobe.reporting.printing import show

    measurement = find(name)
    for data in measurement.fetched:
        fetch(data)
    folder = runs / name
    measured: Result | Grid
    with Watch() as watch:
        measured = rankprobe.measure(
            measurement.config(),
            out=folder,
            device=device,
            workers=workers,
            trust=measurement.trust,
            progress=watch,
            **measurement.overrides,
        )
    words = grid_words.summary(measured) if isinstance(measured, Grid) else tables.summary(measured)
    show(words)
    print(publish(folder))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the studies that are named, or all; returns the exit status."""
    every = [*(measurement.name for measurement in MEASUREMENTS), "planted"]
    parser = argparse.ArgumentParser(prog="python -m studies.run", description=__doc__)
    parser.add_argument("names", nargs="*", default=every, metavar="NAME", help=", ".join(every))
    parser.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--workers", type=int, metavar="N", help="local worker processes")
    options = parser.parse_args(arguments)

    def work() -> None:
        names = [member for name in options.names for member in _members(name)]
        for name in names:
            if name != "planted":
                find(name)  # a wrong name shows before hours have passed
        for name in names:
            if name == "planted":
                measure_all(options.runs / "planted")
            else:
                run(name, runs=options.runs, device=options.device, workers=options.workers)

    return guarded(work)


def _members(name: str) -> list[str]:
    """All measurements of a study where no single one bears its name."""
    names = [measurement.name for measurement in MEASUREMENTS]
    members = [m.name for m in MEASUREMENTS if f"{m.study}/".startswith(f"{name}/")]
    return [name] if name in names else members or [name]


if __name__ == "__main__":
    raise SystemExit(main())
