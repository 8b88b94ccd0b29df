"""How much memory a training takes, and what its lack looks like."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

# Beside what backward keeps: gradients of activations while it runs, and the allocator's slack.
_BESIDE = 1.5


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was not enough."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "not enough memory" in text or "can't allocate" in text


def activation_bytes(module: nn.Module, examples: Tensor, batch: int) -> int:
    """Bytes that training one member on a batch takes for activations, roughly.

    What backward keeps is counted on a few examples, and taken to grow with their number.

    Args:
        module: The network of a member; left as it is.
        examples: (n, ...), as many as are cheap to run.
        batch: Examples in a batch.
    """
    module = copy.deepcopy(module).train()
    own = {p.untyped_storage().data_ptr() for p in [*module.parameters(), *module.buffers()]}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.random.fork_rng(),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        outputs = module(examples)
    total = sum(kept.values()) + outputs.numel() * outputs.element_size()
    return int(_BESIDE * total * batch / len(examples))


def values_per_example(module: nn.Module, examples: Tensor) -> int:
    """Numbers in the largest tensor that any layer gives for one example, its input included."""
    largest = [examples.numel()]

    def look(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            largest.append(output.numel())

    hooks = [layer.register_forward_hook(look) for layer in module.modules()]
    try:
        with torch.no_grad():
            module(examples)
    finally:
        for hook in hooks:
            hook.remove()
    return -(-max(largest) // len(examples))
