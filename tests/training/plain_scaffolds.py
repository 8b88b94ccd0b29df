"""Scaffolds that come and go in the plain loop: weights by name, set before each pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from rankprobe.lowrank import Scaffold
from rankprobe.lowrank.randomness import integer_seed
from rankprobe.training import TrainingProtocol
from tests.training.plain_layers import Dense


class PlainTurns:
    """Runs a network of dense layers with the scaffold of the moment.

    Args:
        net: What `plain_network` makes.
        settings: How to train.
        scaffold: The member's own.
    """

    def __init__(self, net: nn.Module, settings: TrainingProtocol, scaffold: Scaffold) -> None:
        self.net, self.use, self.scaffold = net, settings.use, scaffold
        self.now = 0
        self.layers = {name: m for name, m in net.named_modules() if hasattr(m, "magnitude")}
        if self.use.frozen == "zero":
            for layer in self.layers.values():
                layer.weight.zero_()

    def train(self, x: Tensor, seed: int, step: int, per_epoch: int) -> Tensor:
        use = self.use
        fresh = use.draws == "fresh"
        self.now = {
            "epoch": step // per_epoch,
            "step": step if fresh else step % use.count,
            "batch": step * use.count if fresh else 0,
        }.get(use.resample, 0)
        if use.resample != "batch":
            return self._run(x, self.now, seed)
        size, more = divmod(len(x), min(use.count, len(x) // 2))
        outputs, start = [], 0
        for index in range(min(use.count, len(x) // 2)):
            end = start + size + (index < more)
            own = integer_seed(["part", seed, index]) if index else seed
            outputs.append(self._run(x[start:end], self.now + index, own))
            start = end
        return torch.cat(outputs)

    def evaluate(self, x: Tensor) -> Tensor:
        if self.use.evaluation == "removed":
            return self._run(x, None, 0)
        if self.use.resample != "batch":
            return self._run(x, self.now, 0)
        under = [self._run(x, self.now + index, 0) for index in range(self.use.count)]
        return torch.stack([under[i % self.use.count][i] for i in range(len(x))])

    def _run(self, x: Tensor, index: int | None, seed: int) -> Tensor:
        if self.use.resample != "none" or self.use.evaluation == "removed":
            for name, layer in self.layers.items():
                layer._buffers["weight"] = self._weight(name, layer, index)
        torch.manual_seed(seed)
        outputs: Tensor = self.net(x)
        return outputs

    def _weight(self, name: str, layer: Any, index: int | None) -> Tensor:
        like = layer.weight
        if index is None:
            return torch.zeros_like(like)
        seed = self.scaffold.seed
        if index:
            seed = integer_seed(["resample", seed, index]) % 2**32
        weight = torch.from_numpy(replace(self.scaffold, seed=seed).weight(name, like.shape))
        for padding in _padding(layer):
            weight[padding] = 0.0
        return weight.to(like)


def _padding(layer: nn.Module) -> Iterator[int]:
    for original in getattr(layer, "held", ()) if isinstance(layer, Dense) else ():
        if isinstance(original, nn.Embedding) and original.padding_idx is not None:
            yield original.padding_idx
