"""What was learned, in sentences, and the names and numbers that tables share with them."""

from __future__ import annotations

from collections.abc import Sequence

from rankprobe.records.inspection import Inspection, Shortfall
from rankprobe.reporting.wording import clean


def findings(inspection: Inspection) -> list[str]:
    """What the tables say, in sentences."""
    return [line for line in (_beta_line(inspection), *_cut_lines(inspection)) if line]


def _beta_line(inspection: Inspection) -> str:
    betas = [value for item in inspection.adapters for value in item.beta.values]
    low, high = min(betas), max(betas)
    if low == high == 1.0:
        return "Beta is 1 everywhere: it was not trained."
    negative = sum(beta <= 0 for beta in betas)
    where = "above zero everywhere" if not negative else f"not above zero {negative} times"
    repeats = max(len(item.beta.values) for item in inspection.adapters)
    counts = ((len(inspection.layers), "layer"), (len(inspection.ranks), "rank"))
    over = ", ".join(f"{n} {word}{'s' * (n > 1)}" for n, word in (*counts, (repeats, "repeat")))
    return f"Beta lies between {number(low)} and {number(high)}, {where} ({over})."


def _cut_lines(inspection: Inspection) -> list[str]:
    """What keeps each rank from full training's score."""
    if not inspection.cuts:
        return []
    if len(inspection.full) < 2:
        return ["One repeat says nothing of how sure the differences are: measure more."]
    by: dict[Shortfall, list[int]] = {
        kind: [cut.rank for cut in inspection.cuts if kind in cut.shortfalls]
        for kind in ("optimisation", "capacity")
    }
    better = [cut.rank for cut in inspection.cuts if cut.gained.low > 0]
    worse, short = by["optimisation"], by["capacity"]
    below = f"{_ranks(short)} as trained {_is(short)} worse than full training"
    lines = [
        f"Optimisation: {_ranks(worse)} as trained {_is(worse)} worse than the cut.",
        f"Capacity: {below}, as the cut is.",
    ]
    if better:
        lines.append(
            f"{_ranks(better).capitalize()} as trained {_is(better)} better than the cut: training "
            "at a rank finds updates that are not in full training's, so the cut is no bound."
        )
    return lines


def _ranks(ranks: Sequence[int]) -> str:
    if not ranks:
        return "no rank"
    return f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}"


def _is(ranks: Sequence[int]) -> str:
    return "are" if len(ranks) > 1 else "is"


def layer_name(name: str, longest: int = 120) -> str:
    """A layer's name; of a long one the end, which tells layers apart."""
    name = clean(name) or "the network"
    return name if len(name) <= longest else f"...{name[3 - longest :]}"


def number(value: float) -> str:
    """A number of three significant digits."""
    return f"{value + 0.0:#.3g}".rstrip(".")
