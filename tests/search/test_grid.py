"""A grid gives what measuring its combinations one by one gives, with less training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rankprobe
from rankprobe.calibration.linear import PlantedTask, plant_linear
from rankprobe.config_grid import VariedConfig, any_config_from_settings
from rankprobe.data.load import task_from_arrays
from rankprobe.errors import ConfigError, StoreError, TrainingError
from rankprobe.records import Member, Result, Run
from rankprobe.records.grid import Grid
from rankprobe.search import grid, measure
from rankprobe.search.bench import Bench
from rankprobe.search.check_grid import check_grid
from rankprobe.search.grid import prepare_grid
from rankprobe.search.grid_bench import GridBench
from rankprobe.search.sharing import Sharing, placed
from rankprobe.search.store import Store
from rankprobe.search.trained import trained_members
from rankprobe.search.turns import Turns

PLANTED = plant_linear(PlantedTask(k=2, d=6, m=5, n=300, seed=1))
QUICK: dict[str, Any] = {
    "backbone": {"hidden": [8]},
    "training": {
        "epochs": 2, "batch_size": 128,
        "learning_rate": {"adapter": [0.1, 0.01], "baseline": [0.1, 0.01]},
    },
    "search": {"ranks": [1, 3], "repeats": 2},
}  # fmt: skip
VARY = {"backbone.weights": ["normal", "binary"], "adapter.scaling": ["standard", "none"]}


def measured(vary: Any = None, **options: Any) -> Grid:
    grid: Grid = rankprobe.measure(PLANTED.x, PLANTED.y, vary=vary or VARY, **{**QUICK, **options})
    return grid


def alone(settings: dict[str, Any]) -> Result:
    own = {key: dict(value) for key, value in QUICK.items()}
    for key, value in settings.items():
        section, name = key.split(".")
        own.setdefault(section, {})[name] = value
    measured: Any = rankprobe.measure(PLANTED.x, PLANTED.y, **own)
    result: Result = measured
    return result


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Member]:
    """Every member that trains, in order."""
    found: list[Member] = []
    train = Bench.train

    def counted(bench: Bench, members: Sequence[Member], *others: Any) -> tuple[Run, ...]:
        runs = train(bench, members, *others)
        found.extend(members)
        return runs

    monkeypatch.setattr(Bench, "train", counted)
    return found


def assert_same(one: Result, other: Result) -> None:
    """Same rates, scores to the last digits that company in a cohort may change, same answer."""
    pairs: list[tuple[Any, Any]] = list(
        zip((one.baseline, *one.points), (other.baseline, *other.points), strict=True)
    )
    for a, b in pairs:
        assert a.learning_rate == b.learning_rate
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-5)
    assert one.minimal_rank.value == other.minimal_rank.value
    assert one.minimal_rank.verdict == other.minimal_rank.verdict
    assert one.members == other.members
    assert one.scope == other.scope


def test_every_result_is_that_of_measuring_alone() -> None:
    grid = measured()
    assert list(grid.results) == [
        "normal-standard", "normal-none", "binary-standard", "binary-none"
    ]  # fmt: skip
    for name, result in grid.results.items():
        assert_same(result, alone(dict(grid.settings[name])))


def test_a_search_that_finds_its_own_ranks_and_length_is_followed() -> None:
    settings: dict[str, Any] = {"training": {"batch_size": 128}, "search": {"repeats": 2}}
    vary = {"adapter.beta": ["trained", "fixed"]}
    grid = measured(vary, backbone={"hidden": []}, adapter={"head": "adapter"}, **settings)
    for beta, result in grid.results.items():
        own = {"backbone": {"hidden": []}, "adapter": {"head": "adapter", "beta": beta}, **settings}
        assert_same(result, rankprobe.measure(PLANTED.x, PLANTED.y, **own))


def test_full_training_is_trained_once_and_so_is_a_head_that_cannot_differ(
    trained: list[Member],
) -> None:
    grid = measured()
    counts = Counter(trained)
    assert {counts[m] for m in counts if m.rank is None} == {1}
    assert {counts[m] for m in counts if m.rank == 0} == {2}  # one for each scaffold
    assert {counts[m] for m in counts if m.rank} <= {2, 4}
    assert grid.cost["members"] == len(trained)
    assert grid.cost["members"] < sum(r.members["trained"] for r in grid.results.values())
    baselines = {tuple(result.baseline.scores) for result in grid.results.values()}
    assert len(baselines) == 1


@pytest.mark.parametrize(
    ("vary", "baselines", "heads"),
    [
        ({"backbone.weights": ["normal", "binary"]}, [0, 0], [0, 1]),
        ({"backbone.seed": [1, 2]}, [0, 0], [0, 1]),
        ({"backbone.weight_scale": [0.1, 0.2]}, [0, 0], [0, 1]),
        ({"adapter.scaling": ["none", "standard"]}, [0, 0], [0, 0]),
        ({"adapter.b_init": ["zeros", "kaiming"]}, [0, 0], [0, 0]),
        ({"adapter.head": ["trained", "adapter"]}, [0, 0], [0, 1]),
        ({"adapter.layer_norm": [True, False]}, [0, 0], [0, 1]),
        (
            {"scaffold": [{"resample": "step", "draws": draws} for draws in ("fixed", "fresh")]},
            [0, 0],
            [0, 1],
        ),
        ({"backbone.hidden": [[8], [9]]}, [0, 1], [0, 1]),
        ({"backbone.dropout": [0.1, 0.2]}, [0, 1], [0, 1]),
        ({"training.weight_decay": [0.1, 0.2]}, [0, 1], [0, 1]),
        ({"seed": [1, 2]}, [0, 1], [0, 1]),
        ({"training.epochs": [2, 3]}, [0, 0], [0, 0]),  # a member's own
    ],
    ids=str,
)
def test_what_can_be_shared(vary: Any, baselines: list[int], heads: list[int]) -> None:
    config = any_config_from_settings({"vary": vary})
    assert isinstance(config, VariedConfig)
    task = task_from_arrays(PLANTED.x, PLANTED.y, config=config.first)
    setups = prepare_grid(config, dict.fromkeys(config.configs, task), device="cpu")
    sharing = Sharing(list(config.configs.values()), setups)
    assert (sharing.baselines, sharing.heads) == (baselines, heads)


def test_memory_counts_the_frozen_weights_of_every_combination() -> None:
    config = any_config_from_settings({"vary": {"backbone.seed": [1, 2, 3, 4]}, **QUICK})
    assert isinstance(config, VariedConfig)
    task = task_from_arrays(PLANTED.x, PLANTED.y, config=config.first)
    tasks = dict.fromkeys(config.configs, task)
    setups = prepare_grid(config, tasks, device="cpu")
    bench = GridBench(tuple(setup.bench for setup in setups))
    members = [placed(Member(3, 0.1, 0, 2), index) for index in range(4)]
    copy, own = 4 * 8 * 6, setups[0].bytes_of(3)
    largest = bench.largest(members, bytes_of=[setup.bytes_of for setup in setups])
    assert largest == 4 * own + 3 * copy
    checked = check_grid(config, tasks, device="cpu")
    data = 2 * 4 * PLANTED.x.size
    # Of each scaffold two ranks at two rates; repeats are apart.
    assert checked.bytes == data + 4 * 2 * 2 * own + 3 * copy


class Interrupting:
    """Presses Ctrl-C after so many cohorts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
        self.left = after
        record = Store.record

        def recorded(store: Store, runs: Sequence[Run]) -> None:
            record(store, runs)
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

        monkeypatch.setattr(Store, "record", recorded)


