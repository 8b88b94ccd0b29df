"""What the commands of the studies share."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rankprobe.errors import RankprobeError, TrainingError


def guarded(work: Callable[[], object]) -> int:
    """Do the work of a command, with the exit status and the complaints of ``rankprobe``."""
    try:
        work()
    except RankprobeError as error:
        print(f"studies: {error}", file=sys.stderr)
        return 1 if isinstance(error, TrainingError) else 2
    except KeyboardInterrupt:
        print("\nstudies: interrupted; the same command goes on from there", file=sys.stderr)
        return 130
    return 0
