"""What someone who waits sees: the phase, how much is done, how long it will take."""

from __future__ import annotations

import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from rankprobe.messages import say


class Watch:
    """Shows progress on stderr: a bar on a terminal, a plain line a phase elsewhere.

    Args:
        quiet: Show nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._start = time.monotonic()
        self._done = self._total = 0
        self._text = ""
        self._bar: Progress | None = None
        self._quiet = quiet
        if not quiet and sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[left]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._row = self._bar.add_task("reading", total=None, left="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def phase(self, text: str) -> None:
        """A new phase begins."""
        self._text = text
        if self._bar is not None:
            self._bar.update(self._row, description=text)

    def expect(self, work: int) -> None:
        """About this much work is still to come."""
        self._total = self._done + work
        if self._bar is not None:
            self._show()
        elif not self._quiet:
            left = self._left()
            say(f"{self._text}{f' ({left})' if left else ''}")

    def done(self, work: int) -> None:
        """This much work has been done."""
        self._done += work
        self._total = max(self._total, self._done)
        if self._bar is not None:
            self._show()

    def _show(self) -> None:
        assert self._bar is not None
        self._bar.update(
            self._row, total=max(1, self._total), completed=self._done, left=self._left()
        )

    def _left(self) -> str:
        """Time left, once there is enough to tell by."""
        elapsed = time.monotonic() - self._start
        if elapsed < 2 or not self._done or self._done == self._total:
            return ""
        seconds = elapsed * (self._total - self._done) / self._done
        return f"about {_span(seconds)} left"


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds)):d} s"
    if seconds < 5400:
        return f"{round(seconds / 60):d} min"
    return f"{seconds / 3600:.1f} h"
