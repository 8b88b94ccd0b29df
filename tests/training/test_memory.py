"""What a training takes, and what happens when it is too much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rankprobe.backbones import build
from rankprobe.backbones.mlp import mlp
from rankprobe.errors import TrainingError
from rankprobe.lowrank import Scaffold, adapted_layers
from rankprobe.lowrank.lanes import dense
from rankprobe.records import Member
from rankprobe.training import protocol as protocol_module
from rankprobe.training.build import build_cohort
from rankprobe.training.memory import activation_bytes, out_of_memory, values_per_example
from rankprobe.training.trainees import Cohort
from rankprobe.training.variants import copy_bytes
from tests.training.reference import protocol, train_together
from tests.training.toys import inputs_of, toy

MEMBERS = tuple(Member(rank, 0.01, 0, 2) for rank in (1, 2, 3, 4, 5))


def test_activations_grow_with_batch_and_width() -> None:
    x = torch.randn(4, 100)
    small, large = (activation_bytes(mlp((100,), 10, hidden=(w, w)), x, 64) for w in (50, 500))
    # Kept for backward: the input, the activation and the mask of each layer, among others.
    assert 4 * 64 * (100 + 2 * 2 * 500) < large < 4 * 64 * (100 + 8 * 2 * 500)
    assert large > 4 * small
    assert activation_bytes(mlp((100,), 10, hidden=(50, 50)), x, 128) == 2 * small
    assert activation_bytes(mlp((100,), 10, hidden=(50, 50)), x[:1], 64) == small


def test_the_network_and_the_generator_are_left_alone() -> None:
    net, state = mlp((8,), 2, hidden=(4,), dropout=0.5), torch.get_rng_state()
    activation_bytes(net.eval(), torch.ones(2, 8), 32)
    assert not net.training
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_largest_tensor_of_an_example() -> None:
    net = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.Flatten(), nn.Linear(96, 2))
    assert values_per_example(net, torch.randn(3, 1, 4, 4)) == 96
    assert values_per_example(nn.Linear(9, 2), torch.randn(2, 9)) == 9
    assert values_per_example(nn.Linear(9, 2), torch.randn(1, 9)) == 9


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        (nn.BatchNorm1d(5), (5,)),
        (nn.BatchNorm1d(5, track_running_stats=False), (5,)),
        (nn.BatchNorm1d(5), (5, 1)),
        (nn.BatchNorm2d(5), (5, 1, 1)),
        (nn.BatchNorm3d(5), (5, 1, 1, 1)),
    ],
)
def test_norms_over_the_batch_are_looked_at_and_left_as_they_were(
    norm: nn.Module, shape: tuple[int, ...]
) -> None:
    net = nn.Sequential(norm, nn.Flatten(), nn.Linear(5, 7)).train()
    net[2].eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert values_per_example(net, torch.randn(2, *shape)) == 7
    assert [layer.training for layer in net] == [True, True, False]
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_a_copy_of_the_frozen_weights_is_what_a_mixed_cohort_holds_of_each() -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(12, 90), nn.Linear(90, 2))
    protocols = [protocol(scaffold=Scaffold(seed=seed)) for seed in (1, 2, 3)]
    members = [Member(rank, 0.01, 0, 2) for rank in (1, 2, 4)]
    cohort = build_cohort(net, members, protocols[0], torch.randn(2, 1, 4, 4), protocols=protocols)
    lanes = [layer.lanes for layer in adapted_layers(cohort.module).values()]
    held = [dense(weight) for each in lanes if each is not None for weight in each.weights]
    assert len(held) == 3 * 2
    assert sum(weight.nbytes for weight in held) == 3 * copy_bytes(net, protocols[0])


class Whole(nn.Module):
    """Computes 1,000 rows for any of them, and something for each."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("rows", torch.ones(1000, 10))
        self.wide, self.narrow = nn.Linear(10, 20), nn.Linear(20, 2)

    def forward(self, chosen: Tensor) -> Tensor:
        outputs: Tensor = self.narrow(torch.tanh(self.wide(self.rows))[chosen])
        return outputs


def test_what_does_not_grow_with_the_batch_is_counted_once() -> None:
    few, many = (activation_bytes(Whole(), torch.arange(8), batch) for batch in (8, 1008))
    assert 1.5 * 80_000 <= few <= 1.5 * 82_000
    each = 4 * (20 + 2) + 8  # selected rows, outputs, and the index itself
    assert abs(many - few - 1.5 * 1000 * each) <= 1.5 * 1000 * 16


def test_a_graph_is_not_counted_again_for_every_node() -> None:
    task = toy("nodes")
    net = build("gcn", inputs_of(task), 3, hidden=8).float().eval()
    assert values_per_example(net, torch.from_numpy(task.train.x[:2])) == 3
    assert values_per_example(Whole(), torch.arange(5)) == 2


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
        ),
    ],
)
def test_lack_of_memory_is_told_from_other_faults(error: Exception) -> None:
    assert out_of_memory(error)
    assert not out_of_memory(RuntimeError("shapes do not match"))


def test_a_cohort_that_does_not_fit_is_halved_and_gives_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net, settings = mlp((6,), 3, hidden=(12, 9), dropout=0.2), protocol()
    expected = train_together(MEMBERS, net, settings)
    sizes: list[int] = []
    outputs = Cohort.outputs

    def scarce(self: Cohort, *args: Any, **kwargs: Any) -> Tensor:
        if not sizes or sizes[-1] != self.size:
            sizes.append(self.size)
        if self.size > 2:
            raise MemoryError
        return outputs(self, *args, **kwargs)

    monkeypatch.setattr(Cohort, "outputs", scarce)
    runs = train_together(MEMBERS, net, settings)
    assert sizes == [5, 2, 3, 1, 2]
    for run, other in zip(runs, expected, strict=True):
        assert run.member == other.member
        assert run.test == pytest.approx(other.test, rel=1e-9)


def test_work_that_is_done_again_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    members, steps = tuple(replace(member, epochs=8) for member in MEMBERS), 8 * 5
    outputs, room = Cohort.outputs, {5: 20, 3: 17}  # steps until memory is not enough, by size

    def scarce(self: Cohort, *args: Any, **kwargs: Any) -> Tensor:
        left = room[self.size] = room.get(self.size, 1000) - 1
        if left < 0:
            raise MemoryError
        return outputs(self, *args, **kwargs)

    monkeypatch.setattr(Cohort, "outputs", scarce)
    told: list[int] = []
    train_together(members, mlp((6,), 3, hidden=(4,)), protocol(), tick=told.append)
    assert min(room[5], room[3]) < 0
    assert min(told) > 0
    assert sum(told) == 5 * (steps // 16 * 16)  # told every 16 steps


def test_a_single_member_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def scarce(*_: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(protocol_module, "fit", lambda *_, **__: scarce())
    with pytest.raises(TrainingError, match=r"rank 1, learning rate 0.01, repeat 0: CUDA out of"):
        train_together(MEMBERS[:1], mlp((6,), 3, hidden=(4,)), protocol())
