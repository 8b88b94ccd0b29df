"""Backbones: ordinary torch modules that know nothing of ranks. One file a family.

A family is a function from `Inputs`, the number of outputs and settings to a module. The last
layer is named ``head``; a module that is called with a batch gives one row of outputs an example,
or one a position of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from rankprobe.backbones.cfc import cfc
from rankprobe.backbones.cnn import cnn
from rankprobe.backbones.decision_transformer import decision_transformer
from rankprobe.backbones.gcn import gcn
from rankprobe.backbones.gin import gin
from rankprobe.backbones.inputs import Inputs, Kind
from rankprobe.backbones.llama import llama
from rankprobe.backbones.mlp import mlp
from rankprobe.backbones.transformer import transformer
from rankprobe.backbones.vit import vit

__all__ = ["BACKBONES", "Family", "Inputs", "Kind", "build"]


@dataclass(frozen=True)
class Family:
    """A family of networks.

    Attributes:
        make: (inputs, outputs, **settings) -> module.
        reads: Kinds of inputs that it can read.
    """

    make: Callable[..., nn.Module]
    reads: tuple[Kind, ...]


BACKBONES: Mapping[str, Family] = {
    "mlp": Family(mlp, ("numbers", "series")),
    "cnn": Family(cnn, ("numbers",)),
    "cfc": Family(cfc, ("series",)),
    "gin": Family(gin, ("graphs",)),
    "gcn": Family(gcn, ("nodes",)),
    "transformer": Family(transformer, ("tokens",)),
    "vit": Family(vit, ("numbers",)),
    "llama": Family(llama, ("tokens",)),
    "decision_transformer": Family(decision_transformer, ("windows",)),
}


def build(family: str, inputs: Inputs | Sequence[int], outputs: int, **settings: Any) -> nn.Module:
    """Build a backbone of a registered family; the last layer gives ``outputs`` values.

    Args:
        family: A key of `BACKBONES`.
        inputs: What it reads; a shape means numbers of that shape.
        outputs: Outputs of an example, or of each position of it.
        **settings: The family's own.
    """
    if not isinstance(inputs, Inputs):
        inputs = Inputs("numbers", tuple(inputs))
    return BACKBONES[family].make(inputs, outputs, **settings)
