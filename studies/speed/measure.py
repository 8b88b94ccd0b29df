"""Time the contenders in one run, in interleaved rounds, so that a busy spell meets them all."""

from __future__ import annotations

import datetime
import itertools
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import torch

from studies.speed.contenders import (
    BATCH,
    Contender,
    Phases,
    batches,
    contenders,
    matrix_product,
    mean_phases,
)
from studies.speed.report import Speed, Timing

MATRIX = 2048


def measure(*, threads: int, seconds: float) -> Speed:
    """Time every contender.

    Args:
        threads: Threads of torch, the same for all.
        seconds: Time to spend; at least five rounds are made.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return _measure(contenders(), seconds, threads)
    finally:
        torch.set_num_threads(before)


def _measure(timed: Sequence[Contender], seconds: float, threads: int) -> Speed:
    data, product = itertools.cycle(batches()), matrix_product(MATRIX)
    counter = itertools.count()

    def turn(contender: Contender) -> Phases:
        phases = []
        for _ in range(contender.turns):
            for step in contender.steps:
                x, y = next(data)
                phases.append(step(x, y, next(counter)))
        return mean_phases(phases, contender.members)

    rounds: list[list[Phases]] = []
    products: list[float] = []
    with torch.random.fork_rng([]):
        for contender in timed:  # the first steps allocate memory and start threads
            turn(contender)
        end = time.perf_counter() + seconds
        while len(rounds) < 5 or time.perf_counter() < end:
            rounds.append([turn(contender) for contender in timed])
            products.append(product())
    rate = 2 * MATRIX**3 / median(products) / 1e9
    columns = list(zip(*rounds, strict=True))
    singles = [sum(phases) for phases in columns[0]]
    timings = [
        _timing(contender, column, singles, rate)
        for contender, column in zip(timed, columns, strict=True)
    ]
    return Speed(tuple(timings), round(rate, 1), len(rounds), _provenance(threads))


def _timing(
    contender: Contender, column: Sequence[Phases], singles: Sequence[float], rate: float
) -> Timing:
    """Medians of a contender's rounds.

    Args:
        contender: The contender.
        column: Milliseconds a member-step by phase, for each round.
        singles: The single members' milliseconds in the same rounds.
        rate: The machine's rate, in GFLOP/s.
    """
    totals = [sum(phases) for phases in column]
    milliseconds = median(totals)
    forward, backward, update = (
        round(median(phase / total for phase, total in zip(part, totals, strict=True)), 4)
        for part in zip(*column, strict=True)
    )
    ratios = [single / total for single, total in zip(singles, totals, strict=True)]
    return Timing(
        name=contender.name,
        members=contender.members,
        milliseconds=round(milliseconds, 4),
        speedup=round(median(ratios), 3),
        arithmetic=round(contender.arithmetic / 1e6, 2),
        share=round(contender.arithmetic / (milliseconds / 1000) / (rate * 1e9), 4),
        forward=forward,
        backward=backward,
        update=update,
    )


def _provenance(threads: int) -> dict[str, str]:
    return {
        "machine": _processor(),
        "threads": str(threads),
        "batch": str(BATCH),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _processor() -> str:
    """The processor's name, where the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
