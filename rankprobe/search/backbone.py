"""The network of a configuration, for the inputs of a task."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from rankprobe.backbones import BACKBONES, Inputs, build
from rankprobe.config import TaskConfig
from rankprobe.config_backbones import (
    AnyBackbone,
    BackboneConfig,
    BuiltBackbone,
    GivenBackbone,
    HuggingfaceConfig,
    MlpConfig,
    PythonConfig,
    sized,
)
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, Problem
from rankprobe.lowrank.roles import find_head
from rankprobe.search.fingerprint import network_hash
from rankprobe.search.huggingface import huggingface_network
from rankprobe.search.own_network import own_network
from rankprobe.user_code import UserCode


def built_backbone(config: TaskConfig, task: Task) -> nn.Module:
    """Build the network that ``config.backbone`` describes.

    Raises:
        ConfigError: A family that does not read such inputs, or settings that do not go together.
    """
    settings = config.backbone
    if isinstance(settings, HuggingfaceConfig):
        return huggingface_network(config, task)
    if isinstance(settings, GivenBackbone):
        return own_network(config, task, inputs_of(task))
    family = BACKBONES[settings.family]
    if task.kind not in family.reads:
        able = [name for name, other in BACKBONES.items() if task.kind in other.reads]
        raise ConfigError(
            Problem(
                f"the backbone `{settings.family}` reads {' or '.join(family.reads)}, and the "
                f"task `{task.name}` has {task.kind}",
                config.where("backbone", "family"),
                f"families that read {task.kind}: {', '.join(able)}",
            )
        )
    try:
        return build(settings.family, inputs_of(task), task.outputs, **own_settings(settings))
    except ValueError as error:
        where = config.where("backbone")
        raise ConfigError(Problem(f"the backbone cannot be built: {error}", where)) from None


def inputs_of(task: Task) -> Inputs:
    """What a network is given to read."""
    context = {name: torch.from_numpy(array) for name, array in task.context.items()}
    return Inputs(task.kind, task.input_shape, task.sizes, context)


def own_settings(settings: AnyBackbone) -> dict[str, Any]:
    """The settings of a family alone, with the widths that its size gives it.

    Not those of its frozen weights, which all share.
    """
    shared = {*BuiltBackbone.model_fields, "family"}
    own = settings.model_dump(exclude=shared)
    return own | sized(settings) if isinstance(settings, BuiltBackbone) else own


def given_network(config: TaskConfig, network: nn.Module) -> dict[str, Any]:
    """What a network that comes from outside is; nothing for one of the families here.

    Returns:
        Class, number of weights and hash of the network as built, and the names of weights that
        a model came without.
    """
    settings = config.backbone
    if not isinstance(settings, GivenBackbone):
        return {}
    source = ""
    if isinstance(settings, PythonConfig) and settings.factory and config.network is None:
        source = UserCode(settings.factory, config.folder).hash()
    facts: dict[str, Any] = {
        "class": type(network).__qualname__,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "hash": network_hash(network, weights=settings.init != "scaffold", source=source),
    }
    anew = getattr(network, "made_anew", ())
    return {**facts, "made_anew": list(anew)} if anew else facts


def architecture(settings: BackboneConfig, task: Task, network: nn.Module | None = None) -> str:
    """The network in a few words; one that comes from outside must be given."""
    if isinstance(settings, GivenBackbone):
        origin = settings.path if isinstance(settings, HuggingfaceConfig) else settings.factory
        kind = "" if network is None else type(network).__name__
        name, origin = (f"{kind} of " if kind else ""), str(origin).removesuffix(f":{kind}")
        anew = getattr(network, "made_anew", ())
        head = None if network is None else find_head(network)  # the last that was defined: shown
        words = [f"{name}{origin}", f"head {head}" if head else "no head"]
        return ", ".join(words + ([f"made anew: {', '.join(anew)}"] if anew else []))
    if isinstance(settings, MlpConfig):
        hidden = own_settings(settings)["hidden"]
        widths = [math.prod(task.input_shape), *hidden, task.outputs]
        return (
            f"mlp {'-'.join(map(str, widths))}, {settings.activation}, dropout {settings.dropout:g}"
        )
    words = [f"{key.replace('_', ' ')} {value}" for key, value in own_settings(settings).items()]
    return ", ".join([settings.family.replace("_", " "), *words])
