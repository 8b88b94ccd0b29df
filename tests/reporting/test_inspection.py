"""What was learned, on a terminal, in a figure and in the report."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pytest
from rich.console import Console

from rankprobe.errors import ArtifactError
from rankprobe.records import Interval
from rankprobe.records.inspection import FILE, Inspection, inspection_of, mark, read_inspection
from rankprobe.reporting.folder import write_folder, write_inspection, write_report
from rankprobe.reporting.inspection import inspection_summary, tables
from rankprobe.reporting.inspection_figure import plot_inspection
from rankprobe.reporting.inspection_html import inspection_html
from rankprobe.reporting.inspection_words import findings
from rankprobe.reporting.style import png_bytes
from rankprobe.result_file import load_result
from tests.reporting.examples import HOSTILE, examples
from tests.reporting.inspections import INSPECTIONS, inspection

RESULT = examples()["rank_one"]


def printed(found: Inspection) -> str:
    file = io.StringIO()
    Console(file=file, width=80, highlight=False).print(inspection_summary(found))
    return file.getvalue()


@pytest.mark.parametrize("name", INSPECTIONS)
class TestEveryInspection:
    def test_the_terminal_has_80_columns_and_no_folded_number(self, name: str) -> None:
        lines = printed(INSPECTIONS[name]).splitlines()
        assert max(map(len, lines)) <= 80
        layers = len(INSPECTIONS[name].layers)
        named = [line for line in lines if line.startswith(("hidden", "..."))]
        assert len(named) == layers * (4 if INSPECTIONS[name].updates else 3)  # one line a row

    def test_it_comes_back_from_json(self, name: str, tmp_path: Path) -> None:
        file = tmp_path / FILE
        file.write_text(INSPECTIONS[name].to_json(), encoding="utf-8")
        assert read_inspection(file) == INSPECTIONS[name]

    def test_the_figure_is_the_same_twice_and_leaves_no_settings(self, name: str) -> None:
        before = dict(mpl.rcParams)
        first = png_bytes(plot_inspection(INSPECTIONS[name]))
        assert first == png_bytes(plot_inspection(INSPECTIONS[name]))
        assert dict(mpl.rcParams) == before

    def test_every_panel_has_its_lines(self, name: str) -> None:
        found = INSPECTIONS[name]
        figure = plot_inspection(found).figure
        panels = figure.axes
        assert len(panels) == (4 if found.updates else 2)
        layers = len(found.layers)
        drawn = [len(ax.containers) for ax in panels]
        assert drawn == [layers, 2 * layers, 0, 2][: len(panels)]
        if found.updates:
            assert len(panels[2].lines) == layers + 1  # and the minimal rank


def test_every_rank_is_in_the_report_and_the_important_ones_on_the_terminal() -> None:
    found = inspection(ranks=range(1, 40))
    full, (narrow, *_) = tables(found), tables(found, columns=80)
    assert full[0].header == ("layer", *map(str, range(1, 40)))
    assert {"1", "2", "4", "8", "16", "32", "39"} <= set(narrow.header)
    assert "ranks are left out here" in narrow.note


def test_the_findings_name_the_ranks() -> None:
    beta, optimisation, capacity = findings(inspection())
    assert "above zero everywhere" in beta
    assert optimisation == "Optimisation: rank 2 as trained is worse than the cut."
    assert capacity == "Capacity: rank 1 as trained is worse than full training, as the cut is."


def test_better_than_the_cut_is_said() -> None:
    found = inspection()
    better = replace(found.cuts[3], gained=Interval(0.1, 0.05, 0.15))
    *_, line = findings(replace(found, cuts=(*found.cuts[:3], better)))
    assert line.startswith("Rank 4 as trained is better than the cut")


def test_betas_that_are_not_positive_are_counted() -> None:
    found = inspection()
    first = found.adapters[0]
    beta = replace(first.beta, low=-0.5, values=(-0.5, *first.beta.values[1:]))
    moved = replace(found, adapters=(replace(first, beta=beta), *found.adapters[1:]))
    assert "not above zero 1 times" in findings(moved)[0]


def test_one_repeat_is_said_to_say_little() -> None:
    assert "measure more" in " ".join(findings(INSPECTIONS["one repeat"]))


def test_text_from_data_is_escaped() -> None:
    found = inspection([HOSTILE, "b"], task=HOSTILE)
    found = replace(found, notes=(HOSTILE,))
    page = inspection_html(found, png_bytes(plot_inspection(found)))
    assert "<script>" not in page
    assert "\x1b" not in printed(found)
    assert "[red]" in printed(found)


def test_the_report_has_the_section_of_this_result_alone(tmp_path: Path) -> None:
    folder = write_folder(RESULT, tmp_path)
    result = load_result(folder)
    assert inspection_of(result) is None
    write_inspection(result, replace(inspection(), of=mark(result)))
    assert inspection_of(result) is not None
    page = (folder / "report.html").read_text()
    assert page.count("What was learned") == 1
    assert (folder / "inspection.png").read_bytes().startswith(b"\x89PNG")
    write_report([result, result], folder / "both.html")
    assert (folder / "both.html").read_text().count("What was learned") == 2
    moved = replace(result, points=result.points[1:])
    assert inspection_of(moved) is None
    write_folder(moved, folder)
    assert "What was learned" not in (folder / "report.html").read_text()


def test_a_damaged_file_costs_the_report_its_section_alone(tmp_path: Path) -> None:
    folder = write_folder(RESULT, tmp_path)
    (folder / FILE).write_text('{"schema": 1, "task"')
    write_folder(load_result(folder), folder)
    page = (folder / "report.html").read_text()
    assert "inspect the run again" in page
    assert "Scores by rank" in page


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"schema": 1}', '{"schema": 1, "adapters": 3}', "\u0000"],
)
def test_a_damaged_file_is_one_clear_error(text: str, tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match="is damaged"):
        read_inspection(file)


def test_another_schema_is_named(tmp_path: Path) -> None:
    file = tmp_path / FILE
    file.write_text(json.dumps({**json.loads(inspection().to_json()), "schema": 2}))
    with pytest.raises(ArtifactError, match="another schema than 1"):
        read_inspection(file)
