"""How often the intervals hold the truth: ``python -m studies.coverage``.

Every pair is drawn from its own number, so that more pairs extend the same study.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from rankprobe.calibration.proportions import clopper_pearson
from rankprobe.reporting.folder import write_whole
from studies.command import guarded
from studies.coverage.pairs import covers, draw_pair
from studies.coverage.sizes import LAWS, SIZES, draw_sweep, is_wrong

FILE = Path(__file__).parent / "results" / "coverage.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, count, and write what was counted."""
    parser = argparse.ArgumentParser(prog="python -m studies.coverage", description=__doc__)
    parser.add_argument("--pairs", type=int, default=600, metavar="N")
    parser.add_argument("--sweeps", type=int, default=30, metavar="N", help="of every kind")
    parser.add_argument("--workers", type=int, default=1, metavar="N")
    parser.add_argument("--out", type=Path, default=FILE, metavar="FILE")
    options = parser.parse_args(arguments)
    return guarded(
        lambda: study(
            options.pairs, sweeps=options.sweeps, workers=options.workers, out=options.out
        )
    )


def study(pairs: int, *, sweeps: int, workers: int, out: Path) -> None:
    """Simulate so many pairs, and sweeps of every kind, and write what was counted."""
    kinds = [(n, law, noise) for n in SIZES for law in LAWS for noise in (0.05, 0.15)]
    with ProcessPoolExecutor(workers) as pool:
        swept = list(pool.map(sweeps_of, kinds, [sweeps] * len(kinds)))
        rows = [row for both in pool.map(one_pair, range(pairs), chunksize=8) for row in both]
    found = {basis: coverage([r for r in rows if r["basis"] == basis]) for basis in _BASES}
    in_all = {
        "sweeps": sum(row["sweeps"] for row in swept),
        "wrong": sum(row["wrong"] for row in swept),
        "slope_covered": round(float(np.mean([row["slope_covered"] for row in swept])), 4),
    }
    text = json.dumps(
        {"schema": 1, "transition": found, "capacity": {**in_all, "kinds": swept}}, indent=1
    )
    write_whole(out, f"{text}\n".encode())
    print(text)


_BASES = ("examples", "scores")


def one_pair(number: int) -> list[dict[str, Any]]:
    """What is read from one simulated pair, on either basis."""
    pair = draw_pair(np.random.default_rng([7, number]))
    rows = []
    for paired in (True, False):
        found = pair.transition(paired=paired)
        ends = (found.low, found.high)
        width = None if None in ends else ends[1] - ends[0]  # type: ignore[operator]
        rows.append(
            {
                "basis": found.basis,
                "repeats": found.repeats,
                "verdict": found.verdict,
                "covered": covers(found, pair.truth),
                "width": width,
                "truth": pair.truth,
            }
        )
    return rows


def sweeps_of(kind: tuple[int, str, float], count: int) -> dict[str, Any]:
    """What is said of sweeps of one kind: so many sizes, a law, and the noise of a rank."""
    sizes, law, noise = kind
    verdicts: Counter[str] = Counter()
    wrong = covered = 0
    for number in range(count):
        generator = np.random.default_rng([13, sizes, number])
        sweep = draw_sweep(LAWS[law], SIZES[sizes], noise=noise, generator=generator)
        trend = sweep.capacity().trend("rank")
        slope = sweep.slope(trend.over)
        verdicts[trend.verdict] += 1
        wrong += is_wrong(trend.verdict, slope)
        covered += trend.slope.low <= slope <= trend.slope.high
    return {
        "sizes": sizes,
        "law": law,
        "noise_log2": noise,
        "true_slope": round(slope, 3),
        "sweeps": count,
        "wrong": wrong,
        "slope_covered": round(covered / count, 4),
        "verdicts": dict(verdicts),
    }


def coverage(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Share of the intervals that hold the truth, in all and by repeats, and their widths."""

    def counted(part: Sequence[dict[str, Any]]) -> dict[str, Any]:
        covered = sum(row["covered"] for row in part)
        low, high = clopper_pearson(covered, len(part))
        widths = [row["width"] / row["truth"] for row in part if row["width"] is not None]
        return {
            "pairs": len(part),
            "covered": round(covered / len(part), 4),
            "limits": [round(low, 4), round(high, 4)],
            "median_width_over_rank": round(float(np.median(widths)), 3) if widths else None,
        }

    by_repeats = {
        str(repeats): counted([row for row in rows if row["repeats"] == repeats])
        for repeats in sorted({row["repeats"] for row in rows})
    }
    verdicts = dict(Counter(row["verdict"] for row in rows))
    return {**counted(rows), "by_repeats": by_repeats, "verdicts": verdicts}


if __name__ == "__main__":
    raise SystemExit(main())
