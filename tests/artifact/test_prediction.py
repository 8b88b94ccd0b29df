"""Predictions of new data by a packed model, and what is said of data that do not fit."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rankprobe.artifact.prediction import predict
from rankprobe.cli import main
from rankprobe.errors import ArtifactError, DataError
from tests.artifact.runs import packed, run
from tests.artifact.test_damage import described, joined, parts


class TestNewData:
    """What is wrong with data is named by its column."""

    def wrong(self, name: str, file: Path, match: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=match):
            predict(packed(name, tmp_path), file)

    def csv(self, tmp_path: Path, content: str) -> Path:
        (tmp_path / "new.csv").write_text(content)
        return tmp_path / "new.csv"

    def test_a_missing_column(self, tmp_path: Path) -> None:
        file = self.csv(tmp_path, "weight,day\n70,2021-03-04\n")
        self.wrong("table", file, r"new\.csv has no column `kind`.*it has weight, day", tmp_path)

    def test_text_among_numbers(self, tmp_path: Path) -> None:
        file = self.csv(tmp_path, "weight,kind,day\n70,oak,2021-03-04\nheavy,oak,2021-03-04\n")
        self.wrong("table", file, r"`weight` .*needs numbers, and holds 'heavy' in row 2", tmp_path)

    def test_no_dates(self, tmp_path: Path) -> None:
        file = self.csv(tmp_path, "weight,kind,day\n70,oak,soon\n")
        self.wrong("table", file, r"`day` .*needs dates like %Y-%m-%d, and holds 'soon'", tmp_path)

    def test_an_unknown_category_and_gaps_are_no_error(self, tmp_path: Path) -> None:
        file = self.csv(tmp_path, "weight,kind,day\n,yew,2021-03-04\n70,,\n")
        assert len(predict(packed("table", tmp_path), file).outputs) == 2

    def test_what_training_never_held_is_noted_by_column(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        model = packed("table", tmp_path)
        rows = [
            ",yew,2021-03-04",
            "70,fir,soon",
            "70,yew,2021-03-04",
            "70,larch,",
            "70,box,2021-03-04",
            "70,,2021-03-04",
        ]
        file = self.csv(tmp_path, "\n".join(["weight,kind,day", *rows]) + "\n")
        assert main(["predict", str(model), str(file)]) == 0
        out, err = capsys.readouterr()
        assert len(out.splitlines()) == 1 + len(rows)
        head, kind, day = err.splitlines()
        assert head == (
            f"note: {file} holds what the training data did not; it is predicted as well"
        )
        assert kind == (
            "  `kind`: 5 rows with values never seen in training ('yew', 'fir', 'larch', ...), "
            "read as none of those seen"
        )
        assert day == (
            "  `day`: 1 row with no date like %Y-%m-%d ('soon'), read as missing; 1 row with no "
            "value, which training always had, read as the median of training"
        )

    def test_nothing_is_noted_of_data_like_those_of_training(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        model = packed("table", tmp_path)
        assert main(["predict", str(model), str(run("table") / "new" / "data.csv")]) == 0
        assert capsys.readouterr().err == ""

    def test_another_shape(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "new.npz", x=np.zeros((3, 4), np.float32))
        match = r"`x` in .*new\.npz has examples of the shape \(4,\), and the model reads \(5,\)"
        self.wrong("numbers", tmp_path / "new.npz", match, tmp_path)

    def test_values_that_are_not_finite(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "new.npz", x=np.full((3, 5), np.nan, np.float32))
        self.wrong("numbers", tmp_path / "new.npz", r"feature 0 of `x`.*NaN", tmp_path)

    def test_another_array(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "new.npz", z=np.zeros((3, 5)))
        self.wrong("numbers", tmp_path / "new.npz", "has no array `x`; its arrays: z", tmp_path)

    def test_no_file(self, tmp_path: Path) -> None:
        self.wrong("numbers", tmp_path / "none.npz", "there is no file", tmp_path)


def test_preprocessing_of_anybodys_is_one_clear_error(tmp_path: Path) -> None:
    path = packed("table", tmp_path)
    header, data = parts(path.read_bytes())
    description = json.loads(header["__metadata__"]["rankprobe"])
    for change in (
        {"order": [10**9]},
        {"fill": "none"},
        {"columns": [{"name": "weight", "kind": "magic"}]},
        {"reads": "text", "columns": ["kind"], "tokenizer": "{}", "longest": 1, "width": 2**40},
        {"reads": "pictures", "size": 2**30, "grey": False, "shape": [1], "name": "x"},
    ):
        changed = copy.deepcopy(description)
        changed["task"]["fitted"].update(change)
        raw = described(joined(header, data), lambda d, changed=changed: d.update(changed))  # type: ignore[misc]
        (tmp_path / "m.safetensors").write_bytes(raw)
        with pytest.raises((ArtifactError, DataError)):
            predict(tmp_path / "m.safetensors", run("table") / "new" / "data.csv")


def test_a_class_without_a_name_is_one_clear_error(tmp_path: Path) -> None:
    path = packed("numbers", tmp_path)
    raw = described(path.read_bytes(), lambda d: d["task"].update(classes=["large"]))
    path.write_bytes(raw)
    with pytest.raises(ArtifactError, match="1 names of classes for 2 outputs"):
        predict(path, run("numbers") / "new" / "data.npz")


def test_predictions_of_a_folder_of_pictures_name_the_files(tmp_path: Path) -> None:
    path, new = packed("pictures", tmp_path), tmp_path / "new"
    (new / "b").mkdir(parents=True)
    for name in ("b/2.png", "10.png"):
        Image.fromarray(np.full((8, 8, 3), 7, dtype=np.uint8)).save(new / name)
    found = predict(path, new)
    assert found.header()[:2] == ["file", "prediction"]
    assert [row[0] for row in found.rows()] == ["10.png", "b/2.png"]
    assert len(next(iter(found.rows()))) == len(found.header())
    with pytest.raises(DataError, match=r"10\.png is a single picture; name the folder"):
        predict(path, new / "10.png")
