"""How far the minimal rank moves when one setting changes.

The minimal rank is relative to a training length, a batch size, a weight decay and one draw of
frozen weights. Each of them is changed alone, and the ranks around the crossing are measured
again, with the repeats and the tuning of the measurement itself. A variant is an ordinary
measurement with a record of its own, so it resumes like any other.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankprobe.config import TaskConfig
from rankprobe.data.task import Task
from rankprobe.errors import TrainingError
from rankprobe.records import MinimalRank, Result, Variant
from rankprobe.search.journal import lock_folder
from rankprobe.search.laboratory import Progress
from rankprobe.search.measure import Silent, measure_task
from rankprobe.search.store import JOURNAL

FOLDER = "sensitivity"  # in the run folder; one folder a variant in it
SCAFFOLDS = 2  # other scaffold seeds
_REACH = 8  # the listed ranks reach to an eighth of the minimal rank on both sides
_BEYOND = (1, 2, 4)  # steps past the listed ranks when the crossing has left them


@dataclass(frozen=True)
class Change:
    """One changed setting.

    Attributes:
        setting: ``epochs``, ``batch_size``, ``weight_decay`` or ``scaffold``.
        value: What it becomes, in words.
        name: Name of its folder: the setting and its value.
        config: The whole configuration with it.
    """

    setting: str
    value: str
    name: str
    config: TaskConfig


def vary(
    config: TaskConfig,
    task: Task,
    result: Result,
    *,
    folder: Path | None,
    progress: Progress | None = None,
    **options: Any,
) -> tuple[Variant, ...]:
    """Measure the ranks around the minimal rank again, with one setting changed at a time.

    Args:
        config: Settings of the measurement.
        task: Its data.
        result: Its result.
        folder: Its run folder; ``None`` keeps nothing.
        progress: Told what happens; phases name the variant.
        **options: Where variants train, as `rankprobe.search.measure.measure_task`. A storage
            is not among them: the record of a variant is a file in its own folder.

    Returns:
        One variant a change; none without a minimal rank, whose move could be measured.

    Raises:
        StoreError: The folder cannot be written.
        TrainingError: A failure while running, with the variant's name; what finished is kept.
    """
    if result.minimal_rank.value is None:
        return ()
    changes = list(_changes(config, int(result.scope["epochs"]), len(task.train)))
    variants = []
    for index, change in enumerate(changes, start=1):
        label = f"sensitivity {index} of {len(changes)}, {words(change.setting)} {change.value}"
        inside = None if folder is None else folder / FOLDER / change.name
        try:
            variants.append(
                _measured(
                    change,
                    task,
                    result,
                    folder=inside,
                    progress=_Within(progress or Silent(), label),
                    **options,
                )
            )
        except TrainingError as error:
            raise TrainingError(f"{label}: {error}") from error
    return tuple(variants)


def crossing_ranks(result: Result) -> tuple[int, ...]:
    """The ranks that every variant measures first: the minimal rank and its neighbours.

    Neighbours are those one rank, and an eighth of the minimal rank, away. Where the minimal
    rank is one of a coarse list, they are its neighbours on the list: a finer one would name
    another rank under unchanged settings too.
    """
    value = result.minimal_rank.value
    assert value is not None
    if _is_coarse(result):
        measured = [point.rank for point in result.points]
        at = measured.index(value)
        return tuple(measured[max(0, at - 1) : at + 2])
    step = _step(value)
    near = {value + offset for offset in (-step, -1, 0, 1, step)}
    return tuple(sorted(rank for rank in near if 1 <= rank <= _largest(result)))


def wider_ranks(
    ranks: Sequence[int], answer: MinimalRank, result: Result
) -> tuple[int, ...] | None:
    """The ranks, and some more where the answer has left them; ``None`` if it has not.

    Args:
        ranks: Ranks measured, ascending.
        answer: The minimal rank among them.
        result: The unchanged measurement.
    """
    if answer.verdict == "above_largest":
        edge, side = ranks[-1], 1
    elif answer.verdict == "at_or_below_smallest":
        edge, side = ranks[0], -1
    else:
        return None
    if _is_coarse(result):
        beyond = {point.rank for point in result.points if side * (point.rank - edge) > 0}
    else:
        assert result.minimal_rank.value is not None
        step = _step(result.minimal_rank.value)
        last = _largest(result) if side > 0 else 1
        reach = (edge + side * step * factor for factor in _BEYOND)
        beyond = {min(rank, last) if side > 0 else max(rank, last) for rank in reach}
    more = tuple(sorted({*ranks, *beyond}))
    return more if len(more) > len(ranks) else None


def forget(folder: Path) -> None:
    """Throw away the variants of an earlier measurement, and nothing else that lies there.

    Raises:
        StoreError: They cannot be removed, or another process is measuring one.
    """
    for journal in (folder / FOLDER).glob(f"*/{JOURNAL}"):
        os.close(lock_folder(journal.parent))
        shutil.rmtree(journal.parent)


def words(setting: str) -> str:
    """A setting in running text."""
    return setting.replace("_", " ")


def _measured(
    change: Change, task: Task, result: Result, *, folder: Path | None, **options: Any
) -> Variant:
    """A variant's answer; its ranks are extended once if the crossing has left them."""
    with contextlib.ExitStack() as stack:
        if folder is None:
            # The wider ranks go on from the first ones, so both need one record.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rankprobe-")))
        ranks = crossing_ranks(result)
        where: dict[str, Any] = {"folder": folder, "keep": False, **options}
        found = measure_task(_at_ranks(change.config, ranks), task, **where)
        more = wider_ranks(ranks, found.minimal_rank, result)
        if more is not None:
            found = measure_task(_at_ranks(change.config, more), task, **where)
    return Variant(
        setting=change.setting,
        value=change.value,
        minimal_rank=found.minimal_rank,
        recoveries=tuple((point.rank, point.recovery.mean) for point in found.points),
    )


