"""Programs that run side by side, one at a time, each until it has to wait for something.

A search is an ordinary function that asks and goes on with the answer. To ask together, many of
them must stop in the middle. Each has a thread of its own, of which only one ever runs, so
nothing that they use needs to know of threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """A function that runs only while it is let.

    Args:
        work: The function; it calls `ask` from inside.

    Attributes:
        asked: What it waits for.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self.asked: T | None = None
        self._work = work
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._ended = self._cancelled = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def advance(self) -> bool:
        """Let it run until it asks; whether it did, and has not ended.

        Raises:
            BaseException: Whatever the function raises.
        """
        if self._ended:
            return False
        self._let()
        if self._error is not None:
            raise self._error
        return not self._ended

    def ask(self, what: T) -> None:
        """From inside: wait for something until the next turn."""
        self.asked = what
        self._back.release()
        self._go.acquire()
        self.asked = None
        if self._cancelled:
            raise _Cancelled

    def cancel(self) -> None:
        """End it where it waits; does nothing to one that has ended."""
        self._cancelled = True
        while self._thread.is_alive():
            self._go.release()
            self._thread.join(0.05)

    def _let(self) -> None:
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._go.release()
        self._back.acquire()

    def _run(self) -> None:
        try:
            self._work()
        except _Cancelled:
            pass
        except BaseException as error:  # handed on to whoever let it run
            self._error = error
        finally:
            self._ended = True
            self._back.release()


class _Cancelled(BaseException):
    """Unwinds a function that will get no more turns."""
