"""Data sets of Hugging Face: their splits, the types of their features, and no network."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from rankprobe.config import config_from_settings
from rankprobe.data.load import load_task
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, DataError
from tests.contracts.pictures_and_text import LABELS, N, hub_pictures, pictures, sentences

CLASSES = datasets.ClassLabel(names=["w", "x", "y", "z"])


def saved(folder: Path, rows: Any, path: str = "saved", **more: Any) -> Task:
    rows.save_to_disk(folder / path)
    return read(folder, path, **more)


def read(folder: Path, path: str, **more: Any) -> Task:
    settings = {"data": {"source": "huggingface", "path": path, **more}}
    return load_task(config_from_settings(settings, folder=folder))


def rows(**columns: Any) -> Any:
    return datasets.Dataset.from_dict({**columns, "label": LABELS})


def test_the_type_of_the_features_decides(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32)
    mixed = rows(idx=list(range(N)), sentence=sentences(), v=list(numbers))
    mixed = mixed.cast_column("label", CLASSES)
    task = saved(tmp_path, mixed)
    assert (task.kind, task.classes) == ("tokens", ("w", "x", "y", "z"))
    task = read(tmp_path, "saved", features="v")
    assert (task.kind, task.input_shape) == ("numbers", (3,))
    got = np.concatenate([task.train.x, task.validation.x, task.test.x])
    assert sorted(got[:, 0]) == sorted(numbers[:, 0])
    assert read(tmp_path, "saved", features=["idx", "v"]).input_shape == (4,)
    with pytest.raises(
        DataError, match=r"features of saved are not of one kind: sentence .*name few"
    ):
        read(tmp_path, "saved", features=["sentence", "v"])
    with pytest.raises(
        ConfigError, match=r"there is no column `sentense` in saved\n    did you mean"
    ):
        read(tmp_path, "saved", features="sentense")


def test_pictures_are_read_as_from_files(tmp_path: Path) -> None:
    hub_pictures(tmp_path)
    task = read(tmp_path, "saved", augment="flip", standardize=False)
    assert (task.input_shape, task.augment) == ((3, 8, 8), "flip")
    got = np.concatenate([task.train.x, task.validation.x, task.test.x])
    assert sorted(row.tobytes() for row in got) == sorted(
        row.transpose(2, 0, 1).astype(np.float32).tobytes() for row in pictures()
    )
    assert read(tmp_path, "saved", size=4, grey=True).input_shape == (1, 4, 4)


def test_a_damaged_picture_is_named_by_its_row(tmp_path: Path) -> None:
    stored = [{"bytes": b"no picture" if i == 6 else _png(p), "path": None}
              for i, p in enumerate(pictures())]  # fmt: skip
    made = rows(image=stored).cast_column("image", datasets.Image())
    with pytest.raises(
        DataError, match=r"the picture in row 7 of saved cannot be read as a picture"
    ):
        saved(tmp_path, made)


def _png(pixels: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_splits_of_the_data_set_are_used(tmp_path: Path) -> None:
    made = rows(text=sentences(), who=sentences())
    parts = {"train": range(50), "validation": range(50, 60), "test": range(60, N), "extra": [1]}
    divided = datasets.DatasetDict({name: made.select(part) for name, part in parts.items()})
    task = saved(tmp_path, divided)
    assert [len(part) for part in (task.train, task.validation, task.test)] == [50, 10, 20]
    with pytest.raises(
        ConfigError, match=r"divides by `who`, and saved comes in splits of its own"
    ):
        read(tmp_path, "saved", split={"group": "who"})
    del divided["train"]
    with pytest.raises(
        DataError, match=r"has the splits validation, test, extra, and none of them"
    ):
        saved(tmp_path, divided, "other")


def test_a_test_split_without_answers_is_cut_from_training(tmp_path: Path) -> None:
    made = rows(text=sentences())
    hidden = datasets.Dataset.from_dict({"text": ["a b"] * 9, "label": [-1] * 9})
    task = saved(tmp_path, datasets.DatasetDict({"train": made, "test": hidden}))
    assert len(task.test) == 16
    assert task.outputs == 4


def test_a_group_divides(tmp_path: Path) -> None:
    task = saved(
        tmp_path, rows(text=sentences(), who=list(np.arange(N) // 8)), split={"group": "who"}
    )
    assert "by `who`, with no group in two splits" in task.division


def test_data_files_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows(text=sentences()).to_csv(tmp_path / "t.csv")
    rows(text=sentences()).to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path, "t.csv").hash == read(tmp_path, "t.parquet").hash
    (tmp_path / "t.pkl").write_bytes(b"")
    with pytest.raises(DataError, match=r"t.pkl cannot be read; readable are .csv, .tsv, .json"):
        read(tmp_path, "t.pkl")


def test_no_network_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError) as caught:
        read(tmp_path, "nobody/nothing")
    assert "the data set `nobody/nothing` cannot be had from the hub, and is no file" in str(
        caught.value
    )
    assert str(caught.value).endswith(".save_to_disk(FOLDER)`, and name that folder")


def test_a_loading_script_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "set.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(DataError, match=r"the data set `set` cannot be read"):
        read(tmp_path, "set")
    assert not (tmp_path / "ran").exists()


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"`text` in saved holds nothing in row 1; fill it in"):
        saved(tmp_path, rows(text=[None, *sentences()[1:]]))
    ragged = rows(v=[[1.0] * (1 + i % 2) for i in range(N)])
    with pytest.raises(DataError, match=r"v hold lists of different lengths, or nothing in some"):
        saved(tmp_path, ragged, "ragged")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'rankprobe\[huggingface\]'"):
        read(tmp_path, "saved")


def test_answers_that_are_kept_back(tmp_path: Path) -> None:
    def given(labels: list[int]) -> Any:
        made = datasets.Dataset.from_dict({"text": sentences(), "label": labels})
        return made.cast_column("label", CLASSES)

    whole, hidden, some = given(list(LABELS)), given([-1] * N), given([*LABELS[: N - 1], -1])
    task = saved(tmp_path, datasets.DatasetDict({"train": whole, "test": hidden}), "one")
    assert task.preprocessing is not None
    assert "have no answers (-1), and others are drawn" in task.preprocessing["test"]
    with pytest.raises(DataError, match=r"`label` in two is -1 in every training row"):
        saved(tmp_path, datasets.DatasetDict({"train": hidden, "test": whole}), "two")
    with pytest.raises(DataError, match=rf"-1 \(no answer\) in 1 of {N} .*first in row {N}"):
        saved(tmp_path, some, "three")


def test_settings_of_another_kind_of_features_are_refused(tmp_path: Path) -> None:
    mixed = rows(text=sentences(), v=list(range(N)))
    with pytest.raises(ConfigError, match=r"`data.size` is for pictures, and text of saved is"):
        saved(tmp_path, mixed, size=32)
    with pytest.raises(ConfigError, match=r"`data.length` is for text, and v of saved are numbers"):
        read(tmp_path, "saved", features="v", length=8)
    with pytest.raises(ConfigError, match=r"have one target here, not 2"):
        read(tmp_path, "saved", target=["label", "v"])


def test_a_column_to_divide_by_is_no_target(tmp_path: Path) -> None:
    made = datasets.Dataset.from_dict(
        {"text": sentences(), "kind": LABELS, "who": [i // 2 for i in range(N)]}
    )
    assert saved(tmp_path, made, split={"group": "who"}).classes == ("0", "1", "2", "3")
