"""Tensors of members as stacks, and where a network holds each of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

Slot = tuple[dict[str, Any], str, Any]  # what holds a tensor, under which key, and the tensor


def inside(name: str, key: str) -> str:
    """Name of a tensor of a layer; the network itself has no name."""
    return f"{name}.{key}" if name else key


def slots_of(module: nn.Module, names: Sequence[str]) -> list[list[Slot]]:
    """Where each named parameter or buffer is held: in several places when they are tied."""
    places: dict[int, list[Slot]] = {}
    for layer in module.modules():
        for held in (layer._parameters, layer._buffers):
            for key, tensor in held.items():
                places.setdefault(id(tensor), []).append((held, key, tensor))
    named = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return [places[id(named[name])] for name in names]


def stacked(tensors: Sequence[Tensor], *, like: Tensor) -> Tensor:
    """Stack tensors that differ in rank, padded with zeros to the largest."""
    shape = [max(sizes) for sizes in zip(*(tensor.shape for tensor in tensors), strict=True)]
    stack = like.new_zeros(len(tensors), *shape)
    for index, tensor in enumerate(tensors):
        stack[index][tuple(slice(size) for size in tensor.shape)] = tensor
    return stack


class Held:
    """Members that do not train a tensor which others of their cohort do.

    Args:
        stack: The tensor of all members.
        members: Indices of those that keep it as it is.
    """

    def __init__(self, stack: Tensor, members: Sequence[int]) -> None:
        self._stack, self._index = stack, torch.tensor(members, device=stack.device)
        self._values = stack.detach()[self._index].clone()

    def before(self) -> None:
        """Before a step of the optimiser: no part in the norm of the gradient."""
        if self._stack.grad is not None:
            self._stack.grad[self._index] = 0.0

    def after(self) -> None:
        """After it: no decay either."""
        self._stack.detach()[self._index] = self._values
