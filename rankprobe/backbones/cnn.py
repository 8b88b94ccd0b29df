"""Plain and residual convolutional networks for small pictures (He et al., arXiv:1512.03385)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.backbones.inputs import Inputs, picture


class HeConv(nn.Conv2d):
    """A 3 x 3 convolution without bias that starts normal with He's variance, 2 / fan-in.

    Args:
        channels: Channels of the input.
        outputs: Channels of the output.
        stride: Step.
    """

    def __init__(self, channels: int, outputs: int, stride: int = 1) -> None:
        super().__init__(channels, outputs, 3, stride=stride, padding=1, bias=False)

    def reset_parameters(self) -> None:
        """Draw the kernel anew."""
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")


class Pair(nn.Module):
    """Two convolutions with BatchNorm and ReLU, and a shortcut around them where wanted.

    The shortcut has no weights: it skips places as the stride does, and new channels are zero
    (option A of the authors).

    Args:
        channels: Channels of the input.
        outputs: Channels of the output.
        stride: Step of the first convolution.
        residual: Whether there is a shortcut.
    """

    def __init__(self, channels: int, outputs: int, stride: int, *, residual: bool) -> None:
        super().__init__()
        self.stride, self.residual = stride, residual
        self.added = outputs - channels
        self.conv1 = HeConv(channels, outputs, stride)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = HeConv(outputs, outputs)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, outputs, height / stride, width / stride) from (n, channels, height, width)."""
        h = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        if self.residual:
            shortcut = x[:, :, :: self.stride, :: self.stride]
            before = self.added // 2
            h = h + F.pad(shortcut, (0, 0, 0, 0, before, self.added - before))
        return F.relu(h)


class Cnn(nn.Module):
    """A first convolution, three stages of halved size and doubled channels, mean, linear head.

    Args:
        channels: Channels of a picture.
        outputs: Width of the head.
        width, depth, residual: See `cnn`.
    """

    def __init__(
        self, channels: int, outputs: int, *, width: int, depth: int, residual: bool
    ) -> None:
        super().__init__()
        self.conv = HeConv(channels, width)
        self.norm = nn.BatchNorm2d(width)
        pairs, before = [], width
        for stage in range(3):
            for index in range((depth - 2) // 6):
                stride = 2 if stage and not index else 1
                pairs.append(Pair(before, width << stage, stride, residual=residual))
                before = width << stage
        self.pairs = nn.ModuleList(pairs)
        self.head = nn.Linear(before, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, outputs) from pictures, (n, [channels,] height, width)."""
        x = x if x.dim() == 4 else x.unsqueeze(1)
        x = F.relu(self.norm(self.conv(x)))
        for pair in self.pairs:
            x = pair(x)
        outputs: Tensor = self.head(x.mean(dim=(-2, -1)))
        return outputs


def cnn(
    inputs: Inputs,
    outputs: int,
    *,
    width: int = 16,
    depth: int = 20,
    residual: bool = False,
) -> Cnn:
    """Plain-``depth``, or ResNet-``depth`` with ``residual``.

    The published size is width 16, depth 20: 269,722 parameters on colour pictures of 10 classes,
    with or without shortcuts, which have no weights.

    Args:
        inputs: ``numbers``: pictures, (channels, height, width) or (height, width).
        outputs: Outputs of a picture.
        width: Channels of the first stage; the others have twice and four times as many.
        depth: Convolutions and the head: 6 n + 2.
        residual: Whether a shortcut goes around every two convolutions.

    Raises:
        ValueError: No pictures, or another depth.
    """
    channels, _, _ = picture(inputs)
    if depth < 8 or (depth - 2) % 6:
        near = max(8, round((depth - 2) / 6) * 6 + 2)
        raise ValueError(f"`depth` is 6 n + 2, such as {near}, and not {depth}")
    return Cnn(channels, outputs, width=width, depth=depth, residual=residual)
