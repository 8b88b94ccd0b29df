"""Replace the layers of any torch module that have a weight matrix by frozen, adapted twins."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from rankprobe.errors import ConfigError
from rankprobe.lowrank.adapter import Adapter
from rankprobe.lowrank.base import Given, LowRankLayer
from rankprobe.lowrank.conv import LowRankConv
from rankprobe.lowrank.embedding import LowRankEmbedding, TiedLinear
from rankprobe.lowrank.initial import Attachment, initial_state
from rankprobe.lowrank.kinds import layer_bias, layer_maps, linear_weight, with_maps
from rankprobe.lowrank.layers import LowRankLinear
from rankprobe.lowrank.maps import Map, Source
from rankprobe.lowrank.roles import Roles, adapts, layer_roles
from rankprobe.lowrank.scaffold import Scaffold

__all__ = [
    "adapted_layers",
    "attach",
    "count_trainable",
    "initial_state",
    "largest_useful_rank",
]


def attach(
    module: nn.Module,
    *,
    rank: int,
    adapter: Adapter | None = None,
    scaffold: Scaffold | None = None,
    head: str | None = None,
) -> nn.Module:
    """A copy of ``module`` whose layers are frozen scaffolds with adapters.

    Adapted are linear layers, convolutions, recurrent layers and cells, attention, and
    embeddings where asked. The head is trained in full unless ``adapter.head`` says otherwise;
    where its matrix is that of a table of embeddings, ``adapter.embeddings`` decides for both.
    Gains and biases of normalisation layers, and other parameters of one dimension, stay
    trained. At rank 0 what is trained in full at every rank is trained alone: the head, and beside
    it embeddings and the like where the adapter says so (without a head that is trained in full:
    the betas in its place).

    Args:
        module: Any torch module; it is left as it is.
        rank: Rank of every adapter, limited by each layer's own smaller side.
        adapter: How adapters are built.
        scaffold: How frozen weights are made, or which of the module's own are kept.
        head: Name of the head; found by `rankprobe.lowrank.roles.find_head` unless given.

    Raises:
        ConfigError: No layer to adapt, no layer of the head's name, names in ``adapter.layers``
            that no layer has, or layers with weights that have no low-rank form; all of them
            are named.
    """
    adapter, scaffold = adapter or Adapter(), scaffold or Scaffold()
    twin = copy.deepcopy(module)
    roles = layer_roles(twin, adapter=adapter, scaffold=scaffold, head=head)
    trained_head = roles.head if adapter.head == "trained" else None
    work = _Work(twin, roles, rank, adapter, scaffold, trains_beta=rank > 0 or not trained_head)
    twins = work.twins()
    twin = _replaced(twin, twins)
    in_full = work.trained_in_full(twin)
    if rank == 0:
        _freeze_beside(twin, trained_head, in_full)
    twin.attachment = Attachment(  # type: ignore[assignment]
        trained_head, in_full, scaffold, roles.head
    )
    return twin


def adapted_layers(module: nn.Module) -> dict[str, LowRankLayer]:
    """The adapted layers of a module by name, in order."""
    return {
        name: layer for name, layer in module.named_modules() if isinstance(layer, LowRankLayer)
    }


def count_trainable(module: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def largest_useful_rank(module: nn.Module, adapter: Adapter, head: str | None = None) -> int:
    """Largest rank of the widest layer that an adapter would be attached to.

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


