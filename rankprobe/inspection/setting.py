"""The network and the data of a finished measurement, found again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rankprobe.artifact.network import stub_task
from rankprobe.config import TaskConfig, recorded_config
from rankprobe.config_backbones import GivenBackbone
from rankprobe.data.facts import read_facts
from rankprobe.data.load import load_task
from rankprobe.data.names import paths
from rankprobe.errors import ArtifactError, ConfigError, DataError, Problem
from rankprobe.records import Result
from rankprobe.search.setup import Setup, prepare


@dataclass(frozen=True)
class Setting:
    """What a measurement was made of.

    Attributes:
        setup: Network and protocol, and the data where ``missing`` is empty; ``None`` where the
            network cannot be built without them.
        missing: Why the data are not there, and what to do.
    """

    setup: Setup | None
    missing: str = ""


def find_setting(
    result: Result, *, data: Path | None = None, device: str = "auto", trust: bool = False
) -> Setting:
    """Load the data of a result again, and build its network.

    A relative ``data.path`` is looked for in the run folder, in the two above it, and in the
    working folder; what is found there counts only if its contents are what was measured.

    Args:
        result: Of a run folder.
        data: The dataset.yaml that was measured, or its folder.
        device: ``auto``, ``cpu`` or ``cuda``.
        trust: Allow a source or a network that runs the user's code.

    Raises:
        ConfigError: ``data`` was given, and its data are not there, or not those of the result.
        DataError: ``data`` was given, and its data cannot be read.
    """
    settings = result.provenance.get("configuration")
    if not isinstance(settings, dict):
        return Setting(None, "the result does not say how it was measured")
    if settings.get("data") is None:
        return Setting(_without_data(result, device), "they were given in Python")
    if data is not None:
        folder = data if data.is_dir() else data.parent
        if not data.exists():
            raise ConfigError(Problem(f"`{data}` is not there", "--data", _HINT))
        setup = _loaded(result, recorded_config(settings, folder=folder), device, trust)
        if setup is None:
            raise ConfigError(
                Problem(f"the data of `{data}` are not those that were measured", "--data", _HINT)
            )
        return Setting(setup)
    reasons = []
    for folder in _candidates(result):
        config = recorded_config(settings, folder=folder)
        try:
            setup = _loaded(result, config, device, trust) if _there(config) else None
        except (ConfigError, DataError) as error:
            reasons.append(" ".join(str(error).split()))
            continue
        if setup is not None:
            return Setting(setup)
    named = settings["data"].get("path") or settings["data"].get("name") or "the data"
    why = reasons[0] if reasons else f"`{named}` was not found"
    call = f"rankprobe inspect {result.folder} --data dataset.yaml"
    return Setting(_without_data(result, device), f"{why}; name the file that was measured: {call}")


_HINT = "give the dataset.yaml that was measured: `--data dataset.yaml`"


def _candidates(result: Result) -> Iterator[Path]:
    assert result.folder is not None
    folder = result.folder.resolve()
    yield from dict.fromkeys([folder, *folder.parents[:2], Path.cwd()])


def _there(config: TaskConfig) -> bool:
    assert config.data is not None
    if config.data.source == "huggingface":
        return True
    return all(path.exists() for path in paths(config.data, config.folder))


def _loaded(result: Result, config: TaskConfig, device: str, trust: bool) -> Setup | None:
    """Network and data; ``None`` where the data are others."""
    if not trust and getattr(config.backbone, "factory", None) is not None:
        raise ConfigError("its network runs code of yours: allow it with --trust")
    task = load_task(config, trust=trust)
    if task.hash != result.task.hash:
        return None
    setup = prepare(config, task, device=device)
    was = result.provenance.get("network", {}).get("hash")
    if setup.network and was is not None and setup.network["hash"] != was:
        raise ConfigError("the network is no longer the one that was measured")
    return setup


def _without_data(result: Result, device: str) -> Setup | None:
    """The network and protocol alone, from what the run folder says of its task."""
    assert result.folder is not None
    config = recorded_config(result.provenance["configuration"], folder=result.folder)
    if isinstance(config.backbone, GivenBackbone):  # code of the user's, or files elsewhere
        return None
    try:
        facts = read_facts(result.folder)
        return None if facts.shared else prepare(config, stub_task(facts), device=device)
    except (ArtifactError, ConfigError):
        return None
