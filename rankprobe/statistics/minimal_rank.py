"""The smallest rank that reaches a target, its interval, and the verdict on both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import isotonic_regression

from rankprobe.errors import TrainingError
from rankprobe.records import MinimalRank, Verdict
from rankprobe.statistics.evidence import Evidence
from rankprobe.statistics.table import Floor, Row, ScoreTable, resolve_floor, tabulate
from rankprobe.statistics.variance import Estimate, Moments

FEW_REPEATS = 3
"""Below this many repeats a result is flagged `few_repeats`."""

_FLAGS = (
    "adapter_beats_baseline",
    "imprecise",
    "grid",
    "adapter_not_converged",
    "rate_at_edge",
    "few_repeats",
    "failed_members",
    "imbalanced",
    "duplicates_across_splits",
)


@dataclass(frozen=True, eq=False)
class Standing:
    """Where one rank stands against the target.

    Attributes:
        row: The rank.
        pair: Moments of its gain and of full training's gain over the floor.
        surplus: Gain minus target * full gain: at or above 0 the rank reaches the target.
        level: One-sided confidence level of a decision.
    """

    row: Row
    pair: Moments
    surplus: Estimate
    level: float

    @property
    def reaches(self) -> bool:
        """By its mean; an exact tie, but for rounding, counts."""
        return self.surplus.mean >= -1e-12

    @property
    def surely_below(self) -> bool:
        """Below the target by more than noise; never with a single repeat."""
        return self.pair.n_repeats > 1 and self.surplus.high(self.level) < 0.0

    @property
    def surely_reaches(self) -> bool:
        """At the target or above by more than noise; never with a single repeat."""
        return self.pair.n_repeats > 1 and self.surplus.low(self.level) >= 0.0


def find_minimal_rank(
    evidence: Evidence, *, target: float, floor: str = "auto", confidence: float = 0.95
) -> MinimalRank:
    """The minimal rank alone, without the fitted curve.

    Raises:
        ConfigError: A floor that the metric or the measurement does not allow.
        TrainingError: Nothing to compare: full training or every rank failed.
    """
    table = tabulate(evidence)
    return minimal_rank(
        table, target=target, floor=resolve_floor(evidence.metric, floor), confidence=confidence
    )


def bracket(
    evidence: Evidence, *, target: float, floor: str = "auto", confidence: float = 0.95
) -> tuple[int | None, int | None]:
    """The measured ranks between which the target is crossed.

    Returns:
        The largest measured rank before the crossing, ``None`` if the smallest measured rank
        reaches the target; and the smallest that reaches it, ``None`` if none does. The second
        is `MinimalRank.value` unless a verdict withholds it.

    Raises:
        ConfigError, TrainingError: As `find_minimal_rank`.
    """
    table, resolved = tabulate(evidence), resolve_floor(evidence.metric, floor)
    standings = stand(table, target=target, floor=resolved, confidence=confidence)
    return find_bracket(table, standings, confidence=confidence)


def stand(table: ScoreTable, *, target: float, floor: Floor, confidence: float) -> list[Standing]:
    """Every rank against the target, ascending.

    Raises:
        TrainingError: No rank shares a finished repeat with full training and floor.
    """
    floor_values = table.floor_values(floor)
    standings = []
    for row in table.rows:
        pair = table.gains(row, table.baseline, floor=floor_values)
        if pair is not None:
            surplus = pair.contrast(1.0, -target)
            standings.append(Standing(row, pair, surplus, (1.0 + confidence) / 2.0))
    if not standings:
        raise TrainingError(
            "no rank shares a finished repeat with both full training and the head alone; "
            "write `floor: chance`, or measure more repeats"
        )
    return standings


def find_bracket(
    table: ScoreTable, standings: list[Standing], *, confidence: float
) -> tuple[int | None, int | None]:
    """The measured ranks on both sides of the crossing, as `bracket` returns them."""
    rising = standings[: find_fall(table, standings, confidence=confidence)]
    crossing = find_crossing(rising)
    if crossing is None:
        return standings[-1].row.rank, None
    return rising[crossing - 1].row.rank if crossing else None, rising[crossing].row.rank


def find_crossing(standings: list[Standing]) -> int | None:
    """Index of the first rank that reaches the target and is not contradicted by later ones.

    The surpluses are made monotone in rank first (weighted isotonic regression), so a lucky
    rank followed by worse ones does not count, and one unlucky rank among good ones does not
    either. The first rank of a pooled block is never worse than the block: the rank named has
    itself a mean at or above the target.
    """
    surplus = np.array([item.surplus.mean for item in standings])
    variance = np.array([item.surplus.error**2 for item in standings])
    least = max(1e-6 * float(variance.max()), 1e-300)
    smooth = isotonic_regression(surplus, weights=least / np.maximum(variance, least)).x
    reached = np.flatnonzero(smooth >= -1e-12)
    return int(reached[0]) if len(reached) else None


def minimal_rank(
    table: ScoreTable, *, target: float, floor: Floor, confidence: float
) -> MinimalRank:
    """Verdict, value and interval, in the order of precedence of the verdicts.

    The interval holds every integer that the tests of single ranks cannot exclude, if recovery
    does not fall with rank. ``low``: ranks are excluded from the smallest upwards while they are
    surely below the target. ``high``: the smallest rank, from the value upwards, that surely
    reaches it, none of the later means falling below it: otherwise each of several ranks just
    below the target would have its chance to pass for sure. With a single repeat nothing is
    sure, and the interval is open but for rank 1.
    """
    standings = stand(table, target=target, floor=floor, confidence=confidence)
    fall = find_fall(table, standings, confidence=confidence)
    # Past a fall the curve is not monotone, and the first crossing is what the definition asks.
    rising = standings[:fall]
    crossing = find_crossing(rising)
    flags = _flags(table, standings, crossing, confidence=confidence)
    flags |= {"head_reaches_target"} if head_reaches(table, target=target, floor=floor) else set()
    withheld: Verdict | None = None
    if not has_signal(table, confidence=confidence):
        withheld = "no_signal"
    elif {"not_converged", "rate_at_edge"} & set(table.evidence.baseline.flags):
        withheld = "baseline_suspect"
    if withheld is not None:
        return _answer(None, None, None, confidence, withheld, flags)
    if crossing is None:
        last = standings[-1]
        flags |= set() if last.surely_below else {"imprecise"}
        return _answer(None, last.row.rank + 1, None, confidence, "above_largest", flags)
    value = rising[crossing].row.rank
    if crossing == 0 and value > 1 and fall is None:
        flags |= set() if rising[0].surely_reaches else {"imprecise"}
        return _answer(None, None, value, confidence, "at_or_below_smallest", flags)
    low, high = _interval(rising, crossing)
    flags |= {"imprecise"} if _is_wide(value, low, high) else set()
    flags |= {"grid"} if value != (rising[crossing - 1].row.rank if crossing else 0) + 1 else set()
    verdict: Verdict = "resolved" if fall is None else "not_monotone"
    evidence = rising[crossing].row.evidence
    return replace(
        _answer(value, low, high, confidence, verdict, flags),
        degrees_of_freedom=evidence.adapter_parameters,
        share=evidence.adapter_parameters / table.baseline.evidence.trainable,
    )


def has_signal(table: ScoreTable, *, confidence: float) -> bool:
    """Whether full training beats chance by more than noise, whatever the floor."""
    gain = table.gains(table.baseline, floor=table.floor_values("chance"))
    assert gain is not None, "the table has a baseline"
    return gain.contrast(1.0).low((1.0 + confidence) / 2.0) > 0.0


def head_reaches(table: ScoreTable, *, target: float, floor: Floor) -> bool:
    """Whether the head alone, rank 0, already reaches the target on average."""
    if table.head is None or floor == "head":
        return False
    pair = table.gains(table.head, table.baseline, floor=table.floor_values(floor))
    return pair is not None and pair.contrast(1.0, -target).mean >= 0.0


def find_fall(table: ScoreTable, standings: list[Standing], *, confidence: float) -> int | None:
    """Index of the first rank that falls below the target again by more than noise.

    It must be surely below the target and surely worse than an earlier rank that reaches it,
    at a level shared among the ranks past that one (Bonferroni).
    """
    reached = [index for index, item in enumerate(standings) if item.reaches]
    if not reached:
        return None
    later = range(reached[0] + 1, len(standings))
    level = 1.0 - (1.0 - confidence) / 2.0 / max(len(later), 1)
    no_floor = table.floor_values("none")
    for index in later:
        item = standings[index]
        if not item.surely_below or item.surplus.high(level) >= 0.0:
            continue
        for earlier in (standings[k] for k in reached if k < index):
            drop = table.gains(earlier.row, item.row, floor=no_floor)
            if drop and drop.n_repeats > 1 and drop.contrast(1.0, -1.0).low(level) > 0.0:
                return index
    return None


def beats_baseline(standing: Standing, *, confidence: float, among: int) -> bool:
    """Whether an adapter beats full training by more than noise, one of ``among`` such tests."""
    level = 1.0 - (1.0 - confidence) / 2.0 / among
    return standing.pair.n_repeats > 1 and standing.pair.contrast(1.0, -1.0).low(level) > 0.0


def _interval(standings: list[Standing], crossing: int) -> tuple[int | None, int | None]:
    open_ranks = (k for k, item in enumerate(standings) if not item.surely_below)
    first = next(open_ranks)  # at the latest the crossing: its mean reaches the target
    low = standings[first - 1].row.rank + 1 if first else None
    if first == 0 and standings[0].row.rank == 1:
        low = 1
    backed = (
        item.row.rank
        for k, item in enumerate(standings[crossing:], crossing)
        if item.surely_reaches and all(later.reaches for later in standings[k + 1 :])
    )
    return low, next(backed, None)


def _is_wide(value: int, low: int | None, high: int | None) -> bool:
    """Wider than one rank up to rank 8, than a quarter of the rank above; or open."""
    return low is None or high is None or high - low > (1 if value <= 8 else value / 4)


def _flags(
    table: ScoreTable, standings: list[Standing], crossing: int | None, *, confidence: float
) -> set[str]:
    """Flags that do not depend on the verdict; ranks next to the crossing decide it."""
    flags = set(table.evidence.flags)
    last = len(standings) - 1 if crossing is None else crossing
    deciding = standings[max(last - 1, 0) : last + 1]
    raised = {flag for item in deciding for flag in item.row.evidence.flags}
    flags |= {"adapter_not_converged"} if "not_converged" in raised else set()
    flags |= {"rate_at_edge"} & raised
    if min(item.pair.n_repeats for item in deciding) < FEW_REPEATS:
        flags.add("few_repeats")
    among = len(standings)
    if any(beats_baseline(item, confidence=confidence, among=among) for item in standings):
        flags.add("adapter_beats_baseline")
    measured = [*table.evidence.ranks, table.evidence.baseline]
    if any(np.isnan(item.scores).any() for item in measured):
        flags.add("failed_members")
    return flags


def _answer(
    value: int | None,
    low: int | None,
    high: int | None,
    confidence: float,
    verdict: Verdict,
    flags: set[str],
) -> MinimalRank:
    ordered = (*(flag for flag in _FLAGS if flag in flags), *sorted(flags - set(_FLAGS)))
    return MinimalRank(value, low, high, confidence, verdict, ordered)
