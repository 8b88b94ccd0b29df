"""Where trained tensors start: those of full training, and those of members with adapters."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from rankprobe.lowrank.adapter import uniform
from rankprobe.lowrank.base import LowRankLayer
from rankprobe.lowrank.kinds import linear_weight
from rankprobe.lowrank.maps import Source
from rankprobe.lowrank.randomness import integer_seed
from rankprobe.lowrank.roles import find_head
from rankprobe.lowrank.scaffold import Scaffold


@dataclass(frozen=True)
class Attachment:
    """What `attach` notes at a network about its tensors.

    Attributes:
        head: Name of the head that is trained in full, if one is.
        full: Where tensors start that are trained in full beside it, by name: where full
            training starts them.
        scaffold: How frozen weights were made.
        own_head: Name of the network's head, whatever becomes of it.
    """

    head: str | None = None
    full: Mapping[str, Source] = field(default_factory=dict)
    scaffold: Scaffold = field(default_factory=Scaffold)
    own_head: str | None = None


def attachment(module: nn.Module) -> Attachment:
    """What `attach` noted at a network."""
    noted = getattr(module, "attachment", None)
    return noted if isinstance(noted, Attachment) else Attachment()


def reinitialised(
    module: nn.Module,
    *,
    seed: int,
    repeat: int,
    scaffold: Scaffold | None = None,
    head: str | None = None,
) -> nn.Module:
    """A copy with initial values for full training, drawn from (seed, repeat).

    Layers start as their own ``reset_parameters`` has it, a layer with parts after them; models
    of the transformers library as their ``_init_weights`` has it. Those that ``scaffold`` keeps
    start from the weights that the network came with; the head is always drawn anew.

    Args:
        module: The network; left as it is.
        seed: Seed of the measurement.
        repeat: The member's repeat.
        scaffold: Which weights are kept; none unless given.
        head: Name of the head; found unless given.
    """
    module = copy.deepcopy(module)
    keeps = scaffold is not None and scaffold.init != "scaffold"
    fresh_head = find_head(module, head) if keeps else None
    layers = [
        layer
        for name, layer in module.named_modules()
        if scaffold is None or not keeps or name == fresh_head or not scaffold.keeps(name)
    ]
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(integer_seed(["baseline", seed, repeat]))
        whole = [layer for layer in layers if not any(True for _ in layer.children())]
        for layer in whole:
            _reset(layer)
        for layer in reversed([layer for layer in layers if layer not in set(whole)]):
            _reset(layer)
        _reset_as_transformers(module, set(layers))
    return module


def full_starts(
    module: nn.Module,
    *,
    seed: int,
    repeats: Iterable[int],
    scaffold: Scaffold | None = None,
    head: str | None = None,
) -> dict[int, dict[str, Tensor]]:
    """The trained tensors that full training of each repeat starts from, by name."""
    return {
        repeat: {
            name: value.detach()
            for name, value in reinitialised(
                module, seed=seed, repeat=repeat, scaffold=scaffold, head=head
            ).named_parameters()
        }
        for repeat in sorted(set(repeats))
    }


def initial_state(
    module: nn.Module,
    rank: int,
    *,
    seed: int,
    repeat: int,
    full: Mapping[str, Tensor] | None = None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Initial trained tensors and scalings of one member, at the member's true rank.

    Args:
        module: What `attach` made, at any rank.
        rank: The member's rank.
        seed: Seed of the measurement.
        repeat: The member's repeat.
        full: What full training of (seed, repeat) starts from, by name, see `full_starts`; needed
            where `trained_in_full` says so.

    Returns:
        (trained tensors by parameter name, scalings by buffer name).

    Raises:
        ValueError: ``full`` is needed and not given.
    """
    noted = attachment(module)
    state = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}
    scalings: dict[str, Tensor] = {}
    for name, layer in module.named_modules():
        prefix = f"{name}." if name else ""
        if isinstance(layer, LowRankLayer):
            for key, value in layer.initial(rank, seed=seed, repeat=repeat).items():
                state[prefix + key] = value
            factor = layer.adapter.factor(min(rank, layer.largest_rank))
            scalings[f"{prefix}scaling"] = layer.scaling.new_tensor(factor)
        elif name == noted.head:  # torch's own form of initial values
            matrix = linear_weight(layer)
            assert matrix is not None
            bound = 1 / math.sqrt(matrix.shape[1])
            for key, value in layer.named_parameters():
                shape = tuple(value.shape)
                state[prefix + key] = uniform(key, (seed, repeat, name, -1), shape, bound=bound)
    if noted.full:
        if full is None:
            raise ValueError("this network has tensors that start where full training does")
        starts = dict(full)
        state |= {name: source.of(starts).clone() for name, source in noted.full.items()}
    return state, scalings


def trained_in_full(module: nn.Module) -> list[str]:
    """Names of trained tensors beside the head that start where full training does."""
    return list(attachment(module).full)


def _reset(layer: nn.Module) -> None:
    """Draw a layer's own weights as its class does; torch spells the name in two ways."""
    for name in ("reset_parameters", "_reset_parameters"):
        reset = getattr(layer, name, None)
        if callable(reset):
            reset()
            return


def _reset_as_transformers(module: nn.Module, layers: set[nn.Module]) -> None:
    """Draw weights as a model of the transformers library does, known by its looks.

    It would leave out parameters that are marked as loaded; copies of a module have no marks.
    """
    done: set[nn.Module] = set()
    for model in module.modules():
        rule = getattr(model, "_init_weights", None)
        if model in done or not callable(rule) or not hasattr(model, "config"):
            continue
        parts = list(model.modules())
        done.update(parts)
        for layer in parts:
            if layer in layers:
                rule(layer)
