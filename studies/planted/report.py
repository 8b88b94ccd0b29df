"""What came out of the planted tasks: as a record, a table, a figure and Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from rich.table import Table

from rankprobe.calibration.linear import PlantedTask
from rankprobe.reporting.style import BLUE, GREY, INK, VERMILLION, styled
from rankprobe.reporting.wording import duration, percent
from studies import committed
from studies.markdown import machine_words, not_measured, table

RESULTS = Path("planted/results/results.json")
PICTURE = Path("planted/results/planted.png")
_COMMAND = "python -m studies.planted"
_COLUMNS = 4
_TARGET: dict[str, Any] = {"color": INK, "linewidth": 0.8, "linestyle": "--"}
_EXPECTED: dict[str, Any] = {"color": GREY, "linewidth": 0.8, "linestyle": ":"}
_CLOSED_FORM: dict[str, Any] = {"color": BLUE, "linewidth": 1.2}
_MEASURED: dict[str, Any] = {
    "color": VERMILLION,
    "linestyle": "none",
    "marker": "o",
    "markersize": 4.5,
    "markerfacecolor": "none",
}
_TIE = 0.02  # margin below which a task counts as close to a tie


@dataclass(frozen=True)
class Outcome:
    """One planted task, measured.

    Attributes:
        task: Its parameters.
        recovery: Best recovery at ranks 1, 2, ... in closed form.
        expected: Minimal rank that follows.
        margin: Distance of the nearest recovery from the target.
        value: The minimal rank that was found, with its interval, verdict and flags.
        low: Lower end of the interval.
        high: Upper end of the interval.
        verdict: The verdict.
        flags: The flags.
        ranks: The measured ranks.
        measured: Mean measured recovery at each of them.
        baseline: R² of full training.
        epochs: Length of every training.
        seconds: Training time.
    """

    task: PlantedTask
    recovery: tuple[float, ...]
    expected: int
    margin: float
    value: int | None
    low: int | None
    high: int | None
    verdict: str
    flags: tuple[str, ...]
    ranks: tuple[int, ...]
    measured: tuple[float, ...]
    baseline: float
    epochs: int
    seconds: float

    @property
    def exact(self) -> bool:
        """Whether the rank found is the rank expected."""
        return self.value == self.expected

    @property
    def found(self) -> str:
        """The rank found with its interval, or the verdict."""
        if self.value is None:
            return self.verdict.replace("_", " ")
        high = "" if self.high is None else str(self.high)
        low = "" if self.low is None else str(self.low)
        return f"{self.value} ({low}-{high})"

    @property
    def error(self) -> float:
        """Largest distance of a measured recovery from the closed form."""
        pairs = zip(self.ranks, self.measured, strict=True)
        return max(abs(measured - self.recovery[rank - 1]) for rank, measured in pairs)


@dataclass(frozen=True)
class Outcomes:
    """All planted tasks, with the target and where and when they were measured."""

    outcomes: tuple[Outcome, ...]
    target: float
    provenance: Mapping[str, str]

    @property
    def exact(self) -> int:
        """How many ranks were found exactly."""
        return sum(outcome.exact for outcome in self.outcomes)

    def to_json(self) -> str:
        """All of it as JSON text."""
        return committed.to_json(self)


def load(root: Path) -> Outcomes | None:
    """The committed results; ``None`` while there are none.

    Raises:
        ArtifactError: They cannot be read.
    """
    return committed.load(Outcomes, root / RESULTS, command=_COMMAND)


def sentence(root: Path) -> str:
    """How many planted ranks were found, in one sentence."""
    outcomes = load(root)
    if outcomes is None:
        return not_measured(_COMMAND)
    total = len(outcomes.outcomes)
    worst = max(outcome.error for outcome in outcomes.outcomes)
    return (
        f"With default settings the planted minimal rank at {percent(outcomes.target)} was found "
        f"exactly in {outcomes.exact} of {total} linear tasks; no measured recovery is further "
        f"than {worst:.3f} from its closed form."
    )


def block(root: Path) -> str:
    """The sentence, the figure, the table and the provenance in Markdown."""
    outcomes = load(root)
    if outcomes is None:
        return not_measured(_COMMAND)
    made = outcomes.provenance
    seconds = sum(outcome.seconds for outcome in outcomes.outcomes)
    return "\n\n".join(
        [
            f"**{sentence(root)}**",
            f"![measured recovery over the closed form]({PICTURE.relative_to('planted')})",
            table(_header(), [_row(outcome) for outcome in outcomes.outcomes]),
            f"A star marks tasks whose nearest recovery is within {_TIE} of the target.",
            (
                f"- settings: {made['settings']}\n"
                f"- measured: {made['date']}, {duration(seconds)} of training on "
                f"{machine_words(made['threads'])}, torch {made['torch']}, numpy {made['numpy']}"
            ),
        ]
    )


def summary(outcomes: Outcomes) -> Table:
    """The table for a terminal of 80 columns."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in _header():
        shown.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes.outcomes:
        shown.add_row(*_row(outcome), style=None if outcome.exact else "bold")
    return shown


