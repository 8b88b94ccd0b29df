from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.colors import to_hex
from rich.console import Console

from rankprobe.errors import ConfigError
from rankprobe.records import Result
from rankprobe.records.comparison import Comparison, ScopeDifference
from rankprobe.reporting.comparison import (
    plot_comparison,
    summary,
    unique_labels,
    warning_words,
    write_comparison,
)
from rankprobe.reporting.comparison_words import comparison_notes, order_lines
from rankprobe.reporting.style import VERMILLION
from rankprobe.statistics.compare import compare_results
from tests.reporting.drawn import assert_readable, words
from tests.reporting.examples import HOSTILE, examples, make
from tests.statistics.resamples import interval_only, resampled, withheld

EXAMPLES = examples()
DENSE = tuple(range(1, 13))
DIFFERENT = (
    ScopeDifference("backbone.hidden", (("64", ("a",)), ("512-256", ("b", "c")))),
    ScopeDifference("search.target", (("0.9", ("a", "b")), ("0.95", ("c",)))),
)


def compared(*results: Result, scope: tuple[ScopeDifference, ...] = ()) -> Comparison:
    return compare_results(results, unique_labels(results), scope=scope)


def printed(comparison: Comparison, *, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=file, width=80).print(summary(comparison))
    file.flush()
    return raw.getvalue().decode(encoding)


def three() -> tuple[Result, ...]:
    """Two that cannot be told apart and one above them, as they print."""
    return (
        resampled("b", [(4, 0.6), (5, 0.4)], ranks=DENSE),
        resampled("c", [(12, 1.0)], ranks=DENSE),
        resampled("a", [(3, 0.4), (4, 0.5), (5, 0.1)], ranks=DENSE, value=4),
    )


def test_tasks_differences_and_order_are_printed() -> None:
    first = replace(three()[0], scope={"largest_useful_rank": 256, "epochs": 22})
    lines = printed(compared(first, *three()[1:])).splitlines()
    rows = [" ".join(line.split()) for line in lines]
    assert "b 4 (4 to 5) 96.0 % 4,000 0.8 % 1.6 % 22 resolved" in rows
    assert "a 4 (3 to 5) 96.0 % 4,000 0.8 % - 20 resolved" in rows
    assert "c - b +1.58 +1.26 to +1.58 <0.001 b < c" in rows
    assert "a - b +0.00 -0.74 to +0.32 0.800 cannot be told apart" in rows
    assert "b < c" in rows
    assert "b and a cannot be told apart" in rows
    text = " ".join(rows)
    assert "a difference of 1 is twice the rank" in text
    assert "limits hold for all pairs at once at 95 % (Bonferroni); p is Holm's correction" in text
    assert "Warning" not in text


@pytest.mark.parametrize("name", EXAMPLES)
def test_fits_80_columns_and_shows_no_control_characters(name: str) -> None:
    text = printed(compared(EXAMPLES[name], *EXAMPLES.values(), scope=DIFFERENT))
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_a_terminal_of_few_letters_is_no_trouble() -> None:
    assert "letters" in printed(compared(EXAMPLES["resolved"], EXAMPLES["wide"]), encoding="ascii")


def test_a_name_is_text_and_never_markup() -> None:
    text = printed(compared(make("[red]x[/red]"), make("[bold]y")))
    assert "[red]x[/red]" in text
    assert "[bold]y" in text


def test_limits_that_are_open_are_words() -> None:
    beyond = resampled("beyond", [(None, 1.0)], ranks=(1, 2, 4, 8))
    further = resampled("further", [(None, 1.0)], ranks=(1, 2, 4, 8, 16))
    below = resampled("below", [(4, 1.0)], ranks=(4, 8))
    text = printed(compared(beyond, below, further))
    assert "+1.17 or more" in text
    assert "none on either side" in text
    assert "a limit on one side only" in " ".join(text.split())
    one = printed(compared(below, resampled("one", [(1, 1.0)], ranks=DENSE)))
    assert "up to +2.00" in one


