"""The number of trainings that `check` expects is what measuring takes, but for what adapts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import rankprobe
from rankprobe.config import load_config
from rankprobe.data.load import load_task
from rankprobe.reporting.verdicts import flag_lines
from rankprobe.search.check import Check, check_task

RATES = {"adapter": [0.03, 0.1], "baseline": [0.003, 0.01, 0.03]}  # a list does not grow


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 6)).astype(np.float32)
    # So many labels are wrong that a longer training is not a better one.
    y = (x[:, 0] + rng.standard_normal(200) > 0).astype(int)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    (tmp_path / "dataset.yaml").write_text("data: d.npz\nbackbone: {hidden: [8], dropout: 0}\n")
    return tmp_path / "dataset.yaml"


def checked(file: Path, settings: dict[str, Any]) -> Check:
    config = load_config(file, overrides=settings)
    return check_task(config, load_task(config))


@pytest.mark.parametrize(
    ("training", "search"),
    [
        ({"epochs": 3, "learning_rate": 0.03}, {"ranks": [1, 2], "repeats": 3}),
        ({"epochs": 3, "learning_rate": RATES}, {"ranks": [1, 2, 5], "repeats": 4}),
        ({"learning_rate": RATES}, {"ranks": [1, 2], "repeats": 3}),
        ({"learning_rate": 0.03}, {"ranks": [2], "repeats": 2}),
        ({"epochs": 3, "learning_rate": RATES}, {"repeats": 2, "refine": False}),
    ],
)
def test_as_many_trainings_as_expected(
    file: Path, training: dict[str, Any], search: dict[str, Any]
) -> None:
    check = checked(file, {"training": training, "search": search})
    out = file.parent / "run"
    result = rankprobe.measure(file, out=out, training=training, search=search)
    assert result.scope["epochs"] == check.epochs  # else it doubled once more, as it may
    assert check.members == sum(result.members.values())


def test_precision_adds_to_what_is_expected(file: Path) -> None:
    settings: dict[str, Any] = {"training": {"epochs": 2, "learning_rate": 0.03}}
    usual = checked(file, {**settings, "search": {"repeats": 3}})
    assert usual.most is None
    assert "precision" not in usual.words()
    wished = checked(file, {**settings, "search": {"repeats": 3, "precision": 1}})
    assert (wished.members, wished.most) == (usual.members, 3 * usual.members)
    assert f", and for precision up to {3 * usual.members} in all" in wished.words()
    budget = {"repeats": 3, "precision": 1, "budget": 40}
    assert checked(file, {**settings, "search": budget}).most == 40


def test_what_is_left_out_is_told_before_and_after(tmp_path: Path) -> None:
    rows = [(i, t, "hr", float(i % 2 + t)) for i in range(50) for t in (0.0, 1.0)]
    names = ["id", "time", "channel", "value"]
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "s.csv", index=False)
    labels = pd.DataFrame({"id": np.arange(40), "died": np.arange(40) % 2})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    file = tmp_path / "dataset.yaml"
    file.write_text(
        "data: {source: series, path: s.csv, labels: labels.csv}\n"
        "backbone: {family: mlp, hidden: [4], dropout: 0}\n"
        "training: {epochs: 1, learning_rate: 0.03}\n"
        "search: {ranks: [1], repeats: 2}\n"
    )
    note = (
        "10 of 50 `id` of s.csv have no row in labels.csv and are left out with their 20 "
        "readings: 40, 41, 42, 43, 44, ..."
    )
    assert f"\nnote       {note}" in checked(file, {}).words()
    result = rankprobe.measure(file)
    assert result.provenance["left_out"] == [note]
    assert f"{note}." in flag_lines(result)
