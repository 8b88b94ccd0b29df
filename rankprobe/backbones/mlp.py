"""Multilayer perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from rankprobe.backbones.inputs import Inputs

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "identity": nn.Identity,
}


def mlp(
    inputs: Inputs | Sequence[int],
    outputs: int,
    *,
    hidden: Sequence[int] = (512, 256, 128, 64),
    activation: str = "relu",
    dropout: float = 0.1,
) -> nn.Sequential:
    """Linear layers with an activation and dropout after each but the last.

    Args:
        inputs: What an example is, or its shape; it is flattened.
        outputs: Width of the last layer, which is named ``head``.
        hidden: Widths of the hidden layers; none makes a single linear layer.
        activation: A key of `ACTIVATIONS`.
        dropout: Share of hidden units dropped while training.
    """
    input_shape = inputs.shape if isinstance(inputs, Inputs) else inputs
    net = nn.Sequential()
    if len(input_shape) != 1:
        net.add_module("flatten", nn.Flatten())
    width = math.prod(input_shape)
    for index, size in enumerate(hidden):
        net.add_module(f"hidden{index}", nn.Linear(width, size))
        net.add_module(f"activation{index}", ACTIVATIONS[activation]())
        if dropout > 0:
            net.add_module(f"dropout{index}", nn.Dropout(dropout))
        width = size
    net.add_module("head", nn.Linear(width, outputs))
    return net
