"""Replace the linear layers of any torch module by their frozen, adapted twins."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

from torch import Tensor, nn

from rankprobe.errors import ConfigError
from rankprobe.lowrank.layers import Adapter, LowRankLinear, uniform
from rankprobe.lowrank.scaffold import Scaffold

# Layers whose few parameters are trained beside the adapters, as the method does.
_NORMALISATION = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)


def attach(
    module: nn.Module,
    *,
    rank: int,
    adapter: Adapter | None = None,
    scaffold: Scaffold | None = None,
    head: str | None = None,
) -> nn.Module:
    """A copy of ``module`` whose linear layers are frozen scaffolds with adapters.

    The head is trained in full unless ``adapter.head`` says otherwise. Gains and biases of
    normalisation layers stay trained. At rank 0 only the head is trained (with an adapter
    head: the betas alone).

    Args:
        module: Any torch module; it is left as it is.
        rank: Rank of every adapter, limited by each layer's own smaller side.
        adapter: How adapters are built.
        scaffold: How frozen weights are made.
        head: Name of the head; the last linear layer unless given.

    Raises:
        ConfigError: No linear layer, no layer of the head's name, or layers with weights
            that have no low-rank form; all of them are named.
    """
    adapter, scaffold = adapter or Adapter(), scaffold or Scaffold()
    twin = copy.deepcopy(module)
    linears = {name: layer for name, layer in twin.named_modules() if isinstance(layer, nn.Linear)}
    head = _head(linears, head)
    _refuse_unadapted(twin)
    twins: dict[nn.Module, LowRankLinear] = {}
    for name, layer in linears.items():
        if name == head and adapter.head == "trained":
            continue
        bias = adapter.head == "adapter_bias" if name == head else adapter.bias == "trained"
        trains_beta = adapter.beta == "trained" and (rank > 0 or adapter.head != "trained")
        twins[layer] = LowRankLinear(
            name,
            layer.in_features,
            layer.out_features,
            rank=rank,
            adapter=adapter,
            scaffold=scaffold,
            bias=bias and layer.bias is not None and rank > 0,
            beta=trains_beta,
        )
    twin = _replaced(twin, twins)
    if rank == 0:
        _freeze_beside_head(twin)
    return twin


def adapted_layers(module: nn.Module) -> dict[str, LowRankLinear]:
    """The adapted layers of a module by name, in order."""
    return {
        name: layer for name, layer in module.named_modules() if isinstance(layer, LowRankLinear)
    }


def initial_state(
    module: nn.Module, rank: int, *, seed: int, repeat: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Initial trained tensors and scalings of one member, at the member's true rank.

    Args:
        module: What `attach` made, at any rank.
        rank: The member's rank.
        seed: Seed of the measurement.
        repeat: The member's repeat.

    Returns:
        (trained tensors by parameter name, scalings by buffer name).
    """
    state = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}
    scalings: dict[str, Tensor] = {}
    for name, layer in module.named_modules():
        prefix = f"{name}." if name else ""
        if isinstance(layer, LowRankLinear):
            for key, value in layer.initial(rank, seed=seed, repeat=repeat).items():
                state[prefix + key] = value
            factor = layer.adapter.factor(min(rank, layer.largest_rank))
            scalings[f"{prefix}scaling"] = layer.scaling.new_tensor(factor)
        elif isinstance(layer, nn.Linear):  # the head: torch's own form of initial values
            bound = 1 / math.sqrt(layer.in_features)
            for key, value in layer.named_parameters():
                shape = tuple(value.shape)
                state[prefix + key] = uniform(key, (seed, repeat, name, -1), shape, bound=bound)
    return state, scalings


def count_trainable(module: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def largest_useful_rank(module: nn.Module, adapter: Adapter, head: str | None = None) -> int:
    """min(d_in, d_out) of the widest layer that an adapter would be attached to.

    Raises:
        ConfigError: As `attach`; and when nothing but a trained head is there.
    """
    layers = adapted_layers(attach(module, rank=1, adapter=adapter, head=head))
    if not layers:
        raise ConfigError(
            "the network has no layer to adapt: its only linear layer is the head, which is "
            "trained in full; write `adapter: {head: adapter}` to adapt it"
        )
    return max(layer.largest_rank for layer in layers.values())


def _head(linears: Mapping[str, nn.Module], head: str | None) -> str:
    """The name of the head: the last linear layer unless given."""
    if not linears:
        raise ConfigError("the network has no linear layer, and only linear layers are adapted")
    if head is None:
        return list(linears)[-1]
    if head not in linears:
        there = ", ".join(linears)
        raise ConfigError(f"the network has no linear layer named `{head}`; there is: {there}")
    return head


def _refuse_unadapted(module: nn.Module) -> None:
    """Name every layer that would otherwise be trained in full, or frozen, in silence."""
    unadapted = [
        f"{name or 'the network itself'} ({type(layer).__name__})"
        for name, layer in module.named_modules()
        if not isinstance(layer, (nn.Linear, *_NORMALISATION))
        and (any(True for _ in layer.parameters(recurse=False)) or _keeps_statistics(layer))
    ]
    if unadapted:
        raise ConfigError(
            f"these layers have weights or running statistics but no low-rank form yet: "
            f"{', '.join(unadapted)}; "
            "only linear layers are adapted"
        )


def _keeps_statistics(layer: nn.Module) -> bool:
    """Whether every training step changes buffers, which the members of a cohort would share."""
    return bool(getattr(layer, "track_running_stats", False))


def _replaced(module: nn.Module, twins: Mapping[nn.Module, LowRankLinear]) -> nn.Module:
    """The module with each layer's twin in its place, under every name that the layer has."""
    for name, layer in list(module.named_modules(remove_duplicate=False)):
        if name and layer in twins:
            parent, _, child = name.rpartition(".")
            setattr(module.get_submodule(parent), child, twins[layer])
    return twins.get(module, module)


def _freeze_beside_head(module: nn.Module) -> None:
    """At rank 0 neither gains and biases of normalisation layers nor magnitudes are trained."""
    for layer in module.modules():
        if isinstance(layer, _NORMALISATION):
            layer.requires_grad_(False)
        elif isinstance(layer, LowRankLinear) and layer.magnitude is not None:
            layer.magnitude.requires_grad_(False)