def _changes(config: TaskConfig, epochs: int, examples: int) -> Iterator[Change]:
    """Every change, one setting each; those that would change nothing are left out."""
    # The length that was found holds for every variant: it is changed on its own.
    base = _with(config, "training", epochs=epochs)
    base = _with(base, "search", precision=None, budget=None)
    training = config.training
    for value, word in ((epochs // 2, "half"), (2 * epochs, "double")):
        if value >= 1:
            yield _change(base, "training", "epochs", value, f"{value} ({word})")
    for value, word in ((training.batch_size // 2, "half"), (2 * training.batch_size, "double")):
        if value >= 1 and min(value, examples) != min(training.batch_size, examples):
            yield _change(base, "training", "batch_size", value, f"{value} ({word})")
    for factor, word in ((0.5, "half"), (2.0, "double")):
        decay = factor * training.weight_decay
        if decay > 0:
            yield _change(base, "training", "weight_decay", decay, f"{decay:g} ({word})")
    if getattr(config.backbone, "init", "scaffold") == "pretrained":
        return  # given weights are one scaffold
    for offset in range(1, SCAFFOLDS + 1):
        seed = (config.backbone.seed + offset) % 2**63
        varied = _with(base, "backbone", seed=seed)
        yield Change("scaffold", f"seed {seed}", f"scaffold-{seed}", varied)


def _change(base: TaskConfig, section: str, setting: str, value: Any, text: str) -> Change:
    return Change(setting, text, f"{setting}-{value:g}", _with(base, section, **{setting: value}))


def _with(config: TaskConfig, section: str, **values: Any) -> TaskConfig:
    part = getattr(config, section).model_copy(update=values)
    return config.model_copy(update={section: part})


def _at_ranks(config: TaskConfig, ranks: Sequence[int]) -> TaskConfig:
    return _with(config, "search", ranks=tuple(ranks))


def _is_coarse(result: Result) -> bool:
    return "grid" in result.minimal_rank.flags


def _step(value: int) -> int:
    return max(1, value // _REACH)


def _largest(result: Result) -> int:
    return int(result.scope["largest_useful_rank"])


class _Within:
    """Progress of one variant: its phases begin with its name."""

    def __init__(self, progress: Progress, label: str) -> None:
        self._progress, self._label = progress, label

    def phase(self, text: str) -> None:
        """A new phase begins."""
        self._progress.phase(f"{self._label}: {text}")

    def expect(self, work: int) -> None:
        """About this much work is still to come."""
        self._progress.expect(work)

    def done(self, work: int) -> None:
        """This much work has been done."""
        self._progress.done(work)
