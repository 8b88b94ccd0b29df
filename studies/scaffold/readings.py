"""Second readings of grids: where resampled scaffolds catch up, and ranks over sizes."""

from __future__ import annotations

from pathlib import Path

from rankprobe.readings import capacity, transition
from rankprobe.reporting.capacity_words import capacity_headline, capacity_notes
from rankprobe.reporting.folder import write_whole
from rankprobe.reporting.style import png_bytes
from rankprobe.reporting.transition_words import answer_words, interval_words
from studies.catalogue import ROOT, find
from studies.markdown import not_measured, table

RESAMPLING, CAPACITY = find("scaffold-resampling"), find("scaffold-capacity")
STATIC, EPOCH = "none", "epoch"


def transitions(root: Path = ROOT) -> str:
    """The transition rank of every way of drawing anew, read from the committed scores."""
    grid = RESAMPLING.grid(root)
    if grid is None:
        return not_measured(f"python -m studies.run {RESAMPLING.name}")
    lines = []
    for name, result in grid.results.items():
        if name != STATIC:
            found = transition(grid.results[STATIC], result)
            interval = interval_words(found) if found.verdict == "resolved" else ""
            value = "" if found.value is None else str(found.value)
            words = "" if found.value is not None else " ".join(answer_words(found))
            lines.append((name, value, interval, words))
    picture = "![accuracy against rank, static and drawn anew each epoch](results/transition.png)"
    names = ("drawn anew", "transition rank", "95 % interval", "")
    return f"{picture}\n\n{table(names, lines)}"


def sizes(root: Path = ROOT) -> str:
    """Whether the minimal rank levels off over sizes of the network."""
    grid = CAPACITY.grid(root)
    if grid is None:
        return not_measured(f"python -m studies.run {CAPACITY.name}")
    found = capacity(grid)
    notes = (f"- {note}" for note in capacity_notes(found))
    picture = "![minimal rank, its share of the width, and parameters](results/capacity.png)"
    return "\n".join([picture, "", f"**{capacity_headline(found)}**", "", *notes])


def draw(root: Path = ROOT) -> list[Path]:
    """Draw the figures of both readings where their grids are there; returns the files."""
    drawn = []
    grid = RESAMPLING.grid(root)
    if grid is not None:
        axes = transition(grid.results[STATIC], grid.results[EPOCH]).plot()
        drawn.append(write_whole(RESAMPLING.results(root) / "transition.png", png_bytes(axes)))
    grid = CAPACITY.grid(root)
    if grid is not None:
        axes = capacity(grid).plot()
        drawn.append(write_whole(CAPACITY.results(root) / "capacity.png", png_bytes(axes)))
    return drawn
