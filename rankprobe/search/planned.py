"""The cohorts of a grid, recorded before they train: a resumed grid trains the same ones.

A line of JSON a cohort, each of its members as the name of its combination and its own fields.
A torn last line, of a process that died while writing, is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from rankprobe.errors import StoreError, TrainingError
from rankprobe.records import Member
from rankprobe.search.journal import Locked, lock_folder
from rankprobe.search.sharing import Placed, placed

FILE = "cohorts.jsonl"

Cohort = tuple[Placed, ...]


class Planned(Locked):
    """Cohorts of a grid, in the order in which they were planned.

    Use as a context manager: the folder is locked from opening to closing.

    Args:
        folder: Folder of the grid; made if missing. ``None`` keeps everything in memory.
        names: Names of the combinations.
        fresh: Forget what was planned before.

    Attributes:
        cohorts: Those planned so far; not those of combinations that are there no more.

    Raises:
        StoreError: The folder cannot be written, is in use, or its record is damaged.
    """

    def __init__(self, folder: Path | None, names: Sequence[str], *, fresh: bool = False) -> None:
        self._names = list(names)
        self._file = None if folder is None else folder / FILE
        self.lock = None if folder is None else lock_folder(folder)
        self.cohorts: list[Cohort] = []
        try:
            if self._file is not None:
                self._open(self._file, fresh=fresh)
        except BaseException:
            self.close()
            raise

    def add(self, cohorts: Iterable[Cohort]) -> None:
        """Record cohorts that are about to train.

        Raises:
            TrainingError: They cannot be recorded.
        """
        new = list(cohorts)
        self.cohorts += new
        if self._file is None:
            return
        lines = [json.dumps([self._words(member) for member in cohort]) for cohort in new]
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in lines))
        except OSError as error:
            raise TrainingError(
                f"{self._file}: not written: {error.strerror or error}; everything finished is "
                "kept, and the same command goes on from there"
            ) from error

    def _open(self, file: Path, *, fresh: bool) -> None:
        try:
            if fresh:
                file.unlink(missing_ok=True)
            if not file.exists():
                return
            content = file.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if len(whole) < len(content):
                os.truncate(file, len(whole))
            lines = [json.loads(line) for line in whole.splitlines()]
            self.cohorts = [
                tuple(self._member(words) for words in line)
                for line in lines
                if all(words[0] in self._names for words in line)
            ]
        except OSError as error:
            raise StoreError(f"{file}: {error.strerror or error}") from error
        except (ValueError, TypeError, IndexError, KeyError) as error:
            raise StoreError(
                f"{file} is damaged ({error}); remove it: only its plan is lost"
            ) from None

    def _words(self, member: Placed) -> list[Any]:
        own = [getattr(member, field.name) for field in fields(Member)]
        return [self._names[member.combination], *own]

    def _member(self, words: Sequence[Any]) -> Placed:
        return placed(Member(*words[1:]), self._names.index(words[0]))
