"""From a configuration to a `Task`: read by the source, divide, encode, check."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.config_data import SplitConfig
from rankprobe.config_rules import METRICS
from rankprobe.config_sources import USED, needs_consent
from rankprobe.data.arrays import Pair, examples_from_pairs, read_arrays
from rankprobe.data.examples import TEST, Examples, Rows
from rankprobe.data.names import missing_names
from rankprobe.data.python import read_python
from rankprobe.data.sklearn_sets import read_bundled
from rankprobe.data.splits import check_shares, described, divided, divided_apart
from rankprobe.data.table import read_table
from rankprobe.data.targets import Target, encoded_target
from rankprobe.data.task import Objective, Split, Task
from rankprobe.errors import ConfigError, DataError, Problem

Source = Callable[[TaskConfig], Examples]


def _later(module: str, function: str) -> Source:
    """A source whose module is imported when it is first read."""

    def read(config: TaskConfig) -> Examples:
        source: Source = getattr(import_module(f"rankprobe.data.{module}"), function)
        return source(config)

    return read


SOURCES: dict[str, Source] = {
    "arrays": read_arrays,
    "images": _later("images", "read_images"),
    "text": _later("text", "read_text"),
    "tokens": _later("tokens", "read_tokens"),
    "huggingface": _later("huggingface", "read_huggingface"),
    "table": read_table,
    "sklearn": read_bundled,
    "python": read_python,
    "graphs": _later("graphs", "read_graphs"),
    "series": _later("series", "read_series"),
    "trajectories": _later("trajectories", "read_trajectories"),
}
MIN_ROWS = 10
DEFAULT_METRIC = {"classification": "accuracy", "regression": "r2", "next_token": "perplexity"}
# Below this share of the largest class, the smallest is flagged as `imbalanced`.
IMBALANCE = 0.1
# From this share of test rows on, repeated elsewhere, scores are flagged as `mostly_duplicates`.
MOSTLY = 0.5


def load_task(config: TaskConfig, *, trust: bool = False) -> Task:
    """Load the data that a configuration names.

    Args:
        config: From `rankprobe.config.load_config` or ``config_from_settings``.
        trust: Allow a source that runs the user's code.

    Raises:
        ConfigError: A file, column or array that is named is not there, or consent is missing.
        DataError: The data cannot be read, or no measurement can be made on it.
    """
    data = config.data
    needs_path = data is not None and USED[data.source][0] == "path" and not data.environment
    if data is None or (needs_path and data.path is None):
        raise ConfigError(
            Problem("no data is named", config.where("data"), "write `data: FILE`, or give arrays")
        )
    if not trust and data.source == "python":
        raise ConfigError(needs_consent("the source `python`", config.where("data", "source")))
    if not trust and data.policy and ":" in data.policy:
        what = f"the policy `{data.policy}`"
        raise ConfigError(needs_consent(what, config.where("data", "policy")))
    problems = list(missing_names(data, config.folder, lambda *keys: config.where("data", *keys)))
    if problems:
        raise ConfigError(problems)
    return _task(SOURCES[data.source](config), config)


def task_from_arrays(
    x: Any,
    y: Any,
    *,
    config: TaskConfig,
    test: Pair | None = None,
    validation: Pair | None = None,
) -> Task:
    """A task from arrays in memory; ``config.data`` says how to divide and standardise them.

    Args:
        x: Inputs (n, ...): numbers.
        y: Targets (n,) or (n, outputs).
        config: Its ``data.path`` and names are not looked at.
        test: Inputs and targets to score on; else they are cut from ``x`` and ``y``.
        validation: Inputs and targets to choose learning rates on; else cut from ``x`` and ``y``.

    Raises:
        DataError: No measurement can be made on these arrays.
    """
    examples = examples_from_pairs((x, y), config, test=test, validation=validation)
    return _task(examples, config)


def _task(examples: Examples, config: TaskConfig) -> Task:
    rows = len(examples.y)
    if rows < MIN_ROWS:
        raise DataError(
            f"{examples.holder} has {rows} rows; a measurement needs at least {MIN_ROWS}"
        )
    target = encoded_target(
        examples.y,
        _objective(config, examples),
        name=examples.target,
        holder=examples.holder,
    )
    strata = target.y if target.objective == "classification" else None
    split = config.data.split if config.data else SplitConfig()
    _check_followed(split, examples, config)
    division = examples.division or described(
        split, examples.fixed, examples.by, stratified=strata is not None
    )
    if examples.alike is not None and examples.by is None and not examples.division:
        parts = divided_apart(split, examples.fixed, strata, examples.alike, examples.holder)
        division += ", copies in one split" if "at random" in division else ""
    else:
        parts = divided(split, examples.fixed, examples.by, strata, examples.holder)
    flags = _checked_targets(target, parts, examples)
    inputs, done = examples.encode(parts)
    train, validation, test = (
        Split(np.ascontiguousarray(x), np.ascontiguousarray(target.y[part]))
        for x, part in zip(inputs, parts, strict=True)
    )
    given = bool((examples.fixed == TEST).any() or split.column)
    prints = examples.fingerprints
    flags += _repeated(
        [_fingerprints(split) for split in (train, validation, test)]
        if prints is None
        else [prints[part].tolist() for part in parts],
        examples.holder,
        given=given,
    )
    if split.time and examples.by is not None and _share_times(examples.by, parts):
        flags = (*flags, "time_across_splits")
    form = examples.form()
    outputs = len(target.classes) or target.y.shape[-1]
    if target.objective == "next_token":
        outputs = form["sizes"]["vocabulary"]
    return Task(
        name=config.name,
        objective=target.objective,
        metric=config.metric or examples.metric or DEFAULT_METRIC[target.objective],
        train=train,
        validation=validation,
        test=test,
        outputs=outputs,
        classes=target.classes,
        flags=flags,
        preprocessing={**done, examples.target: f"{target.objective}: {target.reason}"},
        division=division,
        kind=examples.kind,
        notes=examples.notes,
        **form,
    )


def _objective(config: TaskConfig, examples: Examples) -> Objective | None:
    """The objective as configured, as the source or as the metric implies it.

    Raises:
        ConfigError: It is not one that the source can serve.
    """
    chosen, metric = examples.chosen, config.metric
    implied: Objective | None = METRICS[metric][0] if metric else None  # type: ignore[assignment]
    wanted = config.objective or implied or chosen
    if chosen and wanted != chosen:
        problem = f"the objective of {examples.holder} is {chosen}, not {wanted}"
    elif wanted == "next_token" and not chosen:
        problem = f"{examples.holder} is not read as plain text: the source `tokens` does that"
    elif metric == "episode_return" and examples.kind != "windows":
        problem = f"{examples.holder} holds no episodes: the source `trajectories` reads those"
    else:
        return wanted
    key = "objective" if config.objective else "metric"
    raise ConfigError(
        Problem(problem, config.where(key), f"remove `{key}: {getattr(config, key)}`")
    )


def _check_followed(split: SplitConfig, examples: Examples, config: TaskConfig) -> None:
    """Refuse settings of the split that would decide nothing.

    Raises:
        ConfigError: A column where the source has none, or a share of a split that is given.
    """
    if split.by and examples.by is None:
        raise ConfigError(
            Problem(
                f"`data.split` divides by `{split.by}`, and {examples.holder} has nothing of "
                "that name",
                config.where("data", "split"),
                "give shares instead: {test: 0.2, validation: 0.1}",
            )
        )
    if not examples.division:
        check_shares(split, examples.fixed, examples.by, examples.holder)


def _checked_targets(
    target: Target, parts: tuple[Rows, Rows, Rows], examples: Examples
) -> tuple[str, ...]:
    """Refuse splits that cannot be learned or scored; flag classes of very different sizes."""
    what = f"the target `{examples.target}` in {examples.holder}"
    if target.objective == "regression":
        for name, part in zip(("training", "validation", "test"), parts, strict=True):
            values = target.y[part].reshape(-1, target.y.shape[-1])
            if not (np.nanmax(values, axis=0) > np.nanmin(values, axis=0)).any():
                raise DataError(f"{what} never changes in the {name} split; R² needs it to vary")
        return ()
    if target.objective == "next_token":
        return ()
    counts = np.bincount(target.y[parts[0]], minlength=len(target.classes))
    if not counts.all():
        name = target.classes[int(counts.argmin())]
        raise DataError(f"{what}: the class {name!r} has no example in the training split")
    return ("imbalanced",) if counts.min() < IMBALANCE * counts.max() else ()


def _repeated(prints: Sequence[Sequence[Any]], holder: str, *, given: bool) -> tuple[str, ...]:
    """The flag of examples, target included, that are in two splits.

    Refused if all given test rows are.
    """
    seen, chosen, scored = prints
    # Validation may have been cut from the same arrays that the test rows repeat.
    elsewhere = {*seen, *chosen}
    if given and elsewhere.issuperset(scored):
        raise DataError(
            f"every test row of {holder} is also a training row: scores on rows seen in training "
            "mean nothing; give test rows of their own"
        )
    if sum(row in elsewhere for row in scored) >= MOSTLY * len(scored):
        return ("duplicates_across_splits", "mostly_duplicates")
    apart = elsewhere.isdisjoint(scored) and set(seen).isdisjoint(chosen)
    return () if apart else ("duplicates_across_splits",)


def _share_times(times: NDArray[Any], parts: tuple[Rows, Rows, Rows]) -> bool:
    """Whether rows of one time are in two splits."""
    train, validation, test = (times[part] for part in parts)
    return bool(train.max() == validation.min() or validation.max() == test.min())


def _fingerprints(split: Split) -> list[bytes]:
    """A short hash of every example; adding 0 makes the two zeros of floats one."""
    nothing = split.x.dtype.type(0)  # added row by row: a copy of all rows may not fit
    return [
        hashlib.blake2b((x + nothing).tobytes() + y.tobytes(), digest_size=16).digest()
        for x, y in zip(split.x, split.y, strict=True)
    ]
