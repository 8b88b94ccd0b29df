"""Where rich text and tables become lines, on a terminal, in a pipe and in documents."""

from __future__ import annotations

import io

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

COLUMNS = 80


def show(renderable: RenderableType) -> None:
    """Print to stdout, without spaces at the ends of lines.

    Args:
        renderable: Anything that rich can print; a string is plain text, never markup.
    """
    Console(highlight=False).print(_Trimmed(renderable))


def as_text(renderable: RenderableType, *, columns: int = COLUMNS) -> str:
    """What `show` prints, without colours, as text that ends with a line break.

    Args:
        renderable: As for `show`.
        columns: Width of a line.
    """
    console = Console(width=columns, file=io.StringIO(), color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(_Trimmed(renderable))
    return capture.get()


class _Trimmed:
    """A renderable without the spaces that fill cells and lines up to their width.

    They are seen by nobody, and are in the way of whoever copies or compares lines.
    """

    def __init__(self, renderable: RenderableType) -> None:
        self.renderable = Text(renderable) if isinstance(renderable, str) else renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in console.render_lines(self.renderable, options, pad=False):
            yield from _without_end(line)
            yield Segment.line()


def _without_end(line: list[Segment]) -> list[Segment]:
    kept = list(line)
    while kept and not kept[-1].control:
        text = kept[-1].text.rstrip()
        if text:
            kept[-1] = Segment(text, kept[-1].style)
            break
        kept.pop()
    return kept
