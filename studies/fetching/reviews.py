"""Film reviews: positive or negative, and the same texts as prose to model."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rankprobe.errors import DataError
from studies.fetching.dataset import gzipped, table

COLUMNS = ("text", "label", "group", "split")
# The order of the file: equal parts, each of one class and of one official half.
PARTS = (("test", 0), ("train", 0), ("test", 1), ("train", 1))
SMALL_TRAIN, SMALL_TEST = 4000, 2000  # a class
PROSE_BYTES = 20_000_000
_SEED = 0
_BREAK = re.compile(r"(?:\s*<br\s*/?>\s*)+", re.IGNORECASE)


@dataclass(frozen=True)
class Review:
    """A review.

    Attributes:
        text: On one line, without line breaks in HTML.
        label: 1 if positive, else 0.
        group: The same for the same text, whatever its case and spacing.
        split: ``train`` or ``test``.
    """

    text: str
    label: int
    group: str
    split: str


def imdb(content: bytes) -> tuple[bytes]:
    """``reviews.csv.gz``: all reviews, `COLUMNS`."""
    return (_csv(read_reviews(content)),)


def imdb_small(content: bytes) -> tuple[bytes]:
    """``reviews_small.csv.gz``: the same columns, texts all different, classes in balance."""
    reviews = _distinct(read_reviews(content))
    generator = np.random.default_rng(_SEED)
    rows: list[int] = []
    for split, count in (("train", SMALL_TRAIN), ("test", SMALL_TEST)):
        for label in (0, 1):
            there = [i for i, r in enumerate(reviews) if (r.split, r.label) == (split, label)]
            if len(there) < count:
                raise DataError(f"{len(there):,} reviews to {split} on; {count:,} are needed")
            rows += generator.choice(there, count, replace=False).tolist()
    return (_csv([reviews[row] for row in sorted(rows)]),)


def prose(content: bytes) -> tuple[bytes]:
    """``reviews.txt``: different texts in an order drawn from a seed, a blank line between two.

    It ends with the last text that leaves it under `PROSE_BYTES`.
    """
    reviews = _distinct(read_reviews(content))
    texts = []
    size = 0
    for row in np.random.default_rng(_SEED).permutation(len(reviews)):
        text = reviews[row].text.encode()
        size += len(text) + 2
        if size > PROSE_BYTES:
            break
        texts.append(text)
    return (b"\n\n".join(texts) + b"\n",)


def read_reviews(content: bytes) -> list[Review]:
    """The reviews in their order.

    A text that is in both official halves is moved to the training half, each copy of it: else
    some test reviews were seen in training.

    Raises:
        DataError: Not a list of ``{"t": text, "s": 0 or 1}`` in the order of `PARTS`.
    """
    try:
        rows = [(str(row["t"]), row["s"]) for row in json.loads(content)]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"the reviews cannot be read: {error!r}") from None
    part, left = divmod(len(rows), len(PARTS))
    places = [place for place in PARTS for _ in range(part)]
    if left or any(label != place[1] for (_, label), place in zip(rows, places, strict=True)):
        raise DataError("the reviews are not in four equal parts: negative twice, positive twice")
    texts = [" ".join(_BREAK.sub(" ", text).split()) for text, _ in rows]
    groups = [hashlib.sha256(text.casefold().encode()).hexdigest()[:16] for text in texts]
    train = {group for group, (split, _) in zip(groups, places, strict=True) if split == "train"}
    return [
        Review(text, label, group, "train" if group in train else "test")
        for text, group, (_, label) in zip(texts, groups, places, strict=True)
    ]


def _distinct(reviews: Sequence[Review]) -> list[Review]:
    """The first of each group, in their order."""
    first: dict[str, Review] = {}
    for review in reviews:
        first.setdefault(review.group, review)
    return list(first.values())


def _csv(reviews: Sequence[Review]) -> bytes:
    return gzipped(table(COLUMNS, ((r.text, r.label, r.group, r.split) for r in reviews)))
