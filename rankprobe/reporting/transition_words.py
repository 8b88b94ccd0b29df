"""A transition rank in words, and on a terminal of 80 columns."""

from __future__ import annotations

import math

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rankprobe.records.transition import Transition, TransitionPoint
from rankprobe.reporting.verdicts import flag_sentence
from rankprobe.reporting.wording import clean, metric_name, percent

_FLAGS = {
    "static_at_floor": (
        "at the ranks in brackets the static scaffold itself is not above the floor by more than "
        "noise, so a share of its gain says nothing, and they take no part"
    ),
    "ranks_left_out": "ranks that only one of the two measured take no part",
    "imprecise": "the interval of the transition rank is wide: more repeats narrow it",
    "grid": (
        "ranks just below were not measured, so the transition rank is the smallest measured one "
        "that catches up, and its interval reaches down to the measured rank before it"
    ),
    "smaller_rank_reaches": (
        "a smaller rank's mean catches up too, but larger ranks fall behind again: taken "
        "together they do not catch up, so that rank is not named"
    ),
    "adapter_not_converged": (
        "an adapter was still improving at the end of its training: more epochs may move the rank"
    ),
    "few_repeats": "fewer than 3 repeats: the interval says little about luck in training",
}


def summary(transition: Transition) -> RenderableType:
    """The answer, one row a rank, and what to mind.

    Args:
        transition: From `rankprobe.transition`.

    Returns:
        A rich renderable; text from data is plain text in it, never markup.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    level = f"{percent(round(transition.confidence, 6))} limits"
    for name in ("rank", transition.static, transition.resampled, "share", level, ""):
        table.add_column(Text(clean(name)), justify="right", overflow="fold")
    for point in transition.points:
        style = "bold" if point.rank == transition.value else None
        table.add_row(*map(Text, _row(point)), style=style)
    notes = [Text(f"Note: {line}.") for line in transition_notes(transition)]
    return Group(Text(headline(transition), style="bold"), Text(), table, Text(), *notes)


def headline(transition: Transition) -> str:
    """The answer in one line that begins with the task's name."""
    first, second = answer_words(transition)
    between = " " if first.endswith((",", ":")) else "; "
    return f"{clean(transition.task)}: {first}{between}{second}"


def answer_words(transition: Transition) -> tuple[str, str]:
    """The answer in two short lines, as the figure names it."""
    reaches = f"{percent(transition.share)} of the static score"
    if transition.floor != "none":
        reaches = f"{percent(transition.share)} of the static scaffold's gain"
    level = percent(round(transition.confidence, 6))
    match transition.verdict:
        case "resolved":
            words = f"{level} interval {interval_words(transition)}"
            return f"transition rank {transition.value}", words
        case "at_or_below_smallest":
            return f"the smallest measured rank, {transition.high},", f"already reaches {reaches}"
        case "above_largest":
            last = (transition.low or 1) - 1
            return f"no transition up to rank {last}:", f"none reaches {reaches}"
        case "not_monotone":
            return "no single transition rank:", f"it falls behind again after reaching {reaches}"
        case _:
            return "no transition rank:", "the static scaffold gains nothing over the floor"


def interval_words(transition: Transition) -> str:
    """The interval: ``5 to 7``, ``up to 7``, ``5 or more``."""
    low, high = transition.low, transition.high
    if low is None and high is None:
        return "open on both sides"
    if low is None:
        return f"up to {high}"
    return f"{low} or more" if high is None else f"{low} to {high}"


def transition_notes(transition: Transition) -> list[str]:
    """What the reader should know beside the numbers, without full stops."""
    over = {"chance": "chance", "head": "the head alone"}.get(transition.floor)
    gain = f"gain over {over}" if over else "score"
    metric = metric_name(transition.metric)
    share = percent(transition.share)
    notes = [
        f"caught up is the {metric} of {share} of the static scaffold's {gain} at the same rank"
    ]
    if transition.basis == "examples":
        notes.append("repeats and test examples are paired between the two, and resampled together")
    else:
        notes.append(
            "repeats are paired between the two; test examples are not, since the predictions of "
            "both are not at hand: the interval errs on the wide side"
        )
    return [*notes, *(_FLAGS.get(flag, flag_sentence(flag)) for flag in transition.flags)]


def _row(point: TransitionPoint) -> tuple[str, ...]:
    share = point.share
    known = math.isfinite(share.mean) and point.read
    limits = " to ".join(
        f"{100 * end:.1f} %" if math.isfinite(end) else "open" for end in (share.low, share.high)
    )
    return (
        str(point.rank) if point.read else f"({point.rank})",
        f"{point.static.mean:.4g}",
        f"{point.resampled.mean:.4g}",
        f"{100 * share.mean:.1f} %" if known else "-",
        limits if known else "-",
        "caught up" if point.reaches and point.read else "",
    )
