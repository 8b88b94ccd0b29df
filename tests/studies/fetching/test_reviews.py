from __future__ import annotations

import csv
import gzip
import io

import pytest

from rankprobe.errors import DataError
from studies.fetching import reviews
from studies.fetching.reviews import imdb, imdb_small, prose, read_reviews
from tests.studies.fetching.files import review_file

# test-negative, train-negative, test-positive, train-positive, three each
TEXTS = [
    "Bad.<br /><br />Really  bad",
    "seen twice",
    "dull",
    "Seen  TWICE",
    "worse",
    'a "quote", and more',
    "good",
    "good",
    "fine",
    "great",
    "best",
    "superb",
]


def rows(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(content).decode())))


def test_the_order_tells_class_and_half() -> None:
    written = rows(imdb(review_file(TEXTS))[0])
    assert [row["label"] for row in written] == ["0"] * 6 + ["1"] * 6
    assert [row["split"] for row in written] == [
        *("test", "train", "test"),  # the second text is in the training half too
        *["train"] * 3,
        *["test"] * 3,
        *["train"] * 3,
    ]
    assert imdb(review_file(TEXTS))[0][4:8] == bytes(4)  # gzip's hour: the same bytes every time
    assert written[0]["text"] == "Bad. Really bad"
    assert written[5]["text"] == TEXTS[5]


def test_equal_texts_are_a_group_in_one_split() -> None:
    read = read_reviews(review_file(TEXTS))
    assert read[1].group == read[3].group
    assert read[6].group == read[7].group
    assert len({review.group for review in read}) == 10
    splits: dict[str, set[str]] = {}
    for review in read:
        splits.setdefault(review.group, set()).add(review.split)
    assert all(len(there) == 1 for there in splits.values())


def test_the_small_set_is_balanced_and_has_no_text_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviews, "SMALL_TRAIN", 3)
    monkeypatch.setattr(reviews, "SMALL_TEST", 2)
    written = rows(imdb_small(review_file(TEXTS))[0])
    counts = {
        (split, label): sum((r["split"], r["label"]) == (split, label) for r in written)
        for split in ("train", "test")
        for label in "01"
    }
    assert counts == {("train", "0"): 3, ("train", "1"): 3, ("test", "0"): 2, ("test", "1"): 2}
    assert len({row["group"] for row in written}) == 10
    assert imdb_small(review_file(TEXTS)) == imdb_small(review_file(TEXTS))
    alike = review_file([*TEXTS[:6], "good", "good", "good", *TEXTS[9:]])
    with pytest.raises(DataError, match="1 reviews to test on; 2 are needed"):
        imdb_small(alike)


def test_prose_holds_each_text_once_up_to_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = prose(review_file(TEXTS))[0].decode().rstrip("\n").split("\n\n")
    assert sorted(documents) == sorted(["Bad. Really bad", *TEXTS[1:3], *TEXTS[4:7], *TEXTS[8:]])
    monkeypatch.setattr(reviews, "PROSE_BYTES", 40)
    short = prose(review_file(TEXTS))[0]
    assert short.decode().rstrip("\n").split("\n\n") == documents[: short.count(b"\n\n") + 1]
    assert 0 < len(short) <= 40


@pytest.mark.parametrize("content", [b"not JSON", b'[{"t": "a"}]', b"[1]", b"3"])
def test_other_files_are_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="the reviews cannot be read"):
        read_reviews(content)


def test_another_order_is_refused() -> None:
    with pytest.raises(DataError, match="not in four equal parts"):
        read_reviews(review_file(TEXTS[:-1]))
    with pytest.raises(DataError, match="not in four equal parts"):
        read_reviews(
            b'[{"t": "a", "s": 1}, {"t": "b", "s": 0}, {"t": "c", "s": 1}, {"t": "d", "s": 1}]'
        )
