"""Markdown that is made from results: tables, and the marked blocks of a README they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rankprobe.errors import ArtifactError
from rankprobe.records import Result
from rankprobe.records.grid import Grid
from rankprobe.reporting import grid_words
from rankprobe.reporting.facts import counts_line, describe
from rankprobe.reporting.grid_folder import PICTURE
from rankprobe.reporting.tables import header, rows
from rankprobe.reporting.verdicts import flag_lines, verdict_sentence
from rankprobe.reporting.wording import duration, metric_name, minimal_words, percent, score_text
from studies.catalogue import TUNED, Measurement


def replaced(text: str, blocks: Mapping[str, str], *, where: Path | str) -> str:
    """Text with the content of its blocks replaced.

    A block stands between ``<!-- NAME -->`` and ``<!-- /NAME -->``, each on a line of its own.

    Args:
        text: The whole document.
        blocks: New contents by name.
        where: The document's name, for messages.

    Raises:
        ArtifactError: A block that is not there exactly once.
    """
    for name, content in blocks.items():
        opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        if text.count(opening) != 1 or text.count(closing) != 1:
            raise ArtifactError(
                f"{where}: the lines `{opening.strip()}` and `{closing}` are needed once each"
            )
        before, rest = text.split(opening)
        if closing not in rest:
            raise ArtifactError(f"{where}: `{closing}` must come after `{opening.strip()}`")
        after = rest.split(closing)[1]
        text = f"{before}{opening}\n{content.strip()}\n\n{closing}{after}"
    return text


def named_blocks(text: str, blocks: Mapping[str, str]) -> dict[str, str]:
    """Those blocks that a document has a place for."""
    return {name: content for name, content in blocks.items() if f"<!-- {name} -->" in text}


def table(names: Sequence[str], cells: Iterable[Sequence[str]]) -> str:
    """A table; the first column is aligned to the left, the others to the right."""
    lines = [names, [":--", *["--:"] * (len(names) - 1)], *cells]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def not_measured(command: str) -> str:
    """What stands where there is no result yet."""
    return f"Not measured yet: `{command}` does it."


def result_block(measurement: Measurement, root: Path) -> str:
    """The answer, its figures, its table and its scope; or how to get them."""
    result = measurement.result(root)
    if result is None:
        return not_measured(f"python -m studies.run {measurement.name}")
    folder = measurement.results(root)
    pictures = [
        f"![{words}]({(folder / name).relative_to(root / measurement.study).as_posix()})"
        for name, words in (
            ("curve.png", f"{metric_name(result.task.metric)} against adapter rank"),
            ("rates.png", "sensitivity to the learning rate"),
        )
        if (folder / name).is_file()
    ]
    made, seconds = result.provenance, float(result.cost["seconds"])
    targets = sorted(result.targets.items(), key=lambda item: float(item[0]))
    facts = {
        "at other targets": "; ".join(
            f"{percent(float(share))}: {minimal_words(minimal)}" for share, minimal in targets
        ),
        "data": counts_line(result),
        "scope": describe(result.scope),
        "measured": f"{made['date']}, {duration(seconds)} of training on "
        f"{machine_words(str(made['threads']), str(made['device']))}, torch {made['torch']}",
    }
    return "\n\n".join(
        [
            f"**{verdict_sentence(result)}**",
            *pictures,
            table(header(result), rows(result)),
            *(f"Note: {line}" for line in flag_lines(result)),
            "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        ]
    )


def grid_block(measurement: Measurement, root: Path) -> str:
    """The figure of a grid, its table, and what its answers are relative to."""
    grid = measurement.grid(root)
    if grid is None:
        return not_measured(f"python -m studies.run {measurement.name}")
    picture = (measurement.results(root) / PICTURE).relative_to(root / measurement.study)
    first = next(iter(grid.results.values()))
    made, ranks = first.provenance, grid_words.measured_ranks(grid)
    shared = {key: value for key, value in first.scope.items() if _is_shared(grid, key)}
    facts = {
        "data": counts_line(first),
        "scope": describe(shared),
        "measured": f"{made['date']}, {grid_words.cost_line(grid)}; "
        f"{machine_words(str(made['threads']), str(made['device']))}, torch {made['torch']}",
    }
    return "\n\n".join(
        [
            f"![recovery of full training by adapter rank]({picture.as_posix()})",
            table(grid_words.header(grid, ranks), grid_words.rows(grid, ranks)),
            grid_words.caption(grid),
            *grid_words.differences(grid),
            *(f"Note: {line}" for line in grid_words.notes(grid)),
            "\n".join(f"- {name}: {fact}" for name, fact in facts.items()),
        ]
    )


def _is_shared(grid: Grid, key: str) -> bool:
    """Whether all combinations have the same words for a part of the scope."""
    return len({str(result.scope.get(key)) for result in grid.results.values()}) == 1


def machine_words(threads: str, device: str = "cpu") -> str:
    """What trained: ``1 CPU thread``, ``1 or 2 CPU threads``, ``cuda``."""
    if device != "cpu":
        return device
    return f"{threads} CPU thread{'' if threads == '1' else 's'}"


def studies_block(root: Path, *, prefix: str = "") -> str:
    """The tuned measurements side by side.

    Args:
        root: Folder of the studies.
        prefix: Path from the document to that folder, with its slash.
    """
    cells = []
    for measurement in TUNED:
        result = measurement.result(root)
        name = f"[{measurement.name}]({prefix}{measurement.study}/)"
        if result is None:
            cells.append([name, measurement.what, *["not measured yet"], *[""] * 6])
            continue
        cells.append([name, measurement.what, *_row(result)])
    names = ["study", "data", "training examples", "full training"]
    names += [f"rank at {share} %" for share in (90, 95, 99)]
    return table([*names, "share of parameters", "repeats"], cells)


def _row(result: Result) -> list[str]:
    ranks = [
        minimal_words(result.targets[key]) if key in result.targets else "" for key in _TARGETS
    ]
    share = result.minimal_rank.share
    return [
        f"{result.task.train:,}",
        score_text(result, result.baseline.mean),
        *ranks,
        percent(float(f"{share:.2g}")) if share else "",
        str(len(result.baseline.scores)),
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


_TARGETS = ("0.9", "0.95", "0.99")
