"""MobileNetV2 in plain torch, with the names of torchvision's, so that its weights fit.

Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks"
(CVPR 2018, arXiv:1801.04381), table 2.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WEIGHTS = Path(__file__).parent / "data" / "mobilenet_v2.pth"
# Expansion t, channels c, repetitions n, first stride s.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
FIRST, LAST, CLASSES = 32, 1280, 1000
# Pictures are halved five times; smaller ones are enlarged to this, so that a map of 2 x 2 is left.
SMALLEST = 64


def random(input_shape: tuple[int, ...], outputs: int) -> MobileNetV2:
    """The network as it starts, for pictures (n, [channels,] height, width)."""
    del input_shape  # it reads pictures of any size, grey or in colour
    return MobileNetV2(outputs)


def pretrained(input_shape: tuple[int, ...], outputs: int) -> MobileNetV2:
    """The network with the weights learned on ImageNet, and a new head.

    Raises:
        FileNotFoundError: They are not fetched.
        RuntimeError: Weights of another network.
    """
    del input_shape
    return load(WEIGHTS, outputs)


def load(file: Path, outputs: int) -> MobileNetV2:
    """A network with the weights of a file in torchvision's form, and a head of its own."""
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} is not there: `python -m studies.fetch flowers-weights` brings it"
        )
    model = MobileNetV2(CLASSES)
    model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    model.classifier[1] = nn.Linear(LAST, outputs)
    return model


class MobileNetV2(nn.Module):
    """Inverted residuals, the mean over places, dropout and a linear head.

    Args:
        outputs: Width of the head.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolution(3, FIRST, 3, stride=2)]
        channels = FIRST
        for expansion, wanted, count, stride in STAGES:
            for index in range(count):
                layers.append(
                    InvertedResidual(channels, wanted, stride if index == 0 else 1, expansion)
                )
                channels = wanted
        layers.append(_convolution(channels, LAST, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(LAST, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(n, outputs) from pictures (n, [1 or 3 channels,] height, width)."""
        x = x if x.dim() == 4 else x.unsqueeze(1)
        x = x.expand(-1, 3, -1, -1)
        if min(x.shape[-2:]) < SMALLEST:
            x = F.interpolate(x, size=(SMALLEST, SMALLEST), mode="bilinear", align_corners=False)
        scores: Tensor = self.classifier(self.features(x).mean(dim=(-2, -1)))
        return scores


class InvertedResidual(nn.Module):
    """A 1 x 1 expansion, a depthwise 3 x 3, a linear 1 x 1, and a shortcut where shapes allow it.

    Args:
        channels: Channels of the input.
        outputs: Channels of the output.
        stride: Step of the depthwise convolution.
        expansion: Hidden channels a channel of the input; 1 means no expansion layer.
    """

    def __init__(self, channels: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = channels * expansion
        layers: list[nn.Module] = [_convolution(channels, hidden, 1)] if expansion != 1 else []
        layers += [
            _convolution(hidden, hidden, 3, stride=stride, groups=hidden),
            nn.Conv2d(hidden, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        self.conv = nn.Sequential(*layers)
        self.shortcut = stride == 1 and channels == outputs

    def forward(self, x: Tensor) -> Tensor:
        """(n, outputs, height / stride, width / stride)."""
        h: Tensor = self.conv(x)
        return x + h if self.shortcut else h


def _convolution(
    channels: int, outputs: int, size: int, *, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, outputs, size, stride, padding=size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(),
    )
