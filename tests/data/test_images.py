"""Pictures: layouts, sizes, colours and scales, and what is said of files that do not serve."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rankprobe.config import config_from_settings
from rankprobe.data.load import load_task
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, DataError
from tests.contracts.pictures_and_text import LABELS, folders, idx, pictures, write_idx

N = 40


def images(folder: Path, path: Any = "p", **more: Any) -> Task:
    settings = {"data": {"source": "images", "path": path, **more}}
    return load_task(config_from_settings(settings, folder=folder))


def save(path: Path, array: Any, **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path, **more)


def two_classes(folder: Path, pixels: Any, suffix: str = ".png") -> None:
    for i, picture in enumerate(pixels):
        save(folder / "p" / "ab"[i % 2] / f"{i:02d}{suffix}", picture)


def raw(folder: Path, **more: Any) -> np.ndarray[Any, Any]:
    """All pictures as they are, in no order."""
    task = images(folder, standardize=False, **more)
    return np.concatenate([part.x for part in (task.train, task.validation, task.test)])


def test_each_channel_is_scaled_by_the_training_pictures_alone(tmp_path: Path) -> None:
    x = pictures((6, 5, 3), 60)
    x[..., 0] //= 4
    x[50:] = 255
    np.savez(tmp_path / "p.npz", x=x[:50], y=LABELS[:50], x_test=x[50:], y_test=LABELS[:10])
    task = images(tmp_path, "p.npz")
    assert task.input_shape == (3, 6, 5)
    np.testing.assert_allclose(task.train.x.mean((0, 2, 3), dtype=np.float64), 0, atol=1e-6)
    np.testing.assert_allclose(task.train.x.std((0, 2, 3), dtype=np.float64), 1, atol=1e-6)
    plain = images(tmp_path, "p.npz", standardize=False).train.x.astype(np.float64)
    mean, deviation = plain.mean((0, 2, 3)), plain.std((0, 2, 3))
    np.testing.assert_allclose(task.test.x[0, :, 0, 0], (255 - mean) / deviation, rtol=1e-5)
    assert "channel by channel: mean 31" in (task.preprocessing or {})["x"]


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 1), (1, 6, 5), (6, 5, 3), (3, 6, 5)])
def test_arrays_of_every_layout(tmp_path: Path, shape: tuple[int, ...]) -> None:
    x = pictures(shape, N)
    np.savez(tmp_path / "p.npz", x=x, y=LABELS[:N])
    planes = x.reshape(N, 1, 6, 5) if 3 not in shape else x
    planes = planes.transpose(0, 3, 1, 2) if planes.shape[-1] == 3 else planes
    got = raw(tmp_path, path="p.npz")
    assert sorted(row.tobytes() for row in got) == sorted(
        row.tobytes() for row in planes.astype(np.float32)
    )


def test_a_channel_that_never_changes_becomes_zero(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", x=np.full((N, 2, 2), 7, dtype=np.uint8), y=LABELS[:N])
    assert (images(tmp_path, "p.npz").test.x == 0).all()


def test_pictures_lose_nothing_on_the_way(tmp_path: Path) -> None:
    x = pictures((4, 3, 3), N)
    two_classes(tmp_path, x)
    assert sorted(row.tobytes() for row in raw(tmp_path)) == sorted(
        row.transpose(2, 0, 1).astype(np.float32).tobytes() for row in x
    )


def test_grey_pictures_have_one_channel_and_one_in_colour_gives_all_three(tmp_path: Path) -> None:
    two_classes(tmp_path, pictures((4, 3), N), ".pgm")
    assert raw(tmp_path).shape == (N, 1, 4, 3)
    save(tmp_path / "p" / "a" / "colour.png", pictures((4, 3, 3), 1)[0])
    assert raw(tmp_path).shape == (N + 1, 3, 4, 3)
    assert raw(tmp_path, grey=True).shape == (N + 1, 1, 4, 3)


def test_sixteen_bits_keep_their_upper_half(tmp_path: Path) -> None:
    two_classes(tmp_path, [np.full((3, 3), i * 1000, dtype=np.uint16) for i in range(N)])
    assert set(raw(tmp_path).ravel()) == {i * 1000 >> 8 for i in range(N)}


def test_the_short_side_is_resized_and_the_middle_kept(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), dtype=np.uint8)
    wide[:, 10:20] = 200  # the middle square
    two_classes(tmp_path, [wide + i for i in range(N)])
    got = raw(tmp_path, size=5)
    assert got.shape == (N, 3, 5, 5)
    assert got[:, :, 2, 2].min() >= 200
    np.savez(tmp_path / "p.npz", x=np.stack([wide + i for i in range(N)]), y=LABELS[:N])
    assert np.array_equal(np.unique(raw(tmp_path, path="p.npz", size=5)), np.unique(got))


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    two_classes(tmp_path, [])
    lying = np.zeros((8, 16, 3), dtype=np.uint8)
    for i in range(N):
        lying[:, :8] = 5 * i
        save(tmp_path / "p" / "ab"[i % 2] / f"{i}.png", lying, exif=exif)
    got = raw(tmp_path)
    assert got.shape == (N, 3, 16, 8)
    assert got[:, :, :8].max() == 5 * (N - 1)
    assert got[:, :, 8:].max() == 0


def test_a_jpeg_is_decoded_smaller_to_nearly_the_same(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 256).astype(np.uint8)
    picture = np.stack([np.tile(ramp, (256, 1))] * 3, axis=-1)
    two_classes(tmp_path, [picture] * N, ".jpg")
    got = raw(tmp_path, size=8)
    expected = np.array(Image.fromarray(picture).resize((8, 8)), dtype=np.float32)
    assert np.abs(got[0] - expected.transpose(2, 0, 1)).max() < 4


def test_folders_of_splits_are_used(tmp_path: Path) -> None:
    x = pictures((4, 4, 3), 60)
    for i, picture in enumerate(x):
        part = "train" if i < 40 else "val" if i < 48 else "Test"
        save(tmp_path / "p" / part / f"c{i % 2}" / "deeper" / f"{i}.png", picture)
    (tmp_path / "p" / "train" / "c0" / ".DS_Store").write_text("")
    task = images(tmp_path)
    assert [len(part) for part in (task.train, task.validation, task.test)] == [40, 8, 12]
    assert task.classes == ("c0", "c1")
    assert task.division == "test and validation rows as given"


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    for i, picture in enumerate(pictures((4, 4, 3), N)):
        save(tmp_path / "p" / ("test" if i % 2 else "control") / f"{i}.png", picture)
    assert images(tmp_path).classes == ("control", "test")


def test_copies_in_two_splits_are_flagged(tmp_path: Path) -> None:
    two_classes(tmp_path, pictures((4, 4, 3), N // 2).repeat(2, axis=0))
    assert "duplicates_across_splits" in images(tmp_path).flags


def test_augmentation_is_part_of_the_task(tmp_path: Path) -> None:
    two_classes(tmp_path, pictures((4, 4, 3), N))
    plain, flipped = images(tmp_path), images(tmp_path, augment="flip")
    assert (plain.augment, flipped.augment) == ("none", "flip")
    assert plain.hash != flipped.hash


def test_idx_files_by_name_and_as_a_pair(tmp_path: Path) -> None:
    idx(tmp_path)
    task = images(tmp_path, "set")
    assert (task.input_shape, len(task.test), task.outputs) == ((1, 8, 8), 20, 4)
    write_idx(tmp_path / "i", pictures((8, 8)))
    write_idx(tmp_path / "l", LABELS.astype(np.uint8))
    task = images(tmp_path, ["i", "l"])
    assert len(task.train) + len(task.validation) + len(task.test) == 80


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\0\x0d\1\0\0\0\1\0\0\0\0", "set/train-images.* holds values of IDX type 0x0d"),
        (b"\0\0\x08\3\0\0\0\x50\0\0\0\x08\0\0\0\x08", "holds 0 values, and says 80 x 8 x 8; fetch"),
        (b"PK", "train-images-idx3-ubyte.gz is not an IDX file"),
        (b"\x1f\x8b\x08\0", "train-images-idx3-ubyte.gz cannot be read"),
    ],
)
def test_idx_files_that_do_not_serve(tmp_path: Path, content: bytes, message: str) -> None:
    idx(tmp_path)
    (tmp_path / "set" / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(DataError, match=message):
        images(tmp_path, "set")


def test_other_sizes_call_for_a_size(tmp_path: Path) -> None:
    two_classes(tmp_path, pictures((4, 4, 3), N))
    save(tmp_path / "p" / "b" / "z.png", pictures((4, 5, 3), 1)[0])
    message = r"a/00.png has 4 x 4 pixels and .*b/z.png 5 x 4; write a `size` under `data`"
    with pytest.raises(DataError, match=message):
        images(tmp_path)
    two_classes(tmp_path, [np.zeros((600, 600), dtype=np.uint8)])
    with pytest.raises(DataError, match="has 600 x 600 pixels; write a `size`"):
        images(tmp_path)


def test_a_small_file_that_unpacks_to_a_huge_picture_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_classes(tmp_path, pictures((8, 8, 3), N))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)
    with pytest.raises(DataError, match=r"cannot be read as a picture: Image size .64 pixels"):
        images(tmp_path)


def test_files_that_do_not_serve_are_named(tmp_path: Path) -> None:
    folders(tmp_path)
    path = tmp_path / "photos" / "class_1" / "001.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(DataError, match=r"class_1/001.png cannot be read as a picture: .*replace"):
        images(tmp_path, "photos")
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"001.png cannot be read as a picture: it is damaged"):
        images(tmp_path, "photos")
    path.write_bytes(whole)
    (tmp_path / "photos" / "class_1" / "notes.doc").write_text("")
    with pytest.raises(DataError, match=r"notes.doc lies among pictures and is none; move it away"):
        images(tmp_path, "photos")
    (tmp_path / "photos" / "class_1" / "notes.doc").unlink()
    (tmp_path / "photos" / "empty").mkdir()
    with pytest.raises(DataError, match=r"photos/empty holds no pictures; fill or remove it"):
        images(tmp_path, "photos")
    with pytest.raises(DataError, match=r"class_1 holds no folders: give a folder that holds one"):
        images(tmp_path, "photos/class_1")
    with pytest.raises(DataError, match=r"001.png cannot be read as pictures: give a folder"):
        images(tmp_path, "photos/class_1/001.png")
    with pytest.raises(ConfigError, match=r"`data.target` means nothing to pictures without"):
        images(tmp_path, "photos", target="y")
    np.savez(tmp_path / "p.npz", x=np.ones((N, 4, 4)) / 2, y=LABELS[:N])
    with pytest.raises(DataError, match=r"`x` in p.npz is no array of pictures: whole numbers"):
        images(tmp_path, "p.npz")
    np.savez(tmp_path / "p.npz", x=pictures((4, 4, 4), N), y=LABELS[:N])
    with pytest.raises(DataError, match=r"has the shape \(40, 4, 4, 4\); pictures are"):
        images(tmp_path, "p.npz")
    (tmp_path / "t.csv").write_text("file,y\n" + "gone.png,1\n" * N)
    with pytest.raises(DataError, match=r"t.csv names gone.png in row 1, and .* is not there"):
        images(tmp_path, "t.csv")


def test_a_table_can_divide_by_a_column(tmp_path: Path) -> None:
    lines = ["image,who,y"]
    for i, picture in enumerate(pictures((4, 4), N)):
        save(tmp_path / f"{i}.png", picture)
        lines.append(f"{i}.png,{i // 8},{i % 2}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    task = images(tmp_path, "t.csv", split={"group": "who"})
    assert "by `who`, with no group in two splits" in task.division
    assert len(task.test) == 8
    with pytest.raises(ConfigError, match="needs data with named columns or arrays"):
        images(tmp_path, "p", split={"group": "who"})


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders(tmp_path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r"pip install 'rankprobe\[images\]'"):
        images(tmp_path, "photos")


def test_no_other_program_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For PostScript by any name, Pillow would start Ghostscript."""
    import PIL.EpsImagePlugin

    started: list[Any] = []
    monkeypatch.setattr(PIL.EpsImagePlugin, "Ghostscript", lambda *a, **k: started.append(a))
    two_classes(tmp_path, pictures((8, 8, 3), N))
    lines = ("%!PS-Adobe-3.0 EPSF-3.0", "%%BoundingBox: 0 0 8 8", "%%EndComments", "showpage", "")
    (tmp_path / "p" / "a" / "00.png").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"00.png cannot be read as a picture: .*another format"):
        images(tmp_path)
    assert not started


