"""Where the weights of adapted layers are in the network that they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from rankprobe.lowrank.kinds import layer_maps, linear_weight
from rankprobe.lowrank.maps import Rows, Source

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Place:
    """One layer's weights among the parameters of a network.

    Attributes:
        source: The parameter, or some of its rows.
        transposed: Whether the parameter holds the matrix as (d_in, d_out).
    """

    source: Source
    transposed: bool = False

    def read(self, parameters: Arrays) -> NDArray[np.float32]:
        """The weights, (d_out, ...)."""
        held = parameters[self.source.name]
        if self.source.rows is not None:
            held = held[slice(*self.source.rows)]
        return held.T if self.transposed else held

    def write(self, parameters: Arrays, weights: NDArray[np.float64]) -> None:
        """Put weights, (d_out, ...), into the parameter, in place."""
        self.read(parameters)[...] = weights


def weight_places(network: nn.Module, layers: Iterable[str]) -> dict[str, Place]:
    """Where a network holds the weights of layers that `attach` adapts.

    Args:
        network: The network, as it was before `rankprobe.lowrank.attach`.
        layers: Names of adapted layers in what that made; gates and projections included.
    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    modules = dict(network.named_modules(remove_duplicate=False))

    def place(layer: str) -> Place:
        parameter, rows, transposed = _parameter(modules, layer)
        return Place(Source(names[id(parameter)], rows), transposed)

    return {layer: place(layer) for layer in layers}


def _parameter(modules: Mapping[str, nn.Module], layer: str) -> tuple[Tensor, Rows, bool]:
    """A layer's parameter, which of its rows are the layer's, and whether it is transposed."""
    module = modules.get(layer)
    weight = getattr(module, "weight", None)
    if module is not None and isinstance(weight, Tensor):
        matrix = linear_weight(module)
        return weight, None, matrix is not None and matrix is not weight
    holder, _, key = layer.rpartition(".")
    each = layer_maps(modules[holder])[key]
    parent, _, own = each.key.rpartition(".")
    found: Tensor = getattr(modules[holder].get_submodule(parent), own)
    return found, each.rows, False
