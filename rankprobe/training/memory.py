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

    What backward keeps is counted on a few examples and on half of them: part of it grows with
    their number, and part does not, as in a network that computes a whole graph for any of its
    nodes.

    Args:
        module: The network of a member; left as it is.
        examples: (n, ...), as many as are cheap to run.
        batch: Examples in a batch.
    """
    module = copy.deepcopy(module).train()
    n, half = len(examples), len(examples) // 2
    total = _kept_bytes(module, examples.clone())
    each = total / n
    if half > 1:
        grown = total - _kept_bytes(module, examples[:half].clone())
        each = min(max(0.0, grown / (n - half)), each)
    return int(_BESIDE * (total + each * (batch - n)))


def values_per_example(module: nn.Module, examples: Tensor) -> int:
    """Numbers by which the largest tensor of any layer, the input included, grows an example.

    The network runs in evaluation mode, as it will, on the examples and on twice as many: a norm
    over the batch has no statistics of an example alone.
    """
    modes = [(layer, layer.training) for layer in module.modules()]
    module.eval()
    try:
        once, twice = _sizes(module, examples), _sizes(module, torch.cat([examples, examples]))
    finally:
        for layer, training in modes:
            layer.training = training
    grown = max(size - once.get(name, 0) for name, size in twice.items())
    return max(1, -(-grown // len(examples)))


def _kept_bytes(module: nn.Module, examples: Tensor) -> int:
    """Bytes that backward keeps, and of the outputs."""
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
    return sum(kept.values()) + int(outputs.numel() * outputs.element_size())


def _sizes(module: nn.Module, examples: Tensor) -> dict[nn.Module | None, int]:
    """Numbers in the examples, under ``None``, and in what each layer gives for them at most."""
    sizes: dict[nn.Module | None, int] = {None: examples.numel()}

    def look(layer: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            sizes[layer] = max(sizes.get(layer, 0), output.numel())

    hooks = [layer.register_forward_hook(look) for layer in module.modules()]
    try:
        with torch.no_grad():
            module(examples)
    finally:
        for hook in hooks:
            hook.remove()
    return sizes
