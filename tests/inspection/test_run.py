"""A run folder inspected: what is there, what is missing, and what is said of it."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rankprobe
from rankprobe.cli import main
from rankprobe.errors import ArtifactError, ConfigError
from rankprobe.inspection.cuts import Scorer
from rankprobe.inspection.run import inspect_run
from rankprobe.inspection.setting import find_setting
from rankprobe.records.inspection import inspection_of
from rankprobe.result_file import load_result
from rankprobe.search.trained import read_tensors, trained

YAML = """
data: waves.npz
backbone: {hidden: [12, 8]}
adapter: {head: trained}
training: {epochs: 12, learning_rate: {adapter: 0.03, baseline: 0.01}, batch_size: 32}
search: {ranks: [1, 2, 8, 10], repeats: 2}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset.yaml with its data, measured into runs/waves beside them."""
    folder = tmp_path_factory.mktemp("project")
    generator = np.random.default_rng(0)
    x = generator.normal(size=(400, 10)).astype("float32")
    y = (np.sin(x @ generator.normal(size=(10, 3))).argmax(1)).astype("int64")
    np.savez(folder / "waves.npz", x=x, y=y)
    (folder / "waves.yaml").write_text(YAML)
    rankprobe.measure(folder / "waves.yaml", out=folder / "runs" / "waves")
    return folder


@pytest.fixture
def copied(project: Path, tmp_path: Path) -> Path:
    """The run folder alone, far from its data."""
    return Path(
        shutil.copytree(project / "runs" / "waves", tmp_path / "elsewhere" / "deep" / "run")
    )


def test_everything_is_found(project: Path) -> None:
    run = project / "runs" / "waves"
    found = inspect_run(run)
    assert found.notes == ()
    assert found.ranks == (1, 2, 8, 10)
    assert found.layers == ("hidden0", "hidden1")
    assert [cut.rank for cut in found.cuts] == [1, 2, 8, 10]
    result = load_result(run)
    np.testing.assert_allclose(found.full, result.baseline.scores, atol=1e-6)
    for cut, point in zip(found.cuts, result.points, strict=True):
        np.testing.assert_allclose(cut.trained, point.scores)
    nominal = {(a.layer, a.rank): a.nominal for a in found.adapters}
    assert nominal["hidden0", 10] == 10  # 12 x 10
    assert nominal["hidden1", 10] == 8  # 8 x 12
    # Nothing is cut off where the rank is the largest that any layer has.
    np.testing.assert_allclose(found.cuts[-1].scores, found.full, atol=1e-6)
    assert found.cuts[-1].lost.mean == pytest.approx(0, abs=1e-6)


def test_the_numbers_are_those_of_the_tensors(project: Path) -> None:
    run = project / "runs" / "waves"
    found = inspect_run(run)
    setup = find_setting(load_result(run)).setup
    assert setup is not None
    scaffold = setup.bench.protocol.scaffold.weight("hidden0", (12, 10))
    members = [item for item in trained(run) if item.member.rank == 2]
    assert len(members) == 2
    item = found.at("hidden0", 2)
    assert item is not None
    for k, member in enumerate(members):
        tensors = read_tensors(member.file)
        added = tensors["hidden0.B"] @ tensors["hidden0.A"] / np.sqrt(2)
        assert item.norm.values[k] == pytest.approx(np.linalg.norm(added, 2), rel=1e-5)
        assert item.beta.values[k] == pytest.approx(float(tensors["hidden0.beta"]))
    assert item.scaffold is not None
    assert item.scaffold.median == pytest.approx(np.linalg.norm(scaffold, 2), rel=1e-5)


def test_a_cut_is_scored_as_the_plain_network_scores(project: Path) -> None:
    """Against matrices that are cut and multiplied by hand."""
    run = project / "runs" / "waves"
    found, result = inspect_run(run), load_result(run)
    setup = find_setting(result).setup
    assert setup is not None
    task = setup.bench.task
    from rankprobe.lowrank import full_starts

    for item in (item for item in trained(run) if item.member.rank is None):
        repeat = item.member.repeat
        tensors = read_tensors(item.file)
        starts = full_starts(setup.bench.backbone, seed=0, repeats=[repeat])[repeat]
        h = task.test.x
        for layer in ("hidden0", "hidden1"):
            start = starts[f"{layer}.weight"].numpy()
            u, s, v = np.linalg.svd(tensors[f"{layer}.weight"] - start)
            weight = start + s[0] * np.outer(u[:, 0], v[0])
            h = np.maximum(h @ weight.T + tensors[f"{layer}.bias"], 0)
        logits = h @ tensors["head.weight"].T + tensors["head.bias"]
        score = float((logits.argmax(1) == task.test.y).mean())
        assert found.cuts[0].scores[repeat] == pytest.approx(score, abs=1e-6)


def test_without_the_data_the_rest_is_shown(
    project: Path, copied: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found = inspect_run(copied)
    assert found.cuts == ()
    assert len(found.adapters) == 8
    (note,) = found.notes
    assert note == (
        "without the data there are no scores of full training's cuts. They were not loaded: "
        "`waves.npz` was not found; name the file that was measured: "
        f"rankprobe inspect {copied} --data dataset.yaml"
    )
    whole = inspect_run(project / "runs" / "waves")
    assert (found.adapters, found.updates) == (whole.adapters, whole.updates)
    # Not even the network, where the folder does not say what its task was.
    (copied / "task.json").unlink()
    less = inspect_run(copied)
    assert less.updates == ()
    (note,) = less.notes
    assert "no the scaffold's norms" not in note
    pairs = zip(less.adapters, whole.adapters, strict=True)
    assert all(a.norm == b.norm and a.beta == b.beta for a, b in pairs)


def test_the_data_are_named(project: Path, copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copied)
    whole = inspect_run(project / "runs" / "waves")
    assert inspect_run(copied, data=project / "waves.yaml") == whole
    assert inspect_run(copied, data=project) == whole
    monkeypatch.chdir(project)  # also looked at unasked
    assert inspect_run(copied) == whole


def test_other_data_are_refused_where_named_and_passed_over_where_guessed(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied.parent
    x = np.random.default_rng(1).normal(size=(50, 10))
    np.savez(folder / "waves.npz", x=x, y=np.arange(50) % 3)
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match="are not those that were measured"):
        inspect_run(copied, data=folder)
    assert inspect_run(copied).cuts == ()
    with pytest.raises(ConfigError, match=re.escape("`nowhere.yaml` is not there")):
        inspect_run(copied, data=Path("nowhere.yaml"))


def test_a_run_without_tensors_is_told_the_next_step(copied: Path) -> None:
    shutil.rmtree(copied / "weights")
    with pytest.raises(ArtifactError) as caught:
        inspect_run(copied)
    assert str(caught.value) == (
        f"{copied} keeps no trained tensors of its ranks; measure again with --fresh to have them"
    )


def test_ranks_whose_tensors_are_gone_are_named(project: Path, copied: Path) -> None:
    for item in trained(copied):
        if item.member.rank in (None, 8):
            item.file.unlink()
    found = inspect_run(copied, data=project)
    assert found.ranks == (1, 2, 10)
    assert (found.cuts, found.updates) == ((), ())
    assert found.adapters[0].scaffold is not None
    assert found.notes == (
        "no trained tensors of 8, full training are kept; measure again with --fresh to have them",
    )


def test_a_full_training_that_scores_otherwise_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = Scorer.scores

    def worse(self: Scorer, *args: object) -> list[float]:
        return [score - 0.1 for score in scores(self, *args)]  # type: ignore[arg-type]

    monkeypatch.setattr(Scorer, "scores", worse)
    (note,) = inspect_run(project / "runs" / "waves").notes
    assert "computes otherwise" in note


def test_the_command(project: Path, copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(project / "waves.yaml")]
    assert main(["inspect", str(copied), *data]) == 0
    text = capsys.readouterr().out
    assert "beta by layer and rank" in text
    assert max(map(len, text.splitlines()[:-1])) <= 80
    assert main(["inspect", str(copied), *data, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((copied / "inspection.json").read_text())
    assert printed["schema"] == 1
    result = load_result(copied)
    assert inspection_of(result) is not None
    assert "What was learned" in (copied / "report.html").read_text()
    assert inspection_of(replace(result, baseline=replace(result.baseline, scores=(1.0,)))) is None


def test_the_command_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(tmp_path)]) == 2
    assert "give a run folder" in capsys.readouterr().err


def test_measuring_afresh_forgets_the_inspection(project: Path, copied: Path) -> None:
    main(["inspect", str(copied), "--data", str(project)])
    rankprobe.measure(project / "waves.yaml", out=copied, fresh=True)
    assert not (copied / "inspection.json").exists()
    assert not (copied / "inspection.png").exists()
