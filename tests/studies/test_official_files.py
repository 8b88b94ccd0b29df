"""Official archives that only the user has, turned into what paper.yaml names."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from rankprobe.errors import DataError
from studies.citations import arxiv
from studies.flowers import oxford


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """Four papers in the layout of the Open Graph Benchmark."""
    files = {
        "raw/node-feat": "0.5,1\n-1,2\n0,0\n3,4\n",
        "raw/node-label": "2\n0\n1\n2\n",
        "raw/edge": "0,1\n3,2\n",
        "split/time/train": "3\n0\n",
        "split/time/valid": "1\n",
        "split/time/test": "2\n",
    }
    folder = tmp_path / "arxiv"
    for name, text in files.items():
        file = folder / f"{name}.csv.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(text.encode()))
    return folder


def test_a_graph_keeps_its_split_by_year(graph: Path, tmp_path: Path) -> None:
    nodes, edges = arxiv.convert(graph, tmp_path)
    with np.load(nodes) as arrays:
        assert arrays["id"].tolist() == [0, 1, 2, 3]
        assert arrays["features"].tolist() == [[0.5, 1], [-1, 2], [0, 0], [3, 4]]
        assert arrays["subject"].tolist() == [2, 0, 1, 2]
        assert arrays["split"].tolist() == ["train", "validation", "test", "train"]
    assert edges.read_text() == "source,target\n0,1\n3,2\n"


def test_a_node_in_no_split_is_refused(graph: Path, tmp_path: Path) -> None:
    (graph / "split" / "time" / "valid.csv.gz").write_bytes(gzip.compress(b"0\n"))
    with pytest.raises(DataError, match="not every node has features, a subject and one split"):
        arxiv.convert(graph, tmp_path)


def test_a_missing_file_is_named(graph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (graph / "raw" / "edge.csv.gz").unlink()
    assert arxiv.main([str(graph)]) == 2
    assert "edge.csv.gz cannot be read" in capsys.readouterr().err


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """Three pictures in the layout of the Oxford flowers."""
    folder = tmp_path / "oxford"
    (folder / "jpg").mkdir(parents=True)
    for number in (1, 2, 3):
        (folder / "jpg" / f"image_{number:05d}.jpg").write_bytes(b"")
    savemat(folder / "imagelabels.mat", {"labels": [[77, 5, 77]]})
    savemat(folder / "setid.mat", {"trnid": [[2]], "valid": [[3]], "tstid": [[1]]})
    return folder


def test_flowers_keep_their_split(flowers: Path, tmp_path: Path) -> None:
    table = oxford.convert(flowers, tmp_path / "studies")
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["flower"], row["split"]) for row in rows] == [
        ("77", "test"),
        ("5", "train"),
        ("77", "validation"),
    ]
    assert all((table.parent / row["file"]).is_file() for row in rows)


def test_a_picture_that_is_missing_is_named(flowers: Path, tmp_path: Path) -> None:
    (flowers / "jpg" / "image_00003.jpg").unlink()
    with pytest.raises(DataError, match=r"image_00003\.jpg or its label is missing"):
        oxford.convert(flowers, tmp_path / "studies")
    (flowers / "setid.mat").write_bytes(b"no table")
    with pytest.raises(DataError, match="the labels cannot be read"):
        oxford.convert(flowers, tmp_path / "studies")
