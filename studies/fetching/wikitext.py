"""Prose of Wikipedia pages, without their markup.

A small reader of wikitext for language modelling: what is not running text (tables, notes,
pictures, formulas, lists of links at the end of a page) is left out rather than rendered.
"""

from __future__ import annotations

import bz2
import html
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator

from rankprobe.errors import DataError

SHORTEST = 200  # characters; a page with less is no prose
# Sections of lists and links, with which most pages end.
APPENDICES = {
    "bibliography",
    "external links",
    "footnotes",
    "further reading",
    "notes",
    "notes and references",
    "references",
    "see also",
    "sources",
    "works cited",
}

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_EMPTY_TAG = re.compile(r"<(?:ref|references|section)\b[^<>]*/>", re.IGNORECASE)
_NOT_PROSE = re.compile(
    r"<(ref|references|math|gallery|timeline|score|source|syntaxhighlight|imagemap|code|pre)"
    r"\b[^<>]*>.*?</\1\s*>",
    re.IGNORECASE | re.DOTALL,
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
_TEMPLATE = re.compile(r"\{\{([^{}]*)\}\}")
_TABLE = re.compile(r"\{\|(?:(?!\{\|).)*?\|\}", re.DOTALL)
_WEB_LINK = re.compile(r"\[(?:https?:|ftp:)?//[^\s\[\]]+\s*([^\[\]]*)\]")
_LINK = re.compile(r"\[\[([^\[\]]*)\]\]")
_NAMESPACE = re.compile(r"\s*[a-zA-Z-]+\s*:\S")
_QUOTES = re.compile(r"'{2,}")
_MAGIC = re.compile(r"__[A-Z]+__")
_HEADING = re.compile(r"(={2,6})\s*(.+?)\s*\1")
_LIST = re.compile(r"[*#:;]+\s*")
_EMPTY_BRACKETS = re.compile(r"\s*\(\s*(?:[,;:]\s*)*\)")
_START_OF_BRACKETS = re.compile(r"\(\s*(?:[,;]\s*)+")
_LONELY_SPACE = re.compile(r"\s+([,.;:)])(?!\d)")


def wiki(content: bytes) -> tuple[bytes]:
    """``wiki.txt``: a paragraph or heading a line, a blank line between two documents."""
    documents = [plain(text) for text in pages(content)]
    return (("\n\n".join(d for d in documents if len(d) >= SHORTEST) + "\n").encode(),)


def pages(content: bytes) -> Iterator[str]:
    """Wikitext of the articles in a dump compressed by bzip2; other pages are passed over.

    Raises:
        DataError: It is no such dump.
    """
    try:
        root = ET.fromstring(bz2.decompress(content))
    except (OSError, ValueError, ET.ParseError) as error:
        raise DataError(f"the dump of pages cannot be read: {error}") from None
    for page in root.iterfind("{*}page"):
        text = page.findtext("{*}revision/{*}text")
        if page.findtext("{*}ns") == "0" and page.find("{*}redirect") is None and text:
            yield text


def plain(wikitext: str) -> str:
    """Running text of a page: a paragraph, list entry or heading a line, no line empty."""
    text = _COMMENT.sub("", wikitext)
    text = _NOT_PROSE.sub("", _EMPTY_TAG.sub("", text))
    # What is nested goes from the inside out.
    text = _exhaust(_TEMPLATE, _template, text)
    text = _exhaust(_TABLE, lambda _: "", text)
    text = _WEB_LINK.sub(r"\1", text)
    text = _exhaust(_LINK, _link, text)
    text = _MAGIC.sub("", _QUOTES.sub("", _TAG.sub("", text)))
    # The text of an entity may look like markup, so entities come last.
    text = html.unescape(text).replace("\N{NO-BREAK SPACE}", " ")
    return "\n".join(_lines(text))


def _exhaust(pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str], text: str) -> str:
    while True:
        text, count = pattern.subn(replace, text)
        if not count:
            return text


def _template(match: re.Match[str]) -> str:
    """The few templates that stand for words in a sentence; all others are left out."""
    name, *arguments = (part.strip() for part in match[1].split("|"))
    values = [value for value in arguments if "=" not in value]
    name = name.lower()
    if name in {"convert", "cvt"} and len(values) > 1:
        return f"{values[0]} {values[1]}"
    if name in {"lang", "nowrap", "transl", "as of"} and values:
        return f"As of {values[0]}" if name == "as of" else values[-1]
    return {"ndash": "\N{EN DASH}", "mdash": "\N{EM DASH}", "spaced ndash": " \N{EN DASH} "}.get(
        name, ""
    )


def _link(match: re.Match[str]) -> str:
    """What a link shows; nothing for pictures, categories and other languages."""
    target, *shown = match[1].split("|")
    if _NAMESPACE.match(target):
        return ""
    return shown[-1] if shown else target.lstrip(":")


def _lines(text: str) -> Iterator[str]:
    """Lines of prose; a heading only before text of its own, none of `APPENDICES`."""
    heading = ""
    skipped = False
    for raw in text.splitlines():
        line = raw.strip()
        found = _HEADING.fullmatch(line)
        if found:
            # A subsection of an appendix belongs to it.
            deeper = skipped and len(found[1]) > 2
            skipped = deeper or found[2].lower() in APPENDICES
            heading = found[2]
            continue
        line = _tidy(line)
        if skipped or not line:
            continue
        if heading:
            yield heading
            heading = ""
        yield line


def _tidy(line: str) -> str:
    """A line without list marks and what removed markup leaves; empty if markup was left open."""
    if line.startswith(("|", "!")) or any(mark in line for mark in ("{{", "}}", "{|", "|thumb")):
        return ""
    line = _LIST.sub("", line, count=1) if _LIST.match(line) else line
    line = line.replace("[[", "").replace("]]", "")
    line = _EMPTY_BRACKETS.sub("", line)
    line = _START_OF_BRACKETS.sub("(", line)
    return _LONELY_SPACE.sub(r"\1", " ".join(line.split()))
