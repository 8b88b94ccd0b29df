"""The nine kinds of task: complete, shown with their status, and read as they are."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from rankprobe.config_grid import load_any_config
from rankprobe.config_sources import FAMILY_OF
from rankprobe.errors import ConfigError
from rankprobe.records import MinimalRank
from rankprobe.reporting.plots import png_bytes
from studies import catalogue
from studies.catalogue import MEASUREMENTS, PUBLISHED_PROTOCOLS, ROOT, Measurement, find
from studies.fetching.sources import DATA
from studies.flowers import limit
from studies.icu import sizes
from studies.nine import figure, overview, protocol
from studies.nine.beside import block, comparison
from studies.nine.kinds import KINDS, results
from studies.nine.published import ONLINE_CONTROL, PUBLISHED, SMALL_ICU, Published
from studies.nine.shape import Spot, measured_spots, reading
from studies.readme import documents
from tests.studies.repository import commit, copy_documents, result

NINE = ["mnist", "cifar10", "icu", "molhiv", "citations", "flowers", "imdb", "control", "language"]
ALL = (*MEASUREMENTS, *PUBLISHED_PROTOCOLS)


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    return copy_documents(tmp_path)


def rows(studies: Path) -> dict[str, list[str]]:
    """The cells of the table, by study."""
    lines = [line for line in overview.block(studies).splitlines() if line.startswith("| [")]
    cells = [line.strip("| ").split(" | ") for line in lines]
    return {row[0].partition("]")[0].strip("["): row for row in cells}


def test_there_are_nine_kinds_and_each_study_is_whole() -> None:
    assert [kind.study for kind in KINDS] == NINE == list(PUBLISHED)
    assert {m.name for m in catalogue.KINDS} == set(NINE) - {"mnist"}
    for kind in KINDS:
        folder = ROOT / kind.study
        assert {"README.md", "dataset.yaml", "paper.yaml"} <= {
            path.name for path in folder.iterdir()
        }
        text = (folder / "README.md").read_text()
        assert "- official source" in text
        assert "http" in text
        assert "not show" in text
        assert "arXiv:2604.08749v2" in text
        assert all(name in DATA for name in kind.measurement.fetched)
        assert kind.measurement.fetched


@pytest.mark.parametrize("measurement", ALL, ids=lambda measurement: measurement.name)
def test_settings_are_right_but_for_data_that_is_not_there(measurement: Measurement) -> None:
    try:
        config = load_any_config(
            measurement.config(), overrides=measurement.overrides, trust=measurement.trust
        )
    except ConfigError as error:
        others = [p for p in error.problems if not p.message.endswith(" is not there")]
        assert others == []
    else:
        assert config.name == measurement.name


@pytest.mark.parametrize("name", NINE)
def test_both_protocols_of_a_study_ask_the_same(name: str) -> None:
    small, paper = (
        yaml.safe_load(find(which).config().read_text()) for which in (name, f"{name}-paper")
    )
    assert small.get("data", {}).get("source") == paper["data"].get("source")
    families = [document.get("backbone", {}).get("family", "mlp") for document in (small, paper)]
    assert len(set(families)) == 1 or (name, families) == ("flowers", ["vit", "huggingface"])
    if name != "language":  # published is a training loss
        assert small.get("metric") == paper.get("metric")
    published = PUBLISHED[name]
    assert paper["search"]["ranks"] == list(published.scores)
    assert paper["search"]["refine"] is False
    rate = paper["training"]["learning_rate"]
    assert isinstance(rate, float), "the paper's rate is fixed"
    if name != "mnist":
        assert small["search"]["floor"] == paper["search"]["floor"] == "chance"
    assert small["data"].get("source", "arrays") in {*FAMILY_OF, "graphs", "arrays"}


def test_data_that_settings_name_is_what_is_fetched() -> None:
    for measurement in ALL:
        if not measurement.fetched:
            continue
        data = yaml.safe_load(measurement.config().read_text())["data"]
        named = {data[key] for key in ("path", "labels", "edges") if key in data}
        fetched = {file for name in measurement.fetched for file in DATA[name].files}
        found = {os.path.normpath(f"{measurement.study}/{file}") for file in named}
        assert found <= fetched


def test_variants_change_one_setting_and_lie_apart() -> None:
    icu_small = find("icu-small").overrides
    assert icu_small["backbone"] == {"hidden": 16}
    assert icu_small.keys() == {"name", "backbone"}
    assert find("control-online").overrides["metric"] == "episode_return"
    assert find("icu").overrides == {}
    folders = [measurement.results(Path()) for measurement in ALL]
    assert len(set(folders)) == len(folders)
    for random, pretrained in catalogue.FEATURES:
        assert random.config() == pretrained.config()
        backbone = yaml.safe_load(random.config().read_text())["backbone"]
        changed = {**backbone, **pretrained.overrides["backbone"]}
        assert {key for key in changed if changed[key] != backbone[key]} == {"factory", "init"}


def test_the_table_has_all_nine_and_says_what_is_missing(
    studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(studies, "icu", metric="auroc", floor="chance", chance=0.5)
    kinds = [replace(k, status="memory ran out") if k.study == "language" else k for k in KINDS]
    monkeypatch.setattr(overview, "KINDS", kinds)
    table = rows(studies)
    assert list(table) == NINE
    assert all(len(row) == len(overview.NAMES) for row in table.values())
    assert table["icu"][7] == "6 (5 to 7)"
    assert table["icu"][4:7] == ["12,800", "AUROC", f"{result('icu').baseline.mean:.4f}"]
    assert table["icu"][-1] == "measured, 5 repeats, 1 min 23 s"
    assert table["cifar10"][-1] == "not measured yet: `python -m studies.run cifar10`"
    assert table["cifar10"][3].startswith("cnn, depth ")
    assert table["language"][-1] == "memory ran out"
    commit(studies, "language")
    assert rows(studies)["language"][-1] == "measured, 5 repeats, 1 min 23 s; memory ran out"
    assert "- r* is at 95 % of full training's gain over chance: icu" in overview.block(studies)


def test_the_published_rank_is_read_by_our_rule(studies: Path) -> None:
    table = rows(studies)
    assert table["mnist"][-2] == "4, above 2 (full 0.9838)"
    assert table["icu"][-2] == "1 (full 0.836)"
    assert table["molhiv"][-2] == "above 32: 93.0 % at 16 (full 0.7755)"
    assert SMALL_ICU.smallest(0.95) == 4
    assert PUBLISHED["control"].recovery(1) == pytest.approx(0.02718 / 0.03482)
    assert ONLINE_CONTROL.recovery(32) > 1


def test_expectations_are_judged_when_both_are_measured(studies: Path) -> None:
    assert "not judged yet: icu is not measured" in overview.block(studies)
    commit(studies, "icu", minimal=MinimalRank(2, 1, 3, 0.95, "resolved"))
    commit(studies, "citations")
    commit(studies, "icu-small", minimal=MinimalRank(1, 1, 1, 0.95, "resolved"))
    text = overview.block(studies)
    assert "icu needs a smaller rank than citations; holds: 2 (1 to 3) and 6 (5 to 7)" in text
    assert "icu needs a smaller rank than icu-small; contrary: 2 (1 to 3) and 1 (1 to 1)" in text


def test_the_figure_has_a_panel_each(studies: Path) -> None:
    commit(studies, "mnist")
    commit(studies, "control", metric="mse", worst=0.5, full=0.1, chance=0.9, floor="chance")
    commit(studies, "imdb", minimal=MinimalRank(None, None, None, 0.95, "no_signal"))
    first = figure.plot(results(studies))
    drawn = first.get_figure(root=True)
    assert drawn is not None
    panels = {ax.get_title(loc="left"): ax for ax in drawn.axes}
    assert list(panels) == NINE
    words = {name: [text.get_text() for text in ax.texts][-1] for name, ax in panels.items()}
    assert words["mnist"] == "r* = 6 (5 to 7)"
    assert words["imdb"] == "no rank: no signal"
    assert words["language"] == "not measured yet"
    labels = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert labels[0] == "measured, with its interval"
    # A task without signal has no curve: behind the others stands one grey line, or two.
    grey = [sum(line.get_color() == figure.FAINT for line in ax.lines) for ax in panels.values()]
    assert grey == [1, 2, 2, 2, 2, 2, 2, 1, 2]
    low, high = first.get_ylim()
    # What is drawn decides the limits; a task without signal does not.
    assert 30 < low < 100 * measured_spots(result("mnist"))[0].mean
    assert 100 < high <= 120
    assert png_bytes(first) == png_bytes(figure.plot(results(studies)))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (MinimalRank(6, 5, 7, 0.95, "resolved"), "r* = 6 (5 to 7)"),
        (MinimalRank(None, 65, None, 0.95, "above_largest"), "r* above 64"),
        (MinimalRank(None, None, 1, 0.95, "at_or_below_smallest"), "r* at most 1"),
        (MinimalRank(None, None, None, 0.95, "baseline_suspect"), "no rank: baseline suspect"),
    ],
)
def test_a_panel_says_the_verdict(answer: MinimalRank, words: str) -> None:
    assert figure.answer_words(answer) == words


def test_each_is_set_beside_what_was_published(studies: Path) -> None:
    kind = next(kind for kind in KINDS if kind.study == "icu")
    assert "measured: death after a year of clinical series, not measured yet: `" in block(
        kind, studies
    )
    made = commit(studies, "icu", metric="auroc", floor="chance", chance=0.5, ranks=(1, 2, 3))
    text = block(kind, studies)
    first = next(line for line in text.splitlines() if line.startswith("| 1 | 0.832"))
    cells = first.strip("| ").split(" | ")
    assert cells[2] == "98.8 %"
    assert cells[3].startswith(f"{made.points[0].mean:.4f} ± ")
    assert cells[4] == f"{100 * (made.points[0].mean - 0.5) / (made.baseline.mean - 0.5):.1f} %"
    assert "| 3 |  |  | 0." in text  # measured alone
    assert "| 32 | 0.833 | 99.1 % |  |  |" in text  # published alone
    assert "published over 0.5, no order; measured over 0.5000" in text
    assert "PhysioNet 2012, CfC of hidden 32" in text  # what else was published


def test_a_loss_without_a_known_guess_is_compared_by_its_ratio(studies: Path) -> None:
    made = commit(studies, "control", metric="mse", worst=0.5, full=0.1, chance=0.9, floor="chance")
    spots = measured_spots(made, PUBLISHED["control"])
    assert spots[0].mean == pytest.approx(made.baseline.mean / made.points[0].mean)
    assert spots[0].low < spots[0].mean < spots[0].high
    text = comparison(find("control"), PUBLISHED["control"], studies)
    assert "of full training: its loss over that of the rank" in text
    assert measured_spots(made)[0].mean == pytest.approx(made.points[0].recovery.mean)


def test_recovery_over_another_floor_is_moved_to_chance() -> None:
    made = result("mnist", floor="none", chance=0.1, noise=1e-9)
    over = measured_spots(made)[0]
    point, full = made.points[0], made.baseline.mean
    assert over.mean == pytest.approx((point.mean - 0.1) / (full - 0.1), rel=1e-6)
    assert over.low == pytest.approx((point.recovery.low * full - 0.1) / (full - 0.1), rel=1e-6)


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ((0.6, 0.8, 0.9, 0.92), "rises and flattens (higher at 3 of 3 steps;"),
        (
            (0.97, 0.98, 0.975, 0.98),
            "stays flat from the smallest rank on (higher at 2 of 3 steps;",
        ),
        ((0.6, 0.9, 0.8, 0.9), "falls again by more than noise at rank 4 ("),
        ((0.5, 0.55, 0.7, 0.9), "rises, and does not flatten yet ("),
        ((0.5, 0.9), "rises, in one step, which says nothing of flattening ("),
    ],
)
def test_a_shape_is_told_in_words(shares: tuple[float, ...], words: str) -> None:
    spots = [Spot(2**i, share, share - 0.01, share + 0.01) for i, share in enumerate(shares)]
    assert reading(spots).startswith(words)
    assert reading(spots[:1]) == "has too few ranks for a shape"


def test_gains_are_counted_a_doubling() -> None:
    spots = [Spot(1, 0.5, 0.5, 0.5), Spot(4, 0.9, 0.9, 0.9), Spot(8, 0.95, 0.95, 0.95)]
    assert reading(spots).endswith("gains 20.0 points at first, 5.0 at last)")


def test_published_means_may_fall_a_little() -> None:
    curve = Published("", {1: 0.9, 2: 0.88, 4: 0.84}, full=1.0, guess=0.0)
    from studies.nine.shape import published_spots

    assert "falls again by more than noise at rank 4 (" in reading(published_spots(curve))


def test_sizes_of_the_state_stand_side_by_side(studies: Path) -> None:
    assert "`python -m studies.run icu icu-small icu-tiny` does it." in sizes.block(studies)
    commit(studies, "icu-tiny")
    commit(studies, "icu-small")
    text = sizes.block(studies)
    assert text.index("| 4 | 0.9") < text.index("| 16 | 0.9")
    assert "Not measured yet: `python -m studies.run icu` does it." in text
    commit(studies, "icu")
    assert text.index("| 16 | 0.9") < sizes.block(studies).index("| 64 | 0.9")
    assert "rank 1 reaches 95 % with a state of 256, rank 4 with one of 32" in text


def test_random_features_are_set_against_pretrained_ones(studies: Path) -> None:
    commit(studies, "faces-random", full=0.5, ranks=(1, 4, 16))
    text = limit.block(studies)
    assert "Not measured yet: `python -m studies.run faces-pretrained` does it." in text
    commit(studies, "faces-pretrained", full=0.9, ranks=(1, 4, 16), worst=0.85)
    lines = limit.block(studies).splitlines()
    first, second = (find(f"faces-{word}").result(studies) for word in ("random", "pretrained"))
    assert first is not None
    assert second is not None
    row = next(line for line in lines if line.startswith("| 4 |"))
    apart = first.points[1].mean - second.points[1].mean
    assert row.endswith(f"| {apart:+.4f} |")
    assert "| full |" in "\n".join(lines)


def test_protocols_differ_by_what_their_files_say(studies: Path) -> None:
    kind = next(kind for kind in KINDS if kind.study == "language")
    file = studies / "language" / "dataset.yaml"
    document = yaml.safe_load(file.read_text())
    document["training"] |= {"epochs": 7, "weight_decay": 0.1, "learning_rate": "tuned"}
    file.write_text(yaml.safe_dump(document))
    lines = protocol.block(kind, studies).splitlines()
    assert "| `training.epochs` | 1 | 7 |" in lines
    assert "| `training.learning_rate` | 0.0001 | tuned |" in lines
    icu = protocol.block(next(kind for kind in KINDS if kind.study == "icu"), studies)
    assert "| `training.learning_rate` | 0.002 | adapter 0.003, " in icu
    assert "| `data.until` | by default | 365 |" in icu
    assert "| `adapter.scaling` | standard | rank_stabilized |" in lines  # by default
    assert not any("weight_decay" in line or "data.path" in line for line in lines)


def test_further_measurements_have_their_results_in_the_readme(studies: Path) -> None:
    commit(studies, "control-online")
    text = documents(studies)[studies / "control" / "README.md"]
    _, _, further = text.partition("<!-- further -->")
    assert "### control-online: the return of the policy that was learned" in further
    assert "**Rank 6 is the smallest rank" in further
    flowers = documents(studies)[studies / "flowers" / "README.md"]
    assert [
        name for name in ("faces-random", "faces-pretrained") if f"### {name}: " in flowers
    ] == [
        "faces-random",
        "faces-pretrained",
    ]
