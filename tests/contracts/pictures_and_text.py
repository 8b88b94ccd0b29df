"""Small data sets for the sources of pictures and text, with the settings that read them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

N = 80
LABELS = np.arange(N) % 4
WORDS = ["a", "film", "nobody", "who", "saw", "it", "forgets", "slow", "but", "never", "dull"]


def pictures(shape: tuple[int, ...] = (8, 8, 3), count: int = N) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, *shape), dtype=np.uint8)


def sentences(count: int = N) -> list[str]:
    rng = np.random.default_rng(2)
    return [f"{' '.join(rng.choice(WORDS, 12))} {i}" for i in range(count)]


def write_idx(path: Path, array: NDArray[np.uint8]) -> None:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    raw = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
    path.write_bytes(gzip.compress(raw, mtime=0) if path.suffix == ".gz" else raw)


def folders(folder: Path) -> str:
    for i, picture in enumerate(pictures()):
        label = folder / "photos" / f"class_{LABELS[i]}"
        label.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(label / f"{i:03d}.png")
    return "data: {source: images, path: photos}"


def idx(folder: Path) -> str:
    (folder / "set").mkdir()
    for name, rows in (("train", slice(0, 60)), ("t10k", slice(60, N))):
        write_idx(folder / "set" / f"{name}-images-idx3-ubyte.gz", pictures((8, 8))[rows])
        write_idx(folder / "set" / f"{name}-labels-idx1-ubyte.gz", LABELS[rows].astype(np.uint8))
    return "data: {source: images, path: set}"


def archive(folder: Path) -> str:
    np.savez(folder / "a.npz", x=pictures(), y=LABELS)
    return "data: {source: images, path: a.npz, size: 4}"


def listed(folder: Path) -> str:
    for i, picture in enumerate(pictures()):
        Image.fromarray(picture).save(folder / f"{i}.png")
    frame = pd.DataFrame({"file": [f"{i}.png" for i in range(N)], "grade": LABELS})
    frame.to_csv(folder / "t.csv", index=False)
    return "data: {source: images, path: t.csv, grey: true, augment: flip}"


def text(folder: Path) -> str:
    pd.DataFrame({"text": sentences(), "y": LABELS}).to_csv(folder / "t.csv", index=False)
    return "data: {source: text, path: t.csv, vocabulary: 64}"


def json_lines(folder: Path) -> str:
    lines = [
        json.dumps({"review": words, "y": int(y)})
        for words, y in zip(sentences(), LABELS, strict=True)
    ]
    (folder / "t.jsonl").write_text("\n".join(lines))
    return "data: {path: t.jsonl, length: 8}"


def tokens(folder: Path) -> str:
    (folder / "t.txt").write_text("\n\n".join(sentences()))
    return "data: {path: t.txt, vocabulary: 64, length: 16}"


def hub_numbers(folder: Path) -> str:
    import datasets

    x = np.random.default_rng(3).normal(size=(N, 3)).astype(np.float32)
    rows = {"v": list(x), "label": LABELS}
    datasets.Dataset.from_dict(rows).save_to_disk(folder / "saved")
    return "data: {source: huggingface, path: saved}"


def hub_text(folder: Path) -> str:
    import datasets

    rows = {"sentence": sentences(), "label": LABELS}
    datasets.Dataset.from_dict(rows).save_to_disk(folder / "saved")
    return "data: {source: huggingface, path: saved, vocabulary: 64}"


def hub_pictures(folder: Path) -> str:
    import datasets

    rows = {"image": [Image.fromarray(picture) for picture in pictures()], "label": LABELS}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(folder / "saved")
    return "data: {source: huggingface, path: saved}"


WRITERS: dict[str, Callable[[Path], str]] = {
    "images/folders": folders,
    "images/idx": idx,
    "images/arrays": archive,
    "images/table": listed,
    "text/csv": text,
    "text/jsonl": json_lines,
    "tokens": tokens,
    "huggingface/numbers": hub_numbers,
    "huggingface/text": hub_text,
    "huggingface/pictures": hub_pictures,
}
# A file of each that is damaged in a test.
DAMAGED = {
    "images/folders": "photos/class_2/002.png",
    "images/idx": "set/train-images-idx3-ubyte.gz",
    "images/arrays": "a.npz",
    "images/table": "7.png",
    "text/csv": "t.csv",
    "text/jsonl": "t.jsonl",
    "tokens": "t.txt",
    "huggingface/numbers": "saved/data-00000-of-00001.arrow",
    "huggingface/text": "saved/data-00000-of-00001.arrow",
    "huggingface/pictures": "saved/data-00000-of-00001.arrow",
}