def test_a_picture_beside_the_classes_is_not_passed_over(tmp_path: Path) -> None:
    two_classes(tmp_path, pictures((8, 8, 3), N))
    save(tmp_path / "p" / "loose.png", pictures((8, 8, 3), 1)[0])
    with pytest.raises(DataError, match=r"loose.png lies beside folders of classes; move it"):
        images(tmp_path)


def test_splits_beside_another_folder_are_no_classes(tmp_path: Path) -> None:
    for part in ("train", "test", "extra"):
        for i, picture in enumerate(pictures((8, 8, 3), N)):
            save(tmp_path / "p" / part / "ab"[i % 2] / f"{i}.png", picture)
    with pytest.raises(DataError, match=r"p/extra lies beside folders that are named after splits"):
        images(tmp_path)


def test_a_share_of_a_split_that_is_given_is_refused(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for i, picture in enumerate(pictures((8, 8, 3), N)):
            save(tmp_path / "p" / part / "ab"[i % 2] / f"{i}.png", picture + (part == "test"))
    with pytest.raises(DataError, match=r"p comes with test rows of its own, .*a share of 0.5"):
        images(tmp_path, split={"test": 0.5})
    assert len(images(tmp_path, split={"validation": 0.5}).validation) == N // 2


def test_a_table_names_one_file_and_one_label(tmp_path: Path) -> None:
    two_classes(tmp_path, pictures((8, 8, 3), N))
    files = [f"p/{'ab'[i % 2]}/{i:02d}.png" for i in range(N)]
    rows = [f"{i % 2},{i % 4},{file}" for i, file in enumerate(files)]
    (tmp_path / "t.csv").write_text("\n".join(["one,other,file", *rows]))
    with pytest.raises(ConfigError, match=r"pictures need one column as `data.target`, not 2"):
        images(tmp_path, "t.csv", target=["one", "other"])
    assert images(tmp_path, "t.csv").classes == ("0", "1", "2", "3")  # not the file, the last
