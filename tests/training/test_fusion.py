"""ReLU and dropout are fused where, and only where, nothing else sees what lies between."""

import torch
from torch import nn

from rankprobe.backbones import build
from rankprobe.lowrank import Adapter, attach
from rankprobe.training.fusion import ReLUDropout, fuse


def fused_layers(module: nn.Module) -> list[str]:
    return [name for name, layer in module.named_modules() if isinstance(layer, ReLUDropout)]


def test_every_hidden_layer_of_the_mlp_is_fused() -> None:
    network = build("mlp", (6,), 3, hidden=[8, 5], dropout=0.3)
    assert fused_layers(fuse(attach(network, rank=2))) == ["activation0", "activation1"]


def test_other_layers_are_left_as_they_are() -> None:
    without_dropout = build("mlp", (6,), 3, hidden=[8], dropout=0.0)
    other_activation = build("mlp", (6,), 3, hidden=[8], activation="tanh", dropout=0.3)
    between = nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(), nn.Identity(), nn.Dropout(0.3), nn.Linear(8, 3)
    )
    for network in (without_dropout, other_activation, between):
        assert fused_layers(fuse(attach(network, rank=2))) == []
    mlp = build("mlp", (6,), 3, hidden=[8], dropout=0.3)
    assert fused_layers(fuse(mlp)) == []  # nothing is adapted
    with_bias = attach(mlp, rank=2, adapter=Adapter(bias="trained"))
    assert fused_layers(fuse(with_bias)) == []  # what is activated is not the product itself


def test_masks_are_those_of_torch() -> None:
    x = torch.randn(40, 7, dtype=torch.float64, requires_grad=True)
    plain = nn.Sequential(nn.ReLU(), nn.Dropout(0.3))
    outcomes = []
    for layer in (plain, ReLUDropout(0.3)):
        torch.manual_seed(5)
        output = layer(x)
        (gradient,) = torch.autograd.grad(output.square().sum(), x)
        outcomes.append((output, gradient, layer.eval()(x)))
    for expected, found in zip(*outcomes, strict=True):
        torch.testing.assert_close(found, expected)
