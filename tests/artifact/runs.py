"""Small measurements, each made once, whose models are packed in the tests."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import rankprobe
from rankprobe.artifact.packing import pack

_FAST: dict[str, Any] = {
    "training": {"epochs": 2, "learning_rate": 0.02, "batch_size": 32},
    "search": {"ranks": [2], "repeats": 2},
}


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="rankprobe-tests-")


@functools.cache
def run(name: str) -> Path:
    """The folder of a measurement by its name, a key of `MAKERS`; new data lie in ``new``."""
    folder = Path(_folder().name) / name
    (folder / "new").mkdir(parents=True)
    MAKERS[name](folder)
    return folder


def numbers(folder: Path, hidden: tuple[int, ...] = (70, 64), **settings: Any) -> None:
    """Standardised arrays, and a multilayer perceptron that drops units."""
    weights = settings.pop("weights", "normal")
    generator = np.random.default_rng(0)
    x = generator.normal(3.0, 2.0, (160, 5)).astype(np.float32)
    y = np.array(["small", "large"])[(x[:, 0] + x[:, 1] > 6).astype(int)]
    np.savez(folder / "data.npz", x=x[:120], y=y[:120], x_test=x[120:], y_test=y[120:])
    np.savez(folder / "new" / "data.npz", x=x[120:])
    _measure(
        folder,
        {"path": str(folder / "data.npz"), "standardize": True},
        metric="log_loss",
        backbone={"hidden": list(hidden), "weights": weights},
        **settings,
    )


def table(folder: Path) -> None:
    """A table with gaps, categories and dates, and a regression."""
    generator, n = np.random.default_rng(1), 160
    frame = pd.DataFrame(
        {
            "weight": generator.normal(70, 9, n),
            "kind": generator.choice(["oak", "ash", "elm", "N/A"], n),
            "day": pd.date_range("2021-02-03", periods=n, freq="31h").strftime("%Y-%m-%d"),
            "split": ["train"] * 110 + ["validation"] * 20 + ["test"] * 30,
        }
    )
    frame.loc[::9, "weight"] = np.nan
    frame["price"] = 1000 + 3.5 * frame["weight"].fillna(70) + generator.normal(0, 1, n)
    frame.to_csv(folder / "data.csv", index=False)
    frame[130:].drop(columns=["price", "split"]).to_csv(folder / "new" / "data.csv", index=False)
    _measure(
        folder,
        {"path": str(folder / "data.csv"), "split": {"column": "split"}},
        backbone={"hidden": [12]},
        adapter={"dora": True, "layer_norm": True, "bias": "trained"},
    )


def pictures(folder: Path) -> None:
    """Pictures, and convolutions with running statistics."""
    generator = np.random.default_rng(2)
    x = generator.integers(0, 256, (120, 8, 8, 3), dtype=np.uint8)
    y = (x[:, :4].mean(axis=(1, 2, 3)) > x[:, 4:].mean(axis=(1, 2, 3))).astype(int)
    np.savez(folder / "data.npz", x=x[:90], y=y[:90], x_test=x[90:], y_test=y[90:])
    np.savez(folder / "new" / "data.npz", x=x[90:])
    _measure(
        folder,
        {"source": "images", "path": str(folder / "data.npz")},
        metric="log_loss",
        backbone={"family": "cnn", "width": 4, "depth": 8},
    )


def text(folder: Path) -> None:
    """Texts, and a transformer."""
    generator = np.random.default_rng(3)
    words = np.array(["good", "bad", "fine", "poor", "film", "book", "a", "the"])
    rows = [" ".join(generator.choice(words, generator.integers(2, 9))) for _ in range(120)]
    frame = pd.DataFrame(
        {
            "text": [f"{row} {index}" for index, row in enumerate(rows)],
            "label": [("yes" if "good" in row else "no") for row in rows],
            "split": ["train"] * 80 + ["validation"] * 16 + ["test"] * 24,
        }
    )
    frame.to_csv(folder / "data.csv", index=False)
    frame.loc[96:, ["text"]].to_csv(folder / "new" / "data.csv", index=False)
    _measure(
        folder,
        {"source": "text", "path": str(folder / "data.csv"), "split": {"column": "split"}},
        metric="log_loss",
        backbone={"family": "transformer", "width": 8, "layers": 1, "heads": 2, "feedforward": 8},
    )


def _measure(folder: Path, data: dict[str, Any], **settings: Any) -> None:
    (folder / "dataset.yaml").write_text("data: x.npz\n", encoding="utf-8")
    yaml = folder / "dataset.yaml"
    data = {"source": "table" if data["path"].endswith("csv") else "arrays", **data}
    yaml.write_text(f"name: {folder.name}\ndata: {{path: {data['path']}}}\n", encoding="utf-8")
    rankprobe.measure(yaml, out=folder, data=data, **_FAST, **settings)


def resampled(folder: Path) -> None:
    """Another scaffold every epoch, of a family whose weights are codes."""
    numbers(folder, (16,), weights="normal_4bit", scaffold={"resample": "epoch"})


def taking_turns(folder: Path) -> None:
    """Three scaffolds that take turns."""
    numbers(folder, (16,), weights="uniform", scaffold={"resample": "step", "count": 3})


def removed(folder: Path) -> None:
    """No scaffold when it is tested."""
    numbers(folder, (16,), weights="binary", scaffold={"evaluation": "removed"})


MAKERS: dict[str, Callable[[Path], None]] = {
    "numbers": numbers,
    "table": table,
    "pictures": pictures,
    "text": text,
    "resampled": resampled,
    "taking turns": taking_turns,
    "removed": removed,
}


def packed(name: str, folder: Path, **options: object) -> Path:
    """The file of a run packed at rank 2."""
    return pack(run(name), rank=2, out=folder / "model.safetensors", **options).path  # type: ignore[arg-type]
