"""Scores measured elsewhere: a CSV of plain scores, read as any other measurement.

One row a training: ``task, rank, seed, score``. The rank ``full`` is full training, 0 the head
alone. There are no predictions, so a score counts as that of one example, and all variance is
that over seeds, which are paired across ranks by their value.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rankprobe.errors import ConfigError, Problem
from rankprobe.records import MinimalRank, Result, TaskSummary
from rankprobe.statistics.evidence import Evidence, RankEvidence
from rankprobe.statistics.reading import read_evidence
from rankprobe.statistics.scope import FOREIGN

COLUMNS = ("task", "rank", "seed", "score")
_FULL = "full"
_FEWEST_SEEDS = 2
_DIGITS = 9
_MOST_PROBLEMS = 50
_EXAMPLE = "rows look like this: letters,8,0,0.913 and, for full training, letters,full,0,0.956"


@dataclass(frozen=True)
class _Row:
    """One training: its line in the file, task, rank (``None``: full training), seed, score."""

    line: int
    task: str
    rank: int | None
    seed: str
    score: float


Scores = Mapping[int | None, Mapping[str, float]]


def read_scores(
    path: str | Path,
    *,
    target: float = 0.95,
    lower_is_better: bool = False,
    floor_score: float | None = None,
) -> tuple[Result, ...]:
    """Read every task of a CSV of scores.

    Args:
        path: The file, UTF-8, with a header; other columns than the four are ignored.
        target: Share of full training's gain over the floor that a rank must reach.
        lower_is_better: The scores are losses.
        floor_score: Score of the floor; by default 0. A loss needs it.

    Returns:
        One result a task, in the order of the file. Degrees of freedom, learning rates and
        scope are unknown.

    Raises:
        ConfigError: Anything wrong in the file, all of it at once, with line numbers.
    """
    path = Path(path)
    if lower_is_better and floor_score is None:
        raise ConfigError(
            Problem(
                "a loss has no natural zero, so recovery needs a floor",
                where=str(path),
                hint="give the loss of a model that has learned nothing with --floor-score X",
            )
        )
    if floor_score is not None and not math.isfinite(floor_score):
        raise ConfigError("--floor-score: give a finite number")
    rows, problems = _rows(path)
    tasks: dict[str, dict[int | None, dict[str, float]]] = {}
    for row in rows:
        tasks.setdefault(row.task, {}).setdefault(row.rank, {})[row.seed] = row.score
    # What a broken line leaves missing is no second problem.
    if not problems:
        problems = [found for task in tasks for found in _too_few(path, rows, task, tasks[task])]
    if problems:
        raise ConfigError(_shortened(problems))
    return tuple(
        _result(
            task,
            scores,
            path.name,
            target=target,
            lower_is_better=lower_is_better,
            floor_score=floor_score or 0.0,
        )
        for task, scores in tasks.items()
    )


def _rows(path: Path) -> tuple[list[_Row], list[Problem]]:
    """The rows that can be read, and what is wrong with the others."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            if wrong := _header_problem(path, header):
                return [], [wrong]
            reader.fieldnames = header
            cells = [(reader.line_num, row) for row in reader]
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(Problem(reason, where=str(path), hint=_EXAMPLE)) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(
            Problem(f"not a CSV in UTF-8 ({error})", where=str(path), hint=_EXAMPLE)
        ) from None
    if not cells:
        return [], [Problem("there are no rows", where=str(path), hint=_EXAMPLE)]
    rows: list[_Row] = []
    problems: list[Problem] = []
    first: dict[tuple[str, int | None, str], int] = {}
    for line, row in cells:
        read, wrong_cells = _row(line, row)
        problems += [Problem(words, where=f"{path}:{line}") for words in wrong_cells]
        if read is None:
            continue
        before = first.setdefault((read.task, read.rank, read.seed), line)
        if before != line:
            words = f"task {read.task}, rank {_rank_name(read.rank)}, seed {read.seed} stands twice"
            problems.append(Problem(f"{words}, first on line {before}", where=f"{path}:{line}"))
        rows.append(read)
    return rows, problems


def _header_problem(path: Path, header: list[str]) -> Problem | None:
    missing = [name for name in COLUMNS if name not in header]
    double = [name for name in COLUMNS if header.count(name) > 1]
    parts = [f"has no column {', '.join(missing)}"] * bool(missing)
    parts += [f"has the column {', '.join(double)} twice"] * bool(double)
    if not parts:
        return None
    hint = f"the first line must name the columns {', '.join(COLUMNS)}; {_EXAMPLE}"
    return Problem(f"the header {' and '.join(parts)}", where=f"{path}:1", hint=hint)