@pytest.mark.parametrize("after", [pytest.param(1, marks=pytest.mark.slow), 6])
def test_an_interrupted_grid_goes_on_where_it_stopped(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: list[Member]
) -> None:
    whole = measured()
    expected = Counter(trained)
    trained.clear()
    with monkeypatch.context() as patch:
        Interrupting(patch, after)
        with pytest.raises(KeyboardInterrupt):
            measured(out=tmp_path)
    again = measured(out=tmp_path)
    assert again.results == {k: _as(v, again.results[k]) for k, v in whole.results.items()}
    assert Counter(trained) == expected  # what was in flight is among what was recorded here
    trained.clear()
    measured(out=tmp_path)
    assert trained == []


def _as(result: Result, other: Result) -> Result:
    """A result with the times and the origin of another."""
    from dataclasses import replace

    assert result.cost["members"] == other.cost["members"]
    return replace(result, cost=other.cost, provenance=other.provenance)


def test_run_folders_are_ordinary_ones(tmp_path: Path, trained: list[Member]) -> None:
    grid = measured(out=tmp_path / "grid")
    trained.clear()
    folder = tmp_path / "grid" / "binary-none"
    assert rankprobe.load_result(folder) == grid.results["binary-none"]
    own = {
        **QUICK,
        "backbone": {"hidden": [8], "weights": "binary"},
        "adapter": {"scaling": "none"},
    }
    again = rankprobe.measure(PLANTED.x, PLANTED.y, out=folder, name="task-binary-none", **own)
    assert trained == []
    assert again.points == grid.results["binary-none"].points


