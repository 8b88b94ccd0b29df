"""Hashes of scaffold tensors, one file a version of the specification.

    python -m tests.lowrank.known_answers

writes the file of a new version, and refuses to write over one that is there.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.lowrank.families import FAMILIES, SPEC_VERSION
from rankprobe.lowrank.scaffold import Scaffold

FOLDER = Path(__file__).parent
_CASES: list[tuple[int, str, list[int], float | str | None]] = [
    (42, "hidden0", [64, 784], None),
    (42, "hidden0", [96, 96], "family"),
    (43, "conv", [8, 3, 3, 3], None),
    (0, "", [1, 1], None),
    (2**63, "Schicht ä", [17, 5], 0.1),
]


def file_of(version: int, folder: Path = FOLDER) -> Path:
    return folder / f"known_answers_{version}.json"


def read(version: int) -> list[dict[str, Any]]:
    document = json.loads(file_of(version).read_text(encoding="utf-8"))
    return [{**answer, "version": document["specification"]} for answer in document["answers"]]


def weight(answer: dict[str, Any]) -> NDArray[np.float32]:
    scaffold = Scaffold(
        answer["seed"], answer["family"], answer["scale"], spec_version=answer["version"]
    )
    return scaffold.weight(answer["name"], answer["shape"])


def sha256(values: NDArray[np.float32]) -> str:
    assert values.dtype == np.float32
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f4").tobytes()).hexdigest()


def write(version: int = SPEC_VERSION, folder: Path = FOLDER) -> Path:
    """Raises FileExistsError: a version's weights, and so its answers, never change."""
    lines = []
    for family, kind in FAMILIES.items():
        for seed, name, shape, scale in _CASES if kind.since <= version else ():
            answer = {"seed": seed, "name": name, "shape": shape, "family": family, "scale": scale}
            answer["sha256"] = sha256(weight({**answer, "version": version}))
            lines.append(f"  {json.dumps(answer)}")
    text = f'{{\n "specification": {version},\n "answers": [\n' + ",\n".join(lines) + "\n ]\n}\n"
    path = file_of(version, folder)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    return path


if __name__ == "__main__":
    try:
        print(write())
    except FileExistsError as error:
        sys.exit(f"{error.filename} is there and never changes: a new version has new answers")
