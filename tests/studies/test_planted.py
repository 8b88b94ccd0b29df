from __future__ import annotations

from pathlib import Path

import pytest

from rankprobe.records import Result
from studies.planted.linear import PlantedTask
from studies.planted.measure import measure_all
from studies.planted.report import load
from tests.studies.repository import copy_documents, result


def test_every_task_is_measured_with_default_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import rankprobe

    studies = copy_documents(tmp_path)
    made = result("planted", ranks=(1, 2, 4), metric="r2")
    asked = []

    def measure(x: object, y: object, **settings: object) -> Result:
        asked.append(settings)
        return made

    monkeypatch.setattr(rankprobe, "measure", measure)
    monkeypatch.setattr("studies.planted.measure.TARGET", 0.95)
    task = PlantedTask(k=3, d=6, m=4, n=50)
    monkeypatch.setattr(rankprobe, "load_result", lambda _: made)
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
    printed = capsys.readouterr().out
    assert "6 (5-7)" in printed
    assert max(len(line) for line in printed.splitlines()) <= 80


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 3, 5, 6, 8, 12])
def test_a_planted_rank_is_found(k: int) -> None:
    import rankprobe
    from studies.planted.linear import plant_linear

    planted = plant_linear(PlantedTask(k=k, seed=100 + k))
    found = rankprobe.measure(
        planted.x, planted.y, backbone={"hidden": []}, adapter={"head": "adapter"}
    )
    assert found.minimal_rank.value == k
