"""Backbones: ordinary torch modules that know nothing of ranks. One file a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from rankprobe.backbones.mlp import mlp

BACKBONES: Mapping[str, Callable[..., nn.Module]] = {"mlp": mlp}


def build(family: str, input_shape: Sequence[int], outputs: int, **settings: Any) -> nn.Module:
    """Build a backbone of a registered family; the last layer gives ``outputs`` values."""
    return BACKBONES[family](input_shape, outputs, **settings)