def test_a_grid_with_more_values_takes_what_is_there(tmp_path: Path, trained: list[Member]) -> None:
    weights = ["normal", "binary"]
    measured({"backbone.weights": weights}, out=tmp_path)
    trained.clear()
    grid = measured({"backbone.weights": ["uniform", *weights]}, out=tmp_path)
    assert {m.rank for m in trained} == {0, 1, 3}  # full training is copied
    assert set(Counter(trained).values()) == {1}
    assert_same(grid.results["uniform"], alone({"backbone.weights": "uniform"}))


def test_a_copy_has_its_trained_tensors(tmp_path: Path, trained: list[Member]) -> None:
    """Also where the first combination that has the training chose another rate."""
    both = {"adapter": [0.1, 0.01], "baseline": [0.1, 0.01]}
    options: dict[str, Any] = {
        "training": {"epochs": 2, "batch_size": 128},
        "search": {"ranks": [1], "repeats": 1},
        "out": tmp_path,
    }
    measured({"training.learning_rate": [both, 0.1, 0.01]}, **options)
    trained.clear()
    later = [{"adapter": 0.03, "baseline": rate} for rate in (0.1, 0.01)]
    grid = measured({"training.learning_rate": [both, 0.1, 0.01, *later]}, **options)
    assert {member.rank for member in trained} == {0, 1}  # full training is copied
    for name in grid.results:
        assert [m.rank for m in trained_members(tmp_path / name)] == [None, 0, 1], name


def test_workers_train_the_same(tmp_path: Path) -> None:
    one, two = measured(), measured(workers=1, out=tmp_path)
    for name, result in one.results.items():
        assert_same(result, two.results[name])


def test_a_failure_is_told_with_its_combination(monkeypatch: pytest.MonkeyPatch) -> None:
    from rankprobe.search import driver

    def broken(*_: Any, **__: Any) -> Any:
        raise TrainingError("broken")

    monkeypatch.setattr(driver.Driver, "_search", broken)
    with pytest.raises(TrainingError, match=r"^normal-standard: broken$"):
        measured()


def test_wrong_places_and_options_are_refused(tmp_path: Path) -> None:
    rankprobe.measure(PLANTED.x, PLANTED.y, out=tmp_path / "single", **QUICK)
    with pytest.raises(StoreError, match="holds a single measurement"):
        measured(out=tmp_path / "single")
    measured(out=tmp_path / "grid")
    with pytest.raises(StoreError, match="holds a grid"):
        rankprobe.measure(PLANTED.x, PLANTED.y, out=tmp_path / "grid", **QUICK)
    with pytest.raises(ConfigError, match="a grid varies settings already"):
        measured(sensitivity=True)
    with pytest.raises(ConfigError, match="rank 99 is above 6") as caught:
        measured(search={"ranks": [99]})
    assert len(caught.value.problems) == 1


def test_the_commit_is_that_of_the_beginning(
    monkeypatch: pytest.MonkeyPatch, trained: list[Member]
) -> None:
    asked: list[int] = []
    for module in (grid, measure):
        monkeypatch.setattr(module, "commit", lambda: asked.append(len(trained)), raising=False)
    measured({"backbone.weights": ["normal", "binary"]}, search={"ranks": [1], "repeats": 1})
    assert asked[0] == 0 < len(trained)


def test_a_storage_keeps_apart_only_what_differs_in_what_is_measured(tmp_path: Path) -> None:
    training = QUICK["training"]
    vary = {"training.epochs": [2, 3]}
    with pytest.raises(ConfigError, match=r"epochs-2.*epochs-3.*--storage"):
        measured(vary, training=training, out=tmp_path, storage=f"sqlite:///{tmp_path}/record.db")
    assert not (tmp_path / "record.db").exists()


class TestTurns:
    def test_one_runs_at_a_time_and_goes_on_with_the_answer(self) -> None:
        log: list[str] = []

        def work(name: str) -> Iterator[None]:
            for step in range(2):
                log.append(f"{name}{step}")
                turns[name].ask(step)
            yield

        turns = {name: Turns[int](lambda name=name: list(work(name))) for name in "ab"}  # type: ignore[misc]
        while [each for each in turns.values() if each.advance()]:
            log.append("|")
        assert "".join(log) == "a0b0|a1b1|"
        assert not turns["a"].advance()

    def test_an_error_comes_out_where_it_was_let_run(self) -> None:
        def work() -> None:
            raise ValueError("inside")

        with pytest.raises(ValueError, match="inside"):
            Turns[int](work).advance()

    def test_cancelling_ends_what_waits_and_what_never_began(self) -> None:
        ended: list[bool] = []

        def work() -> None:
            try:
                turns.ask(1)
            finally:
                ended.append(True)

        turns = Turns[int](work)
        assert turns.advance()
        turns.cancel()
        Turns[int](work).cancel()
        assert ended == [True]
