"""Seed-gated tasks from a file: chosen rates, what is told, what is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankprobe
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, TrainingError
from rankprobe.records import Member
from rankprobe.training.gated import GatedRun, Gates, GateScore
from tests.training.reference import toy_task

EPOCHS = 3
IGNORED = Gates((42, 43), ((0,), (1, 2)), "ignored", 3)
CLASS = Gates((42, 43), ((0,), (1,)), "class", 4)


def task_of_clusters(tmp_path: Path) -> Path:
    """Six clusters of points in eight dimensions, and a file that names their seeds."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % 6
    x = 4 * rng.normal(size=(6, 8))[y] + rng.normal(size=(600, 8))
    np.savez(tmp_path / "clusters.npz", x=x.astype(np.float32), y=y)
    file = tmp_path / "dataset.yaml"
    file.write_text(
        """\
data: clusters.npz
backbone: {hidden: [64, 32], dropout: 0}
scaffold: {seeds: {1: [0, 1], 2: [2, 3], 3: [4]}}
training: {epochs: 12, batch_size: 32, learning_rate: 0.05}
search: {ranks: [4], repeats: 2}
"""
    )
    return file


class TestFromAFile:
    def test_a_task_that_can_be_solved(self, tmp_path: Path) -> None:
        file = task_of_clusters(tmp_path)
        ignored = rankprobe.seed_gated(file)
        (four,) = ignored.ranks
        assert [row.seed for row in four.seeds] == [1, 2, 3]
        assert [row.classes for row in four.seeds] == [("0", "1"), ("2", "3"), ("4",)]
        assert all(row.own >= 0.95 for row in four.seeds)
        assert all(np.isnan(row.rejected) for row in four.seeds)
        gated = rankprobe.seed_gated(file, scaffold={"outside": "class"})
        (four,) = gated.ranks
        assert four.accuracy >= 0.95
        assert all(row.own >= 0.9 and row.rejected >= 0.9 for row in four.seeds)
        # The same examples are not taken for the seed's own under another seed.
        assert all(row.elsewhere <= 0.1 for row in four.seeds)

    def test_what_comes_out_is_plain_and_readable(self, tmp_path: Path) -> None:
        changes: Mapping[str, Any] = {"search": {"ranks": [2], "repeats": 1}}
        result = rankprobe.seed_gated(task_of_clusters(tmp_path), training={"epochs": 1}, **changes)
        plain = json.loads(json.dumps(result.to_json(), allow_nan=False))
        assert plain["ranks"][0]["seeds"][0]["rejected"] is None
        assert plain["ranks"][0]["learning_rate"] == 0.05
        assert plain["scope"]["scaffold"].endswith("seeds 1, 2, 3, every step through each of them")
        assert len(result.words().splitlines()) == 1 + 3
        accuracy = f"{result.ranks[0].accuracy:.4g}"
        assert repr(result) == (
            f"SeedGated('dataset', seeds 1, 2, 3; accuracy by rank 2: {accuracy})"
        )

    def test_a_rate_that_diverges_is_recorded_and_not_chosen(self, tmp_path: Path) -> None:
        rates = {"adapter": [0.05, 1e30], "baseline": 0.01}
        result = rankprobe.seed_gated(
            task_of_clusters(tmp_path), training={"epochs": 2, "learning_rate": rates}
        )
        (four,) = result.ranks
        assert (four.learning_rate, four.diverged) == (0.05, 2)
        assert [(r.learning_rate, r.repeats, r.failed, r.chosen) for r in four.rates] == [
            (0.05, 2, 0, True),
            (1e30, 0, 2, False),
        ]
        assert result.words().endswith("\nrank 4: 2 of 4 trainings diverged and are left out")
        plain = json.loads(json.dumps(result.to_json(), allow_nan=False))
        assert plain["ranks"][0]["rates"][1]["validation"] is None

    def test_where_every_rate_diverges_there_is_one_message(self, tmp_path: Path) -> None:
        rates = {"adapter": [1e29, 1e30], "baseline": 0.01}
        message = (
            r"^repeat 0 diverged at every learning rate tried \(1e\+29, 1e\+30\) at rank 2, 4; "
            r"check the scale of the inputs, or set a smaller `training.learning_rate`$"
        )
        with pytest.raises(TrainingError, match=message):
            rankprobe.seed_gated(
                task_of_clusters(tmp_path),
                training={"epochs": 2, "learning_rate": rates},
                search={"ranks": [2, 4]},
            )

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"scaffold": {"seeds": {1: ["0"], 2: ["7"]}}}, "the data have no class 7"),
            ({"search": {"ranks": "auto"}}, "is trained at listed ranks"),
            ({"training": {"epochs": "auto"}}, "no full training to find the number of epochs by"),
            ({"training": {"class_weights": "balanced"}}, "weigh the classes of one task"),
        ],
    )
    def test_what_it_cannot_be_done_with(
        self, tmp_path: Path, settings: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            rankprobe.seed_gated(task_of_clusters(tmp_path), **settings)

    def test_a_measurement_refuses_the_same_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"there is no minimal rank\n.*rankprobe\.seed_gated"):
            rankprobe.measure(str(task_of_clusters(tmp_path)), out=tmp_path / "runs")


def test_a_rate_with_more_finished_repeats_is_chosen_before_a_better_one() -> None:
    from rankprobe.search.gated import _rank

    def run(rate: float, repeat: int, validation: float) -> GatedRun:
        member = Member(4, rate, repeat, EPOCHS)
        if np.isnan(validation):
            return GatedRun(member, "diverged", np.nan, np.nan, (), 7)
        scores = (GateScore(validation, 0.0, np.nan),) * 2
        return GatedRun(member, "finished", validation, validation, scores, 7)

    runs = [run(0.1, 0, 0.9), run(0.1, 1, np.nan), run(0.2, 0, 0.6), run(0.2, 1, 0.8)]
    rank = _rank(4, runs, IGNORED, replace(toy_task(), classes=("a", "b", "c")))
    assert (rank.learning_rate, rank.diverged) == (0.2, 1)
    assert rank.accuracy == pytest.approx(0.7)
    assert [rate.validation for rate in rank.rates] == pytest.approx([0.9, 0.7])
    assert [rate.repeats for rate in rank.rates] == [1, 2]


def test_examples_of_no_seed_are_left_out_of_the_task() -> None:
    from rankprobe.search.gated import _with_outside

    task: Task = _with_outside(toy_task(), Gates((1, 2), ((0,), (1,)), "ignored", 3))
    assert set(task.train.y) == set(task.test.y) == {0, 1}
