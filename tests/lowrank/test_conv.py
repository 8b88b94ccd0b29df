"""Adapted convolutions are what their docstring says, in either order in memory."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import vmap
from torch.nn import functional as F

from rankprobe.lowrank import Adapter, Scaffold, adapted_layers, attach, largest_useful_rank
from rankprobe.lowrank.conv import Convolve, LowRankConv
from rankprobe.lowrank.members import each_member, whole_cohort
from rankprobe.lowrank.plain import for_cohorts, put_channels_last
from tests.lowrank.layered import Pictures, Viewing

CONVOLUTIONS: list[nn.Module] = [
    nn.Conv1d(3, 5, 3, padding=2, dilation=2),
    nn.Conv2d(3, 5, (3, 2), stride=2, padding=1),
    nn.Conv2d(3, 5, 3, padding="same"),
    nn.Conv3d(3, 5, 2),
]


@pytest.mark.parametrize("conv", CONVOLUTIONS, ids=str)
def test_a_low_rank_convolution_and_one_by_one(conv: Any) -> None:
    """beta conv(W) + scaling B conv(A), the second a convolution of r channels and a 1 x 1."""
    twin = attach(nn.Sequential(conv), rank=2, adapter=Adapter(alpha=3.0)).double()
    layer = adapted_layers(twin)["0"]
    for parameter in (layer.A, layer.B, layer.beta):
        nn.init.normal_(parameter)
    x = torch.randn(4, 3, *(6 for _ in conv.kernel_size), dtype=torch.double)
    function = getattr(F, f"conv{conv.weight.dim() - 2}d")
    steps = {"stride": conv.stride, "padding": conv.padding, "dilation": conv.dilation}
    inner = function(x, layer.A, **steps)
    outer = function(inner, layer.B.view(*layer.B.shape, *(1 for _ in conv.kernel_size)))
    expected = layer.beta * function(x, layer.weight, **steps) + 3 / math.sqrt(2) * outer
    torch.testing.assert_close(twin(x), expected, rtol=1e-6, atol=1e-6)  # the scaling is float32
    assert torch.equal(
        layer.weight, torch.from_numpy(Scaffold().weight("0", conv.weight.shape)).double()
    )


@pytest.mark.parametrize(("groups", "largest"), [(1, 6), (2, 6), (6, 6), (3, 6)])
def test_groups_limit_the_rank(groups: int, largest: int) -> None:
    net = nn.Sequential(nn.Conv2d(6, 6, 3, groups=groups), nn.Conv2d(6, 4, 1, groups=2))
    sizes = [layer.largest_rank for layer in adapted_layers(attach(net, rank=99)).values()]
    assert sizes == [min(largest, 9 * 6 // groups), min(4, 3)]
    assert largest_useful_rank(net, Adapter()) == largest


def test_the_norm_is_over_channels_and_places() -> None:
    twin = attach(nn.Sequential(nn.Conv2d(3, 4, 3)), rank=1, adapter=Adapter(layer_norm=True))
    h = twin(torch.randn(5, 3, 6, 6)).flatten(1)
    torch.testing.assert_close(h.mean(1), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(h.var(1, correction=0), torch.ones(5), atol=1e-3, rtol=0)


def test_initial_values() -> None:
    layer = adapted_layers(attach(nn.Sequential(nn.Conv2d(8, 20, 5)), rank=1))["0"]
    start = layer.initial(12, seed=0, repeat=0)
    assert (start["A"].shape, start["B"].shape) == ((12, 8, 5, 5), (20, 12))
    bound = 1 / math.sqrt(8 * 25)
    assert 0.98 * bound < start["A"].abs().max() <= bound
    assert start["B"].eq(0).all()


class TestOrderInMemory:
    def test_channels_last_where_the_network_can_take_it(self) -> None:
        for net, able in ((Pictures(), True), (Viewing(), False)):
            for module in (for_cohorts(attach(net, rank=1)), for_cohorts(net)):
                put_channels_last(module, torch.randn(2, 2, 6, 4))
                chosen = {
                    convolve.channels_last
                    for layer in module.modules()
                    if isinstance(convolve := getattr(layer, "convolve", None), Convolve)
                }
                assert chosen == {able}
                assert module.training

    def test_a_stack_of_members_keeps_it(self) -> None:
        twin = for_cohorts(
            attach(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)), rank=1)
        )
        put_channels_last(twin, torch.randn(2, 1, 8, 8))
        first, second = (m for m in twin.modules() if isinstance(m, LowRankConv))
        kernels = torch.randn(3, 4, 1, 3, 3), torch.randn(3, 4, 4, 3, 3)
        x = torch.randn(2, 1, 8, 8)

        def run(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
            h = torch.relu(each_member(first.convolve, x, one, None))
            return each_member(second.convolve, h, two, None)

        outputs = vmap(run)(*kernels)
        assert all(part.is_contiguous(memory_format=torch.channels_last) for part in outputs)
        expected = [F.conv2d(F.conv2d(x, a).relu(), b) for a, b in zip(*kernels, strict=True)]
        torch.testing.assert_close(outputs, torch.stack(expected), rtol=1e-4, atol=1e-4)

    def test_gradients_keep_it(self) -> None:
        x = torch.randn(3, 2, 8, 8, 4).movedim(-1, 2).requires_grad_()  # channels last in memory
        kernels = torch.randn(3, 4, 4, 3, 3)
        outputs = vmap(lambda a, k: each_member(F.conv2d, a, k))(x, kernels)
        upstream = torch.randn(3, 2, 6, 6, 4).movedim(-1, 2)
        (gradient,) = torch.autograd.grad(outputs, x, upstream)
        assert all(part.is_contiguous(memory_format=torch.channels_last) for part in gradient)


@pytest.mark.parametrize("form", [each_member, whole_cohort])
@pytest.mark.parametrize("dim", [0, 1])
def test_members_and_shared_tensors(form: Any, dim: int) -> None:
    x, shared = torch.randn(3, 4, 2, requires_grad=True), torch.randn(4, 2, requires_grad=True)
    moved = x.detach().movedim(0, dim).contiguous().requires_grad_()

    def run(a: torch.Tensor, b: torch.Tensor, nothing: None) -> torch.Tensor:
        return (a * b).sin()

    together = vmap(lambda a: form(run, a, shared, None), in_dims=dim)(moved)
    expected = (x * shared).sin()
    torch.testing.assert_close(together, expected)
    together.square().sum().backward()
    upstream = shared.grad.clone()  # type: ignore[union-attr]
    shared.grad = None
    expected.square().sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(moved.grad, x.grad.movedim(0, dim))  # type: ignore[union-attr]
    torch.testing.assert_close(upstream, shared.grad)
    assert torch.equal(form(run, x, shared, None), run(x, shared, None))
