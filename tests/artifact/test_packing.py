"""A packed model says what the run said, from its file alone."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import rankprobe
from rankprobe.artifact.merging import merge
from rankprobe.artifact.packing import pack
from rankprobe.artifact.prediction import Predictions, predict
from rankprobe.artifact.reading import read_model
from rankprobe.cli import main
from rankprobe.errors import ArtifactError, StoreError
from rankprobe.lowrank.scaffold import SPEC_VERSION
from rankprobe.search.trained import trained
from tests.artifact.runs import MAKERS, packed, run

Values = NDArray[np.float64]


def _new(name: str) -> Path:
    (file,) = (run(name) / "new").iterdir()
    return file


def recorded(name: str, repeat: int) -> Values:
    """What the run recorded of its test predictions: log odds, or values."""
    (item,) = (t for t in trained(run(name)) if (t.member.rank, t.member.repeat) == (2, repeat))
    return np.asarray(np.load(run(name) / "predictions" / f"{item.key}.npy"), dtype=np.float64)


def loss_of(predictions: Predictions, name: str) -> Values:
    """Recorded form of predictions: the loss of each example under log loss, else values."""
    if predictions.task.objective == "regression":
        return predictions.outputs.astype(np.float64)
    data = run(name) / "data.npz"
    if data.exists():
        truth = [str(label) for label in np.load(data)["y_test"]]
    else:
        with (run(name) / "data.csv").open() as file:
            truth = [row["label"] for row in csv.DictReader(file) if row["split"] == "test"]
    index = [predictions.task.classes.index(label) for label in truth]
    losses: Values = -np.log(predictions.probabilities[np.arange(len(index)), index])
    return losses


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("repeat", [1])
def test_predictions_are_those_of_the_run(name: str, repeat: int, tmp_path: Path) -> None:
    path = packed(name, tmp_path, repeat=repeat)
    predictions = predict(path, _new(name))
    found = loss_of(predictions, name)
    wanted = recorded(name, repeat)
    scale = np.abs(wanted).max()
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, atol=1e-5 * max(1.0, scale))


def test_a_new_process_with_other_settings_gives_the_same(tmp_path: Path) -> None:
    path = packed("numbers", tmp_path)
    data = run("numbers") / "new" / "data.npz"
    here = predict(path, data)
    code = (
        "import sys, torch, rankprobe\n"
        "torch.set_default_dtype(torch.float64); torch.manual_seed(9); torch.set_num_threads(2)\n"
        "from rankprobe.cli import main\n"
        "before = torch.get_rng_state().sum()\n"
        "status = main(sys.argv[1:])\n"
        "assert torch.get_rng_state().sum() == before\n"
        "assert torch.get_default_dtype() is torch.float64\n"
        "sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "predict", str(path), str(data), "-o", "out.csv"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["prediction", "probability_large", "probability_small"]
    assert [row[0] for row in rows[1:]] == [row[0] for row in here.rows()]
    there = np.array([[float(value) for value in row[1:]] for row in rows[1:]])
    np.testing.assert_allclose(there, here.probabilities, atol=1e-6)


def test_the_best_repeat_is_packed_and_its_score_is_that_of_the_run(tmp_path: Path) -> None:
    result = pack(run("numbers"), rank=2, out=tmp_path / "m.safetensors")
    items = [t for t in trained(run("numbers")) if t.member.rank == 2]
    best = min(items, key=lambda item: item.validation)  # a loss
    assert (result.repeat, result.test) == (best.member.repeat, best.test)
    assert result.sizes.ours == (tmp_path / "m.safetensors").stat().st_size
    assert (
        result.sizes.fp32
        == 4 * result.sizes.weights
        == 4 * sum(p.numel() for p in read_model(result.path).backbone.parameters())
    )


def test_half_precision_is_smaller_and_close(tmp_path: Path) -> None:
    whole = predict(packed("numbers", tmp_path), run("numbers") / "new" / "data.npz")
    large = (tmp_path / "model.safetensors").stat().st_size
    half = predict(packed("numbers", tmp_path, dtype="fp16"), run("numbers") / "new" / "data.npz")
    assert (tmp_path / "model.safetensors").stat().st_size < large
    assert not np.array_equal(whole.outputs, half.outputs)
    np.testing.assert_allclose(whole.outputs, half.outputs, atol=0.02)


def test_what_cannot_be_read_again_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = packed("numbers", tmp_path)
    before = file.read_bytes()

    def damaged(*_: object, **__: object) -> None:
        raise ArtifactError("damaged")

    monkeypatch.setattr("rankprobe.artifact.packing.read_model", damaged)
    with pytest.raises(ArtifactError, match="damaged"):
        packed("numbers", tmp_path, dtype="fp16")
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_loaded_model_is_an_ordinary_module(tmp_path: Path) -> None:
    module = rankprobe.load(packed("numbers", tmp_path))
    assert isinstance(module, torch.nn.Module)
    assert not module.training
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert module(torch.zeros(3, 5)).shape == (3, 2)


def test_one_of_several_scaffolds_at_once_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run("numbers"), folder)
    result = json.loads((folder / "result.json").read_text())
    result["provenance"]["configuration"]["scaffold"] = {"resample": "batch"}
    (folder / "result.json").write_text(json.dumps(result))
    with pytest.raises(ArtifactError, match="tested on several scaffolds at once"):
        pack(folder, rank=2, out=tmp_path / "m")


@pytest.mark.parametrize("kind", ["graphs", "nodes"])
def test_models_of_graphs_are_refused_with_what_can_be_packed(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run("numbers"), folder)
    facts = json.loads((folder / "task.json").read_text())
    facts |= {"kind": kind, "shared": ["edges", "nodes"]}
    (folder / "task.json").write_text(json.dumps(facts))
    what = {"graphs": r"graphs \(molecules among them\)", "nodes": "the nodes of a graph"}[kind]
    with pytest.raises(ArtifactError, match=f"^models of {what} cannot be packed: .* pictures"):
        pack(folder, rank=2, out=tmp_path / "m")


def test_weights_are_made_as_the_run_made_them(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run("numbers"), folder)
    result = json.loads((folder / "result.json").read_text())
    result["provenance"]["scaffold_specification"] = 1
    (folder / "result.json").write_text(json.dumps(result))
    path = pack(folder, rank=2, out=tmp_path / "m").path
    assert read_model(path).description.frozen.specification == 1
    result["provenance"]["scaffold_specification"] = SPEC_VERSION + 1
    (folder / "result.json").write_text(json.dumps(result))
    with pytest.raises(ArtifactError, match="this version of rankprobe knows up to"):
        pack(folder, rank=2, out=tmp_path / "m")


class TestWhichMember:
    def test_a_rank_that_was_not_measured(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match=r"rank 7 was not measured; give --rank, one of 2$"):
            pack(run("numbers"), rank=7, out=tmp_path / "m")

    def test_a_repeat_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"no repeat 5 of rank 2; give --repeat, one of 0, 1"):
            pack(run("numbers"), rank=2, repeat=5, out=tmp_path / "m")

    def test_the_minimal_rank_is_the_default(self, tmp_path: Path) -> None:
        folder = self.with_minimal(tmp_path, 2, "resolved")
        assert pack(folder, out=tmp_path / "m").rank == 2

    def test_without_one_a_rank_must_be_named(self, tmp_path: Path) -> None:
        folder = self.with_minimal(tmp_path, None, "above_largest")
        with pytest.raises(ArtifactError, match=r"\(above largest\); give --rank, one of 2"):
            pack(folder, out=tmp_path / "m")

    def test_a_run_from_before(self, tmp_path: Path) -> None:
        folder = self.with_minimal(tmp_path, 2, "resolved")
        shutil.rmtree(folder / "weights")
        with pytest.raises(StoreError, match=r"no trained tensors of rank 2.*--fresh"):
            pack(folder, out=tmp_path / "m")
        (folder / "task.json").unlink()
        with pytest.raises(ArtifactError, match=r"holds no task\.json.*--fresh"):
            pack(folder, out=tmp_path / "m")

    def with_minimal(self, tmp_path: Path, value: int | None, verdict: str) -> Path:
        folder = tmp_path / "run"
        shutil.copytree(run("numbers"), folder)
        result = json.loads((folder / "result.json").read_text())
        result["minimal_rank"] |= {"value": value, "verdict": verdict}
        (folder / "result.json").write_text(json.dumps(result))
        return folder


class TestOwnNetwork:
    """A network that code of the user's makes is made again by that code, with consent."""

    CODE = (
        "from torch import nn\n\n\n"
        "def net(input_shape, outputs):\n"
        "    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, outputs))\n"
    )

    def packed(self, folder: Path) -> Path:
        (folder / "mine.py").write_text(self.CODE)
        np.savez(folder / "d.npz", **np.load(run("numbers") / "data.npz"))
        (folder / "dataset.yaml").write_text("data: d.npz\n")
        rankprobe.measure(
            folder / "dataset.yaml",
            out=folder / "run",
            trust=True,
            metric="log_loss",
            backbone={"family": "python", "factory": "mine:net"},
            training={"epochs": 1, "learning_rate": 0.01},
            search={"ranks": [2], "repeats": 2},
        )
        (folder / "run" / "mine.py").write_text(self.CODE)
        with pytest.raises(ArtifactError, match=r"`mine:net`, which only runs with\s+--trust"):
            pack(folder / "run", rank=2, out=folder / "m.safetensors")
        return pack(folder / "run", rank=2, out=folder / "m.safetensors", trust=True).path

    def test_it_is_made_by_the_same_code(self, tmp_path: Path) -> None:
        path = self.packed(tmp_path)
        with pytest.raises(ArtifactError, match="only runs with --trust"):
            rankprobe.load(path)
        assert rankprobe.load(path, trust=True)(torch.zeros(2, 5)).shape == (2, 2)
        (tmp_path / "mine.py").write_text(self.CODE.replace("nn.ReLU()", "nn.Tanh()"))
        with pytest.raises(ArtifactError, match="the code that makes the network is not what it"):
            rankprobe.load(path, trust=True)

    def test_it_is_found_beside_the_settings_from_anywhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "there").mkdir()
        self.packed(tmp_path / "there")
        run = tmp_path / "there" / "runs" / "one"
        shutil.copytree(tmp_path / "there" / "run", run)
        (run / "mine.py").unlink()
        monkeypatch.chdir(tmp_path)
        assert pack(run, rank=2, out=tmp_path / "m", trust=True).rank == 2
        (tmp_path / "there" / "mine.py").unlink()
        with pytest.raises(
            ArtifactError, match=r"module `mine` is not installed and not in .*in the folder where"
        ):
            pack(run, rank=2, out=tmp_path / "m", trust=True)


def test_files_are_written_into_folders_that_are_not_there(tmp_path: Path) -> None:
    model = pack(run("numbers"), rank=2, out=tmp_path / "new" / "m.safetensors").path
    merge(model, out=tmp_path / "other" / "d.safetensors")
    predict(model, run("numbers") / "new" / "data.npz").save(tmp_path / "third" / "p.csv")
    assert (tmp_path / "third" / "p.csv").is_file()


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, dense = tmp_path / "model.safetensors", tmp_path / "dense.safetensors"
    assert main(["pack", str(run("numbers")), "--rank", "2", "-o", str(model)]) == 0
    shown = capsys.readouterr().out
    assert "rank 2, repeat" in shown
    assert "seed + adapters" in shown
    assert main(["verify", str(model)]) == 0
    assert "frozen   2 tensors made again from seed 42, normal" in capsys.readouterr().out
    assert main(["predict", str(model), str(run("numbers") / "new" / "data.npz")]) == 0
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 41
    assert main(["merge", str(model), "-o", str(dense)]) == 0
    assert "6 tensors" in capsys.readouterr().out
    assert main(["verify", str(dense)]) == 2
    assert "no artifact of rankprobe" in capsys.readouterr().err
