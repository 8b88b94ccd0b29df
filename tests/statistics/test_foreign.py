from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from rankprobe.errors import ConfigError
from rankprobe.records import Result
from rankprobe.statistics.compare import compare_results
from rankprobe.statistics.foreign import read_scores
from rankprobe.statistics.metrics import METRICS

RANKS = (1, 2, 3, 4, 5, 6, 8, 12, 16)


def write(folder: Path, text: str) -> Path:
    path = folder / "scores.csv"
    path.write_text(text)
    return path


def rows(
    crossings: Mapping[str, float],
    *,
    noise: float = 0.001,
    seeds: Sequence[int] = range(5),
    generator: np.random.Generator | None = None,
) -> str:
    """Accuracies that reach 95 % of full training's 0.9 at the crossing; seeds shift all ranks."""
    random = generator or np.random.default_rng(0)
    lines = ["task,rank,seed,score"]
    for task, crossing in crossings.items():
        luck = noise * random.standard_normal(len(seeds))
        for rank in (*RANKS, "full"):
            gap = 0.05 * (crossing / rank) ** 1.5 if isinstance(rank, int) else 0.0
            own = noise * random.standard_normal(len(seeds))
            scores = 0.9 * (1 - gap) + luck + own
            lines += [f"{task},{rank},{s},{v:.6f}" for s, v in zip(seeds, scores, strict=True)]
    return "\n".join(lines) + "\n"


def problems(path: Path, **options: float) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_scores(path, **options)  # type: ignore[arg-type]
    return [str(problem).replace(f"{path}", "FILE") for problem in caught.value.problems]


def answers(results: Sequence[Result]) -> list[int | None]:
    return [result.minimal_rank.value for result in results]


def test_every_task_of_a_file_is_read_as_a_measurement(tmp_path: Path) -> None:
    results = read_scores(write(tmp_path, rows({"easy": 1.8, "hard": 7.0})))
    assert [result.task.name for result in results] == ["easy", "hard"]
    assert answers(results) == [2, 8]
    easy = results[0]
    assert easy.baseline.mean == pytest.approx(0.9, abs=0.003)
    assert [point.rank for point in easy.points] == list(RANKS)
    assert easy.floor == "none"
    assert easy.minimal_rank.degrees_of_freedom is None
    assert easy.minimal_rank.share is None


def test_seeds_are_paired_by_their_value_not_by_their_order(tmp_path: Path) -> None:
    text = ["task,rank,seed,score"]
    for order, rank, shift in (((0, 1, 2), "full", 0.0), ((2, 0, 1), "1", -0.01)):
        text += [f"a,{rank},{seed},{0.5 + 0.1 * seed + shift}" for seed in order]
    (result,) = read_scores(write(tmp_path, "\n".join(text)))
    recovery = result.points[0].recovery
    # Paired, the loss of 0.01 is the same at every seed, so only its ratio to 0.6 is uncertain.
    assert recovery.mean == pytest.approx(0.59 / 0.6)
    assert recovery.high - recovery.low < 0.05


def test_a_seed_that_full_training_lacks_does_not_count(tmp_path: Path) -> None:
    text = "task,rank,seed,score\n"
    text += "a,full,0,1.0\na,full,1,1.0\na,2,0,0.9\na,2,1,0.9\na,2,other,0.1\n"
    (result,) = read_scores(write(tmp_path, text))
    assert result.points[0].recovery.mean == pytest.approx(0.9)
    assert "failed_members" not in result.minimal_rank.flags


def test_rank_0_is_the_head_alone_and_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    text = "\ufeffscore, seed, rank, task, note\n"
    text += "".join(
        f"{score}, {seed}, {rank}, a, x\n"
        for rank, score in ((0, 0.2), (1, 0.5), ("Full", 0.8))
        for seed in (0, 1)
    )
    (result,) = read_scores(write(tmp_path, text))
    assert result.head_score == pytest.approx(0.2)
    assert result.points[0].recovery.mean == pytest.approx(0.625)


def test_losses_fall_from_their_floor(tmp_path: Path) -> None:
    text = "task,rank,seed,score\n" + "".join(
        f"a,{rank},{seed},{loss + 0.001 * seed}\n"
        for rank, loss in ((1, 1.5), (2, 1.02), ("full", 1.0))
        for seed in (0, 1, 2)
    )
    path = write(tmp_path, text)
    (result,) = read_scores(path, lower_is_better=True, floor_score=2.0)
    assert not result.higher_is_better
    assert [round(point.recovery.mean, 2) for point in result.points] == [0.5, 0.98]
    assert result.minimal_rank.value == 2
    (problem,) = problems(path, lower_is_better=True)
    assert problem == (
        "FILE: a loss has no natural zero, so recovery needs a floor\n"
        "    give the loss of a model that has learned nothing with --floor-score X"
    )
    assert problems(path, floor_score=math.inf) == ["--floor-score: give a finite number"]


