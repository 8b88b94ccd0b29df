"""Every error a user can meet. All of them print as one message that says what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class RankprobeError(Exception):
    """Base of all errors that rankprobe raises on purpose."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a configuration.

    Attributes:
        message: What is wrong, in one sentence.
        where: ``file:line``, or the dotted key when there is no file.
        hint: What to write instead.
    """

    message: str
    where: str = ""
    hint: str = ""

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where else self.message
        return f"{head}\n    {self.hint}" if self.hint else head


class ConfigError(RankprobeError):
    """A configuration that cannot be measured; holds every problem at once."""

    def __init__(self, problems: Iterable[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        if isinstance(problems, Problem):
            problems = (problems,)
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(RankprobeError):
    """Data that cannot be read, or that no measurement can be made on."""


class StoreError(RankprobeError):
    """A run folder that cannot be used: another task's, another schema's, locked, not writable."""


class TrainingError(RankprobeError):
    """A failure while members were training; the store keeps everything finished before it."""


class ArtifactError(RankprobeError):
    """A result or an artifact that is damaged, of an unknown version, or not what it says."""
