"""What to measure and how: dataset.yaml, or keyword settings, as one frozen `TaskConfig`.

The models here and in `rankprobe.config_sections` are the whole contract: names, types, bounds,
defaults, and the words in which a wrong value is explained. A configuration is a pure description:
it opens no data (beyond looking whether named files, columns and arrays are there) and imports
neither torch nor pandas.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError

from rankprobe.config_backbones import BackboneConfig, MlpConfig
from rankprobe.config_data import DataConfig
from rankprobe.config_networks import network_apart
from rankprobe.config_problems import translated
from rankprobe.config_rules import completed, conflicts, spelled_out
from rankprobe.config_sections import (
    AdapterConfig,
    Rates,
    ScaffoldConfig,
    SearchConfig,
    TrainingConfig,
)
from rankprobe.config_values import (
    SEED,
    Model,
    Seed,
)
from rankprobe.data.names import missing_names
from rankprobe.errors import ConfigError, Problem
from rankprobe.settings import Origin, Settings, leaves, merged, plain
from rankprobe.yaml_source import read_yaml

__all__ = [  # a configuration's sections come with it
    "AdapterConfig",
    "Rates",
    "ScaffoldConfig",
    "SearchConfig",
    "TaskConfig",
    "TrainingConfig",
    "checked",
    "config_from_settings",
    "line_of",
    "load_config",
    "recorded_config",
]


class TaskConfig(Model):
    """A whole dataset.yaml. ``model_dump()`` is what decides a measurement, beside the data."""

    name: Annotated[str, Field(pattern=r"^[^./\\\x00-\x1f][^/\\\x00-\x1f]*$")] = Field(
        default="task", description="text that can name a folder: no slashes, no dot first"
    )
    seed: Seed = Field(default=0, description=SEED)
    data: DataConfig | None = None
    objective: Literal["classification", "regression", "next_token"] | None = None
    metric: (
        Literal[
            "accuracy",
            "balanced_accuracy",
            "auroc",
            "log_loss",
            "r2",
            "mse",
            "perplexity",
            "cross_entropy",
            "episode_return",
        ]
        | None
    ) = None
    backbone: BackboneConfig = MlpConfig()
    adapter: AdapterConfig = AdapterConfig()
    scaffold: ScaffoldConfig = ScaffoldConfig()
    training: TrainingConfig = TrainingConfig()
    search: SearchConfig = SearchConfig()
    _origin: Origin = PrivateAttr(default_factory=Origin)
    _network: Any = PrivateAttr(default=None)

    @property
    def folder(self) -> Path:
        """The folder that ``data.path`` is relative to."""
        return self._origin.folder

    @property
    def network(self) -> Any:
        """A network given in Python, or a function that makes it; else ``None``."""
        return self._network

    def where(self, *keys: str | int) -> str:
        """Where a setting was given, for messages: ``dataset.yaml:12``, or ``data.target``."""
        return self._origin.where(keys)


def load_config(
    path: str | Path,
    *,
    overrides: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> TaskConfig:
    """Read and check a dataset.yaml.

    Args:
        path: The file. ``data.path`` in it is relative to its folder.
        overrides: Settings that replace the file's, in the same nested structure; a torch module
            as ``backbone`` replaces all that the file says of it.
        trust: Allow a source or a backbone that runs the user's code.

    Raises:
        ConfigError: Anything wrong in the file or the overrides, all of it at once.
    """
    path = Path(path)
    document = read_yaml(path)
    if "vary" in document.data:
        raise ConfigError(
            Problem(
                "`vary` makes a grid of measurements, and here a single one is wanted",
                Origin(path.parent, path, document.lines).where(("vary",)),
                "`rankprobe measure` and `rankprobe check` take a grid",
            )
        )
    apart, network = network_apart(overrides or {})
    given, said = spelled_out(plain(apart)), spelled_out(dict(document.data))
    if network is not None:
        said.pop("backbone", None)
    settings = completed(merged(said, given), path.stem)
    origin = Origin(path.parent, path, document.lines, tuple(leaves(given)))
    return checked(
        settings, origin, found=document.problems, trust=trust, from_file=True, network=network
    )


def config_from_settings(
    settings: Mapping[str, Any], *, folder: Path | None = None, trust: bool = False
) -> TaskConfig:
    """Check keyword settings of the same structure as a dataset.yaml; ``data`` may be left out.

    Args:
        settings: Nested mappings. Tuples, paths and NumPy scalars are taken as what they hold; the
            backbone may be a torch module.
        folder: What ``data.path`` is relative to; by default the working folder.
        trust: Allow a source or a backbone that runs the user's code.

    Raises:
        ConfigError: Anything wrong, all of it at once; places are dotted keys.
    """
    origin = Origin(folder if folder is not None else Path())
    apart, network = network_apart(settings)
    given = completed(spelled_out(plain(apart)), "task")
    return checked(given, origin, trust=trust, from_file=False, network=network)


def recorded_config(settings: Mapping[str, Any], *, folder: Path) -> TaskConfig:
    """The configuration that a result recorded, which was checked before it was measured.

    Args:
        settings: ``provenance.configuration`` of a result.
        folder: What ``data.path`` is relative to.

    Raises:
        ConfigError: It is not what this version records.
    """
    try:
        config = TaskConfig.model_validate(settings)
    except ValidationError as error:
        origin = Origin(folder)
        raise ConfigError(translated(error, dict(settings), TaskConfig, origin.where)) from None
    config._origin = Origin(folder)
    return config


def checked(
    settings: Settings,
    origin: Origin,
    *,
    trust: bool,
    from_file: bool,
    network: Any,
    found: Iterable[Problem] = (),
) -> TaskConfig:
    """Build the configuration, or raise every problem at once, in the order of the file.

    Args:
        settings: Completed settings.
        origin: Where they were given.
        trust: Whether a source or a backbone may run the user's code.
        from_file: Whether the data must be named.
        network: A network given in Python.
        found: Problems met before.

    Raises:
        ConfigError: Anything wrong.
    """
    problems = list(found)
    config: TaskConfig | None = None
    try:
        config = TaskConfig.model_validate(settings)
    except ValidationError as error:
        problems += translated(error, settings, TaskConfig, origin.where)
    given = network is not None
    problems += conflicts(settings, origin.where, trust=trust, from_file=from_file, given=given)
    try:
        data = DataConfig.model_validate(settings.get("data", {}))
    except ValidationError:
        pass  # already among the problems
    else:
        problems += missing_names(data, origin.folder, lambda *keys: origin.where(("data", *keys)))
    if config is None or problems:
        raise ConfigError(sorted(problems, key=line_of))
    config._origin, config._network = origin, network
    return config


def line_of(problem: Problem) -> int:
    """The line that a problem is on; 0 where it has none."""
    line = problem.where.rpartition(":")[2]
    return int(line) if line.isdecimal() else 0
