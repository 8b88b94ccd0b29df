"""Rules for networks that come from outside: consent, what is missing, what goes together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rankprobe.config_sources import needs_consent
from rankprobe.errors import ConfigError, Problem
from rankprobe.settings import Settings, Where


def network_apart(settings: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Settings whose backbone may be a torch module, with its name in its place.

    Args:
        settings: ``backbone`` is a module, a function that makes one, or ``{"module": either}``
            with settings beside it such as ``init``; anything else is left as it is.

    Returns:
        The settings, and the module or function; ``None`` where there is none.

    Raises:
        ConfigError: The backbone is no such thing.
    """
    backbone, beside = settings.get("backbone"), {}
    if isinstance(backbone, Mapping) and "module" in backbone:
        beside = {key: value for key, value in backbone.items() if key != "module"}
        backbone = backbone["module"]
    elif backbone is None or isinstance(backbone, Mapping | str):
        return dict(settings), None
    if not callable(backbone):
        raise ConfigError(
            Problem(
                "`backbone` must be a torch module, a function that makes one, or a group of "
                f"settings, not {type(backbone).__name__}",
                "backbone",
            )
        )
    named = backbone if hasattr(backbone, "__qualname__") else type(backbone)
    name = re.sub(r"\W", "_", getattr(named, "__name__", "") or type(backbone).__name__)
    module = re.sub(r"[^\w.]", "_", getattr(named, "__module__", "") or "unknown")
    network = {**beside, "family": "python", "factory": f"{module}:{name}"}
    return {**settings, "backbone": network}, backbone


def network_conflicts(
    backbone: Settings, search: Any, where: Where, *, trust: bool
) -> Iterator[Problem]:
    """What is wrong with the settings of a given network.

    Args:
        backbone: Its settings.
        search: Those of the search.
        where: Place of a key, for messages.
        trust: Whether the user's code may be run.
    """
    family, init = backbone.get("family"), backbone.get("init")
    if family == "python" and not backbone.get("factory"):
        yield Problem(
            "`backbone.factory` is missing: the family `python` needs it",
            where(("backbone",)),
            "name a function, for example `factory: my_models:make_net`",
        )
    elif family == "python" and not trust:
        what = f"the backbone `{backbone['factory']}`"
        yield needs_consent(what, where(("backbone", "factory")))
    if family == "huggingface" and not backbone.get("path"):
        yield Problem(
            "`backbone.path` is missing: the family `huggingface` needs it",
            where(("backbone",)),
            "name a folder that `save_pretrained` wrote, or a model on the hub",
        )
    random = backbone.get("random")
    if init == "mixed" and not random:
        yield Problem(
            "`init: mixed` keeps given weights but in some layers, and none is named",
            where(("backbone", "init")),
            "name the layers, for example `random: [*.query, *.value]`",
        )
    if random and init != "mixed":
        yield Problem(
            "`backbone.random` means nothing without `init: mixed`",
            where(("backbone", "random")),
            "write `init: mixed` beside it, or remove it",
        )
    several = isinstance(search, dict) and search.get("scaffolds") not in (None, 1)
    kept = init == "pretrained" or (init is None and family == "huggingface")
    if several and kept and family in ("python", "huggingface"):
        yield Problem(
            "`search.scaffolds` draws several scaffolds, and given weights are one",
            where(("search", "scaffolds")),
            "remove it",
        )
