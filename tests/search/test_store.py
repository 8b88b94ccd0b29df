import dataclasses
import errno
import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import optuna
import pytest

from rankprobe.errors import StoreError, TrainingError
from rankprobe.records import Member, Run
from rankprobe.search.store import JOURNAL, Store
from tests.search.fakes import IDENTITY, make_run

LABELS = np.arange(50) % 10


def member(rank: int | None = 4, repeat: int = 0) -> Member:
    return Member(rank, 0.01, repeat, 20)


def run(rank: int | None = 4, repeat: int = 0) -> Run:
    return make_run(member(rank, repeat), 0.9, 0.91, LABELS)


@pytest.mark.parametrize("in_memory", [True, False])
def test_what_is_recorded_comes_back(tmp_path: Path, in_memory: bool) -> None:
    with Store(None if in_memory else tmp_path, IDENTITY) as store:
        store.plan([[member(), member(None)]])
        store.record([run(), run(None)])
        assert store.runs[member()] == run()
        assert store.predictions(member()).tolist() == run().predictions.tolist()  # type: ignore[union-attr]
        assert store.planned() == [(member(), member(None))]


def test_a_new_process_finds_everything(tmp_path: Path) -> None:
    diverged = Run(member(8), "diverged", "not finite at epoch 3", trainable=12, seconds=0.5)
    with Store(tmp_path, IDENTITY) as store:
        store.plan([[member()], [member(8)]])
        store.plan([[member(None)]])
        store.record([run(), diverged])
    with Store(tmp_path, IDENTITY) as store:
        assert store.runs == {member(): run(), member(8): diverged}
        assert store.planned() == [(member(),), (member(8),), (member(None),)]
        assert store.predictions(member()).tolist() == run().predictions.tolist()  # type: ignore[union-attr]


class TestScaffolds:
    """Scaffold 0 is recorded as before there were several; its members are found again."""

    OTHER = Member(4, 0.01, 1, 20, 1)

    def test_the_first_keeps_its_key_and_its_fields(self, tmp_path: Path) -> None:
        with Store(tmp_path, IDENTITY) as store:
            assert store.key(member()) == "3397c9b0b668003242227cfc"
            store.plan([[member()]])
            store.record([run()])
        journal = [json.loads(line) for line in (tmp_path / JOURNAL).read_text().splitlines()]
        recorded = [entry["user_attr"] for entry in journal if "user_attr" in entry]
        assert {"cohort 000000": [[4, 0.01, 0, 20]]} in recorded
        (trial,) = [e["user_attrs"] for e in journal if "run" in e.get("user_attrs", {})]
        assert trial["run"]["member"] == [4, 0.01, 0, 20]

    def test_others_come_back_as_others(self, tmp_path: Path) -> None:
        other = dataclasses.replace(run(), member=self.OTHER)
        with Store(tmp_path, IDENTITY) as store:
            store.plan([[member(repeat=1)], [self.OTHER]])
            store.record([run(repeat=1), other])
        with Store(tmp_path, IDENTITY) as store:
            assert store.key(self.OTHER) != store.key(member(repeat=1))
            assert store.runs == {member(repeat=1): run(repeat=1), self.OTHER: other}
            assert store.planned() == [(member(repeat=1),), (self.OTHER,)]


def test_members_are_recorded_once(tmp_path: Path) -> None:
    with Store(tmp_path, IDENTITY) as store:
        store.record([run()])
        store.record([dataclasses.replace(run(), test=0.1), run(8)])
        assert store.runs[member()].test == run().test
    with Store(tmp_path, IDENTITY) as store:
        assert len(store.runs) == 2


def test_optuna_reads_the_record_as_its_own(tmp_path: Path) -> None:
    with Store(tmp_path, IDENTITY) as store:
        store.record([run(), Run(member(8), "failed", "why")])
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / JOURNAL))
    study = optuna.load_study(
        study_name="rankprobe", storage=optuna.storages.JournalStorage(backend)
    )
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL"]
    assert study.trials[0].params == {"learning_rate": 0.01, "rank": 4}
    assert study.trials[0].value == 0.91


@pytest.mark.parametrize("torn", [1, 7, 40])
def test_a_torn_last_line_is_cut_and_appending_goes_on(tmp_path: Path, torn: int) -> None:
    with Store(tmp_path, IDENTITY) as store:
        store.record([run(1)])
        whole = (tmp_path / JOURNAL).read_bytes()
        store.record([run(2)])
    longer = (tmp_path / JOURNAL).read_bytes()
    (tmp_path / JOURNAL).write_bytes(longer[: len(whole) + torn])
    with Store(tmp_path, IDENTITY) as store:
        assert set(store.runs) == {member(1)}
        store.record([run(3)])
    with Store(tmp_path, IDENTITY) as store:
        assert set(store.runs) == {member(1), member(3)}


