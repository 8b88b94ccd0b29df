"""The record of what was measured: one Optuna study a task, one trial a member.

The coordinator is the only writer. A cohort's predictions and trained tensors are written first
and its trials after them, so a trial in the record always has its predictions. The default
storage is Optuna's journal file in the run folder; a URL names PostgreSQL or MySQL instead.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState

from rankprobe.errors import StoreError, TrainingError
from rankprobe.records import Member, Run
from rankprobe.search.journal import PREDICTIONS, Locked, lock_folder, open_journal
from rankprobe.search.trained import (
    forget_all,
    read_tensors,
    weights_file,
    write_tensors,
)

JOURNAL = "journal.log"
_STATES = {"finished": TrialState.COMPLETE, "diverged": TrialState.FAIL, "failed": TrialState.FAIL}


class Store(Locked):
    """Finished members, and the cohorts that were planned, of one task.

    Use as a context manager: the run folder is locked from opening to closing.

    Args:
        folder: The run folder; made if missing. ``None`` keeps everything in memory.
        identity: Everything that decides a member's result, but the member.
        url: Storage of Optuna; the journal file in the folder unless given.
        fresh: Throw away what the folder holds.

    Raises:
        StoreError: The folder cannot be written, is in use, is damaged, or holds a measurement
            of something else.
    """

    def __init__(
        self,
        folder: Path | None,
        identity: Mapping[str, Any],
        *,
        url: str | None = None,
        fresh: bool = False,
    ) -> None:
        self.folder = folder
        self.identity = json.loads(json.dumps(identity))
        self._hash = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
        self.lock = lock_folder(folder) if folder is not None else None
        self._memory: dict[str, NDArray[Any]] = {}
        self._runs: dict[Member, Run] = {}
        try:
            self._study = self._open(url, fresh=fresh)
            self._load()
        except BaseException:
            self.close()
            raise

    @property
    def runs(self) -> Mapping[Member, Run]:
        """What became of every member so far, without predictions."""
        return self._runs

    def planned(self) -> list[tuple[Member, ...]]:
        """The cohorts that were planned, in order."""
        attributes = self._study.user_attrs
        names = sorted(name for name in attributes if name.startswith("cohort "))
        return [tuple(Member(*fields) for fields in attributes[name]) for name in names]

    def plan(self, cohorts: Iterable[Sequence[Member]]) -> None:
        """Record who trains with whom, before the training: a resumed run does the same."""
        first = len(self.planned())
        with _writing():
            for index, cohort in enumerate(cohorts, start=first):
                fields = [_fields(member) for member in cohort]
                self._study.set_user_attr(f"cohort {index:06d}", fields)

    def record(self, runs: Sequence[Run]) -> None:
        """Record the runs of a cohort; members already recorded are left as they are.

        Raises:
            TrainingError: The record cannot be written: no room, no permission, connection lost.
        """
        new = [run for run in runs if run.member not in self._runs]
        with _writing():
            for run in new:
                if run.predictions is not None:
                    self._write_predictions(self.key(run.member), run.predictions)
                if run.tensors is not None and self.folder is not None:
                    write_tensors(self.folder, self.key(run.member), run)
            self._study.add_trials([self._trial(run) for run in new])
        for run in new:
            self._runs[run.member] = dataclasses.replace(run, predictions=None, tensors=None)

    def predictions(self, member: Member) -> NDArray[Any]:
        """Test predictions of a finished member.

        Raises:
            StoreError: They are missing or damaged.
        """
        key = self.key(member)
        if self.folder is None:
            return self._memory[key]
        file = self._prediction_file(key)
        try:
            return np.load(file, allow_pickle=False)  # type: ignore[no-any-return]
        except (OSError, ValueError, EOFError) as error:
            raise StoreError(
                f"{file} is missing or damaged ({error}); measure again with --fresh"
            ) from None

    def whole(self, member: Member) -> Run:
        """A recorded run with everything that was kept of it, as another store takes it.

        Raises:
            StoreError: Something of it is missing or damaged.
        """
        run = self._runs[member]
        if run.status != "finished":
            return run
        tensors = None
        if self.folder is not None and self.has_tensors(member):
            tensors = read_tensors(weights_file(self.folder, self.key(member)))
        return dataclasses.replace(run, predictions=self.predictions(member), tensors=tensors)

    def has_tensors(self, member: Member) -> bool:
        """Whether the trained tensors of a member are kept."""
        return self.folder is not None and weights_file(self.folder, self.key(member)).exists()

    def forget_tensors(self, members: Iterable[Member]) -> None:
        """Remove the trained tensors of some members; what became of them stays recorded."""
        if self.folder is not None:
            for member in members:
                weights_file(self.folder, self.key(member)).unlink(missing_ok=True)

    def key(self, member: Member) -> str:
        """Hash of everything that decides the member's result."""
        text = json.dumps([self._hash, *_fields(member)])
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def _open(self, url: str | None, *, fresh: bool) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        name = "rankprobe"
        if url is not None:
            name = f"rankprobe {self.identity.get('name', '')} {self._hash[:16]}"
            storage: Any = _remote(url)
        elif self.folder is None:
            storage = optuna.storages.InMemoryStorage()
        else:
            storage = open_journal(self.folder / JOURNAL, fresh=fresh)
        if fresh and self.folder is not None:
            forget_all(self.folder)
        existing = {summary.study_name for summary in optuna.get_all_study_summaries(storage)}
        if fresh and name in existing:
            optuna.delete_study(study_name=name, storage=storage)
        study = optuna.create_study(study_name=name, storage=storage, load_if_exists=True)
        before = study.user_attrs.get("identity")
        if before is None:
            with _writing():
                study.set_user_attr("identity", self.identity)
        elif before != self.identity:
            changed = ", ".join(_differences(before, self.identity))
            raise StoreError(
                f"{self.folder or url} holds a measurement of something else: {changed} changed; "
                "write to another folder with --out, or start again with --fresh"
            )
        return study

    def _load(self) -> None:
        for trial in self._study.get_trials(deepcopy=False):
            fields = trial.user_attrs.get("run")
            if fields is None:
                continue
            history = tuple((epoch, value) for epoch, value in fields["history"])
            member = Member(*fields["member"])
            self._runs[member] = Run(**{**fields, "member": member, "history": history})

    def _trial(self, run: Run) -> optuna.trial.FrozenTrial:
        fields = {
            field.name: getattr(run, field.name)
            for field in dataclasses.fields(run)
            if field.name not in ("predictions", "tensors")
        }
        fields["member"] = _fields(run.member)
        params: dict[str, Any] = {"learning_rate": run.member.learning_rate}
        spaces: dict[str, Any] = {"learning_rate": FloatDistribution(1e-9, 1e3, log=True)}
        if run.member.rank is not None:
            params["rank"] = run.member.rank
            spaces["rank"] = IntDistribution(0, 1 << 20)
        state = _STATES[run.status]
        return optuna.trial.create_trial(
            state=state,
            value=run.validation if state is TrialState.COMPLETE else None,
            params=params,
            distributions=spaces,
            user_attrs={"key": self.key(run.member), "run": fields},
        )

    def _prediction_file(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / PREDICTIONS / f"{key}.npy"

    def _write_predictions(self, key: str, predictions: NDArray[Any]) -> None:
        if self.folder is None:
            self._memory[key] = predictions
            return
        file = self._prediction_file(key)
        file.parent.mkdir(exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, predictions, allow_pickle=False)
        part = file.with_suffix(".part")
        part.write_bytes(buffer.getvalue())
        part.replace(file)


def _fields(member: Member) -> tuple[Any, ...]:
    """A member as it is recorded: without scaffold 0, as before there were several."""
    fields = dataclasses.astuple(member)
    return fields if member.scaffold else fields[:-1]


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    """Turn what a full disk or a lost connection raises into one clear error."""
    try:
        yield
    except (OSError, optuna.exceptions.StorageInternalError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TrainingError(
            f"the record of finished members cannot be written: {reason}; what is in it is "
            "kept, and the same command goes on from there"
        ) from error


def _remote(url: str) -> Any:
    try:
        return optuna.storages.get_storage(url)
    except Exception as error:  # whatever the database's driver raises
        raise StoreError(
            f"cannot open the storage {url.split('@')[-1]}: {error}; give a URL such as "
            "postgresql://user@host/database"
        ) from None


def _differences(before: Any, after: Any, at: str = "") -> list[str]:
    """Dotted names of the settings in which two identities differ."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return [] if before == after else [at]
    keys = sorted({*before, *after})
    return [
        name
        for key in keys
        for name in _differences(before.get(key), after.get(key), f"{at}.{key}" if at else key)
    ]
