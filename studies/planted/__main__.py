"""Measure the planted tasks: ``python -m studies.planted``; the same command resumes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from studies.command import guarded
from studies.planted.measure import measure_all


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure them all; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.planted", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/planted"), metavar="DIR")
    options = parser.parse_args(arguments)
    return guarded(lambda: measure_all(options.out))


if __name__ == "__main__":
    raise SystemExit(main())
