"""A first dataset.yaml for a data file, which measures as it is."""

from __future__ import annotations

import os
import re
from pathlib import Path

import yaml

from rankprobe.config import TaskConfig, config_from_settings
from rankprobe.data.load import load_task
from rankprobe.data.names import names_in, paths
from rankprobe.data.pictures import NoSizeError
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, DataError, Problem
from rankprobe.recognise import (
    Columns,
    check_data,
    columns_of,
    identifiers,
    is_prose,
    labels_beside,
    settings_of,
)

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

SIZE = 64
_ROLES = ("smiles", "id", "time", "channel", "value", "labels")
_OTHER_METRICS = {
    "classification": "balanced_accuracy, auroc, log_loss",
    "regression": "mse",
    "next_token": "cross_entropy",
}

_TEMPLATE = """\
# Run `rankprobe measure {file}`; `rankprobe check {file}` looks for trouble and trains nothing.
name: {name}
data:
  source: {source}
  path: {path}  # relative to this file; {rows} rows, {features}
{roles}\
objective: {objective}  # {reason}

# Everything below may be left out; these are the defaults.
# metric: {metric}  # or {others}
# seed: 0
# backbone: {backbone}
# training: {{learning_rate: tuned, weight_decay: 0.01, batch_size: 128, epochs: auto}}
# search: {{ranks: auto, repeats: 5, target: 0.95}}
# Under `data`: split: {{test: 0.2, validation: 0.1, seed: 0}}, or {{group: NAME}}, {{time: NAME}},
# or {{column: NAME}} where a column (in .npz: an array) holds train, validation or test.
"""


def starter_yaml(data: Path, *, label: str | None = None, file: Path | None = None) -> str:
    """The text of a dataset.yaml for a table, arrays, a folder of pictures, or text.

    A table whose one feature is running text is read as text, one with a column of SMILES as
    molecules, and one row a reading as series, with labels from a table beside it; a .txt file is
    for a language model; pictures that differ in size are brought to `SIZE`. Columns that only
    name the rows of a table are left out.

    The data is loaded once, so that a file that cannot be measured is found out here.

    Args:
        data: The data file.
        label: Column or array to predict; by default the last column, or the array ``y``.
        file: Where the text will be; by default dataset.yaml beside the data.

    Raises:
        ConfigError: There is no such file or label, or it is of another kind.
        DataError: The data cannot be read, or no measurement can be made on it.
    """
    file = file if file is not None else data.with_name("dataset.yaml")
    path = Path(os.path.relpath(data, file.parent)).as_posix()
    check_data(data)
    columns = columns_of(data)
    found = settings_of(data, columns, label)
    _check_label(data, columns, found, label)
    if "labels" in found:
        labels = data.with_name(str(found["labels"]))
        found["labels"] = Path(os.path.relpath(labels, file.parent)).as_posix()
    source: dict[str, object] = {"path": path, **found}
    naming = [] if found else _naming_rows(data, columns, label)
    if naming:
        others = (*naming, _target(columns, label), "")
        source["features"] = [name for name in columns if name not in others]
    if label is not None:
        source["target"] = label
    config, task = _loaded(data, source, file.parent)
    assert config.data is not None
    return _TEMPLATE.format(
        file=file.name,
        name=_quoted(config.name),
        source=config.data.source,
        path=_quoted(path),
        rows=sum(len(split) for split in (task.train, task.validation, task.test)),
        features=_features(task, config),
        roles=_left_out(config, naming)
        + _roles(config, label, list(task.preprocessing or {}), columns),
        objective=task.objective,
        reason=_reason(task),
        metric=task.metric,
        others=_OTHER_METRICS[task.objective],
        backbone=_backbone(config),
    )


def _target(columns: Columns, label: str | None) -> str:
    """The column to predict: by default the last."""
    return label or (list(columns) or [""])[-1]


def _naming_rows(data: Path, columns: Columns, label: str | None) -> list[str]:
    """The columns to leave out because they only name the rows; none if nothing else is there."""
    target = _target(columns, label)
    naming = identifiers(data, columns, target)
    return naming if any(c and c not in (*naming, target) for c in columns) else []


def _check_label(data: Path, columns: Columns, found: dict[str, object], label: str | None) -> None:
    """Refuse, in few words, what cannot be predicted or has no labels."""
    if found.get("source") == "series" and "labels" not in found:
        if label is not None:
            raise ConfigError(_no_labels(data, str(found.get("id", "id")), label, columns))
        raise ConfigError(
            Problem(
                f"{data} looks like readings of series, one a row, and the table of their labels "
                "is missing",
                hint=f"put labels.csv beside it, with one row a series (`{found.get('id', 'id')}` "
                "and what to predict), or choose with --label COLUMN: a column of another table "
                "beside it, or of this one",
            )
        )
    target = _target(columns, label)
    if found.get("source") in (None, "graphs") and is_prose(columns.get(target, ())):
        raise ConfigError(
            Problem(
                f"the column `{target}` of {data} holds running text, which cannot be predicted",
                hint="choose what to predict with --label COLUMN",
            )
        )


