from __future__ import annotations

import gzip

import numpy as np
import pytest

from rankprobe.errors import DataError
from studies.fetching import digits
from studies.fetching.digits import mnist, mnist5k, mnist_part, read_idx
from tests.studies.fetching.files import LABELS, PIXELS, idx


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


def test_a_part_of_mnist_has_as_many_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "TRAIN", 2)
    labels = np.array([3, 0, 3, 3, 0, 0, 0], dtype=np.uint8)
    pixels = np.arange(7, dtype=np.uint8)[:, None, None] + np.zeros((28, 28), dtype=np.uint8)
    part = mnist_part(idx(pixels), idx(labels), idx(PIXELS), idx(LABELS))
    assert sorted(part["y"].tolist()) == [0, 0, 3, 3]
    chosen = part["x"][:, 0, 0]
    assert labels[chosen].tolist() == part["y"].tolist()
    assert len(set(chosen.tolist())) == 4
    np.testing.assert_array_equal(part["x_test"], PIXELS)


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
