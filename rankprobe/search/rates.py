"""Which learning rates may be used."""

from __future__ import annotations

from dataclasses import dataclass

# Half decades: 10 ** (k / 2), rounded to two digits. Five candidates each; adapters of a frozen
# network want rates about three times those of full training.
_ADAPTER_GRID = range(-6, -1)
_BASELINE_GRID = range(-7, -2)
EXTENSIONS = 3  # candidates that may be added while the best one sits at the edge


@dataclass(frozen=True)
class Rates:
    """The learning rates that a measurement may use.

    Attributes:
        adapter: Candidates of every rank, ascending; one of them is a fixed rate; ``None``: a
            grid that grows while the best rate sits at its edge.
        baseline: Likewise, of full training.
    """

    adapter: tuple[float, ...] | None = None
    baseline: tuple[float, ...] | None = None

    def given(self, rank: int | None) -> tuple[float, ...] | None:
        """What was given for a rank, or for the baseline."""
        return self.baseline if rank is None else self.adapter

    def first(self, rank: int | None) -> tuple[float, ...]:
        """The candidates that a rank, or the baseline, starts with."""
        return self.given(rank) or grid(rank)

    def fixed(self, rank: int | None) -> float | None:
        """The one rate there is, where nothing is to be tuned."""
        given = self.given(rank)
        return given[0] if given and len(given) == 1 else None

    def most(self, rank: int | None) -> int:
        """How many candidates there can be."""
        return len(self.first(rank)) + (EXTENSIONS if self.given(rank) is None else 0)


def grid(rank: int | None) -> tuple[float, ...]:
    """The candidates that are tried where none are given."""
    return tuple(rounded_rate(k) for k in (_BASELINE_GRID if rank is None else _ADAPTER_GRID))


def rounded_rate(halves: int) -> float:
    """A rate of so many half decades, rounded to two digits."""
    return float(f"{10 ** (halves / 2):.2g}")


ANY_RATE = Rates()
