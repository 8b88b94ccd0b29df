"""A grid as words, tables, figure, page and files."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import rankprobe
from rankprobe.cli import main
from rankprobe.errors import ArtifactError
from rankprobe.grid_file import is_grid, load_grid, load_results, made_grid
from rankprobe.records import Interval, Result
from rankprobe.records.grid import Grid
from rankprobe.reporting.grid_figure import CURVES, plot_grid
from rankprobe.reporting.grid_folder import grid_html
from rankprobe.reporting.grid_words import header, lines, measured_ranks, notes, rows
from rankprobe.reporting.style import png_bytes
from tests.reporting.examples import make


def grid(count: int = 3, **changes: object) -> Grid:
    """A grid of one setting with made-up results."""
    names = [f"kind{index}" for index in range(count)]
    results = {name: make(f"grid-{name}", **changes) for name in names}  # type: ignore[arg-type]
    settings = {name: {"backbone.weights": name} for name in names}
    cost = {"seconds": 12.0, "members": 20, "steps": 100}
    return made_grid(
        "grid", {"backbone.weights": tuple(names)}, settings, results, cost=cost, folder=None
    )


def test_a_row_a_combination() -> None:
    made = grid()
    ranks = measured_ranks(made)
    assert header(made, ranks)[:2] == ("combination", "full")
    assert header(made, ranks)[-2:] == ("minimal rank", "verdict")
    table = rows(made, ranks)
    assert [row[0] for row in table] == ["kind0", "kind1", "kind2"]
    assert {len(row) for row in table} == {len(header(made, ranks))}
    result = made.results["kind0"]
    assert table[0][1] == f"{result.baseline.mean:.4f}"
    assert str(made) == "\n".join(lines(made))
    assert len(measured_ranks(made, 2)) == 2


def test_its_repr_is_one_line() -> None:
    assert repr(grid()) == "Grid('grid', 3 combinations of backbone.weights (3))"


def test_a_rank_that_one_combination_lacks_leaves_its_cell_empty() -> None:
    made = grid(2)
    first = made.results["kind0"]
    fewer = {**made.results, "kind0": replace(first, points=first.points[1:])}
    made = replace(made, results=fewer)
    ranks = measured_ranks(made)
    column = header(made, ranks).index(f"rank {first.points[0].rank}")
    assert [bool(row[column]) for row in rows(made, ranks)] == [False, True]


def test_notes_name_those_that_they_are_about() -> None:
    made = grid()
    flagged = replace(
        made.results["kind1"],
        minimal_rank=replace(made.results["kind1"].minimal_rank, flags=("rate_at_edge",)),
    )
    assert not any(line.startswith("kind1: ") for line in notes(made))
    made = replace(made, results={**made.results, "kind1": flagged})
    assert any(line.startswith("kind1: ") for line in notes(made))


@pytest.mark.parametrize("count", [2, CURVES, CURVES + 1, 22])
def test_a_figure_of_any_size(count: int) -> None:
    made = grid(count)
    ax = plot_grid(made)
    assert png_bytes(ax)[:4] == b"\x89PNG"
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert (labels == list(made.results)) == (count > CURVES)
    assert made.plot(ax=ax) is ax


def test_far_dots_stand_at_the_edge_with_the_farthest_named() -> None:
    made = grid(CURVES + 1)
    result = made.results["kind3"]
    points = tuple(
        replace(p, recovery=Interval(0.01, 0.0, 0.02)) if k == 0 else p
        for k, p in enumerate(result.points)
    )
    made = replace(made, results={**made.results, "kind3": replace(result, points=points)})
    ax = plot_grid(made)
    assert ax.get_xlim()[0] > 0.01
    assert "1 %" in [text.get_text().strip() for text in ax.texts]


class Links(HTMLParser):
    found: list[str]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [str(value) for key, value in attrs if key == "href"]


def test_the_page_escapes_and_links() -> None:
    made = replace(grid(), name="<b>x</b>")
    page = grid_html(made, b"png", linked=True)
    assert "<b>x</b>" not in page
    links = Links()
    links.found = []
    links.feed(page)
    assert links.found == [f"{name}/report.html" for name in made.results]


class TestFiles:
    def test_a_grid_survives_its_folder_and_its_text(self, tmp_path: Path) -> None:
        made = grid()
        made.save(tmp_path)
        assert load_grid(tmp_path) == made == load_grid(tmp_path / "grid.json")
        assert (load_grid(tmp_path / "grid.json").folder, is_grid(tmp_path)) == (tmp_path, True)
        data = json.loads((tmp_path / "grid.json").read_text())
        assert (data["schema"], data["kind"]) == (1, "grid")
        assert data["combinations"][0] == {
            "name": "kind0",
            "settings": {"backbone.weights": "kind0"},
        }
        assert (
            json.loads(made.to_json())["combinations"][1]["result"]["task"]["name"] == "grid-kind1"
        )
        assert rankprobe.load_result(tmp_path / "kind1") == made.results["kind1"]
        assert load_results([tmp_path, tmp_path / "kind1"]) == [
            *made.results.values(), made.results["kind1"]
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{", "this is not JSON"),
            ("{}", "no `kind: grid`"),
            ('{"kind": "grid", "schema": 9}', "another schema than 1"),
            ('{"kind": "grid", "schema": 1}', "damaged or incomplete"),
            (
                (
                    '{"kind": "grid", "schema": 1, "name": "g", "vary": {}, "cost": {}, '
                    '"combinations": [{"name": "../other", "settings": {}}]}'
                ),
                "'../other' names no combination",
            ),
        ],
    )
    def test_what_is_no_grid_is_one_error(self, text: str, words: str, tmp_path: Path) -> None:
        (tmp_path / "grid.json").write_text(text)
        with pytest.raises(ArtifactError, match=words):
            load_grid(tmp_path)

    def test_a_missing_result_is_named(self, tmp_path: Path) -> None:
        grid().save(tmp_path)
        (tmp_path / "kind1" / "result.json").unlink()
        with pytest.raises(ArtifactError, match="kind1"):
            load_grid(tmp_path)


class TestCommands:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        grid().save(tmp_path / "runs")
        return tmp_path / "runs"

    def test_figure_report_and_compare_take_its_folder(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["figure", str(folder), "-o", str(tmp_path / "f.png")]) == 0
        assert main(["report", str(folder), "-o", str(tmp_path / "r.html")]) == 0
        assert main(["compare", str(folder), "-o", str(tmp_path / "c.png")]) == 0
        assert "kind0" in capsys.readouterr().out
        assert "3 combinations" in (tmp_path / "r.html").read_text()
        assert main(["report", str(folder / "kind1"), "-o", str(tmp_path / "one.html")]) == 0

    def test_a_grid_beside_a_result(self, folder: Path) -> None:
        other: Result = make("other")
        comparison = rankprobe.compare(folder, other, anyway=True)
        assert {task.label for task in comparison.tasks} == {
            "grid-kind0", "grid-kind1", "grid-kind2", "other"
        }  # fmt: skip
