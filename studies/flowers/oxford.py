"""Flowers-102 as the table that paper.yaml names, from the official files.

    python -m studies.flowers.oxford FOLDER

FOLDER holds ``jpg``, ``imagelabels.mat`` and ``setid.mat`` as the authors publish them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from rankprobe.errors import DataError
from rankprobe.reporting.folder import write_whole
from studies.catalogue import ROOT
from studies.command import guarded
from studies.fetching.dataset import table

TABLE = Path("flowers/data/flowers102.csv")
SPLITS = {"trnid": "train", "valid": "validation", "tstid": "test"}


def convert(folder: Path, root: Path = ROOT) -> Path:
    """Write a row a picture, ``file,flower,split``, files relative to the table; returns it.

    Raises:
        DataError: A file that is missing or damaged.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    target = root / TABLE
    try:
        labels = loadmat(folder / "imagelabels.mat")["labels"].ravel()
        sets = loadmat(folder / "setid.mat")
        splits = {int(number): word for key, word in SPLITS.items() for number in sets[key].ravel()}
    except (OSError, KeyError, ValueError, TypeError, MatReadError) as error:
        raise DataError(f"{folder}: the labels cannot be read: {error!r}") from None
    pictures = Path(os.path.relpath(folder.resolve() / "jpg", target.parent.resolve()))
    rows = []
    for number, split in sorted(splits.items()):
        name = f"image_{number:05d}.jpg"
        if number > len(labels) or not (folder / "jpg" / name).is_file():
            raise DataError(f"{folder}: the picture {name} or its label is missing")
        rows.append(((pictures / name).as_posix(), int(labels[number - 1]), split))
    return write_whole(target, table(("file", "flower", "split"), rows))


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.flowers.oxford")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    options = parser.parse_args(arguments)
    return guarded(lambda: print(convert(options.folder)))


if __name__ == "__main__":
    raise SystemExit(main())
