from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from rankprobe.errors import DataError
from studies.fetching import pictures
from studies.fetching.pictures import (
    cifar10,
    cifar10_small,
    cifar10_tiny,
    faces,
    read_pgm,
    unchanged,
)
from tests.studies.fetching.files import sheet

GENERATOR = np.random.default_rng(0)
SHEETS = [GENERATOR.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8) for _ in range(3)]
LABELS = [number % 10 for number in range(40)]
TEST_LABELS = [number % 10 for number in range(20)]
CONTENTS = (
    *(sheet(part) for part in SHEETS),
    json.dumps(LABELS).encode(),
    json.dumps(TEST_LABELS).encode(),
)


def test_colours_come_first_and_the_test_sheet_stays_apart() -> None:
    arrays = cifar10(*CONTENTS)
    assert arrays["x"].shape == (40, 3, 32, 32)
    assert arrays["x"].dtype == np.uint8
    np.testing.assert_array_equal(arrays["x"][25, 2], SHEETS[1][5, :, :, 2])
    np.testing.assert_array_equal(arrays["x_test"][7, 1], SHEETS[2][7, :, :, 1])
    assert arrays["y"].tolist() == LABELS
    assert arrays["y_test"].tolist() == TEST_LABELS


def test_the_small_set_has_as_many_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "SMALL_TRAIN", 3)
    monkeypatch.setattr(pictures, "SMALL_TEST", 1)
    arrays, whole = cifar10_small(*CONTENTS), cifar10(*CONTENTS)
    assert np.bincount(arrays["y"]).tolist() == [3] * 10
    assert np.bincount(arrays["y_test"]).tolist() == [1] * 10
    for part in ("", "_test"):
        pairs = zip(whole[f"x{part}"], whole[f"y{part}"], strict=True)
        place = {row.tobytes(): label for row, label in pairs}
        drawn = [row.tobytes() for row in arrays[f"x{part}"]]
        assert [place[row] for row in drawn] == arrays[f"y{part}"].tolist()
        assert len(set(drawn)) == len(drawn)
    monkeypatch.setattr(pictures, "TINY_TRAIN", 1)
    monkeypatch.setattr(pictures, "TINY_TEST", 2)
    tiny = cifar10_tiny(*CONTENTS)
    assert (np.bincount(tiny["y"]).tolist(), len(tiny["y_test"])) == ([1] * 10, 20)
    again = cifar10_small(*CONTENTS)
    np.testing.assert_array_equal(again["x"], arrays["x"])
    monkeypatch.setattr(pictures, "SMALL_TEST", 3)
    with pytest.raises(DataError, match="class 0 has 2 pictures; 3 are needed"):
        cifar10_small(*CONTENTS)


def test_other_sheets_are_refused() -> None:
    with pytest.raises(DataError, match=r"40 \+ 20 pictures, 39 \+ 20 labels"):
        cifar10(*CONTENTS[:3], json.dumps(LABELS[:-1]).encode(), CONTENTS[4])
    with pytest.raises(DataError, match="a sheet of pictures cannot be read"):
        cifar10(b"no picture", *CONTENTS[1:])
    grey = io.BytesIO()
    Image.new("L", (1024, 2)).save(grey, "PNG")
    with pytest.raises(DataError, match="a sheet of pictures is L and 1024 pixels wide"):
        cifar10(grey.getvalue(), *CONTENTS[1:])


def face(value: int) -> np.ndarray:
    pixels = np.full((112, 92), value, dtype=np.uint8)
    pixels[3, 4:7] = 10  # a line feed, were it text
    return pixels


def pgm(pixels: np.ndarray) -> bytes:
    height, width = pixels.shape
    return f"P5\n{width} {height}\n255\n".encode() + pixels.tobytes()


def test_ten_photographs_make_a_person() -> None:
    arrays = faces(*(pgm(face(20 + number)) for number in range(20)))
    assert arrays["x"].shape == (20, 112, 92)
    np.testing.assert_array_equal(arrays["x"][11], face(31))
    assert arrays["y"].tolist() == [0] * 10 + [1] * 10
    with pytest.raises(DataError, match=r"the shape \(3, 112, 92\), not 10 of \(112, 92\)"):
        faces(*(pgm(face(0)) for _ in range(3)))


def test_a_copy_in_text_mode_is_undone() -> None:
    copied = pgm(face(200)).replace(b"\n", b"\r\n")
    np.testing.assert_array_equal(read_pgm(copied), face(200))
    # A pair that was one before is told by the number of pixels.
    pixels = face(200)
    pixels[50, 50:52] = (13, 10)
    kept = pgm(pixels[:50]).replace(b"92 50", b"92 112").replace(b"\n", b"\r\n")
    np.testing.assert_array_equal(read_pgm(kept + pixels[50:].tobytes()), pixels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a binary PGM picture of bytes"),
        (b"P2\n1 1\n255\n0", "not a binary PGM picture of bytes"),
        (b"P5\n1 1\n65535\n\0\0", "not a binary PGM picture of bytes"),
        (b"P5\n2 3\n255\n12345", "is 2 x 3, and holds 5 pixels"),
        (b"P5\n2 3\n255\n12345\r\n", "is 2 x 3, and holds 7 pixels"),
    ],
)
def test_other_pictures_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pgm(content)


def test_weights_are_left_as_they_are() -> None:
    assert unchanged(b"weights") == (b"weights",)
