from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rankprobe.calibration.run import write_report
from rankprobe.errors import ArtifactError
from studies.calibration.__main__ import main
from studies.calibration.publish import publish
from studies.calibration.report import block, headline_table
from tests.calibration.examples import calibration, control, outcome
from tests.studies.repository import copy_documents


def test_a_full_calibration_is_published(tmp_path: Path) -> None:
    studies = copy_documents(tmp_path)
    assert block(studies) == headline_table(studies)
    made = replace(calibration((outcome(), control(1))), small=False)
    write_report(made, tmp_path / "run")
    file = publish(tmp_path / "run", root=studies)
    assert file.read_text() == made.to_json()
    assert (file.parent / "calibration.png").is_file()
    text = (studies / "calibration" / "README.md").read_text()
    assert "| exact r*, clear linear tasks | >= 95 % |" in text
    assert "(results/calibration.png)" in text
    assert "too few to say" in (studies / "README.md").read_text()


def test_what_is_no_full_calibration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"not finished, there is no calibration\.json yet"):
        publish(tmp_path)
    write_report(calibration((outcome(),)), tmp_path)
    with pytest.raises(ArtifactError, match="this is the small calibration; publish a full one"):
        publish(tmp_path)


def test_bad_options_end_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path), "--workers", "0"]) == 2
    assert capsys.readouterr().err == ("studies: --workers: give a whole number of at least 1\n")
