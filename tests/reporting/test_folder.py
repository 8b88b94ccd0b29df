from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from rankprobe.errors import ConfigError, StoreError
from rankprobe.reporting import folder as module
from rankprobe.reporting.folder import draw_figure, write_folder, write_report, write_whole
from rankprobe.result_file import load_result
from tests.reporting.examples import examples, make

EXAMPLES = examples()
NAMES = {"result.json", "curve.png", "rates.png", "report.html"}


def test_writes_every_file_and_nothing_else(tmp_path: Path) -> None:
    folder = write_folder(EXAMPLES["rank_one"], tmp_path / "runs" / "one")
    assert {path.name for path in folder.iterdir()} == NAMES
    assert load_result(folder) == EXAMPLES["rank_one"]
    assert (folder / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_result_read_back_draws_the_same(tmp_path: Path) -> None:
    first = write_folder(EXAMPLES["rank_one"], tmp_path / "first")
    again = write_folder(load_result(first), tmp_path / "again")
    for name in NAMES:
        assert (again / name).read_bytes() == (first / name).read_bytes(), name


def test_the_result_is_written_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def recorded(path: Path, content: bytes) -> Path:
        order.append(path.name)
        return path

    monkeypatch.setattr(module, "write_whole", recorded)
    write_folder(EXAMPLES["rank_one"], tmp_path)
    assert set(order) == NAMES
    assert order[-1] == "result.json"


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_whole(tmp_path / "result.json", b"old")
    opened = Path.open

    def full(self: Path, mode: str = "r", **options: Any) -> IO[Any]:
        file: IO[Any] = opened(self, mode, **options)
        if "w" in mode:
            file.write(b"half")
            file.close()
            raise OSError(errno.ENOSPC, "No space left on device")
        return file

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StoreError) as caught:
        write_whole(path, b"new")
    monkeypatch.undo()
    assert str(caught.value) == (
        f"{path}: not written: there is no room left on the disk; "
        "free some and run the command again"
    )
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_a_failed_replacement_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_whole(tmp_path / "result.json", b"old")

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(StoreError, match="you may not write there; give another place with --out"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["result.json"]


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("mine")
    for place in (tmp_path / "runs", tmp_path / "runs" / "deeper"):
        with pytest.raises(StoreError, match="a file stands where a folder is needed"):
            write_whole(place / "result.json", b"")
    assert (tmp_path / "runs").read_text() == "mine"


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(StoreError, match="a folder of that name is there"):
        write_whole(tmp_path / "a.png", b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_other_system_errors_keep_their_reason(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="File name too long"):
        write_whole(tmp_path / ("x" * 300), b"")


def test_files_follow_the_users_mask(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        path = write_whole(tmp_path / "a.txt", b"")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".SVG", b"<?xml")]
)
def test_figure_follows_its_suffix(tmp_path: Path, suffix: str, magic: bytes) -> None:
    path = draw_figure([EXAMPLES["rank_one"]], tmp_path / f"rank{suffix}")
    assert path.read_bytes().startswith(magic)


def test_figure_of_several_results_is_the_overlay(tmp_path: Path) -> None:
    one = draw_figure([make()], tmp_path / "one.svg").read_text()
    several = draw_figure([make(), EXAMPLES["loss"]], tmp_path / "several.svg").read_text()
    assert "recovery of full training" in several
    assert "recovery of full training" not in one


def test_unknown_suffix_names_the_file_and_what_to_write(tmp_path: Path) -> None:
    out = tmp_path / "rank.gif"
    with pytest.raises(ConfigError) as caught:
        draw_figure([EXAMPLES["rank_one"]], out)
    assert str(caught.value) == (
        f"{out}: figures cannot be written as `.gif` files\n    use .png, .pdf or .svg"
    )
    assert not out.exists()


def test_report_of_one_and_of_several(tmp_path: Path) -> None:
    one = write_report([EXAMPLES["rank_one"]], tmp_path / "one.html").read_text()
    both = write_report([EXAMPLES["rank_one"], EXAMPLES["flat"]], tmp_path / "both.html")
    assert one.count("<img") == 2
    assert both.read_text().count("<img") == 5


def test_report_wants_a_page(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a report is an HTML page\n    use a name ending"):
        write_report([EXAMPLES["rank_one"]], tmp_path / "report.pdf")


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("rankprobe.reporting.tables", ("matplotlib", "scipy", "torch", "pandas", "optuna")),
        ("rankprobe.reporting.folder", ("matplotlib.pyplot", "scipy", "torch", "pandas", "optuna")),
    ],
)
def test_imports_stay_light(imported: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, {imported}; print([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
