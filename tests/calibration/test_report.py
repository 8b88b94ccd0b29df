from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from rich.console import Console

from rankprobe.calibration.figure import draw
from rankprobe.calibration.outcomes import Answer
from rankprobe.calibration.report import (
    facts,
    headline,
    load_calibration,
    markdown,
    misses,
    summary,
)
from rankprobe.calibration.run import write_report
from rankprobe.errors import ArtifactError
from rankprobe.reporting.style import png_bytes
from tests.calibration.examples import answer, calibration, checked, control, outcome

OPEN = Answer(None, 17, None, "above_largest")
OUTCOMES = (
    outcome(0, points=(checked(), checked(reference=0.99)), again=answer(3)),
    outcome(1, found=answer(4, 4, 5), reference_rank=4),
    outcome(2, stratum="near tie", expected=12, found=answer(13, 11, 14)),
    outcome(3, kind="teacher", stratum="confirmed", decay=None),
    outcome(4, kind="teacher", stratum="unconfirmed", decay=None),
    outcome(5, expected=16, found=OPEN),
    outcome(6, found=control().found),
    control(7),
)


def test_the_summary_fits_a_terminal() -> None:
    console = Console(width=80, file=io.StringIO(), highlight=False)
    console.print(summary(calibration(OUTCOMES)))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(len(line) for line in text.splitlines()) <= 80
    words = " ".join(text.split())
    assert "0 of 8 goals are met; not met: exact r*, clear linear tasks;" in words
    assert "linear, near tie 1 0 % 100 % 100 % 3" in words
    assert "task1: expected 3, found rank 4 (4 to 5; resolved), reference 4" in words


def test_what_is_not_met_is_named_first() -> None:
    wrong = [outcome(index, found=answer(5)) for index in range(150)]
    made = calibration((*wrong, *(control(index) for index in range(40))))
    assert headline(made) == (
        "2 of 8 goals are met; not met: exact r*, clear linear tasks; within one rank, all linear "
        "tasks; 95 % interval of r* covers; for 3 there are too few cases to say."
    )


def test_facts() -> None:
    found = facts(calibration(OUTCOMES))
    assert found["tasks"] == "5 linear, 2 teacher and student, 1 with shuffled targets"
    assert found["withheld"] == "1 of 7 planted tasks got no interval at all, and count as missed"
    assert " in 1 of 2; the truth of the others" in found["teachers"]
    assert found["verdicts"] == "resolved 5, above largest 1, no signal 1"
    assert found["made"].startswith("seed 4, 2 min 00 s of processor time; rankprobe 0.1")


def test_misses_are_tasks_found_wrong_or_not_covered() -> None:
    assert [line.split(":")[0] for line in misses(OUTCOMES)] == ["task1", "task5", "task6"]
    assert "found no rank (17 to open; above largest)" in misses(OUTCOMES)[1]


def test_the_report_is_written_and_comes_back(tmp_path: Path) -> None:
    made = calibration(OUTCOMES)
    write_report(made, tmp_path)
    assert load_calibration(tmp_path / "calibration.json") == made
    text = (tmp_path / "calibration.md").read_text()
    assert text == markdown(made)
    assert "| by spectrum | tasks |" in text
    assert "](calibration.png)" in text
    assert (tmp_path / "calibration.png").read_bytes() == png_bytes(draw(OUTCOMES))
    (tmp_path / "calibration.json").write_text(replace(made, schema=9).to_json())
    with pytest.raises(ArtifactError, match="has schema 9; this version reads 1"):
        load_calibration(tmp_path / "calibration.json")


def test_the_figure_shows_every_task_with_its_interval() -> None:
    ax = draw(OUTCOMES)
    (other,) = (item for item in ax.figure.axes if item is not ax)
    assert isinstance(other, Axes)
    spans = [
        tuple(float(end) for end in np.asarray(line.get_ydata()))
        for line in ax.lines
        if len(np.asarray(line.get_xdata())) == 2 and np.ptp(np.asarray(line.get_xdata())) == 0
    ]
    assert (3.0, 3.0) in spans
    assert (4.0, 5.0) in spans
    assert (11.0, 14.0) in spans
    hollow = [
        float(np.asarray(line.get_ydata())[0])
        for line in ax.lines
        if line.get_markerfacecolor() == "white"
    ]
    assert hollow == [4.0, 13.0]
    names = [label.get_text() for label in other.get_yticklabels()]
    assert names == [
        "linear, clear\nminimal rank",
        "linear, clear\nrecovery",
        "linear, near tie\nminimal rank",
        "teacher and student\nminimal rank",
    ]
    draw([control()])  # nothing to show is no failure