@pytest.mark.parametrize("garbage", [b"garbage\n", b"\x00" * 30 + b"\n", b'{"half": \n{"of": \n'])
def test_a_last_line_that_is_no_record_is_cut_as_well(tmp_path: Path, garbage: bytes) -> None:
    with Store(tmp_path, IDENTITY) as store:
        store.record([run(1)])
    with (tmp_path / JOURNAL).open("ab") as journal:
        journal.write(garbage)
    with Store(tmp_path, IDENTITY) as store:
        assert set(store.runs) == {member(1)}
        store.record([run(3)])
    with Store(tmp_path, IDENTITY) as store:
        assert set(store.runs) == {member(1), member(3)}


def test_the_lock_of_a_dead_optuna_is_not_waited_for(tmp_path: Path) -> None:
    with Store(tmp_path, IDENTITY) as store:
        store.record([run()])
    (tmp_path / f"{JOURNAL}.lock").symlink_to(tmp_path / JOURNAL)
    with Store(tmp_path, IDENTITY) as store:
        store.record([run(8)])
        assert len(store.runs) == 2


def test_two_measurements_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        Store(tmp_path, IDENTITY),
        pytest.raises(StoreError, match=r"another measurement is writing to .*--out"),
    ):
        Store(tmp_path, IDENTITY)


def _hold_and_die(folder: str) -> None:
    Store(Path(folder), IDENTITY)
    os._exit(9)


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=_hold_and_die, args=(str(tmp_path),)
    )
    process.start()
    process.join()
    assert process.exitcode == 9
    Store(tmp_path, IDENTITY).close()


def test_another_task_is_refused_and_what_changed_is_named(tmp_path: Path) -> None:
    before = {"data": "abc", "backbone": {"hidden": [64], "seed": 42}}
    with Store(tmp_path, before) as store:
        store.record([run()])
    after = {"data": "abd", "backbone": {"hidden": [32], "seed": 42}}
    with pytest.raises(StoreError, match=r"backbone\.hidden, data changed; .*--out.*--fresh"):
        Store(tmp_path, after)
    with Store(tmp_path, before) as store:
        assert len(store.runs) == 1


def test_fresh_starts_again(tmp_path: Path) -> None:
    with Store(tmp_path, {"data": "old"}) as store:
        store.record([run()])
    with Store(tmp_path, IDENTITY, fresh=True) as store:
        assert store.runs == {}
        assert list((tmp_path / "predictions").iterdir()) == []


def test_a_full_disk_keeps_what_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path, IDENTITY) as store:
        store.record([run()])

        def full(self: Path, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "write_bytes", full)
        with pytest.raises(TrainingError, match="cannot be written: No space left on device"):
            store.record([run(8)])
        monkeypatch.undo()
        assert set(store.runs) == {member()}
    with Store(tmp_path, IDENTITY) as store:
        assert set(store.runs) == {member()}


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot write to .*file/runs.*--out"):
        Store(tmp_path / "file" / "runs", IDENTITY)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    with Store(tmp_path, IDENTITY) as store:
        store.record([run()])
    (tmp_path / JOURNAL).write_bytes(b"not a journal\n" + (tmp_path / JOURNAL).read_bytes())
    with pytest.raises(StoreError, match=r"journal\.log is damaged .*--fresh"):
        Store(tmp_path, IDENTITY)


def test_missing_predictions_are_named(tmp_path: Path) -> None:
    with Store(tmp_path, IDENTITY) as store:
        store.record([run()])
        (tmp_path / "predictions" / f"{store.key(member())}.npy").write_bytes(b"\x93NUMPY")
        with pytest.raises(StoreError, match=r"is missing or damaged .*--fresh"):
            store.predictions(member())


def test_a_url_that_cannot_be_opened_hides_the_password() -> None:
    with pytest.raises(StoreError, match="cannot open the storage host/db") as caught:
        Store(None, IDENTITY, url="nonsense://user:secret@host/db")
    assert "secret" not in str(caught.value)


def test_a_database_holds_many_tasks(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    with Store(tmp_path / "a", IDENTITY, url=url) as store:
        store.record([run()])
    with Store(tmp_path / "b", {"data": "other"}, url=url) as store:
        assert store.runs == {}
    with Store(tmp_path / "a", IDENTITY, url=url) as store:
        assert set(store.runs) == {member()}