def test_notes_say_what_was_judged_and_what_was_left_out() -> None:
    old, new = interval_only("old", 2, 1, 3), resampled("new", [(6, 1.0)], ranks=DENSE)
    other = resampled("other", [(6, 1.0)], ranks=DENSE)
    other = replace(other, task=replace(other.task, metric="r2", hash=new.task.hash))
    grid = replace(new.minimal_rank, flags=("grid",))
    comparison = compared(
        old, replace(new, minimal_rank=grid), other, withheld("shuffled", "no_signal")
    )
    notes = comparison_notes(comparison)
    assert any("do not overlap, which is not corrected for the number" in note for note in notes)
    assert (
        "shuffled is compared with none: full training does not beat chance, so there is no "
        "minimal rank"
    ) in notes
    assert (
        "recoveries are of different metrics: accuracy in old, new and shuffled; R² in other"
    ) in notes
    assert any(note.startswith("new and other are of the same data: ") for note in notes)
    assert any(note.startswith("new: ranks just below the minimal rank were not") for note in notes)
    assert order_lines(comparison) == [
        "old < new, other",
        "new and other cannot be told apart",
    ]


def test_the_number_of_scaffold_seeds_is_noted() -> None:
    one, four = (
        replace(result, provenance={"configuration": {"search": search}})
        for result, search in zip(three(), ({}, {"scaffolds": 4}), strict=False)
    )
    assert (
        "the number of scaffold seeds that an interval covers differs: 1 in b; 4 in c"
    ) in comparison_notes(compared(one, four))


def test_nothing_to_compare_is_said() -> None:
    comparison = compared(three()[0], withheld("shuffled", "no_signal"))
    assert "fewer than two tasks can be compared" in comparison_notes(comparison)
    assert "b is compared with none" not in printed(comparison)
    assert order_lines(comparison) == []


def test_labels_are_unique_and_short() -> None:
    a, b = make("x"), replace(make("x"), folder=Path("runs/second"))
    assert unique_labels([a, b, make("y")]) == ["x", "x (second)", "y"]
    assert unique_labels([a, a, b, b]) == ["x", "x #2", "x (second)", "x (second) #2"]
    (label,) = unique_labels([make(HOSTILE)])
    assert len(label) == 40
    assert label.endswith("...")


def test_what_was_not_measured_alike_is_loud() -> None:
    comparison = compared(*three(), scope=DIFFERENT)
    first, *rest = printed(comparison).splitlines()
    assert first.strip() == "Warning: not measured alike: backbone.hidden, search.target."
    assert rest[0].strip() == "backbone.hidden: 64 in a; 512-256 in b, c"
    ax = plot_comparison(comparison)
    assert ax.get_title(loc="left") == "Not measured alike: backbone.hidden, search.target"
    assert to_hex(ax._left_title.get_color()).upper() == VERMILLION  # type: ignore[attr-defined]
    assert warning_words(compared(*three())) == ""
    assert compared(*three()).plot().get_title(loc="left") == ""


def test_the_figure_names_every_task_with_its_answer() -> None:
    comparison = compared(EXAMPLES["resolved"], EXAMPLES["resolved"], EXAMPLES["wide"])
    ax = comparison.plot()
    text = words(ax)
    assert "letters #2\nminimal rank: 6 (5 to 7)" in text
    assert "a wide ladder\nminimal rank: 120 (64 to 256)" in text
    assert_readable(ax)


def test_a_long_warning_stays_inside_its_figure() -> None:
    many = tuple(ScopeDifference(f"backbone.setting_{k}", ()) for k in range(30))
    ax = plot_comparison(compared(*three(), scope=many))
    assert_readable(ax)
    title = ax.get_title(loc="left")
    assert title == "Not measured alike: backbone.setting_0 and 29 more settings"
    # It is as wide in print as on the screen, but for the letters' rounding.
    figure = ax.get_figure(root=True)
    assert figure is not None
    assert ax._left_title.get_window_extent().x1 < 0.99 * figure.bbox.x1  # type: ignore[attr-defined]


def test_the_figure_is_written_in_the_format_of_its_name(tmp_path: Path) -> None:
    comparison = compared(*three())
    assert write_comparison(comparison, tmp_path / "c.svg").read_bytes().startswith(b"<?xml")
    with pytest.raises(ConfigError, match=r"figures cannot be written as `\.txt` files"):
        write_comparison(comparison, tmp_path / "c.txt")