def test_a_floor_is_taken_off_scores(tmp_path: Path) -> None:
    text = "task,rank,seed,score\n" + "".join(
        f"a,{rank},{seed},{score}\n" for rank, score in ((1, 0.7), ("full", 0.9)) for seed in (0, 1)
    )
    (result,) = read_scores(write(tmp_path, text), floor_score=0.5)
    assert result.points[0].recovery.mean == pytest.approx(0.5)


def test_scores_no_better_than_the_floor_have_no_signal(tmp_path: Path) -> None:
    path = write(tmp_path, rows({"a": 2.0}, noise=0.01))
    assert read_scores(path, floor_score=0.9)[0].minimal_rank.verdict == "no_signal"


def test_plain_scores_are_no_metric_of_a_task() -> None:
    assert {"score", "loss"}.isdisjoint(METRICS)


def test_all_that_is_wrong_with_rows_is_said_at_once(tmp_path: Path) -> None:
    text = (
        "task,rank,seed,score\na,1,0,x\na,1,1,0.5\na,1,1,0.5\na,2.5,1,0,7\n,3,1,nan\n"
        "a,-1,0,0.5\na,1,,0.5\na,full\n"
    )
    assert problems(write(tmp_path, text)) == [
        "FILE:2: the score `x` is not a finite number; leave failed trainings out",
        "FILE:4: task a, rank 1, seed 1 stands twice, first on line 3",
        "FILE:5: there are more cells than columns; a decimal point is a point, not a comma",
        "FILE:5: the rank `2.5` is neither a whole number nor `full`",
        "FILE:6: task is empty",
        "FILE:6: the score `nan` is not a finite number; leave failed trainings out",
        "FILE:7: the rank `-1` is neither a whole number nor `full`",
        "FILE:8: seed is empty",
        "FILE:9: seed, score is empty",
    ]


def test_all_that_tasks_lack_is_said_at_once(tmp_path: Path) -> None:
    text = (
        "task,rank,seed,score\na,1,0,.5\na,full,0,.5\nb,1,0,.5\nb,1,1,.5\nc,full,0,1\n"
        "c,full,1,1\nc,2,0,1\nc,4,0,.9\nc,4,7,.9\nc,8,7,1\nc,8,9,1\nd,full,0,1\nd,full,1,1\n"
    )
    need = "variance over seeds needs two or more"
    assert problems(write(tmp_path, text)) == [
        f"FILE:3: task a: full training has one seed only; {need}",
        "FILE:4: task b: there are no rows of rank `full`, so nothing to compare ranks with",
        f"FILE:8: task c: rank 2 has one seed only; {need}",
        f"FILE:9: task c: rank 4 has one seed only in common with `full`; {need}",
        f"FILE:11: task c: rank 8 has no seed in common with `full`; {need}",
        "FILE:13: task d: there are no rows of a rank of at least 1",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("task,seed,score\na,0,1\n", "FILE:1: the header has no column rank\n"),
        ("rank;seed\n", "FILE:1: the header has no column task, rank, seed, score\n"),
        ("task,rank,seed,score,score\n", "FILE:1: the header has the column score twice\n"),
        ("", "FILE:1: the header has no column task, rank, seed, score\n"),
        ("task,rank,seed,score\n", "FILE: there are no rows\n"),
    ],
)
def test_a_file_without_the_columns_or_rows(tmp_path: Path, text: str, message: str) -> None:
    (problem,) = problems(write(tmp_path, text))
    assert problem.startswith(message)
    assert "letters,full,0,0.956" in problem


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    assert problems(path)[0].startswith("FILE: No such file or directory\n")
    path.write_bytes(b"task,rank,seed,score\n\xff\xfe,1,1,1\n")
    assert problems(path)[0].startswith("FILE: not a CSV in UTF-8")


def test_very_many_problems_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path, "task,rank,seed,score\n" + "a,1,0,x\n" * 1060)
    found = problems(path)
    assert len(found) == 51
    assert found[-1] == "and 1,010 more problems in this file"


def test_two_runs_of_the_same_task_cannot_be_told_apart(tmp_path: Path) -> None:
    """Through the whole reading, its own resamples included; rank 5 just reaches the target.

    None of 300 pairs of runs was told apart, of 200 families of 4 runs none, and of 150 pairs
    around rank 20, every rank measured, 0.7 %.
    """
    generator = np.random.default_rng(3)
    apart = 0
    for _ in range(20):
        text = rows({"one": 4.6, "two": 4.6}, noise=0.003, generator=generator)
        results = read_scores(write(tmp_path, text))
        comparison = compare_results(results, ["one", "two"])
        apart += any(pair.smaller is not None for pair in comparison.pairs)
    assert apart <= 1


def test_tasks_of_clearly_different_rank_are_told_apart(tmp_path: Path) -> None:
    results = read_scores(write(tmp_path, rows({"hard": 11.0, "easy": 1.8})))
    comparison = compare_results(results, ["hard", "easy"])
    assert [pair.smaller for pair in comparison.pairs] == ["easy"]
