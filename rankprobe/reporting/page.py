"""Parts of a page. All text is escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

from rankprobe.reporting.wording import clean


def soft(text: str) -> str:
    """A paragraph that stands back."""
    return f'<p class="soft">{escape(text)}</p>'


def table(names: Sequence[str], lines: Iterable[tuple[Sequence[str], bool]], kind: str = "") -> str:
    """A table with named columns; the first cell of a row names it, and some rows stand out."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = []
    for row, stands_out in lines:
        mark = ' class="chosen"' if stands_out else ""
        data = "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        body.append(f'<tr{mark}><th scope="row">{escape(row[0])}</th>{data}</tr>')
    return (
        f'<div class="wide"><table{kind}><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def notes(lines: Iterable[str]) -> str:
    """Notes as a list; nothing without any."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<ul class="notes">{items}</ul>' if items else ""


def picture(png: bytes, alt: str, caption: str) -> str:
    """A picture inside the page itself, with what it shows in words and its caption."""
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><img alt="{escape(alt)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values, a row a pair."""
    body = "".join(
        f'<tr><th scope="row">{escape(clean(name))}</th><td>{escape(clean(value))}</td></tr>'
        for name, value in pairs
    )
    return f'<table class="words"><tbody>{body}</tbody></table>'
