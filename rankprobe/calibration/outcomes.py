"""Outcomes: one row a task, as it was planted and as it was found."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """A minimal rank as it was read.

    Attributes:
        value: The rank; ``None`` where none was named.
        low: Lower end of its interval; ``None``: open.
        high: Upper end; ``None``: open.
        verdict: The verdict, or ``failed``.
        flags: The flags.
    """

    value: int | None
    low: int | None
    high: int | None
    verdict: str
    flags: tuple[str, ...] = ()

    @property
    def has_interval(self) -> bool:
        """Whether anything at all is excluded, or a rank is named."""
        return self.low is not None or self.high is not None or self.value is not None

    @property
    def width(self) -> float:
        """Upper less lower end; infinite where an end is open."""
        return math.inf if self.low is None or self.high is None else self.high - self.low

    def covers(self, rank: int) -> bool:
        """Whether a rank lies in the interval."""
        return (self.low is None or self.low <= rank) and (self.high is None or rank <= self.high)

    def agrees(self, other: Answer) -> bool:
        """Whether two intervals share a rank, or neither answer has one."""
        if not (self.has_interval and other.has_interval):
            return self.has_interval is other.has_interval
        ends = (self.low, other.low, self.high, other.high)
        low = max((end for end in ends[:2] if end is not None), default=0)
        high = min((end for end in ends[2:] if end is not None), default=math.inf)
        return low <= high


@dataclass(frozen=True)
class Checked:
    """Recovery at one preset rank.

    Attributes:
        rank: The rank.
        mean: As measured.
        low: Lower limit of its interval; ``None``: unbounded.
        high: Upper limit; ``None``: unbounded.
        reference: As the reference finds it.
        reference_margin: Half the width of the reference's own interval.
        closed_form: In closed form; linear tasks alone.
        run: ``first`` or ``again``.
    """

    rank: int
    mean: float
    low: float | None
    high: float | None
    reference: float
    reference_margin: float
    closed_form: float | None
    run: str

    @property
    def covered(self) -> bool:
        """Whether the estimate is as near the reference as both their margins allow.

        The two are independent given the training rows, so their margins add in squares.
        """
        end = self.low if self.reference < self.mean else self.high
        own = math.inf if end is None else abs(end - self.mean)
        return abs(self.reference - self.mean) <= math.hypot(own, self.reference_margin) + 1e-9

    @property
    def covers_closed_form(self) -> bool | None:
        """Whether the interval alone holds the closed form."""
        if self.closed_form is None:
            return None
        low, high = self.low, self.high
        above = low is None or low <= self.closed_form + 1e-9
        return above and (high is None or self.closed_form <= high + 1e-9)


@dataclass(frozen=True)
class Outcome:
    """One task, as it was planted and as it was found.

    Attributes:
        name: Name of its folder.
        kind: ``linear``, ``teacher`` or ``control``.
        stratum: ``clear`` or ``near tie`` (linear), ``confirmed`` or ``unconfirmed`` (teacher:
            whether its reference finds the planted rank), ``control``.
        k: The planted rank; ``None`` for a control.
        d: Number of inputs.
        m: Number of outputs, or classes.
        n: Number of examples.
        noise: Standard deviation of the noise over the signal's.
        decay: Ratio of neighbouring singular values; ``None`` but for linear tasks.
        expected: The minimal rank that follows; ``None`` for a control.
        distance: Of the nearest recovery from the target, linear tasks alone.
        reference_rank: The minimal rank by the reference's means; ``None`` where the ranks it
            measured leave it open.
        found: As found with every repeat.
        repeats: Number of repeats.
        fewer: As found in the first few repeats of the same trainings, by their number.
        again: As found by a second measurement.
        points: Recovery at the preset ranks that both runs measured.
        baseline: Score of full training; ``None`` where every repeat failed.
        seconds: Processor time of all its measurements.
    """

    name: str
    kind: str
    stratum: str
    k: int | None
    d: int
    m: int
    n: int
    noise: float
    decay: float | None
    expected: int | None
    distance: float | None
    reference_rank: int | None
    found: Answer
    repeats: int
    fewer: tuple[tuple[int, Answer], ...]
    again: Answer | None
    points: tuple[Checked, ...]
    baseline: float | None
    seconds: float

    @property
    def exact(self) -> bool:
        """Whether the rank found is the rank expected."""
        return self.found.value is not None and self.found.value == self.expected

    @property
    def within_one(self) -> bool:
        """Whether it is at most one rank away."""
        found, expected = self.found.value, self.expected
        return found is not None and expected is not None and abs(found - expected) <= 1
