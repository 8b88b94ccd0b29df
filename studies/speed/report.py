"""What came out of the speed measurement: as a record and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studies import committed
from studies.markdown import not_measured, table

RESULTS = Path("speed/results/speed.json")
_COMMAND = "python -m studies.speed"


@dataclass(frozen=True)
class Timing:
    """One contender, timed.

    Attributes:
        name: Its name.
        members: Members that one step trains.
        milliseconds: Median over the rounds, per member-step.
        speedup: Median over the rounds of the single members' time over this one's.
        arithmetic: Millions of floating-point operations that a member-step needs.
        share: Share of the machine's matrix-product rate that those amount to.
        forward: Share of the time spent in the forward pass and the loss.
        backward: Share spent in the backward pass.
        update: Share spent in the optimiser.
    """

    name: str
    members: int
    milliseconds: float
    speedup: float
    arithmetic: float
    share: float
    forward: float
    backward: float
    update: float


@dataclass(frozen=True)
class Speed:
    """All timings of one run.

    Attributes:
        timings: The contenders; the first one is the single members.
        matrix_rate: Measured rate of float32 matrix products of 2048, in GFLOP/s.
        rounds: Rounds, in each of which every contender took its turn.
        provenance: Machine, threads, versions, date.
    """

    timings: tuple[Timing, ...]
    matrix_rate: float
    rounds: int
    provenance: Mapping[str, str]

    def to_json(self) -> str:
        """All of it as JSON text."""
        return committed.to_json(self)


def load(root: Path) -> Speed | None:
    """The committed timings; ``None`` while there are none.

    Raises:
        ArtifactError: They cannot be read.
    """
    return committed.load(Speed, root / RESULTS, command=_COMMAND)


def sentence(root: Path) -> str:
    """The gain of the largest cohort, in one sentence."""
    speed = load(root)
    if speed is None:
        return not_measured(_COMMAND)
    single = speed.timings[0]
    cohort = max(speed.timings, key=lambda timing: timing.members)
    return (
        f"A {cohort.name} takes {cohort.milliseconds:.2f} ms a member-step, a loop over single "
        f"members at its best {single.milliseconds:.2f} ms: {cohort.speedup:.1f} times as fast, at "
        f"{100 * cohort.share:.0f} % of the machine's matrix-product rate "
        f"({speed.provenance['threads']} threads)."
    )


def block(root: Path) -> str:
    """The sentence, the table and the provenance in Markdown."""
    speed = load(root)
    if speed is None:
        return not_measured(_COMMAND)
    made = speed.provenance
    return "\n\n".join(
        [
            f"**{sentence(root)}**",
            table(header(), rows(speed)),
            (
                f"- matrix products of 2048 in float32: {speed.matrix_rate:.0f} GFLOP/s\n"
                f"- measured: {made['date']}, {speed.rounds} rounds, {made['machine']}, "
                f"{made['threads']} threads, torch {made['torch']}"
            ),
        ]
    )


def header() -> list[str]:
    """Names of the columns of `rows`."""
    return ["", "ms", "speed-up", "MFLOP", "share", "forward", "backward", "update"]


def rows(speed: Speed) -> list[list[str]]:
    """One row a contender: all numbers are per member-step."""
    return [
        [
            timing.name,
            f"{timing.milliseconds:.2f}",
            f"{timing.speedup:.2f}",
            f"{timing.arithmetic:.0f}",
            *(
                f"{100 * share:.0f} %"
                for share in (timing.share, timing.forward, timing.backward, timing.update)
            ),
        ]
        for timing in speed.timings
    ]
