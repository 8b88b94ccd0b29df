"""Members of several settings in one cohort: networks of one structure that differ in values.

What may differ are frozen weights, the scaling of B A, how B starts, and whether beta is trained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from torch import Tensor, nn

from rankprobe.lowrank import LowRankLinear, adapted_layers, attach
from rankprobe.lowrank.base import LowRankLayer
from rankprobe.lowrank.conv import LowRankConv
from rankprobe.lowrank.lanes import Lanes
from rankprobe.training.scaffolds import remove

LARGEST_IN_LANES = 4_000_000
"""Weights of a network of which a cohort may hold several frozen copies."""

_BYTES = 4  # of a frozen weight; one held as codes takes less, but is dense where it is used

if TYPE_CHECKING:
    from torch import device as Device
    from torch import dtype as Type

    from rankprobe.training.protocol import TrainingProtocol


@dataclass(frozen=True)
class Attached:
    """The network of a cohort.

    Attributes:
        module: The one that all members are run with.
        own: What each member's initial values are those of.
    """

    module: nn.Module
    own: tuple[nn.Module, ...]

    def put_lanes(self, device: Device, dtype: Type) -> None:
        """Give the network the frozen matrices of all members, where these differ."""
        kinds = list(dict.fromkeys(self.own))
        layers = [adapted_layers(each.to(device, dtype)) for each in kinds]
        of = [kinds.index(each) for each in self.own]
        for name, layer in adapted_layers(self.module).items():
            held = [each[name] for each in layers]
            first = [next(k for k, other in enumerate(held) if _same(each, other)) for each in held]
            if len(set(first)) > 1:
                kept = sorted(set(first))
                lanes = [kept.index(first[kind]) for kind in of]
                layer.lanes = Lanes([held[k].frozen for k in kept], lanes)


def attached(
    backbone: nn.Module,
    rank: int,
    protocols: Sequence[TrainingProtocol],
    *,
    scaffold: int,
) -> Attached:
    """The network with adapters for members of some protocols.

    Args:
        backbone: The network; left as it is.
        rank: Largest rank of the members.
        protocols: One a member; they differ in values alone.
        scaffold: Index of the scaffold of all of them.
    """
    made: dict[TrainingProtocol, nn.Module] = {}
    for protocol in protocols:
        if protocol not in made:
            own = protocol.scaffold.sibling(scaffold)
            if protocol.use.frozen == "zero" or not protocol.use.usual:
                own = replace(own, packed=False)  # what is written over is held as it is
            module = attach(backbone, rank=rank, adapter=protocol.adapter, scaffold=own)
            if protocol.use.frozen == "zero":
                remove(module)
            made[protocol] = module
    # Of a trained beta there is a tensor for all members.
    module = next((m for p, m in made.items() if p.adapter.beta == "trained"), made[protocols[0]])
    return Attached(module, tuple(made[protocol] for protocol in protocols))


def held_still(
    trained: Sequence[Mapping[str, Tensor]], own: Sequence[nn.Module]
) -> list[dict[str, Tensor]]:
    """For every member, what others train and it does not, with the value that it keeps."""
    names = dict.fromkeys(name for state in trained for name in state)
    return [
        {name: module.get_parameter(name).detach() for name in names if name not in state}
        for state, module in zip(trained, own, strict=True)
    ]


def structure(backbone: nn.Module, protocol: TrainingProtocol) -> TrainingProtocol:
    """A protocol without what may differ: members of equal ones can be in one cohort."""
    adapter = replace(protocol.adapter, scaling="none", alpha=1.0, b_init="zeros", beta="fixed")
    plain = replace(protocol, adapter=adapter)
    if not _takes_lanes(backbone, protocol):
        return plain  # one scaffold for all of them
    scaffold = replace(protocol.scaffold, seed=0, family="normal", scale=None)
    return replace(plain, scaffold=scaffold, use=replace(protocol.use, frozen="seeded"))


def copy_bytes(backbone: nn.Module, protocol: TrainingProtocol) -> int:
    """Bytes of the frozen weights of one scaffold, of which a cohort of several holds one each."""
    layers = adapted_layers(attach(backbone, rank=1, adapter=protocol.adapter)).values()
    return sum(_BYTES * math.prod(layer.shape) for layer in layers)


def _takes_lanes(backbone: nn.Module, protocol: TrainingProtocol) -> bool:
    """Whether members can have frozen weights of their own."""
    if not protocol.use.usual or protocol.scaffold.init != "scaffold" or protocol.adapter.dora:
        return False
    if sum(parameter.numel() for parameter in backbone.parameters()) > LARGEST_IN_LANES:
        return False
    module = attach(backbone, rank=1, adapter=protocol.adapter, scaffold=protocol.scaffold)
    frozen = [p for p in module.parameters() if p.dim() > 1 and not p.requires_grad]
    layers = adapted_layers(module).values()
    return not frozen and all(isinstance(each, LowRankLinear | LowRankConv) for each in layers)


def _same(layer: LowRankLayer, other: LowRankLayer) -> bool:
    """Whether two layers hold the same frozen matrix."""
    return layer is other or (
        layer.weight.shape == other.weight.shape and bool(layer.weight.equal(other.weight))
    )
