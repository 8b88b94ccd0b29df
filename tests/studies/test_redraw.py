from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from figures.redraw import REPOSITORY, redraw
from rankprobe.errors import ArtifactError
from rankprobe.reporting.folder import draw_figure
from studies.catalogue import MEASUREMENTS, ORDERING, ROOT, TUNED, find
from studies.mnist.compare_paper import PUBLISHED
from studies.pictures import draw
from studies.readme import documents, refresh
from tests.studies.repository import (
    commit,
    commit_outcomes,
    commit_speed,
    copy_documents,
)

PAPER_RANKS = tuple(PUBLISHED)
# Of the nine kinds of task: one by its first measurement, two by what else they measure.
OTHERS = tuple(find(name) for name in ("imdb", "icu-small", "faces-pretrained"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nearly everything measured, and redrawn once."""
    folder = tmp_path_factory.mktemp("repository")
    studies = copy_documents(folder)
    for measurement in (*TUNED, *ORDERING, *OTHERS):
        commit(studies, measurement.name)
    commit(studies, "mnist-paper", ranks=PAPER_RANKS)
    commit(studies, "mnist-paper-standard", ranks=PAPER_RANKS, full=0.97)
    commit_outcomes(studies)
    commit_speed(studies)
    (folder / "README.md").write_text(
        "# R\n<!-- example -->\n<!-- /example -->\n<!-- comparison -->\n<!-- /comparison -->\n"
        "<!-- studies -->\n<!-- /studies -->\n"
    )
    redraw(folder)
    return folder


def test_every_picture_is_drawn(repository: Path) -> None:
    drawn = {path.relative_to(repository).as_posix() for path in repository.rglob("*.png")}
    figures = (
        "digits",
        "mnist5k",
        "mnist",
        "studies",
        "nine",
        "mnist-paper",
        "ordering",
        "planted",
    )
    own = [m.results(Path("studies")).as_posix() for m in OTHERS]
    assert drawn == {f"figures/{name}.png" for name in figures} | {
        *(f"studies/{m.study}/results/{kind}.png" for m in TUNED for kind in ("curve", "rates")),
        *(f"{folder}/{kind}.png" for folder in own for kind in ("curve", "rates")),
        "studies/nine/results/nine.png",
        "studies/mnist/results/paper/curve.png",
        "studies/mnist/results/paper/rates.png",
        "studies/mnist/results/paper_standard/curve.png",
        "studies/mnist/results/paper_standard/rates.png",
        "studies/mnist/results/paper.png",
        "studies/ordering/results/ordering.png",
        "studies/planted/results/planted.png",
    }
    result = find("mnist").result(repository / "studies")
    assert result is not None
    expected = draw_figure([result], repository.parent / "expected.png")
    assert (repository / "figures" / "mnist.png").read_bytes() == expected.read_bytes()


def test_every_picture_that_is_shown_is_there(repository: Path) -> None:
    shown = [
        readme.parent / target
        for readme in repository.rglob("README.md")
        for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme.read_text())
    ]
    # Two a measurement, and those of the paper, the ordering, the planted tasks and the nine.
    assert len(shown) == 2 * (len(TUNED) + len(OTHERS)) + 4
    assert [picture for picture in shown if not picture.is_file()] == []


def test_redrawing_changes_nothing(tmp_path: Path) -> None:
    studies = copy_documents(tmp_path)
    commit(studies, "digits")
    commit_outcomes(studies)
    redraw(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    written = redraw(tmp_path)
    assert {path.suffix for path in written} == {".png"}
    assert {path: path.read_bytes() for path in before} == before


def test_a_fixed_rate_has_no_picture_of_rates(tmp_path: Path) -> None:
    result = commit(tmp_path, "mnist-paper")
    assert [path.name for path in draw(find("mnist-paper"), tmp_path)] == ["curve.png", "rates.png"]
    fixed = replace(result, rates=tuple(rate for rate in result.rates if rate.chosen))
    (find("mnist-paper").results(tmp_path) / "result.json").write_text(fixed.to_json())
    assert [path.name for path in draw(find("mnist-paper"), tmp_path)] == ["curve.png"]


def test_the_readme_tells_the_result(repository: Path) -> None:
    text = (repository / "studies" / "mnist5k" / "README.md").read_text()
    assert "**Rank 6 is the smallest rank that reaches 95 % of full training; " in text
    assert "![accuracy against adapter rank](results/curve.png)" in text
    assert "| rank | recovery | 95 % interval | accuracy |" in text
    assert "- measured: 2026-05-01, " in text
    assert "of training on 2 CPU threads, torch 2.13.0" in text


def test_the_readme_shows_what_a_terminal_shows(repository: Path) -> None:
    text = (repository / "README.md").read_text()
    fence = text.split("```")[1]
    assert fence.startswith(
        "\nmnist5k: rank 6 reaches 95 % of full training (95 % interval 5 to 7)\n"
    )
    assert max(len(line) for line in fence.splitlines()) <= 80
    assert str(repository) not in text


def test_the_readme_shows_how_the_studies_compare(repository: Path) -> None:
    fence = (repository / "README.md").read_text().split("```")[3]
    rows = [" ".join(line.split()) for line in fence.splitlines()]
    for name in ("digits", "mnist5k", "mnist"):
        assert any(row.startswith(f"{name} 6 (5 to 7) ") for row in rows)
    assert "mnist5k - digits +0.00 -0.49 to +0.49 * cannot be told apart" in rows
    assert max(len(line) for line in fence.splitlines()) <= 80


def test_the_studies_stand_side_by_side(repository: Path) -> None:
    rows = [line for line in (repository / "README.md").read_text().splitlines() if "](" in line]
    assert [row.split(" | ")[0] for row in rows] == [
        "| [digits](studies/digits/)",
        "| [mnist5k](studies/mnist5k/)",
        "| [mnist](studies/mnist/)",
    ]
    assert all(" | 12,800 | 0.9" in row and row.endswith(" | 2.1 % | 5 |") for row in rows)
    own = (repository / "studies" / "README.md").read_text()
    assert "| [mnist](mnist/)" in own


def test_the_paper_is_compared_in_points(repository: Path) -> None:
    text = (repository / "studies" / "mnist" / "README.md").read_text()
    result = find("mnist-paper").result(repository / "studies")
    assert result is not None
    point = {point.rank: point for point in result.points}[8]
    cells = next(line for line in text.splitlines() if line.startswith("| 8 | 96.80"))
    assert cells.split(" | ")[2].startswith(f"{100 * point.mean:.2f} ± ")
    assert cells.split(" | ")[3] == f"{100 * point.mean - 96.80:+.2f}"
    assert "- unscaled, `B A`: does not fit the published column: at most " in text


def test_planted_ranks_and_speed_are_told_in_a_sentence(repository: Path) -> None:
    text = (repository / "studies" / "README.md").read_text()
    assert (
        "With default settings the planted minimal rank at 95 % was found exactly in 1 of 2 linear "
        "tasks; no measured recovery is further than 0.010 from its closed form."
    ) in text
    assert (
        "A cohort of 30 takes 2.00 ms a member-step, a loop over single members at its best "
        "6.40 ms: 3.2 times as fast, at 37 % of the machine's matrix-product rate (2 threads)."
    ) in text
    planted = (repository / "studies" / "planted" / "README.md").read_text()
    assert "| 2, flat | 6 | 4 | 200 | 10 % | 2 | 2 (2-3) | 0.010 |" in planted
    assert "| 3, 0.5^i | 6 | 4 | 200 | 10 % | 2* | above largest | 0.010 |" in planted
    speed = (repository / "studies" / "speed" / "README.md").read_text()
    assert "| cohort of 30 | 2.00 | 3.20 | 110 | 37 % | 45 % | 50 % | 5 % |" in speed


def test_without_results_the_readmes_say_how_to_get_them(tmp_path: Path) -> None:
    studies = copy_documents(tmp_path)
    redraw(tmp_path)
    assert list(tmp_path.rglob("*.png")) == []
    text = (studies / "mnist" / "README.md").read_text()
    assert "Not measured yet: `python -m studies.run mnist` does it." in text
    assert "`python -m studies.run mnist-paper mnist-paper-standard` does it." in text
    assert "not measured yet" in (studies / "README.md").read_text()


def test_a_readme_that_lost_its_block_is_named(tmp_path: Path) -> None:
    studies = copy_documents(tmp_path)
    (studies / "digits" / "README.md").write_text("# Digits\n")
    with pytest.raises(ArtifactError, match=r"digits/README.md: the lines `<!-- result -->` and"):
        refresh(studies)


@pytest.mark.parametrize("place", ["planted/results/results.json", "speed/results/speed.json"])
def test_damaged_results_are_named(tmp_path: Path, place: str) -> None:
    studies = copy_documents(tmp_path)
    file = studies / place
    file.parent.mkdir()
    file.write_text('{"provenance": {}}')
    with pytest.raises(ArtifactError, match=f"{place}: damaged, or of another version, measure it"):
        refresh(studies)


def test_committed_numbers_are_those_of_the_results() -> None:
    """No number in a study's README was written by hand."""
    for path, text in documents(ROOT).items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run `python -m figures.redraw`"
    assert REPOSITORY / "studies" == ROOT


def test_committed_results_are_those_of_the_catalogue() -> None:
    for measurement in MEASUREMENTS:
        result = measurement.result()
        assert result is None or result.task.name == measurement.name
