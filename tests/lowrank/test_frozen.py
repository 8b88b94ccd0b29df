"""Weights held as codes: the same numbers as dense ones, in less memory, a layer at a time."""

from __future__ import annotations

import copy
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from rankprobe.backbones.mlp import mlp
from rankprobe.lowrank import Adapter, Scaffold, adapted_layers, attach, scaffold
from rankprobe.lowrank.base import Given
from rankprobe.lowrank.frozen import SMALLEST_PACKED, FrozenTensor
from rankprobe.lowrank.layers import LowRankLinear
from rankprobe.records import Member
from tests.training.reference import protocol, train_together

CODED = {"normal_16bit": 16, "normal_8bit": 8, "normal_4bit": 4, "normal_2bit": 2, "binary": 1}


def linear(
    family: str, shape: tuple[int, int] = (96, 67), *, packed: bool | None = True
) -> LowRankLinear:
    made = LowRankLinear(
        "h",
        shape[1],
        shape[0],
        rank=3,
        adapter=Adapter(),
        scaffold=Scaffold(family=family, packed=packed),
        bias=False,
        beta=True,
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in (made.A, made.B, made.beta):
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return made


@pytest.mark.parametrize("family", CODED)
class TestWeights:
    @pytest.mark.parametrize("shape", [(96, 67), (64, 64), (4096, 1), (1, 4097), (16, 30, 3, 3)])
    @pytest.mark.parametrize("scale", [None, 0.3])
    def test_are_the_bits_of_dense_ones(
        self, family: str, shape: tuple[int, ...], scale: float | None
    ) -> None:
        made = Scaffold(family=family, scale=scale, packed=True)
        held = FrozenTensor()
        held.register_buffer("scaling", torch.ones(()))
        held.hold_random("h", shape, made)
        assert held.coded is not None
        expected = torch.from_numpy(made.weight("h", shape))
        assert held.weight.shape == shape
        assert torch.equal(held.weight, expected)
        assert held.weight.is_contiguous()

    @pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
    def test_of_another_type(self, family: str, dtype: torch.dtype) -> None:
        held, dense = linear(family).to(dtype), linear(family, packed=False).to(dtype)
        assert held.weight.dtype == dtype
        assert torch.equal(held.weight, dense.weight)

    def test_take_so_many_bits(self, family: str) -> None:
        held = linear(family, (256, 256))
        stored = held.codes.numel() * held.codes.element_size()
        assert stored == 256 * 256 * CODED[family] // 8
        beside = sum(b.numel() * b.element_size() for b in held.buffers()) - stored
        assert beside <= 256 * 8 * 4 + 4

    def test_of_copies_and_saved_states(self, family: str) -> None:
        held = linear(family)
        other = copy.deepcopy(held)
        other.codes.zero_()
        assert not torch.equal(other.weight, held.weight)
        other.load_state_dict(held.state_dict())
        assert torch.equal(other.weight, held.weight)

    def test_large_tensors_are_packed_in_parts(
        self, family: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        expected = Scaffold(family=family).codes("h", (40, 53))
        monkeypatch.setattr(scaffold, "_PART", 128)
        made = Scaffold(family=family).codes("h", (40, 53))
        assert expected is not None
        assert made is not None
        assert np.array_equal(made.codes, expected.codes)


class TestWhatIsPacked:
    def test_families_of_codes(self) -> None:
        assert linear("normal").coded is None
        assert "weight" in dict(linear("normal").named_buffers())
        assert "weight" not in dict(linear("binary").named_buffers())

    def test_only_where_wanted(self) -> None:
        assert linear("binary", packed=False).coded is None

    def test_only_what_is_large_unless_asked(self) -> None:
        small = linear("binary", (64, SMALLEST_PACKED // 64 - 1), packed=None)
        large = linear("binary", (64, SMALLEST_PACKED // 64), packed=None)
        assert (small.coded is None, large.coded is None) == (True, False)

    def test_not_given_weights(self) -> None:
        given = Given(torch.randn(96, 67))
        layer = LowRankLinear(
            "h",
            67,
            96,
            rank=1,
            adapter=Adapter(),
            scaffold=Scaffold(family="binary", packed=True),
            bias=False,
            beta=True,
            given=given,
        )
        assert layer.weight is given.weight

    def test_not_tables(self) -> None:
        net = nn.Sequential(nn.Embedding(200, 64, padding_idx=0), nn.Linear(64, 3))
        made = attach(
            net,
            rank=1,
            adapter=Adapter(embeddings="adapter"),
            scaffold=Scaffold(family="binary", packed=True),
        )
        table = adapted_layers(made)["0"]
        assert table.coded is None
        assert not table.weight[0].any()


def gradients(layer: LowRankLinear, x: Tensor) -> tuple[Tensor, ...]:
    x = x.clone().requires_grad_()
    out = layer(x)
    out.backward(torch.cos(out.detach()))
    grads = (x.grad, layer.A.grad, layer.B.grad, layer.beta.grad)
    assert all(grad is not None for grad in grads)
    return (out.detach(), *(grad for grad in grads if grad is not None))


@pytest.mark.parametrize("family", CODED)
@pytest.mark.parametrize("dora", [False, True])
def test_a_layer_computes_the_same(family: str, dora: bool) -> None:
    def made(*, packed: bool) -> LowRankLinear:
        layer = LowRankLinear(
            "h",
            67,
            96,
            rank=3,
            adapter=Adapter(dora=dora, b_init="kaiming"),
            scaffold=Scaffold(family=family, packed=packed),
            bias=True,
            beta=True,
        )
        start = layer.initial(3, seed=1, repeat=0)
        with torch.no_grad():
            layer.A.copy_(start["A"])
            layer.B.copy_(start["B"])
        return layer

    x = torch.randn(11, 67, generator=torch.Generator().manual_seed(2))
    held, dense = made(packed=True), made(packed=False)
    assert held.coded is not None
    for ours, theirs in zip(gradients(held, x), gradients(dense, x), strict=True):
        assert torch.equal(ours, theirs)


def test_a_convolution_computes_the_same() -> None:
    nets = [
        attach(
            nn.Sequential(nn.Conv2d(31, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)),
            rank=2,
            scaffold=Scaffold(family="normal_2bit", packed=packed),
        )
        for packed in (True, False)
    ]
    held, dense = (adapted_layers(net)["0"] for net in nets)
    assert held.coded is not None
    x = torch.randn(5, 31, 4, 4, generator=torch.Generator().manual_seed(2))
    assert torch.equal(held(x), dense(x))
    generator = torch.Generator().manual_seed(3)
    A, B = (torch.randn(4, *part.shape, generator=generator) for part in (held.A, held.B))
    beta, scaling = torch.rand(4, generator=generator), torch.rand(4, generator=generator)
    assert torch.equal(held.merged_of(A, B, beta, scaling), dense.merged_of(A, B, beta, scaling))


MEMBERS = tuple(Member(rank, rate, 0, 3) for rank in (1, 3) for rate in (0.01, 0.03))


@pytest.mark.parametrize("family", ["normal_16bit", "normal_4bit", "binary"])
@pytest.mark.parametrize("together", [True, False])
def test_a_training_is_the_same(family: str, together: bool) -> None:
    """Under vmap and alone, from the first step to the predictions, bit for bit."""
    net = mlp((6,), 3, hidden=(800, 66, 64), dropout=0.2)
    members = MEMBERS if together else MEMBERS[:1]
    ours, theirs = (
        train_together(members, net, protocol(scaffold=Scaffold(family=family, packed=packed)))
        for packed in (True, False)
    )
    assert len(adapted_layers(attach(net, rank=1))) == 3
    for run, other in zip(ours, theirs, strict=True):
        assert run.status == "finished"
        assert run.history == other.history
        assert run.predictions is not None
        assert other.predictions is not None
        assert np.array_equal(run.predictions, other.predictions)


@pytest.mark.parametrize("members", [1, 3])
def test_nothing_keeps_what_was_made(members: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between forwards and backwards there is no dense tensor, and in them one layer's."""
    net = attach(
        nn.Sequential(nn.Linear(70, 66), nn.ReLU(), nn.Linear(66, 64), nn.ReLU(), nn.Linear(64, 3)),
        rank=2,
        scaffold=Scaffold(family="normal_4bit", packed=True),
    )
    made: list[weakref.ref[Tensor]] = []
    most = 0
    dense = FrozenTensor.dense

    def counted(self: FrozenTensor) -> Tensor:
        nonlocal most
        most = max(most, 1 + sum(ref() is not None for ref in made))
        weight = dense(self)
        made.append(weakref.ref(weight))
        return weight

    monkeypatch.setattr(FrozenTensor, "dense", counted)
    x = torch.randn(5, 70)
    if members == 1:
        outputs = net(x)
    else:
        stacks = {
            name: torch.stack([p.detach()] * members).requires_grad_()
            for name, p in net.named_parameters()
        }
        outputs = vmap(lambda state: functional_call(net, state, (x,)))(stacks)
    assert len(made) == 2
    assert not any(ref() is not None for ref in made)
    outputs.sum().backward()
    assert len(made) >= 3  # the first layer of a cohort keeps its small product instead
    assert not any(ref() is not None for ref in made)
    assert most == 1
