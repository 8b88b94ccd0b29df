"""What to measure and how: dataset.yaml, or keyword settings, as one frozen `TaskConfig`.

The models below are the whole contract: names, types, bounds, defaults, and the words in which a
wrong value is explained. A configuration is a pure description: it opens no data (beyond looking
whether named files, columns and arrays are there) and imports neither torch nor pandas.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    PrivateAttr,
    ValidationError,
)

from rankprobe.config_problems import translated
from rankprobe.config_rules import completed, conflicts, spelled_out
from rankprobe.data.names import missing_names
from rankprobe.errors import ConfigError, Problem
from rankprobe.settings import Origin, Settings, leaves, merged, plain
from rankprobe.yaml_source import read_yaml


def _listed(value: Any) -> Any:
    """YAML's lists as the tuples of a frozen model."""
    return tuple(value) if isinstance(value, list) else value


def _pair_of_files(value: Any) -> Any:
    """``{x: FILE, y: FILE}`` as the pair it means."""
    if isinstance(value, dict) and value.keys() == {"x", "y"}:
        value = [value["x"], value["y"]]
    return _listed(value)


def _ascending(value: Any) -> Any:
    """A list of ranks sorted and without repetitions."""
    whole = isinstance(value, list) and all(type(item) is int for item in value)
    return tuple(sorted(set(value))) if whole else _listed(value)


Name = Annotated[str, Field(min_length=1)]
Names = Annotated[Name | Annotated[tuple[Name, ...], Field(min_length=1)], BeforeValidator(_listed)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[FiniteFloat, Field(gt=0)]
Share = Annotated[FiniteFloat, Field(gt=0, lt=1)]
Part = Annotated[Share | tuple[Name, Name] | None, BeforeValidator(_listed)]

_SEED = "a whole number of at least 0"
_PART = "a share between 0 and 1, or the names of two arrays such as [x_test, y_test]"
_NAMES = "a name or a list of names"


class _Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SplitConfig(_Model):
    """How examples are divided. Shares are of all examples, given test arrays apart.

    ``test`` and ``validation`` left out mean: the arrays ``x_test``, ``y_test`` (and so on) where
    the data holds them, else shares of 0.2 and 0.1. A share that is written down wins over such
    arrays.
    """

    test: Part = Field(default=None, description=_PART)
    validation: Part = Field(default=None, description=_PART)
    seed: Seed = Field(default=0, description=_SEED)
    column: Name | None = Field(default=None, description="the name of a column")
    group: Name | None = Field(default=None, description="the name of a column")
    time: Name | None = Field(default=None, description="the name of a column")


class DataConfig(_Model):
    """Where the data lies and what in it is input, target and split."""

    source: Literal["arrays", "table", "sklearn", "python"] = "arrays"
    path: Annotated[Name | tuple[Name, Name] | None, BeforeValidator(_pair_of_files)] = Field(
        default=None, description="a file, or a pair of .npy files such as [x.npy, y.npy]"
    )
    name: Literal["breast_cancer", "diabetes", "digits", "iris", "wine"] | None = None
    factory: Annotated[str, Field(pattern=r"^[\w.]+:\w+$")] | None = Field(
        default=None, description="`module:function`"
    )
    features: Names | None = Field(default=None, description=_NAMES)
    target: Names | None = Field(default=None, description=_NAMES)
    split: SplitConfig = SplitConfig()
    standardize: bool | Literal["auto"] = Field(default="auto", description="true, false or auto")


class BackboneConfig(_Model):
    """The network whose weights stay frozen under the adapter."""

    family: Literal["mlp"] = "mlp"
    hidden: Annotated[tuple[Count, ...], BeforeValidator(_listed)] = Field(
        default=(512, 256, 128, 64), description="a list of whole numbers of at least 1, or []"
    )
    activation: Literal["relu", "tanh", "gelu", "silu", "identity"] = "relu"
    dropout: Annotated[FiniteFloat, Field(ge=0, lt=1)] = Field(
        default=0.1, description="a number from 0 up to, not including, 1"
    )
    seed: Seed = Field(default=42, description=_SEED)
    weights: Literal["normal", "uniform", "binary"] = "normal"
    weight_scale: Literal["fan_in"] | Positive = Field(
        default="fan_in", description="fan_in, or a standard deviation above 0"
    )


class AdapterConfig(_Model):
    """What is trained beside the frozen weights."""

    scaling: Literal["rank_stabilized", "standard", "none"] = "rank_stabilized"
    alpha: Positive = Field(default=1.0, description="a number above 0")
    beta: Literal["trained", "fixed"] = "trained"
    b_init: Literal["zeros", "kaiming"] = "zeros"
    head: Literal["trained", "adapter", "adapter_bias"] = "trained"
    bias: Literal["none", "trained"] = "none"
    layer_norm: bool = Field(default=False, description="true or false")
    dora: bool = Field(default=False, description="true or false")


class Rates(_Model):
    """Fixed learning rates: one for every adapter, one for full training."""

    adapter: Positive
    baseline: Positive


class TrainingConfig(_Model):
    """How every member is trained."""

    optimizer: Literal["adamw"] = "adamw"
    learning_rate: Literal["tuned"] | Positive | Rates = Field(
        default="tuned",
        description="tuned, a number above 0, or {adapter: NUMBER, baseline: NUMBER}",
    )
    weight_decay: Annotated[FiniteFloat, Field(ge=0)] = Field(
        default=0.01, description="a number of at least 0"
    )
    batch_size: Count = Field(default=128, description="a whole number of at least 1")
    epochs: Literal["auto"] | Count = Field(
        default="auto", description="auto, or a whole number of at least 1"
    )
    schedule: Literal["cosine", "constant"] = "cosine"


class SearchConfig(_Model):
    """Which ranks are measured, how often, and what they must reach."""

    ranks: Annotated[
        Literal["auto"] | Annotated[tuple[Count, ...], Field(min_length=1)],
        BeforeValidator(_ascending),
    ] = Field(default="auto", description="auto, or a list of whole numbers of at least 1")
    repeats: Count = Field(default=5, description="a whole number of at least 1")
    target: Share = Field(default=0.95, description="a number between 0 and 1, neither included")
    epsilon: Positive | None = Field(
        default=None, description="a number above 0, in the units of the metric"
    )
    floor: Literal["auto", "none", "chance", "head"] = "auto"
    refine: bool = Field(default=True, description="true or false")
    scaffolds: Count = Field(default=1, description="a whole number of at least 1")
    precision: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="a whole number of at least 0: ranks between low and high"
    )
    budget: Count | None = Field(
        default=None, description="a whole number of at least 1: trainings in all"
    )


