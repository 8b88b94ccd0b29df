"""Frozen random scaffolds with trainable low-rank adapters."""

from rankprobe.lowrank.adapter import Adapter
from rankprobe.lowrank.attach import adapted_layers, attach, count_trainable, largest_useful_rank
from rankprobe.lowrank.base import LowRankLayer
from rankprobe.lowrank.initial import (
    full_starts,
    initial_state,
    reinitialised,
    trained_in_full,
)
from rankprobe.lowrank.layers import LowRankLinear
from rankprobe.lowrank.scaffold import Scaffold

__all__ = [
    "Adapter",
    "LowRankLayer",
    "LowRankLinear",
    "Scaffold",
    "adapted_layers",
    "attach",
    "count_trainable",
    "full_starts",
    "initial_state",
    "largest_useful_rank",
    "reinitialised",
    "trained_in_full",
]
