"""How much memory a training is taken to need."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rankprobe.backbones import build
from rankprobe.training.memory import activation_bytes, values_per_example
from tests.training.toys import inputs_of, toy


class Whole(nn.Module):
    """Computes 1,000 rows for any of them, and something for each."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rows", torch.ones(1000, 10))
        self.wide, self.narrow = nn.Linear(10, 20), nn.Linear(20, 2)

    def forward(self, chosen: Tensor) -> Tensor:
        outputs: Tensor = self.narrow(torch.tanh(self.wide(self.rows))[chosen])
        return outputs


def test_what_does_not_grow_is_counted_once() -> None:
    chosen = torch.arange(8)
    few, many = (activation_bytes(Whole(), chosen, batch) for batch in (8, 1008))
    assert 1.5 * 80_000 <= few <= 1.5 * 82_000
    each = 4 * (20 + 2) + 8  # selected rows, outputs, and the index itself
    assert abs(many - few - 1.5 * 1000 * each) <= 1.5 * 1000 * 16


def test_what_grows_grows_with_the_batch() -> None:
    net = nn.Sequential(nn.Linear(10, 20), nn.Tanh(), nn.Linear(20, 2))
    x = torch.ones(4, 10)
    assert activation_bytes(net, x, 400) == 100 * activation_bytes(net, x, 4)
    assert activation_bytes(net, x[:1], 400) == activation_bytes(net, x, 400)


def test_evaluation_counts_what_an_example_adds() -> None:
    assert values_per_example(Whole(), torch.arange(5)) == 2
    net = nn.Sequential(nn.Linear(10, 30), nn.Linear(30, 2))
    assert values_per_example(net, torch.ones(2, 10)) == 30
    assert values_per_example(net, torch.ones(1, 10)) == 30


def test_a_graph_is_not_counted_again_for_every_node() -> None:
    task = toy("nodes")
    net = build("gcn", inputs_of(task), 3, hidden=8).float().eval()
    chosen = torch.from_numpy(task.train.x[:2])
    assert values_per_example(net, chosen) == 3
