"""What came out of the ordering study: a figure, two tables and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from rankprobe.records import Result
from rankprobe.reporting.plots import plot_results
from rankprobe.reporting.verdicts import flag_sentence
from rankprobe.reporting.wording import duration, minimal_words, percent, score_text
from studies.catalogue import NETWORK, ORDERING, OTHER_NETWORKS, Measurement
from studies.markdown import machine_words, not_measured, table
from studies.ordering.orders import (
    JUDGED,
    LATER,
    ORDERS,
    WITHOUT_SIGNAL,
    Order,
    judge,
    without_signal,
)

PICTURE = Path("ordering/results/ordering.png")
TARGETS = ("0.9", "0.95", "0.99")
_ALL = (*ORDERS, *LATER)


def load(root: Path) -> dict[str, Result]:
    """The committed results by name, in the order of the catalogue.

    Raises:
        ArtifactError: One cannot be read.
    """
    found = {measurement.name: measurement.result(root) for measurement in ORDERING}
    return {name: result for name, result in found.items() if result is not None}


def plot(results: Mapping[str, Result]) -> Axes:
    """Recovery against rank, one line a task."""
    return plot_results(list(results.values()))


def sentence(root: Path) -> str:
    """How many orders hold at the target that counts, and what came of permuted labels."""
    results = load(root)
    if len(results) < len(ORDERING):
        missing = [measurement.name for measurement in ORDERING if measurement.name not in results]
        return not_measured(f"python -m studies.run {' '.join(missing)}")
    expected, later = _held(ORDERS, results), _held(LATER, results)
    outcome = f"At 95 % of full training's gain over chance {expected[0]} of {len(ORDERS)} "
    outcome += f"expected orders of tasks hold{expected[1]}, and {later[0]} of {len(LATER)} that "
    outcome += f"were added later{later[1]}"
    shuffled = results[WITHOUT_SIGNAL].minimal_rank.verdict
    verb = "give" if without_signal(results) else "should give no signal, and give"
    return f"{outcome}; permuted labels {verb} the verdict `{shuffled}`."


def _held(orders: Sequence[Order], results: Mapping[str, Result]) -> tuple[int, str]:
    """How many orders hold at 95 %, and what became of the others, in brackets."""
    judged = [judge(results[order.lower], results[order.higher], "0.95") for order in orders]
    others = [
        f"{order.lower} below {order.higher}: {JUDGED[judgement]}"
        for order, judgement in zip(orders, judged, strict=True)
        if judgement != "holds"
    ]
    return judged.count("holds"), f" ({'; '.join(others)})" if others else ""


def block(root: Path) -> str:
    """The sentence, the orders, the figure, every task and where it was measured."""
    results = load(root)
    if not results:
        return sentence(root)
    tasks = [measurement for measurement in ORDERING if measurement.name in results]
    parts = [f"**{sentence(root)}**", _orders(root)]
    parts.append("\n".join(f"- {_pair(order, results)}" for order in _ALL))
    if (root / PICTURE).is_file():
        words = "recovery of full training against rank, one line a task"
        parts.append(f"![{words}]({PICTURE.relative_to('ordering')})")
    parts.append(_tasks(tasks, results))
    parts.append(f"Minimal ranks on {len(OTHER_NETWORKS) + 1} networks:")
    parts.append(_ranks(root))
    parts.append("\n".join(f"- {line}" for line in [*_notes(results), _measured(results)]))
    return "\n\n".join(parts)


def _orders(root: Path) -> str:
    """Every order at every target, one column a network."""
    networks = _networks(root)
    rows = []
    for order in _ALL:
        for target in TARGETS:
            pairs = [(r.get(order.lower), r.get(order.higher)) for r in networks.values()]
            judged = [
                JUDGED[judge(lower, higher, target)] if lower and higher else "not measured yet"
                for lower, higher in pairs
            ]
            rows.append([f"{order.lower} below {order.higher}", _percent(target), *judged])
    return table(["expected", "at", *networks], rows)


def _pair(order: Order, results: Mapping[str, Result]) -> str:
    """What two tasks have in common, and what rank 1 makes of each."""
    words = f"{order.lower} and {order.higher}: {order.why}"
    if order.lower not in results or order.higher not in results:
        return words
    lower, higher = (results[name].points[0].recovery for name in (order.lower, order.higher))
    apart = lower.low > higher.high or higher.low > lower.high
    shares = f"{percent(round(lower.mean, 3))} and {percent(round(higher.mean, 3))}"
    return f"{words}; rank 1 recovers {shares}, intervals {'apart' if apart else 'touch'}"


def _ranks(root: Path) -> str:
    """Minimal ranks, one column a target and network."""
    networks = _networks(root)
    columns = [(target, name) for target in TARGETS[1:] for name in networks]
    rows = []
    for task in ORDERING:
        found = [(target, networks[name].get(task.name)) for target, name in columns]
        cells = [minimal_words(r.targets[target]) if r else "" for target, r in found]
        rows.append([task.name, *cells])
    return table(["task", *(f"{_percent(target)}, {name}" for target, name in columns)], rows)


def _networks(root: Path) -> dict[str, dict[str, Result]]:
    """Results by width of the network, then by task."""
    networks = {}
    for hidden in sorted([*OTHER_NETWORKS, NETWORK]):
        tasks = OTHER_NETWORKS.get(hidden, ORDERING)
        found = {o.name: task.result(root) for o, task in zip(ORDERING, tasks, strict=True)}
        networks["-".join(map(str, hidden))] = {name: r for name, r in found.items() if r}
    return networks


def _tasks(tasks: list[Measurement], results: Mapping[str, Result]) -> str:
    names = ["task", "what", "training examples", "epochs", "chance", "full training"]
    names += ["head recovers", "rank 1 recovers"]
    names += [f"rank at {_percent(key)}" for key in TARGETS]
    return table(names, [_task_row(task, results[task.name]) for task in tasks])


def _task_row(task: Measurement, result: Result) -> list[str]:
    learned = result.minimal_rank.verdict != "no_signal"
    gain = result.baseline.mean - result.floor_score
    head = result.head_score
    first = result.points[0].recovery
    recovered = [
        percent(round((head - result.floor_score) / gain, 3)) if learned and head else "",
        f"{percent(round(first.mean, 3))} [{100 * first.low:.1f}, {100 * first.high:.1f}]"
        if learned
        else "",
    ]
    return [
        task.name,
        task.what,
        f"{result.task.train:,}",
        f"{result.scope['epochs']}",
        score_text(result, result.chance_score),
        score_text(result, result.baseline.mean),
        *recovered,
        *(minimal_words(result.targets[key]) for key in TARGETS),
    ]


def _notes(results: Mapping[str, Result]) -> list[str]:
    """Every flag of an answer or of full training, with the tasks that carry it."""
    carriers: dict[str, list[str]] = {}
    for name, result in results.items():
        for flag in dict.fromkeys([*result.minimal_rank.flags, *result.baseline.flags]):
            carriers.setdefault(flag, []).append(name)
    return [f"{', '.join(names)}: {flag_sentence(flag)}" for flag, names in carriers.items()]


def _measured(results: Mapping[str, Result]) -> str:
    dates = sorted({str(result.provenance["date"]) for result in results.values()})
    threads = sorted({str(result.provenance["threads"]) for result in results.values()})
    versions = sorted({str(result.provenance["torch"]) for result in results.values()})
    seconds = sum(float(result.cost["seconds"]) for result in results.values())
    return (
        f"measured: {' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, {duration(seconds)} of "
        f"training on {machine_words(' or '.join(threads))}, torch {', '.join(versions)}"
    )


def _percent(key: str) -> str:
    return percent(float(key))