def _row(line: int, cells: Mapping[str | None, str | None]) -> tuple[_Row | None, list[str]]:
    """One row, or what is wrong with it."""
    task, rank, seed, score = ((cells.get(name) or "").strip() for name in COLUMNS)
    empty = [
        name for name, text in zip(COLUMNS, (task, rank, seed, score), strict=True) if not text
    ]
    wrong = [f"{', '.join(empty)} is empty"] * bool(empty)
    if None in cells:
        wrong.append("there are more cells than columns; a decimal point is a point, not a comma")
    is_full = rank.lower() == _FULL
    whole = rank.isascii() and rank.isdecimal() and len(rank) <= _DIGITS
    if rank and not is_full and not whole:
        wrong.append(f"the rank {_quoted(rank)} is neither a whole number nor `{_FULL}`")
    value = _number(score)
    if score and value is None:
        wrong.append(
            f"the score {_quoted(score)} is not a finite number; leave failed trainings out"
        )
    if wrong or value is None:
        return None, wrong
    return _Row(line, _printable(task), None if is_full else int(rank), _printable(seed), value), []


def _too_few(path: Path, rows: Iterable[_Row], task: str, scores: Scores) -> list[Problem]:
    """What a task lacks to be read."""
    problems = []

    def complain(rank: int | None, words: str) -> None:
        lines = [row.line for row in rows if row.task == task and (rank == -1 or row.rank == rank)]
        problems.append(Problem(f"task {task}: {words}", where=f"{path}:{lines[0]}"))

    full = scores.get(None, {})
    if not full:
        complain(-1, f"there are no rows of rank `{_FULL}`, so nothing to compare ranks with")
    elif len(full) < _FEWEST_SEEDS:
        complain(None, "full training has one seed only; variance over seeds needs two or more")
    if not any(rank for rank in scores):
        complain(-1, "there are no rows of a rank of at least 1")
    for rank, by_seed in scores.items():
        shared = len(by_seed.keys() & full.keys())
        if rank is None or len(full) < _FEWEST_SEEDS or shared >= _FEWEST_SEEDS:
            continue
        count = {0: "no seed", 1: "one seed only"}[shared]
        has = "one seed only" if len(by_seed) == 1 else f"{count} in common with `{_FULL}`"
        complain(rank, f"rank {rank} has {has}; variance over seeds needs two or more")
    return problems


def _shortened(problems: list[Problem]) -> list[Problem]:
    """So many that they can be read; how many more there are."""
    more = len(problems) - _MOST_PROBLEMS
    if more <= 0:
        return problems
    return [*problems[:_MOST_PROBLEMS], Problem(f"and {more:,} more problems in this file")]


def _result(
    task: str,
    scores: Scores,
    file: str,
    *,
    target: float,
    lower_is_better: bool,
    floor_score: float,
) -> Result:
    seeds = list(dict.fromkeys(seed for by_seed in scores.values() for seed in by_seed))
    metric = "loss" if lower_is_better else "score"
    evidence = Evidence(
        metric=metric,
        ranks=tuple(_evidence(rank, scores[rank], seeds) for rank in sorted(filter(None, scores))),
        baseline=_evidence(None, scores[None], seeds),
        target_values=np.zeros(1),
        chance=np.array([floor_score]),
        head=_evidence(0, scores[0], seeds) if 0 in scores else None,
    )
    floor = "chance" if lower_is_better or floor_score else "none"
    reading = read_evidence(evidence, target=target, floor=floor)
    return Result(
        task=TaskSummary(task, "regression", metric, 0, 0, 0, ""),
        target=target,
        floor=reading.floor,
        floor_score=reading.floor_score,
        chance_score=reading.chance_score,
        head_score=reading.head_score,
        higher_is_better=not lower_is_better,
        members={"trained": sum(map(len, scores.values())), "failed": 0},
        baseline=reading.baseline,
        points=reading.points,
        minimal_rank=_without_parameters(reading.minimal_rank),
        curve=reading.curve,
        targets={key: _without_parameters(item) for key, item in reading.targets.items()},
        rates=(),
        cost={},
        scope={},
        provenance={FOREIGN: file},
        evidence=evidence,
    )


def _evidence(rank: int | None, by_seed: Mapping[str, float], seeds: list[str]) -> RankEvidence:
    """Scores of one rank, aligned by seed: NaN where it has none of a seed."""
    return RankEvidence(
        rank=rank,
        learning_rate=math.nan,
        scores=np.array([by_seed.get(seed, math.nan) for seed in seeds]),
        predictions=tuple(np.array([by_seed[seed]]) if seed in by_seed else None for seed in seeds),
        trainable=1,  # unknown; what is read from it is taken out again
    )


def _without_parameters(minimal: MinimalRank) -> MinimalRank:
    """Without what a file of scores cannot tell: parameters, and whether a training failed."""
    flags = tuple(flag for flag in minimal.flags if flag != "failed_members")
    return replace(minimal, degrees_of_freedom=None, share=None, flags=flags)


def _rank_name(rank: int | None) -> str:
    return _FULL if rank is None else str(rank)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _quoted(text: str) -> str:
    return f"`{_printable(text)[:40]}`"
