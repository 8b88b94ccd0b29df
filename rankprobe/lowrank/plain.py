"""Layers that are trained in full, in the forms in which a cohort computes them."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.utils._python_dispatch import TorchDispatchMode

from rankprobe.lowrank.attention import CohortAttention
from rankprobe.lowrank.base import LowRankLayer
from rankprobe.lowrank.conv import Convolve, LowRankConv
from rankprobe.lowrank.embedding import looked_up
from rankprobe.lowrank.members import each_member, whole_cohort


def for_cohorts(module: nn.Module) -> nn.Module:
    """Give torch's own layers the forms that run fast, or at all, inside a cohort.

    They compute the same, keep their parameters and buffers, and still are instances of their
    classes. Layers of subclasses are left alone, because they may compute something else.

    Args:
        module: Changed in place.

    Returns:
        The module.
    """
    for layer in module.modules():
        form = _FORMS.get(type(layer))
        if form is not None:
            layer.__class__ = form
            if isinstance(layer, _CohortConv):
                layer.convolve = Convolve(cast("Any", layer))
        elif isinstance(layer, nn.TransformerEncoderLayer):
            # Its shortcut in evaluation reads the weights of its parts, not their outputs.
            layer.activation_relu_or_gelu = 0
        elif isinstance(layer, nn.TransformerEncoder):
            layer.use_nested_tensor = False
    return module


def put_channels_last(module: nn.Module, example: Tensor) -> int:
    """Have convolutions keep channels last in memory, where the network can take that.

    It cannot where it reshapes with ``view``, and where it draws masks by the order in memory,
    as `torch.nn.functional.dropout` does: under `torch.func.vmap` they would be others.

    Args:
        module: Changed in place; its buffers stay as they are.
        example: A few inputs, (n, ...).

    Returns:
        Numbers that the largest convolution gives for an example; 0 where there is none.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, LowRankConv | _CohortConv)]
    if not layers:
        return 0
    largest = [0]

    def look(_layer: nn.Module, _inputs: Any, output: Tensor) -> None:
        largest.append(output.numel() // len(example))

    hooks = [cast("nn.Module", layer).register_forward_hook(look) for layer in layers]
    draws, works = _Draws(), True
    for layer in layers:
        layer.convolve.channels_last = True
    try:
        with draws:
            _tried_training(module, example)
    except (RuntimeError, ValueError):  # a real fault shows up again, and as itself, in training
        works = False
    finally:
        for hook in hooks:
            hook.remove()
    for layer in layers:
        layer.convolve.channels_last = works and not draws.by_memory
    return max(largest)


def statistics(module: nn.Module, example: Tensor) -> dict[str, Tensor]:
    """Buffers that training updates, which every member has of its own.

    Running statistics of torch's normalisation layers, and what else changes on a few inputs.

    Args:
        module: Left as it is.
        example: A few inputs, (n, ...).
    """
    try:
        changed = _tried_training(module, example)
    except Exception:  # shows up again, and as itself, in training
        changed = set()
    running = {
        f"{name}.{key}" if name else key
        for name, layer in module.named_modules()
        if isinstance(layer, _NormBase) and layer.track_running_stats
        for key, _ in layer.named_buffers(recurse=False)
    }
    return {name: b for name, b in module.named_buffers() if name in running | changed}


def _tried_training(module: nn.Module, example: Tensor) -> set[str]:
    """Run a network in training mode; the names of buffers that it changed, and has back."""
    frozen = {
        id(buffer)
        for layer in module.modules()
        if isinstance(layer, LowRankLayer)
        for buffer in layer.buffers(recurse=False)
    }
    there = {name: b for name, b in module.named_buffers() if id(b) not in frozen}
    before = {name: buffer.clone() for name, buffer in there.items()}
    changed, training = set(), module.training
    try:
        with torch.no_grad():
            module.train()(example)
    finally:
        module.train(training)
        for name, buffer in module.named_buffers():
            if name in before and not torch.equal(buffer, before[name]):
                changed.add(name)
        for name in changed:
            holder, _, key = name.rpartition(".")
            setattr(module.get_submodule(holder), key, there[name].copy_(before[name]))
    return changed


class _Draws(TorchDispatchMode):
    """Looks at every operation that draws random numbers.

    Attributes:
        by_memory: Whether one was met that draws them in another order than that of the axes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_memory = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called by torch in place of each of its operations."""
        if torch.Tag.nondeterministic_seeded in func.tags:
            tensors = [value for value in args if isinstance(value, Tensor)]
            self.by_memory |= not all(tensor.is_contiguous() for tensor in tensors)
        return func(*args, **(kwargs or {}))


class _CohortConv:
    """A convolution with a kernel of each member's own, member after member."""

    convolve: Convolve

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return each_member(self.convolve, x, weight, bias)


class _CohortConv1d(_CohortConv, nn.Conv1d):
    pass


class _CohortConv2d(_CohortConv, nn.Conv2d):
    pass


class _CohortConv3d(_CohortConv, nn.Conv3d):
    pass


class _CohortBatchNorm(_BatchNorm):
    """Batch norm with running statistics of each member's own, member after member."""

    def forward(self, x: Tensor) -> Tensor:
        """Outputs of the shape of the inputs, (batch, channels, ...)."""
        self._check_input_dim(x)  # type: ignore[no-untyped-call]
        values = (self.weight, self.bias, self.running_mean, self.running_var)
        return each_member(self._one, x, *values, self.num_batches_tracked)

    def _one(
        self,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor | None,
        variance: Tensor | None,
        batches: Tensor | None,
    ) -> Tensor:
        """Torch's own batch norm of one member; updates its statistics while training."""
        share = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and batches is not None:
            batches.add_(1)
            if self.momentum is None:
                share = 1.0 / float(batches)
        by_batch = self.training or (mean is None and variance is None)
        kept = not self.training or self.track_running_stats
        return F.batch_norm(
            x,
            mean if kept else None,
            variance if kept else None,
            weight,
            bias,
            by_batch,
            share,
            self.eps,
        )


class _CohortBatchNorm1d(_CohortBatchNorm, nn.BatchNorm1d):
    pass


class _CohortBatchNorm2d(_CohortBatchNorm, nn.BatchNorm2d):
    pass


class _CohortBatchNorm3d(_CohortBatchNorm, nn.BatchNorm3d):
    pass


class _CohortPool(nn.AdaptiveAvgPool2d):
    """Pooling to a fixed size, which `torch.func.vmap` cannot do where channels are last."""

    def forward(self, x: Tensor) -> Tensor:
        """Means, (batch, channels, height, width)."""
        return whole_cohort(super().forward, x)


class _CohortDropout(nn.Dropout):
    """Dropout whose masks do not depend on the order in memory, as they do not under vmap."""

    def forward(self, x: Tensor) -> Tensor:
        """Inputs of any shape, some set to zero."""
        if not self.training or x.is_contiguous():
            return super().forward(x)
        return x * F.dropout(x.new_ones(x.shape), self.p)


class _CohortEmbedding(nn.Embedding):
    """A table of each member's own; torch's rule forgets the padding entry of the others."""

    def forward(self, index: Tensor) -> Tensor:
        """Rows, (..., width), of whole numbers, (...)."""
        return looked_up(self.weight, index, self.padding_idx)


_FORMS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv1d: _CohortConv1d,
    nn.Conv2d: _CohortConv2d,
    nn.Conv3d: _CohortConv3d,
    nn.BatchNorm1d: _CohortBatchNorm1d,
    nn.BatchNorm2d: _CohortBatchNorm2d,
    nn.BatchNorm3d: _CohortBatchNorm3d,
    nn.MultiheadAttention: CohortAttention,
    nn.AdaptiveAvgPool2d: _CohortPool,
    nn.Dropout: _CohortDropout,
    nn.Embedding: _CohortEmbedding,
}
