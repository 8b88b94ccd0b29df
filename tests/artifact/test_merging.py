"""A merged network is the adapted one as plain layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rankprobe.artifact.merging import merged_network
from rankprobe.backbones import Inputs, build
from rankprobe.errors import ArtifactError
from rankprobe.lowrank import Adapter, attach


class Recurrent(nn.Module):
    """A recurrent layer of two directions, and a cell."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 4, bidirectional=True, batch_first=True)
        self.cell = nn.GRUCell(8, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        outputs, _ = self.lstm(x)
        given: Tensor = self.head(self.cell(outputs[:, -1]))
        return given


class Attending(nn.Module):
    """Attention of torch's own, with its packed weights."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, dropout=0.0)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        given: Tensor = self.head(self.block(x).mean(1))
        return given


def convolutions() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1, groups=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 4, 3, stride=2),
        nn.Flatten(),
        nn.Linear(36, 3),
    )


def language() -> nn.Module:
    inputs = Inputs("tokens", (6,), {"vocabulary": 11})
    return build("llama", inputs, 11, width=8, layers=1, heads=2, feedforward=12)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "perceptron": (lambda: build("mlp", (6,), 3, hidden=[8, 7]), lambda: torch.randn(4, 6)),
    "convolutions": (convolutions, lambda: torch.randn(4, 2, 8, 8)),
    "recurrent": (Recurrent, lambda: torch.randn(4, 3, 5)),
    "attention": (Attending, lambda: torch.randn(4, 3, 8)),
    "language": (language, lambda: torch.randint(0, 11, (4, 6))),
}
ADAPTERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "biases": {"bias": "trained", "head": "adapter_bias", "scaling": "standard", "alpha": 3.0},
    "dora": {"dora": True, "embeddings": "adapter"},
    "frozen tables": {"embeddings": "frozen", "beta": "fixed"},
    "some layers": {"others": "trained"},
}


SOME = {
    "perceptron": "hidden0",
    "convolutions": "0",
    "recurrent": "lstm",
    "attention": "*.out_proj",
    "language": "*.query",
}


def filled(backbone: nn.Module, adapter: Adapter) -> nn.Module:
    """An adapted network, every trained tensor and statistic with values of its own."""
    module = attach(backbone, rank=2, adapter=adapter)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.normal_(0.3, 0.4)
        for name, buffer in module.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 1.5)
    return module.eval()


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_it_computes_the_same(network: str, adapter: str) -> None:
    torch.manual_seed(0)
    make, inputs = NETWORKS[network]
    settings = dict(ADAPTERS[adapter])
    backbone = make()
    if adapter == "some layers":
        settings["layers"] = (SOME[network],)
    module = filled(backbone, Adapter(**settings))
    plain = make()
    state = merged_network(backbone, module).state_dict()
    plain.load_state_dict(state)
    x = inputs()
    with torch.no_grad():
        wanted, found = module(x), plain.eval()(x)
    assert wanted.std() > 1e-3
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_normalisation_of_the_sum_cannot_be_merged() -> None:
    backbone = build("mlp", (6,), 3, hidden=[8])
    module = filled(backbone, Adapter(layer_norm=True))
    with pytest.raises(ArtifactError, match=r"`hidden0` normalises the sum.*rankprobe\.load"):
        merged_network(backbone, module)
