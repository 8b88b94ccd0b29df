from __future__ import annotations

import base64
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from rankprobe.reporting.html import report_html, reports_html
from rankprobe.reporting.methods import methods_paragraph
from rankprobe.reporting.verdicts import headline, verdict_sentence
from rankprobe.reporting.wording import clean
from tests.reporting.examples import HOSTILE, examples, make, unresolved

EXAMPLES = examples()
CURVE, RATES, OVERVIEW = b"\x89PNG curve", b"\x89PNG rates", b"\x89PNG overview"
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Reads a page as a browser would: text, tags, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def read(name: str) -> Page:
    return Page(report_html(EXAMPLES[name], curve_png=CURVE, rates_png=RATES))


@pytest.mark.parametrize("name", EXAMPLES)
def test_well_formed_and_says_the_answer(name: str) -> None:
    page = read(name)
    assert headline(EXAMPLES[name]) in page.text
    assert verdict_sentence(EXAMPLES[name]) in page.text
    assert page.all("html") == [{"lang": "en"}]


def test_holds_everything_the_reader_needs() -> None:
    text = read("resolved").text
    for words in (
        "95.5 % [94.8, 96.1] 0.9126 [0.9064, 0.9187] 3e-3 10,000",
        "99 % above 32",
        "90 % 4 (4 to 5); 8,000 adapter parameters",
        "12,800 training, 1,600 validation, 3,200 test examples",
        "backbone hidden 512-256-128-64",
        "optimizer adamw",
        "training time 1 min 23 s",
        "steps 123,456",
        "torch 2.13.0",
        f"data hash {'ab' * 32}",
        "arXiv:2604.08749",
    ):
        assert words in text, words


def test_flags_are_explained() -> None:
    assert "The interval of the minimal rank is wide" in read("wide").text
    assert "There are fewer than 3 repeats" in read("rank_one").text
    assert not read("resolved").all("li")


def test_figures_are_inside_with_text_for_those_who_do_not_see_them() -> None:
    curve, rates = read("resolved").all("img")
    for image, png in ((curve, CURVE), (rates, RATES)):
        kind, data = (image["src"] or "").split(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data) == png
    assert headline(EXAMPLES["resolved"]) in (curve["alt"] or "")
    assert "learning rate" in (rates["alt"] or "")


def test_loads_and_runs_nothing() -> None:
    html = report_html(EXAMPLES["resolved"], curve_png=CURVE, rates_png=RATES)
    assert "http:" not in html
    assert "https:" not in html
    assert "url(" not in html
    assert "@import" not in html
    page = Page(html)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "a"})
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]


def test_all_text_from_data_is_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>\"'&"
    result = make(
        HOSTILE,
        minimal=replace(unresolved("baseline_suspect"), flags=(evil,)),
        baseline_flags=(evil,),
    )
    result = replace(
        result,
        task=replace(result.task, metric=evil, hash=evil),
        scope={evil: {evil: [evil]}},
        provenance={evil: evil, "rankprobe": evil},
        points=tuple(replace(point, flags=(evil,)) for point in result.points),
        folder=None,
    )
    html = report_html(result, curve_png=CURVE, rates_png=RATES)
    page = Page(html)
    assert "<script" not in html
    assert len(page.all("img")) == 2
    assert clean(HOSTILE) in page.text
    assert evil in page.text


def test_adapts_to_dark_screens_and_paper() -> None:
    html = report_html(EXAMPLES["resolved"], curve_png=CURVE, rates_png=RATES)
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html


def test_the_row_of_the_minimal_rank_stands_out() -> None:
    assert [row for row in read("resolved").all("tr") if row.get("class") == "chosen"] != []
    assert [row for row in read("largest").all("tr") if row.get("class") == "chosen"] == []


def test_several_results_on_one_page() -> None:
    results = [EXAMPLES["resolved"], EXAMPLES["loss"]]
    pictures = [(CURVE, RATES), (b"other curve", b"other rates")]
    page = Page(reports_html(results, pictures, overview_png=OVERVIEW))
    assert "Minimal ranks of 2 tasks" in page.text
    assert all(headline(result) in page.text for result in results)
    shown = [base64.b64decode((image["src"] or "").split(",")[1]) for image in page.all("img")]
    assert shown == [OVERVIEW, CURVE, RATES, b"other curve", b"other rates"]


def test_the_methods_are_those_of_the_result_escaped() -> None:
    result = EXAMPLES["resolved"]
    assert methods_paragraph(result) in read("resolved").text
    html = report_html(replace(result, methods="as <b>kept</b>"), curve_png=CURVE, rates_png=RATES)
    assert "as &lt;b&gt;kept&lt;/b&gt;" in html
    assert methods_paragraph(result) not in Page(html).text


def test_what_the_answer_stands_on_has_its_own_tables() -> None:
    page = read("trusted")
    for words in (
        "Checks rank recovery over chance p of non-inferiority 1 40.9 %",
        "6 94.5 % [92.5, 96.5] 0.050",
        "16 99.2 % [97.2, 101.2] <0.001",
        "non-inferiority rank 7 is the smallest from which on",
        "noise of the recovery at rank 6: 70 % test set",
        "design asked for the ends of the interval at most 1 rank",
        "changed minimal rank moved recovery by rank epochs 10 (half) baseline suspect",
        "batch size 64 (half) 5 (5 to 6) -1 5: 93.0 %, 6: 96.0 %, 7: 97.0 %",
    ):
        assert words in page.text, words
    plain = read("loss").text
    assert not [word for word in ("over chance 1", "Checks", "Sensitivity") if word in plain]


def test_an_epsilon_is_the_first_target() -> None:
    assert "Targets within 0.02 8 (6 to 16); 9,999 adapter parameters 90 %" in read("epsilon").text
