"""The adapted layer is the formula of its docstring, and starts where it says."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.lowrank import Adapter, LowRankLinear, Scaffold
from rankprobe.lowrank.layers import uniform

D_IN, D_OUT = 7, 5


def layer(rank: int, adapter: Adapter, *, bias: bool = False, seed: int = 1) -> LowRankLinear:
    """A layer in float64, with every trained value far from its start."""
    made = LowRankLinear(
        "h", D_IN, D_OUT, rank=rank, adapter=adapter, scaffold=Scaffold(), bias=bias, beta=True
    ).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return made


def dense(made: LowRankLinear, factor: float) -> Tensor:
    """beta W + factor B A, entry by entry from the parameters alone."""
    low_rank = torch.einsum("or,ri->oi", made.B, made.A)
    return made.beta * torch.from_numpy(Scaffold().weight("h", (D_OUT, D_IN))) + factor * low_rank


@pytest.mark.parametrize(
    ("scaling", "bias", "layer_norm", "dora", "rank"),
    list(
        itertools.product(
            ["rank_stabilized", "standard", "none"],
            [False, True],
            [False, True],
            [False, True],
            [0, 3],
        )
    ),
)
def test_adapter_equals_merged_dense_weight(
    scaling: Any, bias: bool, layer_norm: bool, dora: bool, rank: int
) -> None:
    adapter = Adapter(scaling=scaling, alpha=2.0, layer_norm=layer_norm, dora=dora)
    made = layer(rank, adapter, bias=bias)
    factor = {"rank_stabilized": 2 / math.sqrt(3), "standard": 2 / 3, "none": 1.0}[scaling]
    matrix = dense(made, factor)
    if made.magnitude is not None:
        matrix = made.magnitude[:, None] * matrix / matrix.square().sum(1, keepdim=True).sqrt()
    x = torch.randn(11, 2, D_IN, dtype=torch.float64)
    expected = x @ matrix.T
    if made.norm is not None:
        assert isinstance(made.norm, nn.LayerNorm)
        expected = F.layer_norm(expected, (D_OUT,), made.norm.weight, made.norm.bias)
    if made.bias is not None:
        expected = expected + made.bias
    # The factor is kept in float32.
    torch.testing.assert_close(made(x), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(made.merged(), dense(made, factor), rtol=1e-6, atol=1e-6)


def test_parts_that_are_not_asked_for_are_not_there() -> None:
    made = layer(3, Adapter())
    assert (made.bias, made.magnitude, made.norm) == (None, None, None)
    assert {name for name, _ in made.named_parameters()} == {"A", "B", "beta"}


@pytest.mark.parametrize("dora", [False, True])
def test_starts_as_the_scaffold(dora: bool) -> None:
    made = LowRankLinear(
        "h",
        D_IN,
        D_OUT,
        rank=3,
        adapter=Adapter(dora=dora),
        scaffold=Scaffold(),
        bias=True,
        beta=True,
    )
    with torch.no_grad():
        made.A.copy_(made.initial(3, seed=0, repeat=0)["A"])
    x = torch.randn(4, D_IN)
    expected = x @ torch.from_numpy(Scaffold().weight("h", (D_OUT, D_IN))).T
    torch.testing.assert_close(made(x), expected)


def test_the_frozen_matrix_is_no_parameter() -> None:
    made = layer(3, Adapter(layer_norm=True, dora=True), bias=True)
    assert not made.weight.requires_grad
    assert {name for name, _ in made.named_buffers()} == {"weight", "scaling"}


@pytest.mark.parametrize(
    ("scaling", "rank", "factor"),
    [
        ("rank_stabilized", 4, 1.5 / 2),
        ("rank_stabilized", 1, 1.5),
        ("standard", 4, 1.5 / 4),
        ("none", 4, 1.0),
        ("rank_stabilized", 0, 1.0),
        ("standard", 0, 1.0),
    ],
)
def test_factor(scaling: Any, rank: int, factor: float) -> None:
    assert Adapter(scaling=scaling, alpha=1.5).factor(rank) == pytest.approx(factor, rel=1e-15)


def test_defaults_are_those_of_the_contract() -> None:
    assert dataclasses.asdict(Adapter()) == {
        "scaling": "rank_stabilized",
        "alpha": 1.0,
        "beta": "trained",
        "b_init": "zeros",
        "head": "trained",
        "bias": "none",
        "layer_norm": False,
        "dora": False,
        "residual": False,
        "embeddings": "trained",
        "layers": None,
        "others": "frozen",
        "unadapted": "refused",
    }


def test_a_rank_above_the_smaller_side_is_that_side() -> None:
    made = layer(64, Adapter())
    assert made.rank == made.largest_rank == D_OUT
    assert (made.A.shape, made.B.shape) == ((D_OUT, D_IN), (D_OUT, D_OUT))
    assert made.scaling.item() == pytest.approx(1 / math.sqrt(D_OUT))
    start = made.initial(64, seed=0, repeat=0)
    assert start["A"].shape == (D_OUT, D_IN)
    assert torch.equal(start["A"], made.initial(D_OUT, seed=0, repeat=0)["A"])


class TestInitialValues:
    def test_do_not_know_the_rank_of_the_layer(self) -> None:
        small, large = (
            layer(r, Adapter(b_init="kaiming")).initial(2, seed=5, repeat=1) for r in (2, 5)
        )
        assert torch.equal(small["A"], large["A"])
        assert torch.equal(small["B"], large["B"])

    @pytest.mark.parametrize(
        "other", [(6, 1, 3, "h"), (5, 2, 3, "h"), (5, 1, 3, "i"), (5, 1, 2, "h")]
    )
    def test_are_keyed_by_seed_repeat_rank_and_layer(
        self, other: tuple[int, int, int, str]
    ) -> None:
        seed, repeat, rank, name = other
        made, another = layer(4, Adapter(b_init="kaiming")), layer(4, Adapter(b_init="kaiming"))
        another.name = name
        first, second = (
            made.initial(3, seed=5, repeat=1),
            another.initial(rank, seed=seed, repeat=repeat),
        )
        assert not torch.equal(first["A"][:2], second["A"][:2])
        assert not torch.equal(first["B"][:, :2], second["B"][:, :2])
        assert not torch.equal(first["A"].flatten()[:10], first["B"].flatten()[:10])

    def test_know_neither_torch_s_generator_nor_its_default_type(self) -> None:
        made = layer(3, Adapter(b_init="kaiming"))
        expected = made.initial(3, seed=5, repeat=1)
        state = torch.get_rng_state()
        torch.set_default_dtype(torch.float64)
        try:
            torch.manual_seed(1)
            again = made.initial(3, seed=5, repeat=1)
        finally:
            torch.set_default_dtype(torch.float32)
            torch.set_rng_state(state)
        assert torch.equal(again["A"], expected["A"])
        assert torch.equal(again["B"], expected["B"])

    @pytest.mark.parametrize("rank", [1, 4, 16])
    def test_spread(self, rank: int) -> None:
        made = LowRankLinear(
            "wide",
            900,
            800,
            rank=1,
            adapter=Adapter(b_init="kaiming"),
            scaffold=Scaffold(),
            bias=False,
            beta=True,
        )
        start = made.initial(rank, seed=0, repeat=0)
        # Kaiming-uniform with a = sqrt(5), as torch's own: +-1/sqrt(fan-in), fan-in the true rank.
        for values, fan_in in ((start["A"], 900), (start["B"], rank)):
            bound = 1 / math.sqrt(fan_in)
            assert values.abs().max() <= bound
            assert values.abs().max() > 0.98 * bound
            assert values.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.06)
            assert abs(values.mean().item()) < 0.1 * bound

    def test_b_is_zero_unless_asked_for(self) -> None:
        assert layer(3, Adapter()).initial(3, seed=0, repeat=0)["B"].eq(0).all()

    @pytest.mark.parametrize("b_init", ["zeros", "kaiming"])
    def test_rank_0_is_empty(self, b_init: Any) -> None:
        start = layer(3, Adapter(b_init=b_init)).initial(0, seed=0, repeat=0)
        assert (start["A"].shape, start["B"].shape) == ((0, D_IN), (D_OUT, 0))

    def test_known_values(self) -> None:
        values = uniform("A", (0, 1, "h", 2), (2, 2), bound=0.5)
        assert values.dtype == torch.float32
        assert values.flatten().tolist() == [
            0.09174346923828125,
            0.15311431884765625,
            0.34362030029296875,
            -0.33092498779296875,
        ]


def test_gradients_reach_every_trained_tensor() -> None:
    made = layer(3, Adapter(layer_norm=True, dora=True), bias=True)
    made(torch.randn(9, D_IN, dtype=torch.float64)).square().sum().backward()
    assert all(p.grad is not None and p.grad.ne(0).any() for p in made.parameters())
    assert isinstance(made.norm, nn.LayerNorm)
