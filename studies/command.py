"""What the commands of the studies share."""

from __future__ import annotations

from collections.abc import Callable

from rankprobe.errors import RankprobeError, TrainingError
from rankprobe.messages import say


def guarded(work: Callable[[], object]) -> int:
    """Do the work of a command, with the exit status and the complaints of ``rankprobe``."""
    try:
        work()
    except RankprobeError as error:
        say(f"studies: {error}")
        return 1 if isinstance(error, TrainingError) else 2
    except KeyboardInterrupt:
        say("\nstudies: interrupted; the same command goes on from there")
        return 130
    return 0
