"""A gated residual network: each block adds to its input what a gate lets through."""

import math

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, x):
        h = self.norm(x)
        return x + torch.sigmoid(self.gate(h)) * torch.tanh(self.value(h))


class Gated(nn.Module):
    def __init__(self, features, outputs, width=32, depth=2):
        super().__init__()
        self.read = nn.Linear(features, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.head = nn.Linear(width, outputs)

    def forward(self, x):
        return self.head(self.blocks(self.read(x.flatten(1))))


def make_net(input_shape, outputs):
    return Gated(math.prod(input_shape), outputs)