class TaskConfig(_Model):
    """A whole dataset.yaml. ``model_dump()`` is what decides a measurement, beside the data."""

    name: Annotated[str, Field(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$")] = Field(
        default="task", description="text that can name a folder: no slashes, no dot first"
    )
    seed: Seed = Field(default=0, description=_SEED)
    data: DataConfig | None = None
    objective: Literal["classification", "regression"] | None = None
    metric: Literal["accuracy", "balanced_accuracy", "auroc", "log_loss", "r2", "mse"] | None = None
    backbone: BackboneConfig = BackboneConfig()
    adapter: AdapterConfig = AdapterConfig()
    training: TrainingConfig = TrainingConfig()
    search: SearchConfig = SearchConfig()
    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def folder(self) -> Path:
        """The folder that ``data.path`` is relative to."""
        return self._origin.folder

    def where(self, *keys: str | int) -> str:
        """Where a setting was given, for messages: ``dataset.yaml:12``, or ``data.target``."""
        return self._origin.where(keys)


def load_config(
    path: str | Path, *, overrides: Mapping[str, Any] | None = None, trust: bool = False
) -> TaskConfig:
    """Read and check a dataset.yaml.

    Args:
        path: The file. ``data.path`` in it is relative to its folder.
        overrides: Settings that replace the file's, in the same nested structure.
        trust: Allow a source that runs the user's code.

    Raises:
        ConfigError: Anything wrong in the file or the overrides, all of it at once.
    """
    path = Path(path)
    document = read_yaml(path)
    given = spelled_out(plain(overrides or {}))
    settings = completed(merged(spelled_out(dict(document.data)), given), path.stem)
    origin = Origin(path.parent, path, document.lines, tuple(leaves(given)))
    return _checked(settings, origin, trust, document.problems, from_file=True)


def config_from_settings(
    settings: Mapping[str, Any], *, folder: Path | None = None, trust: bool = False
) -> TaskConfig:
    """Check keyword settings of the same structure as a dataset.yaml; ``data`` may be left out.

    Args:
        settings: Nested mappings. Tuples, paths and NumPy scalars are taken as what they hold.
        folder: What ``data.path`` is relative to; by default the working folder.
        trust: Allow a source that runs the user's code.

    Raises:
        ConfigError: Anything wrong, all of it at once; places are dotted keys.
    """
    origin = Origin(folder if folder is not None else Path())
    given = completed(spelled_out(plain(settings)), "task")
    return _checked(given, origin, trust, (), from_file=False)


def _checked(
    settings: Settings, origin: Origin, trust: bool, found: Iterable[Problem], *, from_file: bool
) -> TaskConfig:
    """Build the configuration, or raise every problem at once, in the order of the file."""
    problems = list(found)
    config: TaskConfig | None = None
    try:
        config = TaskConfig.model_validate(settings)
    except ValidationError as error:
        problems += translated(error, settings, TaskConfig, origin.where)
    problems += conflicts(settings, origin.where, trust=trust, from_file=from_file)
    try:
        data = DataConfig.model_validate(settings.get("data", {}))
    except ValidationError:
        pass  # already among the problems
    else:
        problems += missing_names(data, origin.folder, lambda *keys: origin.where(("data", *keys)))
    if config is None or problems:
        raise ConfigError(sorted(problems, key=_line))
    config._origin = origin
    return config


def _line(problem: Problem) -> int:
    line = problem.where.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0
