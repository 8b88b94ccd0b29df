"""Networks as users write them: nested, reused, recurrent; and the published one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rankprobe.backbones.mlp import mlp


def medium() -> nn.Module:
    """The published MNIST network."""
    return mlp((784,), 10, hidden=(512, 256, 128, 64), dropout=0.1)


class Nested(nn.Module):
    """Linear layers in containers of containers, with LayerNorm and a skip."""

    def __init__(self, d_in: int = 6, width: int = 8, outputs: int = 3) -> None:
        super().__init__()
        self.stem = nn.ModuleDict({"project": nn.Linear(d_in, width), "norm": nn.LayerNorm(width)})
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(2)
        )
        self.classifier = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem["norm"](self.stem["project"](x))
        for block in self.blocks:
            h = h + block(h)
        outputs: Tensor = self.classifier(h)
        return outputs


class Recurrent(nn.Module):
    """One cell used at every step of a sequence, (batch, steps, d_in), and one layer for all."""

    def __init__(self, d_in: int = 3, width: int = 7, outputs: int = 2) -> None:
        super().__init__()
        self.embed = nn.Linear(d_in, width)
        self.cell = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(0.2)
        self.readout = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        embedded = self.embed(x)
        state = torch.zeros_like(embedded[:, 0])
        for step in range(x.shape[1]):
            state = torch.tanh(self.cell(torch.cat([embedded[:, step], state], dim=-1)))
        outputs: Tensor = self.readout(self.dropout(state))
        return outputs


class Shared(nn.Module):
    """One layer registered under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.middle = nn.Sequential(nn.ReLU(), self.first, nn.ReLU())
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.middle(self.first(x)))
        return outputs


class Branching(nn.Module):
    """Control flow that depends on values, which vmap cannot run."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.first(x))
        if h.mean().item() > 0:
            h = 2 * h
        outputs: Tensor = self.head(self.dropout(h))
        return outputs


class Masking(nn.Module):
    """Boolean indexing in place, which vmap cannot run."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.first(x)
        gate = torch.ones_like(h)
        gate[h < 0] = 0.1
        outputs: Tensor = self.head(h * gate)
        return outputs


class Unused(nn.Module):
    """A layer that the forward pass never calls."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.forgotten = nn.Linear(8, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.head(torch.tanh(self.first(x)))
        return outputs
