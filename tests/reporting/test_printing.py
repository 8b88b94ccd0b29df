"""Rich text as lines: the same words, and nothing at their ends."""

from __future__ import annotations

import pytest
from rich.console import Group
from rich.table import Table
from rich.text import Text

from rankprobe.reporting.comparison import summary as compared
from rankprobe.reporting.printing import as_text, show
from rankprobe.reporting.tables import summary
from rankprobe.statistics.compare import compare_results
from tests.reporting.examples import examples

EXAMPLES = examples()


def table() -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("name", "note"):
        made.add_column(name)
    made.add_row("one", "", style="bold")
    made.add_row("  two", "words")
    return made


def test_lines_have_nothing_at_their_ends() -> None:
    assert as_text(table()) == "name   note\none\n  two  words\n"


def test_a_string_is_no_markup_and_breaks_at_the_width() -> None:
    assert as_text("[bold]a[/bold] " + "b" * 7, columns=17) == "[bold]a[/bold]\nbbbbbbb\n"
    assert as_text("a\n\nb") == "a\n\nb\n"


def test_styles_are_kept_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    show(Group(Text("all", style="bold"), table()))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "\x1b[1mall\x1b[0m"
    assert lines[2] == "\x1b[1mone\x1b[0m"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_result_fits_and_has_nothing_at_the_ends(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show(summary(EXAMPLES[name]))
    text = capsys.readouterr().out
    assert text == as_text(summary(EXAMPLES[name]))
    assert all(line == line.rstrip() and len(line) <= 80 for line in text.splitlines())


def test_a_comparison_has_nothing_at_the_ends() -> None:
    results = [EXAMPLES["resolved"], EXAMPLES["loss"]]
    text = as_text(compared(compare_results(results, ["first", "second"])))
    assert all(line == line.rstrip() for line in text.splitlines())
