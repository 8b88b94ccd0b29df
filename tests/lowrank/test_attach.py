"""`attach` takes any module, adapts every linear layer of it, and leaves it as it was."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rankprobe.backbones.mlp import mlp
from rankprobe.errors import ConfigError
from rankprobe.lowrank import (
    Adapter,
    LowRankLinear,
    Scaffold,
    adapted_layers,
    attach,
    count_trainable,
    initial_state,
    largest_useful_rank,
)
from tests.lowrank.layered import Token
from tests.lowrank.networks import Nested, Recurrent, Shared, medium


def trained(module: nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if p.requires_grad}


class TestCounts:
    @pytest.mark.parametrize(
        ("rank", "published"),
        [(1, 3_294), (2, 5_934), (4, 11_214), (8, 21_774), (16, 42_894), (32, 85_134)],
    )
    def test_published_adapter_counts(self, rank: int, published: int) -> None:
        assert count_trainable(attach(medium(), rank=rank)) == published

    def test_published_count_of_full_training(self) -> None:
        assert count_trainable(medium()) == 575_050

    def test_rank_0_trains_the_head(self) -> None:
        assert count_trainable(attach(medium(), rank=0)) == 650

    @pytest.mark.parametrize(
        ("adapter", "more"),
        [
            (Adapter(beta="fixed"), -4),
            (Adapter(bias="trained"), 512 + 256 + 128 + 64),
            (Adapter(layer_norm=True), 2 * (512 + 256 + 128 + 64)),
            (Adapter(dora=True), 512 + 256 + 128 + 64),
            (Adapter(head="adapter"), -650 + 64 + 10 + 1),
            (Adapter(head="adapter_bias"), -650 + 64 + 10 + 1 + 10),
        ],
        ids=["beta", "bias", "layer_norm", "dora", "head", "head_bias"],
    )
    def test_variants(self, adapter: Adapter, more: int) -> None:
        assert count_trainable(attach(medium(), rank=1, adapter=adapter)) == 3_294 + more


class TestRank0:
    """Only what follows the frozen network is trained."""

    @pytest.mark.parametrize(
        "adapter",
        [Adapter(), Adapter(layer_norm=True), Adapter(dora=True), Adapter(bias="trained")],
        ids=["plain", "layer_norm", "dora", "bias"],
    )
    def test_trains_the_head_alone(self, adapter: Adapter) -> None:
        twin = attach(Nested(), rank=0, adapter=adapter)
        moved = {n for n, p in twin.named_parameters() if p.requires_grad and p.numel()}
        assert moved == {"classifier.weight", "classifier.bias"}

    @pytest.mark.parametrize("head", ["adapter", "adapter_bias"])
    def test_with_an_adapter_head_trains_the_betas_alone(self, head: Any) -> None:
        twin = attach(Nested(), rank=0, adapter=Adapter(head=head, dora=True, bias="trained"))
        moved = {n for n, p in twin.named_parameters() if p.requires_grad and p.numel()}
        assert moved == {f"{name}.beta" for name in adapted_layers(twin)}
        assert len(moved) == 6


class TestAnyModule:
    NAMES = ("stem.project", "blocks.0.0", "blocks.0.2", "blocks.1.0", "blocks.1.2")

    def test_nested_containers(self) -> None:
        twin = attach(Nested(), rank=2)
        assert tuple(adapted_layers(twin)) == self.NAMES
        assert [layer.name for layer in adapted_layers(twin).values()] == list(self.NAMES)
        assert {type(layer) for layer in twin.modules()}.issuperset({nn.LayerNorm, nn.GELU})
        factors = {f"{name}.{key}" for name in self.NAMES for key in ("A", "B", "beta")}
        rest = {"stem.norm.weight", "stem.norm.bias", "classifier.weight", "classifier.bias"}
        assert trained(twin) == factors | rest

    def test_the_twin_computes_what_the_module_does(self) -> None:
        """With the merged weights put back into the original module."""
        net = Nested().double()
        twin = attach(net, rank=2, adapter=Adapter(bias="trained", head="adapter_bias")).double()
        for index, parameter in enumerate(twin.parameters()):
            parameter.data.add_(
                torch.linspace(-0.3, 0.4, parameter.numel()).view_as(parameter) + 0.01 * index
            )
        for name, layer in adapted_layers(twin).items():
            plain = net.get_submodule(name)
            assert isinstance(plain, nn.Linear)
            assert layer.bias is not None
            plain.weight.data, plain.bias.data = layer.merged().detach(), layer.bias.detach()
        norm = twin.get_submodule("stem.norm")
        net.get_submodule("stem.norm").load_state_dict(norm.state_dict())
        x = torch.randn(5, 6, dtype=torch.float64)
        torch.testing.assert_close(twin(x), net(x), rtol=1e-12, atol=1e-12)

    def test_extra_axes_and_repeated_calls(self) -> None:
        twin = attach(Recurrent(), rank=2)
        assert list(adapted_layers(twin)) == ["embed", "cell"]
        assert twin(torch.randn(4, 5, 3)).shape == (4, 2)

    def test_a_layer_of_two_names_stays_one_layer(self) -> None:
        twin = attach(Shared(), rank=2)
        assert list(adapted_layers(twin)) == ["first"]
        assert twin.get_submodule("middle.1") is twin.get_submodule("first")
        assert trained(twin) == {"first.A", "first.B", "first.beta", "head.weight", "head.bias"}

    def test_a_head_of_two_names_stays_trained(self) -> None:
        net = Shared()
        net.alias = net.head
        assert list(adapted_layers(attach(net, rank=2))) == ["first"]

    @pytest.mark.parametrize("head", ["trained", "adapter", "adapter_bias"])
    def test_a_bare_linear_layer(self, head: Any) -> None:
        twin = attach(nn.Linear(5, 4), rank=2, adapter=Adapter(head=head))
        assert isinstance(twin, nn.Linear if head == "trained" else LowRankLinear)
        assert twin(torch.randn(3, 5)).shape == (3, 4)

    def test_layers_without_bias_get_none(self) -> None:
        net = nn.Sequential(nn.Linear(4, 5, bias=False), nn.Linear(5, 3, bias=False))
        twin = attach(net, rank=1, adapter=Adapter(bias="trained", head="adapter_bias"))
        assert trained(twin) == {f"{i}.{key}" for i in (0, 1) for key in ("A", "B", "beta")}

    @pytest.mark.parametrize("norm", [nn.LayerNorm(5), nn.RMSNorm(5), nn.GroupNorm(1, 5)])
    def test_normalisation_layers_stay_trained(self, norm: nn.Module) -> None:
        net = nn.Sequential(nn.Linear(4, 5), norm, nn.Linear(5, 3))
        kept = {f"1.{name}" for name, _ in norm.named_parameters()}
        assert kept
        assert kept <= trained(attach(net, rank=1))
        assert not kept & trained(attach(net, rank=0))

    def test_a_named_head(self) -> None:
        twin = attach(Nested(), rank=1, head="stem.project")
        assert list(adapted_layers(twin)) == [*self.NAMES[1:], "classifier"]

    def test_the_module_is_left_as_it_is(self) -> None:
        net = Nested().eval()
        before = copy.deepcopy(net.state_dict())
        twin = attach(net, rank=2)
        for parameter in twin.parameters():
            parameter.data.zero_()
        assert not adapted_layers(net)
        assert all(torch.equal(now, before[name]) for name, now in net.state_dict().items())
        assert trained(net) == set(before)
        assert not net.training

    def test_scaffolds_differ_between_layers_and_seeds(self) -> None:
        twin = attach(Nested(), rank=1)
        assert not torch.equal(
            twin.get_buffer("blocks.0.0.weight"), twin.get_buffer("blocks.1.0.weight")
        )
        other = attach(Nested(), rank=1, scaffold=Scaffold(seed=43))
        for name in self.NAMES:
            key = f"{name}.weight"
            assert not torch.equal(twin.get_buffer(key), other.get_buffer(key))

    def test_weights_of_the_module_do_not_matter(self) -> None:
        ones, others = (attach(Nested(), rank=1) for _ in range(2))
        for name in self.NAMES:
            key = f"{name}.weight"
            assert torch.equal(ones.get_buffer(key), others.get_buffer(key))


class TestRanks:
    def test_a_small_layer_limits_its_own_rank(self) -> None:
        layers = adapted_layers(attach(mlp((20,), 3, hidden=(16, 4)), rank=8))
        assert {name: layer.rank for name, layer in layers.items()} == {"hidden0": 8, "hidden1": 4}
        assert layers["hidden0"].scaling.item() == pytest.approx(1 / math.sqrt(8))
        assert layers["hidden1"].scaling.item() == pytest.approx(1 / math.sqrt(4))

    @pytest.mark.parametrize(
        ("hidden", "head", "largest"),
        [
            ((16, 4), "trained", 16),
            ((30, 4), "trained", 20),
            ((), "adapter", 3),
            ((4,), "adapter", 4),
        ],
    )
    def test_largest_useful_rank(self, hidden: tuple[int, ...], head: Any, largest: int) -> None:
        assert largest_useful_rank(mlp((20,), 3, hidden=hidden), Adapter(head=head)) == largest

    def test_nothing_but_a_trained_head(self) -> None:
        with pytest.raises(ConfigError) as error:
            largest_useful_rank(mlp((20,), 3, hidden=()), Adapter())
        assert str(error.value) == (
            "the network has no layer to adapt: its only linear layer is the head, which is "
            "trained in full; write `adapter: {head: adapter}` to adapt it"
        )


class TestInitialState:
    def state(self, rank: int, attached: int, **keys: int) -> dict[str, Tensor]:
        twin = attach(Nested(), rank=attached, adapter=Adapter(b_init="kaiming"))
        return initial_state(twin, rank, seed=keys.get("seed", 0), repeat=keys.get("repeat", 0))[0]

    def test_does_not_know_the_rank_of_the_cohort(self) -> None:
        ours, theirs = self.state(2, attached=2), self.state(2, attached=7)
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)

    def test_has_every_trained_tensor_in_its_own_shape(self) -> None:
        twin = attach(Nested(), rank=2)
        state, _ = initial_state(twin, 2, seed=0, repeat=0)
        shapes = {n: p.shape for n, p in twin.named_parameters() if p.requires_grad}
        assert {name: value.shape for name, value in state.items()} == shapes

    def test_scalings_are_those_of_the_true_rank(self) -> None:
        twin = attach(mlp((20,), 3, hidden=(16, 4)), rank=16)
        _, scalings = initial_state(twin, 8, seed=0, repeat=0)
        assert {name: value.item() for name, value in scalings.items()} == {
            "hidden0.scaling": pytest.approx(1 / math.sqrt(8)),
            "hidden1.scaling": pytest.approx(1 / math.sqrt(4)),
        }

    @pytest.mark.parametrize("other", [{"seed": 1}, {"repeat": 1}])
    def test_seed_and_repeat_change_adapters_and_head(self, other: dict[str, int]) -> None:
        ours, theirs = self.state(2, attached=2), self.state(2, attached=2, **other)
        changed = {name for name in ours if not torch.equal(ours[name], theirs[name])}
        drawn = {n for n in ours if n.endswith((".A", ".B")) or n.startswith("classifier")}
        assert changed == drawn

    def test_the_head_starts_the_same_at_every_rank(self) -> None:
        for name in ("classifier.weight", "classifier.bias"):
            assert torch.equal(self.state(1, attached=4)[name], self.state(4, attached=4)[name])

    def test_the_head_starts_as_torch_would(self) -> None:
        net = nn.Sequential(nn.Linear(3, 400), nn.Linear(400, 300))
        state, _ = initial_state(attach(net, rank=1), 1, seed=0, repeat=0)
        for values in (state["1.weight"], state["1.bias"]):
            assert values.abs().max() <= 1 / 20
            assert values.std().item() == pytest.approx(1 / 20 / math.sqrt(3), rel=0.1)


class TestErrors:
    @pytest.mark.parametrize(
        ("module", "named"),
        [
            (
                lambda: nn.Sequential(
                    nn.ConvTranspose1d(1, 2, 3), nn.EmbeddingBag(3, 2), nn.Linear(4, 3)
                ),
                "0 (ConvTranspose1d), 1 (EmbeddingBag)",
            ),
            (lambda: nn.Sequential(nn.Bilinear(4, 4, 2), nn.Linear(2, 3)), "0 (Bilinear)"),
            (
                lambda: nn.Sequential(nn.MultiheadAttention(4, 2, add_bias_kv=True)),
                "0 (MultiheadAttention with add_bias_kv or add_zero_attn)",
            ),
            (
                lambda: nn.Sequential(nn.LSTM(4, 3, proj_size=2), nn.Linear(4, 3)),
                "0 (LSTM with projections)",
            ),
            (
                lambda: nn.Sequential(nn.LazyLinear(3)),
                "0 (LazyLinear whose shape is not known yet: run the network once)",
            ),
            (
                lambda: nn.Sequential(nn.Embedding(3, 2, scale_grad_by_freq=True), nn.Linear(2, 3)),
                "0 (Embedding with scale_grad_by_freq)",
            ),
            (Token, "the network itself (Token: token), spread (ConvTranspose1d)"),
        ],
        ids=["several", "bilinear", "attention", "recurrent", "lazy", "embedding", "parameter"],
    )
    def test_what_cannot_be_adapted_is_named(
        self, module: Callable[[], nn.Module], named: str
    ) -> None:
        with pytest.raises(ConfigError) as error:
            attach(module(), rank=1)
        assert str(error.value) == (
            f"these layers or parameters have no low-rank form: {named}; write `adapter: "
            "{unadapted: frozen}` to freeze them, or `{unadapted: trained}` to train them in full"
        )

    @pytest.mark.parametrize("unadapted", ["refused", "trained"])
    def test_sparse_tables_are_refused_whatever_is_asked(self, unadapted: Any) -> None:
        net = nn.Sequential(nn.Embedding(3, 4, sparse=True), nn.Linear(4, 3))
        with pytest.raises(ConfigError) as error:
            attach(net, rank=1, adapter=Adapter(unadapted=unadapted))
        assert str(error.value) == (
            "these tables have sparse gradients or a largest norm, and can neither be adapted nor "
            "trained in a cohort: 0 (Embedding with sparse); make them without `sparse` and "
            "`max_norm`"
        )

    def test_no_layer_to_adapt(self) -> None:
        with pytest.raises(ConfigError) as error:
            attach(nn.Sequential(nn.Flatten(), nn.ReLU()), rank=1)
        assert str(error.value) == (
            "the network has no layer with a weight matrix to adapt: no linear layer, no "
            "convolution, no recurrent layer, no attention and no embeddings"
        )

    def test_no_such_head(self) -> None:
        with pytest.raises(ConfigError) as error:
            attach(mlp((4,), 3, hidden=(5,)), rank=1, head="output")
        assert str(error.value) == (
            "the network has no linear layer named `output`; there is: hidden0, head"
        )

    def test_names_that_no_layer_has(self) -> None:
        adapter = Adapter(layers=("blocks.*", "stem.projct"))
        with pytest.raises(ConfigError) as error:
            attach(Nested(), rank=1, adapter=adapter)
        assert str(error.value) == (
            "`adapter.layers` names `stem.projct`, which no layer is called\n"
            "    nearest: stem.project"
        )
        with pytest.raises(ConfigError, match=r"`backbone.random` names `nowhere`"):
            attach(Nested(), rank=1, scaffold=Scaffold(init="mixed", random=("nowhere",)))

    def test_ties_other_than_heads_to_embeddings(self) -> None:
        net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 2))
        net[1].weight = net[0].weight
        with pytest.raises(ConfigError) as error:
            attach(net, rank=1)
        assert str(error.value) == (
            "these layers share one weight: 0, 1; only linear layers can share theirs, with a "
            "table of embeddings"
        )
