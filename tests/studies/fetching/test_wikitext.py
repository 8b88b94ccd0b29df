from __future__ import annotations

import bz2

import pytest

from rankprobe.errors import DataError
from studies.fetching import wikitext
from studies.fetching.wikitext import pages, plain, wiki

PAGE = """{{Infobox|name={{PAGENAME}}|area={{convert|3|mi}}}}
[[File:Field.jpg|thumb|A [[wheat|field]] of it]]
'''Wheat''' ({{IPA|x}}; {{lang|de|Weizen}}) is a [[grass]]<ref name="a">Book {{cite}}</ref>, of the
genus ''[[Triticum (plant)|Triticum]]''.<ref name="a" /> It is grown <!-- why? -->on
{{convert|1300|mi|km}} of land&nbsp;[http://example.org as they say].

{| class="wikitable"
| 1 || {| class="inner"
| 2
in a cell
|}
|}
==History==
===Early===
* Domesticated &lt; 9600 BC.
* <math>x^2</math>
[[Category:Grains]] [[de:Weizen]] [[:Category:Bread|bread]]
==Gallery==
<gallery>
a.jpg|b
</gallery>
== See also ==
* [[Rye]]
===More===
* [[Oats]]
==Trade==
It is sold __NOTOC__ .
"""


def test_only_running_text_is_left() -> None:
    assert plain(PAGE).splitlines() == [
        "Wheat (Weizen) is a grass, of the",
        "genus Triticum. It is grown on",
        "1300 mi of land as they say.",
        "Early",
        "Domesticated < 9600 BC.",
        "bread",
        "Trade",
        "It is sold.",
    ]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a {{unclosed|b\nc", "c"),
        ("a [[unclosed b", "a unclosed b"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("x [https://example.org] y", "x y"),
        ("[[Star Wars: A New Hope]]", "Star Wars: A New Hope"),
        ("[[Image:a.png|[http://example.org b]|c]]d", "d"),
        ("pages 3{{ndash}}4, .5", "pages 3\N{EN DASH}4, .5"),
        ("", ""),
    ],
)
def test_odd_markup(text: str, left: str) -> None:
    assert plain(text) == left


def page(text: str, namespace: int = 0, extra: str = "") -> str:
    return (
        f"<page><title>t</title><ns>{namespace}</ns><id>1</id>{extra}"
        f"<revision><id>2</id><text>{text}</text></revision></page>"
    )


def dump(*inner: str) -> bytes:
    head = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/">'
    return bz2.compress((head + "".join(inner) + "</mediawiki>").encode())


def test_articles_alone_become_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wikitext, "SHORTEST", 5)
    content = dump(
        page("First page.\n\n''Second'' paragraph."),
        page("#REDIRECT [[Other page]]", extra='<redirect title="Other page" />'),
        page("A page about pages", namespace=4),
        page("tiny"),
        page("Last &amp;amp; least."),
    )
    assert wiki(content) == (b"First page.\nSecond paragraph.\n\nLast & least.\n",)


@pytest.mark.parametrize("content", [b"no dump", bz2.compress(b"<page>")])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="the dump of pages cannot be read"):
        list(pages(content))
