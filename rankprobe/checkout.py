"""Which commit of rankprobe this is, where it runs from a checkout of its own repository."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

_PACKAGE = Path(__file__).parent
_LIMIT = 2.0  # seconds; git takes a few hundredths


@functools.cache
def commit(package: Path = _PACKAGE) -> str | None:
    """The commit, ``abc1234``, or ``abc1234+changes`` where the package's files differ from it.

    Args:
        package: The package's folder.

    Returns:
        ``None`` for an installed package, without git, or where git does not answer.
    """
    git = shutil.which("git")
    if git is None or not _is_checkout(package.parent):
        return None
    # Variables of a git that runs us, as a hook does, would name another repository; and a
    # question takes no lock that somebody's own git may want.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    question = ["status", "--porcelain=v2", "--branch", "--untracked-files=all", "--", package.name]
    try:
        answer = subprocess.run(  # noqa: S603  nothing here comes from data
            [git, "-c", "core.fsmonitor=false", *question],
            cwd=package.parent,
            env={**kept, "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
            check=True,
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"^# branch\.oid ([0-9a-f]{7})[0-9a-f]*$", answer, re.MULTILINE)
    if found is None:  # a repository without a commit
        return None
    changed = any(not line.startswith("#") for line in answer.splitlines())
    return found[1] + ("+changes" if changed else "")


def _is_checkout(folder: Path) -> bool:
    """Whether a folder is the top of rankprobe's own repository, and not of one that holds it."""
    try:
        described = (folder / "pyproject.toml").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return 'name = "rankprobe"' in described and (folder / ".git").exists()
