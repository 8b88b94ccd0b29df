"""Time training steps: ``python -m studies.speed``, on a machine that does nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.table import Table

from rankprobe.reporting.printing import show
from studies.catalogue import ROOT
from studies.command import guarded
from studies.speed.report import RESULTS, Speed, header, rows, sentence


def main(arguments: Sequence[str] | None = None) -> int:
    """Time, print, write the results and the README; returns the exit status."""
    from rankprobe.reporting.folder import write_whole
    from rankprobe.search.setup import threads
    from studies.readme import refresh
    from studies.speed.measure import measure

    parser = argparse.ArgumentParser(prog="python -m studies.speed", description=__doc__)
    parser.add_argument("--threads", type=int, default=threads(), metavar="N")
    parser.add_argument("--seconds", type=float, default=50.0, metavar="S")
    options = parser.parse_args(arguments)

    def work() -> None:
        speed = measure(threads=options.threads, seconds=options.seconds)
        write_whole(ROOT / RESULTS, speed.to_json().encode())
        refresh()
        _show(speed)

    return guarded(work)


def _show(speed: Speed) -> None:
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, name in enumerate(header()):
        shown.add_column(name, justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows(speed):
        shown.add_row(*row)
    show(shown)
    show(f"matrix products: {speed.matrix_rate:.0f} GFLOP/s; {speed.rounds} rounds")
    show(sentence(ROOT))


if __name__ == "__main__":
    raise SystemExit(main())
