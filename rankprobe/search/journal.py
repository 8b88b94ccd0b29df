"""The run folder on disk: its lock, and Optuna's journal file repaired after a crash."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Self

import optuna
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from rankprobe.errors import StoreError

PREDICTIONS = "predictions"  # folder of per-example test predictions


class Locked:
    """Something that holds a run folder from opening to closing: use as a context manager.

    Attributes:
        lock: What `lock_folder` returned; ``None`` without a folder, and when closed.
    """

    lock: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def lock_folder(folder: Path) -> int:
    """Make the folder and hold an operating-system lock on it; a dead process holds none.

    Returns:
        A file descriptor; closing it releases the lock.

    Raises:
        StoreError: The folder cannot be written to, or another process holds the lock.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise StoreError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise StoreError(
            f"another measurement is writing to {folder}; wait for it, or choose another folder "
            "with --out"
        ) from None
    return handle


def open_journal(file: Path, *, fresh: bool) -> optuna.storages.JournalStorage:
    """Optuna's journal file, repaired; call it under `lock_folder` only.

    A line torn by a crash still reads, but the next append would glue onto it and make the
    whole file unreadable, and the lock of a dead process would be waited for: so the file is
    cut back to its last newline, and Optuna's own lock cleared.

    Raises:
        StoreError: The file cannot be written, or is damaged beyond its last line.
    """
    lock = Path(f"{file}.lock")
    try:
        if fresh:
            file.unlink(missing_ok=True)
            for old in (file.parent / PREDICTIONS).glob("*.npy"):
                old.unlink()
        lock.unlink(missing_ok=True)
        if file.exists():
            _cut_torn_line(file)
        backend = JournalFileBackend(str(file), lock_obj=JournalFileSymlinkLock(str(file)))
        return optuna.storages.JournalStorage(backend)
    except OSError as error:
        raise StoreError(
            f"cannot write to {file}: {error.strerror}; choose another folder with --out"
        ) from None
    except (ValueError, KeyError) as error:
        raise StoreError(
            f"{file} is damaged ({error}); move it away, or start again with --fresh"
        ) from None


def _cut_torn_line(file: Path) -> None:
    """Cut what a crash may leave at the end: half a line, or a last line that is no record."""
    _cut_to_newline(file)
    while last := _last_line(file):
        try:
            json.loads(last)
        except ValueError:
            os.truncate(file, file.stat().st_size - len(last))
        else:
            return


def _last_line(file: Path) -> bytes:
    """The last line with its newline; empty for an empty file."""
    last = b""
    with file.open("rb") as handle:
        for last in handle:  # noqa: B007  the last one is wanted
            pass
    return last


def _cut_to_newline(file: Path) -> None:
    with file.open("rb+") as handle:
        end = handle.seek(0, os.SEEK_END)
        position = end
        while position > 0:
            start = max(0, position - 65536)
            handle.seek(start)
            newline = handle.read(position - start).rfind(b"\n")
            if newline >= 0:
                position = start + newline + 1
                break
            position = start
        if position < end:
            handle.truncate(position)
