"""The commit is named for a checkout of rankprobe's own, and nothing is said otherwise."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from rankprobe import checkout
from rankprobe.checkout import commit


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A checkout with one commit."""
    folder = tmp_path / "here" / "rankprobe"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text("1")
    (folder.parent / "pyproject.toml").write_text('[project]\nname = "rankprobe"\n')
    git(folder.parent, "init")
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "-m", "first")
    return folder


def asked(package: Path) -> str | None:
    commit.cache_clear()
    return commit(package)


def test_the_commit_and_whether_the_package_differs(package: Path) -> None:
    head = git(package, "rev-parse", "HEAD")[:7]
    assert asked(package) == head
    (package.parent / "notes.md").write_text("beside the package")
    assert asked(package) == head
    (package / "new.py").write_text("2")
    assert asked(package) == f"{head}+changes"
    (package / "new.py").unlink()
    (package / "a.py").write_text("3")
    assert asked(package) == f"{head}+changes"


def test_it_is_remembered(package: Path) -> None:
    first = asked(package)
    (package / "a.py").write_text("3")
    assert commit(package) == first


def test_a_hook_of_another_repository_does_not_mislead(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = asked(package)
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert expected is not None
    assert asked(package) == expected


def test_a_package_inside_somebody_elses_repository_says_nothing(package: Path) -> None:
    (package.parent / "pyproject.toml").write_text('[project]\nname = "theirs"\n')
    assert asked(package) is None
    installed = package.parent / "venv" / "rankprobe"
    installed.mkdir(parents=True)
    assert asked(installed) is None


def test_without_git_or_an_answer_nothing_is_said(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    monkeypatch.setattr(checkout, "_LIMIT", 0.05)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert asked(package) is None
    slow.write_text("#!/bin/sh\nexit 128\n")
    assert asked(package) is None
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert asked(package) is None


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    (tmp_path / "rankprobe").mkdir()
    (tmp_path / "pyproject.toml").write_text('name = "rankprobe"')
    git(tmp_path, "init")
    assert asked(tmp_path / "rankprobe") is None


def test_this_one_answers_at_once() -> None:
    times = []
    for _ in range(3):
        commit.cache_clear()
        start = time.perf_counter()
        commit()
        times.append(time.perf_counter() - start)
    assert min(times) < 0.25  # a hundredth or two on a quiet machine