def _no_labels(data: Path, own: str, label: str, columns: Columns) -> Problem:
    """The problem of readings whose labels are in no table beside them, or in several."""
    what = f"the columns `{own}` and `{label}`"
    fitting = labels_beside(data, own, label)
    if fitting:
        return Problem(
            f"{data} looks like readings of series, one a row, and several tables beside it have "
            f"{what}: {', '.join(fitting)}",
            hint="call the one with the labels labels.csv, or write a dataset.yaml with `labels`",
        )
    return Problem(
        f"{data} looks like readings of series, one a row, and no table beside it has {what}",
        hint="put one there with one row a series, or predict a column of this table: "
        f"{', '.join(columns)}",
    )


def _loaded(data: Path, source: dict[str, object], folder: Path) -> tuple[TaskConfig, Task]:
    settings = {"name": data.stem, "data": source}
    config = config_from_settings(settings, folder=folder)
    try:
        return config, load_task(config)
    except NoSizeError:
        source["size"] = SIZE
        config = config_from_settings(settings, folder=folder)
        return config, load_task(config)


def _backbone(config: TaskConfig) -> str:
    """The default network as one writes it, with the settings of one that has few."""
    backbone = config.backbone
    if backbone.family != "mlp":
        return f"{{family: {backbone.family}}}"
    return "{family: mlp, hidden: [512, 256, 128, 64], activation: relu, dropout: 0.1}"


def write_starter(data: Path, *, label: str | None = None, out: Path | None = None) -> Path:
    """Write `starter_yaml` beside the data, or to ``out``; a file that is there is left alone.

    Returns:
        The file written.

    Raises:
        ConfigError: As `starter_yaml`; also when the file is there or cannot be written.
        DataError: As `starter_yaml`.
    """
    file = out if out is not None else data.with_name("dataset.yaml")
    taken = Problem("is already there, and is not overwritten", str(file), "move it away first")
    check_data(data)
    if file.exists():
        raise ConfigError(taken)
    if not file.parent.is_dir():
        raise ConfigError(Problem("there is no such folder", str(file.parent), "make it first"))
    text = starter_yaml(data, label=label, file=file)
    try:
        with file.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except FileExistsError:
        raise ConfigError(taken) from None
    except OSError as error:
        raise ConfigError(
            Problem(f"the file cannot be written: {error.strerror or error}", str(file))
        ) from None
    return file


def _left_out(config: TaskConfig, naming: list[str]) -> str:
    """The line of features where columns that name the rows are left out."""
    if not naming or config.data is None or not isinstance(config.data.features, tuple):
        return ""
    named = ", ".join(f"`{_quoted(name)}`" for name in naming)
    features = ", ".join(map(_quoted, config.data.features))
    return (
        f"  # {named} left out: every value is there once, and names a row\n"
        f"  features: [{features}]\n"
    )


def _roles(config: TaskConfig, label: str | None, done: list[str], columns: Columns) -> str:
    """The lines that say what is predicted, and from what; ``done`` names text and target."""
    assert config.data is not None
    if config.data.source == "arrays":
        return f"  features: x\n  target: {_quoted(label or 'y')}\n"
    if config.data.source == "images":
        size = config.data.size
        return (
            f"  size: {size}  # pixels a side; the pictures differ or are large\n" if size else ""
        )
    if config.data.source == "tokens":
        return ""
    if config.data.source in ("graphs", "series"):
        named = ((key, getattr(config.data, key)) for key in _ROLES)
        lines = [f"  {key}: {_quoted(name)}\n" for key, name in named if name is not None]
        return "".join(lines) + f"  target: {_quoted(done[-1])}\n"
    if config.data.source == "text":
        return f"  features: {_quoted(done[0])}\n  target: {_quoted(done[1])}\n"
    texts = "".join(
        f"  # {_quoted(name)} holds text: `source: text` with `features: {_quoted(name)}` reads it "
        "alone, by words\n"
        for name, values in columns.items()
        if name and is_prose(values)
    )
    if label is not None:
        return f"  target: {_quoted(label)}\n{texts}"
    file = paths(config.data, config.folder)[0]
    last = (names_in(file) or [""])[-1]
    if not last:
        raise DataError(f"the last column of {file} has no name; choose one with --label COLUMN")
    return (
        f"  target: {_quoted(last)}  # the last column; `--label COLUMN` chooses another\n{texts}"
    )


def _features(task: Task, config: TaskConfig) -> str:
    assert config.data is not None
    if config.data.source != "table":
        shape = " x ".join(map(str, task.input_shape))
        return f"inputs of shape {shape}" if shape else f"inputs: one of the {task.kind}"
    columns = len(task.preprocessing or {}) - 1
    return f"{columns} feature columns, {task.input_shape[0]} inputs"


def _reason(task: Task) -> str:
    """How the objective was inferred, and what to write if that is wrong."""
    why = list((task.preprocessing or {}).values())[-1].partition(": ")[2]
    if task.objective != "classification":
        return f"inferred: {why}"
    quantity = "; if it is a quantity, write regression" if "whole numbers" in why else ""
    return f"inferred: {why}, {len(task.classes)} classes{quantity}"


def _quoted(name: str) -> str:
    """A name as YAML, in quotes unless it can be taken for nothing else."""
    if _PLAIN.fullmatch(name) and name.lower() not in _WORDS:
        return name
    return yaml.safe_dump(name, default_style='"', allow_unicode=True, width=10**9).strip()
