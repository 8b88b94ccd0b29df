"""The Python interface."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import rankprobe
from rankprobe import config_backbones
from rankprobe.backbones import BACKBONES
from rankprobe.backbones.mlp import ACTIVATIONS
from rankprobe.calibration.linear import PlantedTask, plant_linear
from rankprobe.config import TaskConfig
from rankprobe.lowrank.families import FAMILIES
from rankprobe.reporting.methods import methods_paragraph
from rankprobe.statistics.metrics import METRICS

QUICK: dict[str, Any] = {
    "backbone": {"hidden": []},
    "adapter": {"head": "adapter"},
    "training": {"epochs": 12},
    "search": {"ranks": [1, 2, 3], "repeats": 3},
}


@pytest.fixture(scope="module")
def arrays() -> tuple[np.ndarray, np.ndarray]:
    task = plant_linear(PlantedTask(k=2, d=6, m=5, n=600, seed=1))
    return task.x, task.y


@pytest.fixture(scope="module")
def measured(
    arrays: tuple[np.ndarray, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> rankprobe.Result:
    """Measured once, into a folder."""
    result: rankprobe.Result = rankprobe.measure(
        *arrays, out=tmp_path_factory.mktemp("run") / "run", **QUICK
    )
    return result


def test_arrays_are_measured_and_nothing_is_written(
    arrays: tuple[np.ndarray, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = rankprobe.measure(*arrays, **QUICK)
    assert (result.minimal_rank.value, result.minimal_rank.verdict) == (2, "resolved")
    assert list(tmp_path.iterdir()) == []
    result.save("kept")
    assert rankprobe.load_result("kept") == result


def test_a_result_survives_its_file(measured: rankprobe.Result) -> None:
    assert measured.folder is not None
    loaded = rankprobe.load_result(measured.folder)
    assert loaded == measured
    assert loaded.to_json() == measured.to_json()
    assert loaded.methods == methods_paragraph(loaded)
    assert "420 training, 60 validation and 120 test examples; divided at random, seed 0" in (
        loaded.methods
    )


def test_the_frame_has_a_row_a_rank_and_repeat(measured: rankprobe.Result) -> None:
    frame = measured.frame()
    assert len(frame) == 4 * 3
    assert set(frame["rank"]) == {1, 2, 3, "full"}
    best = frame.groupby("rank")["score"].mean()
    assert best[1] < best[2]


def test_plot_draws_on_given_axes(measured: rankprobe.Result) -> None:
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert measured.plot(ax=ax) is ax


def test_given_test_arrays_are_scored_on(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = arrays
    result = rankprobe.measure(x[:400], y[:400], test=(x[400:], y[400:]), **QUICK)
    assert result.task.test == 200


@pytest.mark.parametrize(
    "arguments", [(np.zeros((20, 3)),), ({"data": "x.npz"},), ("dataset.yaml", np.zeros(3))]
)
def test_other_arguments_are_explained(arguments: tuple[object, ...]) -> None:
    with pytest.raises(rankprobe.ConfigError, match=r"give (the path|it alone)"):
        rankprobe.measure(*arguments)


def test_a_storage_needs_a_folder_for_predictions(
    arrays: tuple[np.ndarray, np.ndarray],
) -> None:
    with pytest.raises(rankprobe.ConfigError, match="give a run folder too, as `out`"):
        rankprobe.measure(*arrays, storage="sqlite:///:memory:", **QUICK)


def test_settings_are_checked_like_a_file(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    with pytest.raises(rankprobe.ConfigError, match="repeats"):
        rankprobe.measure(*arrays, search={"repetas": 3})


def test_the_names_of_dataset_yaml_are_those_of_the_registries() -> None:
    def choices(model: type, field: str) -> set[str]:
        annotation = model.model_fields[field].annotation  # type: ignore[attr-defined]
        names = {a for a in get_args(annotation) if isinstance(a, str)}
        return names or {n for a in get_args(annotation) for n in get_args(a)}

    families = {str(model.model_fields["family"].default) for model in config_backbones.FAMILIES}
    assert families - {"python", "huggingface"} >= set(BACKBONES)
    assert choices(config_backbones.MlpConfig, "activation") == set(ACTIVATIONS)
    assert choices(config_backbones.AnyBackbone, "weights") == set(FAMILIES)
    assert choices(TaskConfig, "metric") == set(METRICS)
