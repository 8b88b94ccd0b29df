"""What combinations of a grid have in common: trainings that cannot differ, and cohorts.

Told from the configurations: whatever is not known here to make no difference makes one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from rankprobe.config import TaskConfig
from rankprobe.config_backbones import GivenBackbone
from rankprobe.records import Member
from rankprobe.search.setup import Setup

# Settings that say what is asked, or are a member's own.
_APART: Mapping[str, tuple[str, ...]] = {"training": ("epochs", "learning_rate")}
# Settings of the frozen weights. A network that comes from outside is built under the seed.
_FROZEN = ("weights", "weight_scale", "seed")
# How the scaffold is used. Full training has none.
_USED = ("frozen", "evaluation", "resample", "count", "draws")
# Settings of the adapter that are values in the same network.
_VALUES = ("scaling", "alpha", "b_init")


@dataclass(frozen=True, order=True)
class Placed(Member):
    """A member of one combination of a grid.

    Attributes:
        combination: Index of the combination.
    """

    combination: int = 0

    @property
    def member(self) -> Member:
        """The member by itself."""
        return Member(*(getattr(self, field.name) for field in fields(Member)))


def placed(member: Member, combination: int) -> Placed:
    """A member as that of a combination."""
    own = {field.name: getattr(member, field.name) for field in fields(Member)}
    return Placed(**own, combination=combination)


class Sharing:
    """Which combinations train the same thing.

    Args:
        configs: The combinations.
        setups: What each of them is measured with.
    """

    def __init__(self, configs: Sequence[TaskConfig], setups: Sequence[Setup]) -> None:
        self.baselines = _first([baseline_key(*both) for both in zip(configs, setups, strict=True)])
        self.heads = _first([head_key(*both) for both in zip(configs, setups, strict=True)])
        self._own = list(range(len(setups)))

    def owner(self, member: Member, combination: int) -> int:
        """The combination that trains a member for all whose it is."""
        return self._of(member)[combination]

    def alike(self, member: Member, combination: int) -> list[int]:
        """The combinations in which a member is the same training."""
        owners = self._of(member)
        return [index for index, owner in enumerate(owners) if owner == owners[combination]]

    def _of(self, member: Member) -> list[int]:
        if member.rank is None:
            return self.baselines
        return self.heads if member.rank == 0 else self._own


def task_key(config: TaskConfig) -> str:
    """Everything that the data depend on."""
    left = config.model_dump(
        mode="json", exclude={"name", "seed", "search", "backbone", "adapter", "training"}
    )
    if isinstance(scaffold := left.get("scaffold"), dict):
        left["scaffold"] = {key: value for key, value in scaffold.items() if key not in _USED}
    return json.dumps(left, sort_keys=True, default=str)


def baseline_key(config: TaskConfig, setup: Setup) -> str:
    """Everything that full training depends on: no adapter, and no frozen weights.

    Layers start from their own initial values, or from weights that the network came with;
    which of the two is in ``backbone.init`` and ``backbone.random``.
    """
    given = isinstance(config.backbone, GivenBackbone)
    frozen = [key for key in _FROZEN if not (given and key == "seed")]
    return _key(config, setup, adapter=None, backbone=frozen, scaffold=_USED)


def head_key(config: TaskConfig, setup: Setup) -> str:
    """Everything that rank 0 depends on: the head alone is trained, on the frozen network."""
    return _key(config, setup, adapter=_VALUES, backbone=(), scaffold=())


def _key(
    config: TaskConfig,
    setup: Setup,
    *,
    adapter: Iterable[str] | None,
    backbone: Iterable[str],
    scaffold: Iterable[str],
) -> str:
    """The configuration as text, without what is named."""
    left = config.model_dump(mode="json", exclude={"name", "data", "search"})
    for section, keys in (
        *_APART.items(),
        ("adapter", left.get("adapter", ()) if adapter is None else adapter),
        ("backbone", backbone),
        ("scaffold", scaffold),
    ):
        if isinstance(part := left.get(section), dict):
            left[section] = {key: value for key, value in part.items() if key not in set(keys)}
    facts: dict[str, Any] = {
        "settings": left,
        "data": setup.bench.task.hash,
        "network": setup.network.get("hash"),
    }
    return json.dumps(facts, sort_keys=True, default=str)


def _first(keys: Sequence[str]) -> list[int]:
    """For every key, the index of the first one equal to it."""
    return [keys.index(key) for key in keys]
