"""Measure the full calibration and publish it: ``python -m studies.calibration``.

The same command goes on where an interrupted one stopped.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from studies.calibration.publish import measure_and_publish
from studies.command import guarded


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, publish; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.calibration", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/calibration"), metavar="DIR")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (one a core)")
    options = parser.parse_args(arguments)
    return guarded(lambda: print(measure_and_publish(options.out, workers=options.workers)))


if __name__ == "__main__":
    raise SystemExit(main())
