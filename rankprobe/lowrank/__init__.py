"""Frozen random scaffolds with trainable low-rank adapters."""

from rankprobe.lowrank.attach import (
    adapted_layers,
    attach,
    count_trainable,
    initial_state,
    largest_useful_rank,
)
from rankprobe.lowrank.layers import Adapter, LowRankLinear
from rankprobe.lowrank.scaffold import Scaffold

__all__ = [
    "Adapter",
    "LowRankLinear",
    "Scaffold",
    "adapted_layers",
    "attach",
    "count_trainable",
    "initial_state",
    "largest_useful_rank",
]
