"""Layers that are trained in full, in the forms in which a cohort computes them."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from rankprobe.lowrank.attention import CohortAttention
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

    It cannot where it reshapes with ``view``.

    Args:
        module: Changed in place.
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
    training = module.training
    try:
        for layer in layers:
            layer.convolve.channels_last = True
        with torch.no_grad():
            module.eval()(example)
    except RuntimeError:  # a real fault shows up again, and as itself, in training
        for layer in layers:
            layer.convolve.channels_last = False
    finally:
        module.train(training)
        for hook in hooks:
            hook.remove()
    return max(largest)


def statistics(module: nn.Module) -> dict[str, Tensor]:
    """Buffers that training updates: running statistics, which every member has of its own."""
    return {
        f"{name}.{key}" if name else key: buffer
        for name, layer in module.named_modules()
        if isinstance(layer, _NormBase) and layer.track_running_stats
        for key, buffer in layer.named_buffers(recurse=False)
    }


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