@dataclass(eq=False)
class _Work:
    """One network whose layers are being replaced or frozen."""

    module: nn.Module
    roles: Roles
    rank: int
    adapter: Adapter
    scaffold: Scaffold
    trains_beta: bool
    sources: dict[int, Source] = field(default_factory=dict)  # by id of the parameter

    def twins(self) -> dict[nn.Module, nn.Module]:
        """The twins of layers that are replaced; the others are frozen, or left as they are."""
        for name, parameter in self.module.named_parameters():
            self.sources[id(parameter)] = Source(name)
        made: dict[nn.Module, nn.Module] = {}
        for name, role in self.roles.of.items():
            layer = self.module.get_submodule(name)
            if role == "adapted" or self.roles.kinds[name] == "several maps":
                made[layer] = self._adapted(name, layer)  # of several maps vmap runs the twin only
            elif role == "frozen" and name not in self.roles.ties:
                self._freeze(name, layer)
            elif role in ("normalisation", "head"):
                self._forget(name, layer, reset=role == "normalisation")
        for name, table in self.roles.ties.items():
            if self.roles.of[name] == "tied":
                of = cast("LowRankEmbedding", made[self.module.get_submodule(table)])
                layer = self.module.get_submodule(name)
                made[layer] = TiedLinear(of, cast("nn.Parameter | None", layer_bias(layer)))
        return made

    def trained_in_full(self, twin: nn.Module) -> dict[str, Source]:
        """Trained tensors that start where full training does, by their names in the twin."""
        return {
            name: self.sources[id(p)]
            for name, p in twin.named_parameters()
            if p.requires_grad and id(p) in self.sources
        }

    def _adapted(self, name: str, layer: nn.Module) -> nn.Module:
        kind = self.roles.kinds[name]
        if kind == "several maps":
            made = {
                key: self._map(f"{name}.{key}" if name else key, name, each)
                for key, each in layer_maps(layer).items()
            }
            return with_maps(layer, made)
        weight, bias = linear_weight(layer), layer_bias(layer)
        trains = self._trains_bias(name, bias)
        if weight is not None:
            return self._linear(name, weight, bias, trains)
        common: dict[str, Any] = self._common()
        if kind == "embedding":
            table = cast("nn.Embedding", layer)
            return LowRankEmbedding(
                name, table, given=self._given(name, table.weight, None), **common
            )
        convolution = cast("nn.Conv2d", layer)
        given = self._given(name, convolution.weight, bias)
        return LowRankConv(name, convolution, bias=trains, given=given, **common)

    def _linear(
        self, name: str, weight: Tensor, bias: Tensor | None, trains: bool
    ) -> LowRankLinear:
        d_out, d_in = weight.shape
        given = self._given(name, weight, bias)
        return LowRankLinear(name, d_in, d_out, bias=trains, given=given, **self._common())

    def _map(self, name: str, holder: str, each: Map) -> nn.Module:
        """A map of a layer of several: adapted, or of torch's own kind where it is left out."""
        if adapts(self.adapter, name):
            return self._linear(name, each.weight, each.bias, self._trains_bias(name, each.bias))
        d_out, d_in = each.weight.shape
        linear = nn.Linear(d_in, d_out, bias=each.bias is not None).to(each.weight)
        with torch.no_grad():
            linear.weight.copy_(each.weight)
            if each.bias is not None:
                linear.bias.copy_(each.bias)
        if self.adapter.others == "frozen":
            self._freeze(name, linear)
            return linear
        prefix = f"{holder}." if holder else ""
        self.sources[id(linear.weight)] = Source(prefix + each.key, each.rows)
        if each.bias is not None:
            self.sources[id(linear.bias)] = Source(prefix + each.bias_key, each.bias_rows)
        return linear

    def _common(self) -> dict[str, Any]:
        return {
            "rank": self.rank,
            "adapter": self.adapter,
            "scaffold": self.scaffold,
            "beta": self.adapter.beta == "trained" and self.trains_beta,
        }

    def _given(self, name: str, weight: Tensor, bias: Tensor | None) -> Given | None:
        """The module's own weights, where they are kept; a head's are always made anew."""
        if name == self.roles.head or not self.scaffold.keeps(name):
            return None
        return Given(weight.detach().clone(), None if bias is None else bias.detach().clone())

    def _trains_bias(self, name: str, bias: Tensor | None) -> bool:
        if bias is None or self.rank == 0:
            return False
        if name == self.roles.head:
            return self.adapter.head == "adapter_bias"
        return self.adapter.bias == "trained"

    def _freeze(self, name: str, layer: nn.Module) -> None:
        """Freeze a layer's matrices, as random ones unless its own are kept.

        A bias of a layer that could be adapted is none, as for adapted layers; other parameters
        of one dimension stay trained.
        """
        known = self.roles.kinds.get(name, "linear") not in ("unknown", "vectors")
        keeps = self.scaffold.keeps(name)
        for key, parameter in layer.named_parameters(recurse=False):
            if parameter.dim() <= 1 and not known:
                continue
            parameter.requires_grad_(False)
            if keeps:
                continue
            with torch.no_grad():
                if parameter.dim() <= 1:
                    parameter.zero_()
                else:
                    own = name if key == "weight" else f"{name}.{key}"
                    parameter.copy_(self._random(own, layer, parameter))
        if isinstance(layer, nn.Embedding) and layer.padding_idx is not None and not keeps:
            with torch.no_grad():
                layer.weight[layer.padding_idx] = 0.0

    def _random(self, name: str, layer: nn.Module, like: Tensor) -> Tensor:
        """Random frozen weights of a parameter's shape.

        Of a layer of torch's all axes but the first are the fan-in, as everywhere; a bare
        parameter is rows of the width of its last axis.
        """
        matrix = linear_weight(layer)
        if matrix is not None and matrix.shape != like.shape:  # held transposed
            return torch.from_numpy(self.scaffold.weight(name, matrix.shape)).t()
        shape = tuple(like.shape)
        if type(layer).__module__.split(".")[0] != "torch":
            shape = (math.prod(shape[:-1]), shape[-1])
        return torch.from_numpy(self.scaffold.weight(name, shape)).view(like.shape)

    def _forget(self, name: str, layer: nn.Module, *, reset: bool) -> None:
        """Leave a layer out of what starts as in full training; give gains their first values."""
        for parameter in layer.parameters(recurse=False):
            self.sources.pop(id(parameter), None)
        reset_parameters = getattr(layer, "reset_parameters", None)
        if reset and not self.scaffold.keeps(name) and callable(reset_parameters):
            reset_parameters()


def _replaced(module: nn.Module, twins: Mapping[nn.Module, nn.Module]) -> nn.Module:
    """The module with each layer's twin in its place, under every name that the layer has."""
    for name, layer in list(module.named_modules(remove_duplicate=False)):
        if name and layer in twins:
            parent, _, child = name.rpartition(".")
            setattr(module.get_submodule(parent), child, twins[layer])
    return twins.get(module, module)


def _freeze_beside(module: nn.Module, head: str | None, in_full: Mapping[str, Source]) -> None:
    """At rank 0 train the head, what is in full, and the betas that `attach` left trained."""
    for name, parameter in module.named_parameters():
        holder, _, key = name.rpartition(".")
        inside = isinstance(module.get_submodule(holder), LowRankLayer)
        kept = key in ("A", "B", "beta", "bias") if inside else holder == head or name in in_full
        if not kept:
            parameter.requires_grad_(False)
