from __future__ import annotations

from pathlib import Path

import pytest

import rankprobe
from rankprobe.calibration.linear import PlantedTask
from rankprobe.records import Result
from studies.planted.measure import measure_all
from studies.planted.report import load
from tests.studies.repository import copy_documents, result


def test_every_task_is_measured_with_default_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    studies = copy_documents(tmp_path)
    made = result("planted", ranks=(1, 2, 4), metric="r2")
    asked = []

    def measure(x: object, y: object, **settings: object) -> Result:
        asked.append(settings)
        return made

    monkeypatch.setattr(rankprobe, "measure", measure)
    task = PlantedTask(k=3, d=6, m=4, n=50)
    outcomes = measure_all(tmp_path / "runs", tasks=(task,), root=studies)

    assert asked == [
        {
            "name": task.name,
            "out": tmp_path / "runs" / task.name,
            "backbone": {"family": "mlp", "hidden": []},
            "adapter": {"head": "adapter"},
            "search": {"target": 0.95},
        }
    ]
    assert load(studies) == outcomes
    (outcome,) = outcomes.outcomes
    assert (outcome.expected, outcome.value, outcome.exact) == (3, 6, False)
    assert len(outcome.recovery) == 4
    assert outcome.ranks == (1, 2, 4)
    assert (studies / "planted" / "results" / "planted.png").is_file()
    assert "in 0 of 1 linear tasks" in (studies / "planted" / "README.md").read_text()
    assert outcomes.provenance["settings"].startswith("defaults, 5 repeats, target 95 %; backbone")
    printed = capsys.readouterr().out
    assert "6 (5-7)" in printed
    assert max(len(line) for line in printed.splitlines()) <= 80