def plot(outcomes: Outcomes) -> Axes:
    """Each task's measured recoveries over its closed form, then ranks found against expected."""
    with styled():
        count = len(outcomes.outcomes) + 1
        lines = -(-count // _COLUMNS)
        figure = Figure(figsize=(9.0, 0.5 + 2.0 * lines), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(lines, _COLUMNS, squeeze=False)
        panels: list[Axes] = list(grid.flat)
        for ax, outcome in zip(panels, outcomes.outcomes, strict=False):
            _draw_task(ax, outcome, outcomes.target)
        _draw_found(panels[count - 1], outcomes)
        for ax in panels[count:]:
            ax.set_axis_off()
        figure.supxlabel("adapter rank", fontsize=9)
        figure.supylabel("recovery of full training", fontsize=9)
        figure.legend(handles=_legend(), loc="outside upper left", ncols=4, fontsize=8)
    return panels[0]


def _legend() -> list[Line2D]:
    return [
        Line2D([], [], label="measured", **_MEASURED),
        Line2D([], [], label="best possible, in closed form", **_CLOSED_FORM),
        Line2D([], [], label="target", **_TARGET),
        Line2D([], [], label="minimal rank that follows", **_EXPECTED),
    ]


def _draw_task(ax: Axes, outcome: Outcome, target: float) -> None:
    ranks = range(1, len(outcome.recovery) + 1)
    ax.axhline(target, **_TARGET)
    ax.axvline(outcome.expected, **_EXPECTED)
    ax.plot(ranks, outcome.recovery, **_CLOSED_FORM)
    ax.plot(outcome.ranks, outcome.measured, **_MEASURED)
    ax.set_xscale("log", base=2)
    ticks = [2**i for i in range(6) if 2**i <= len(outcome.recovery)]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.set_ylim(0, 1.05)
    ax.set_title(f"rank {outcome.task.label}: found {outcome.found}", loc="left", fontsize=8)


def _draw_found(ax: Axes, outcomes: Outcomes) -> None:
    found = [(o.expected, o.value, o) for o in outcomes.outcomes if o.value is not None]
    most = max([o.expected for o in outcomes.outcomes] + [value for _, value, _ in found]) + 1
    ax.plot([0, most], [0, most], "-", color=GREY, linewidth=0.8)
    for expected, value, outcome in found:
        ends = (outcome.low or value, outcome.high or value)
        ax.plot([expected] * 2, ends, "-", color=VERMILLION, linewidth=1.0)
        ax.plot(expected, value, "o", color=VERMILLION)
    ax.set_xlim(0, most)
    ax.set_ylim(0, most)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    ax.set_title("rank found, rank expected", loc="left", fontsize=8)


def _header() -> list[str]:
    return ["planted", "inputs", "outputs", "n", "noise", "expected", "found", "error"]


def _row(outcome: Outcome) -> list[str]:
    task = outcome.task
    star = "*" if outcome.margin < _TIE else ""
    return [
        task.label,
        str(task.d),
        str(task.m),
        f"{task.n:,}",
        percent(task.noise),
        f"{outcome.expected}{star}",
        outcome.found,
        f"{outcome.error:.3f}",
    ]
