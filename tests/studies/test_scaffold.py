"""What the pages of the scaffold studies show, of made-up grids."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rankprobe.config import TaskConfig
from rankprobe.grid_file import grid_to_json, made_grid
from rankprobe.records import Result
from rankprobe.records.grid import GRID_FILE, Grid
from studies.catalogue import GRIDS, find
from studies.readme import documents
from studies.scaffold import beside, betas, readings
from studies.scaffold.seed_gated import page
from tests.studies.repository import copy_documents, result

COMBINATIONS = {
    "scaffold-removal": ("seeded", "zero", "removed"),
    "scaffold-resampling": ("none", "epoch", "step-count-2", "batch-count-4"),
    "scaffold-families": ("normal", "binary"),
}


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    return copy_documents(tmp_path)


def commit_grid(studies: Path, name: str, ranks: tuple[int, ...] = (1, 2, 4, 8)) -> Grid:
    """Put a made-up grid where the committed one belongs."""
    combinations = COMBINATIONS[name]
    results = {each: _result(f"{name}-{each}", each, ranks) for each in combinations}
    settings = {each: {"some.setting": each} for each in combinations}
    grid = made_grid(name, {"some.setting": combinations}, settings, results, cost={}, folder=None)
    folder = find(name).results(studies)
    for each, made in results.items():
        (folder / each).mkdir(parents=True)
        (folder / each / "result.json").write_text(made.to_json())
    (folder / GRID_FILE).write_text(grid_to_json(grid, results=False))
    return grid


def _result(name: str, combination: str, ranks: tuple[int, ...]) -> Result:
    made = result(name, ranks=ranks)
    resample = combination if combination in ("none", "epoch") else "step"
    configuration = TaskConfig.model_validate({"scaffold": {"resample": resample}})
    recorded = {"configuration": configuration.model_dump(mode="json")}
    return replace(made, provenance={**made.provenance, **recorded})


def test_every_grid_has_a_page_that_says_how_to_measure_it(studies: Path) -> None:
    found = documents(studies)
    for measurement in GRIDS:
        text = found[studies / measurement.study / "README.md"]
        assert f"python -m studies.run {measurement.name}` does it." in text
    overview = found[studies / "README.md"]
    assert overview.count("| not measured yet |") >= len(GRIDS)


def test_ours_stand_beside_the_published_scores(studies: Path) -> None:
    grid = commit_grid(studies, "scaffold-removal")
    text = beside.block(find("scaffold-removal"), studies)
    first = grid.results["zero"].points[0]
    assert first.rank == 1
    assert f"| zero | 82.9 / {100 * first.mean:.1f} | 91.0 / " in text
    assert "[removal](scaffold/removal/)" in beside.overview(studies)


def test_families_are_compared_by_their_spread(studies: Path) -> None:
    grid = commit_grid(studies, "scaffold-families", ranks=(2, 4, 8))
    text = beside.block(find("scaffold-families"), studies)
    score = 100 * grid.results["normal"].points[0].mean
    assert f"| 2 | 90.84 to 91.03 | 0.19 | {score:.2f} (" in text
    assert "| full | 97.91 to 98.21 |" in text


def test_transitions_are_read_from_the_committed_scores(studies: Path) -> None:
    assert "does it." in readings.transitions(studies)
    commit_grid(studies, "scaffold-resampling", ranks=(2, 4, 8))
    text = readings.transitions(studies)
    # The same made-up scores: the smallest rank already does.
    assert "| epoch |  |  | the smallest measured rank, 2, already reaches 95 % " in text
    (picture,) = readings.draw(studies)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_betas_are_a_row_a_combination(studies: Path) -> None:
    assert "does it." in betas.block("scaffold-removal", studies)
    folder = find("scaffold-removal").results(studies)
    folder.mkdir(parents=True)
    combinations = {"seeded": {"2": [1.2, 1.0, 1.5]}, "zero": {}}
    (folder / betas.FILE).write_text(json.dumps({"combinations": combinations}))
    text = betas.block("scaffold-removal", studies)
    assert "| seeded | 1.20 (1.00 to 1.50) |" in text
    assert "| zero |  |" in text


def test_a_seed_s_digits_are_a_row(studies: Path) -> None:
    assert "does it." in page.block(studies)
    folder = studies / "scaffold" / "seed_gated" / "results"
    folder.mkdir(parents=True)
    row = {"seed": 42, "classes": ["0", "1"], "own": 0.97, "own_deviation": 0.01}
    for outside, rejected in (("ignored", None), ("class", 0.96)):
        own = {**row, "elsewhere": 0.3, "rejected": rejected, "rejected_deviation": rejected}
        made = {"date": "2026-05-01", "torch": "2.13.0"}
        written = {"repeats": 3, "ranks": [{"rank": 4, "seeds": [own]}], "provenance": made}
        (folder / f"{outside}.json").write_text(json.dumps(written))
    text = page.block(studies)
    assert "| ignored | 4 | 42 | 0 1 | 97.0 ± 1.0 | 30.0 |  |" in text
    assert "| class | 4 | 42 | 0 1 | 97.0 ± 1.0 | 30.0 | 96.0 ± 96.0 |" in text
