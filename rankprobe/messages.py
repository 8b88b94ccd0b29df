"""What commands say on stderr: what is wrong, what to mind, how far they are.

One rule for all of it. On a terminal lines break between words, at 80 columns or at the
terminal's width where that is less, and what goes on is indented. Anywhere else a line stays
whole, however long it is: logs are searched line by line, and a message is copied from them in
one piece. Results on stdout are not messages: their tables need a width, so they are laid out for
80 columns in a pipe as well (`rankprobe.reporting.printing`).
"""

from __future__ import annotations

import sys

COLUMNS = 80


def say(text: str) -> None:
    """Print a message to stderr.

    Args:
        text: Its lines, those that belong to another one indented.
    """
    print(_wrapped(text) if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


def _wrapped(text: str) -> str:
    import shutil
    import textwrap

    width = min(COLUMNS, shutil.get_terminal_size().columns)
    lines = []
    for line in text.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line,
            width,
            subsequent_indent=f"{indent}    ",
            break_long_words=False,  # a path can still be copied
            break_on_hyphens=False,
            replace_whitespace=False,
        ) or [""]
    return "\n".join(lines)
