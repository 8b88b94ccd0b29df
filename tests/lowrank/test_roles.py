"""Which layer is the head, and what becomes of each of the others."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import nn

from rankprobe.lowrank import (
    Adapter,
    Scaffold,
    adapted_layers,
    attach,
    full_starts,
    initial_state,
    reinitialised,
    trained_in_full,
)
from rankprobe.lowrank.kinds import kind
from rankprobe.lowrank.roles import find_head
from tests.lowrank.layered import (
    Conv1D,
    CrossAttention,
    Encoder,
    Pictures,
    Sequence,
    SomeRMSNorm,
    TiedHead,
    Token,
)
from tests.lowrank.networks import Nested


def trained(module: nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if p.requires_grad and p.numel()}


class TestHead:
    def test_the_last_linear_layer(self) -> None:
        assert find_head(Nested()) == "classifier"

    def test_the_part_called_head_wherever_it_stands(self) -> None:
        net = nn.Module()
        net.head = nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 2))
        net.rest = nn.Linear(3, 4)
        assert find_head(net) == "head.2"

    def test_none_where_the_part_called_head_holds_no_linear_layer(self) -> None:
        net = nn.Module()
        net.first, net.head = nn.Linear(3, 4), nn.Identity()
        assert find_head(net) is None
        assert list(adapted_layers(attach(net, rank=1))) == ["first"]

    def test_none_where_it_is_tied_to_embeddings(self) -> None:
        assert find_head(TiedHead()) is None

    def test_none_without_linear_layers(self) -> None:
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 3))
        assert find_head(net) is None
        assert list(adapted_layers(attach(net, rank=1))) == ["0", "1"]
        assert trained(attach(net, rank=0)) == {"0.beta", "1.beta"}


class TestKinds:
    @pytest.mark.parametrize(
        ("layer", "expected"),
        [
            (Conv1D(4, 3), "linear"),
            (SomeRMSNorm(4), "normalisation"),
            (nn.BatchNorm2d(3, affine=False), "normalisation"),
            (nn.InstanceNorm1d(3, affine=True), "normalisation"),
            (nn.PReLU(), "vectors"),
            (nn.LSTM(3, 4), "several maps"),
            (nn.GRUCell(3, 4), "several maps"),
            (nn.ConvTranspose2d(2, 3, 3), "unknown"),
            (nn.ReLU(), None),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_by_class_and_by_looks(self, layer: nn.Module, expected: str | None) -> None:
        assert kind(layer) == expected

    def test_the_linear_layer_of_torch_geometric(self) -> None:
        geometric = pytest.importorskip("torch_geometric.nn")
        net = nn.ModuleList([geometric.GCNConv(4, 5), geometric.BatchNorm(5), nn.Linear(5, 2)])
        assert list(adapted_layers(attach(net, rank=2))) == ["0.lin"]
        assert "0.bias" in trained(attach(net, rank=2))


class TestChoices:
    def test_layers_left_out_are_frozen_as_scaffolds(self) -> None:
        twin = attach(Nested(), rank=1, adapter=Adapter(layers=("blocks.0",)))
        assert list(adapted_layers(twin)) == ["blocks.0.0", "blocks.0.2"]
        weight = twin.get_parameter("stem.project.weight")
        assert torch.equal(weight, torch.from_numpy(Scaffold().weight("stem.project", (8, 6))))
        assert twin.get_parameter("stem.project.bias").eq(0).all()
        assert not {"stem.project.weight", "blocks.1.0.weight"} & trained(twin)

    def test_a_map_left_out_is_frozen_under_its_own_name(self) -> None:
        twin = attach(Encoder(), rank=1, adapter=Adapter(layers=("*.q_proj",)))
        name = "encoder.layers.1.self_attn.v_proj"
        expected = torch.from_numpy(Scaffold().weight(name, (8, 8)))
        assert torch.equal(twin.get_parameter(f"{name}.weight"), expected)
        assert [n.rpartition(".")[2] for n in adapted_layers(twin)] == ["q_proj", "q_proj"]

    def test_the_head_and_embeddings_have_settings_of_their_own(self) -> None:
        adapter = Adapter(layers=("rnn",), head="adapter", embeddings="adapter")
        assert {"head", "embed"} < set(adapted_layers(attach(Sequence(), rank=1, adapter=adapter)))

    @pytest.mark.parametrize("embeddings", ["trained", "frozen"])
    def test_embeddings(self, embeddings: Any) -> None:
        twin = attach(Sequence(), rank=1, adapter=Adapter(embeddings=embeddings))
        weight = twin.get_parameter("embed.weight")
        assert weight.requires_grad == (embeddings == "trained")
        if embeddings == "frozen":
            expected = torch.from_numpy(Scaffold().weight("embed", (7, 5)))
            assert torch.equal(weight[1:], expected[1:])
            assert weight[0].eq(0).all()

    def test_bare_parameters(self) -> None:
        full = attach(Token(), rank=1, adapter=Adapter(unadapted="trained"))
        frozen = attach(Token(), rank=1, adapter=Adapter(unadapted="frozen"))
        assert trained(full) - trained(frozen) == {"token", "spread.weight"}
        assert "scale" in trained(frozen)
        expected = torch.from_numpy(Scaffold().weight(".token", (1, 4))).view(1, 1, 4)
        assert torch.equal(frozen.get_parameter("token"), expected)

    @pytest.mark.parametrize("net", [Sequence(), Pictures(), Encoder(), CrossAttention()])
    def test_rank_0_trains_the_head_alone_where_embeddings_are_frozen(self, net: nn.Module) -> None:
        adapter = Adapter(others="trained", bias="trained", embeddings="frozen")
        twin = attach(net, rank=0, adapter=adapter)
        assert trained(twin) == {"head.weight", "head.bias"}
        if isinstance(net, Sequence | Encoder):
            expected = torch.from_numpy(Scaffold().weight("embed", net.embed.weight.shape))
            assert torch.equal(twin.get_parameter("embed.weight")[1:], expected[1:])

    @pytest.mark.parametrize("embeddings", ["trained", "frozen", "adapter"])
    @pytest.mark.parametrize("others", ["trained", "frozen"])
    def test_rank_0_trains_what_every_rank_trained_in_full(
        self,
        embeddings: Literal["trained", "frozen", "adapter"],
        others: Literal["trained", "frozen"],
    ) -> None:
        adapter = Adapter(layers=("rnn.*",), others=others, embeddings=embeddings)
        expected = {"head.weight", "head.bias"}
        expected |= {"embed.weight"} if embeddings == "trained" else set()
        assert trained(attach(Sequence(), rank=0, adapter=adapter)) == expected
        adapter = Adapter(layers=("*.self_attn",), others=others, embeddings="frozen")
        found = trained(attach(Encoder(), rank=0, adapter=adapter)) - {"head.weight", "head.bias"}
        wide = {f"encoder.layers.{i}.linear{j}.weight" for i in (0, 1) for j in (1, 2)}
        assert (wide if others == "trained" else set()) == {n for n in found if "weight" in n}


class TestGivenWeights:
    def test_are_what_the_network_computes(self) -> None:
        torch.manual_seed(1)
        net = Sequence(nn.LSTM).eval()
        scaffold = Scaffold(init="pretrained")
        twin = attach(net, rank=2, scaffold=scaffold, adapter=Adapter(embeddings="adapter"))
        twin.get_submodule("head").load_state_dict(net.head.state_dict())
        x = torch.randn(4, 5)
        torch.testing.assert_close(twin.eval()(x), net(x))
        assert not any("bias" in name for name in trained(twin) - {"head.bias"})
        assert twin.get_submodule("rnn.ih_l0").offset is not None

    def test_trained_biases_start_there(self) -> None:
        net = Nested()
        twin = attach(
            net, rank=2, scaffold=Scaffold(init="pretrained"), adapter=Adapter(bias="trained")
        )
        assert torch.equal(
            twin.get_parameter("blocks.0.0.bias"), net.get_parameter("blocks.0.0.bias")
        )
        twin.get_parameter("blocks.0.0.bias").data.zero_()
        assert net.get_parameter("blocks.0.0.bias").ne(0).any()

    def test_an_adapted_head_is_never_given(self) -> None:
        adapter, scaffold = Adapter(head="adapter_bias"), Scaffold(init="pretrained")
        head = adapted_layers(attach(Nested(), rank=2, adapter=adapter, scaffold=scaffold))[
            "classifier"
        ]
        assert torch.equal(head.weight, torch.from_numpy(Scaffold().weight("classifier", (3, 8))))

    def test_mixed(self) -> None:
        net, scaffold = Nested(), Scaffold(init="mixed", random=("blocks.*.2",))
        layers = adapted_layers(attach(net, rank=2, scaffold=scaffold))
        for name, layer in layers.items():
            random = torch.from_numpy(Scaffold().weight(name, layer.weight.shape))
            given = net.get_parameter(f"{name}.weight")
            assert torch.equal(layer.weight, random if name.endswith("2") else given)


class TestFullTraining:
    def test_redraws_everything(self) -> None:
        for net in (Encoder(), CrossAttention(), Pictures(), Token()):
            first, again, other = (
                reinitialised(net, seed=0, repeat=repeat).state_dict() for repeat in (0, 0, 1)
            )
            for name, value in net.state_dict().items():
                assert torch.equal(first[name], again[name])
                if value.dim() > 1:
                    assert not torch.equal(first[name], other[name]), name

    def test_a_layer_with_parts_has_the_last_word(self) -> None:
        class Small(nn.Sequential):
            def reset_parameters(self) -> None:
                nn.init.constant_(self.get_parameter("0.weight"), 0.5)

        assert (
            reinitialised(Small(nn.Linear(2, 2)), seed=0, repeat=0)
            .get_parameter("0.weight")
            .eq(0.5)
            .all()
        )

    def test_keeps_given_weights_but_draws_the_head(self) -> None:
        net = Encoder()
        starts = [
            reinitialised(net, seed=0, repeat=k, scaffold=Scaffold(init="pretrained"))
            for k in (0, 1)
        ]
        for name, value in net.named_parameters():
            kept = [torch.equal(start.get_parameter(name), value) for start in starts]
            assert kept == [not name.startswith("head")] * 2, name
        assert not torch.equal(
            starts[0].get_parameter("head.weight"), starts[1].get_parameter("head.weight")
        )

    def test_keeps_all_but_the_random_layers(self) -> None:
        net, scaffold = Nested(), Scaffold(init="mixed", random=("blocks.1",))
        start = reinitialised(net, seed=0, repeat=0, scaffold=scaffold)
        changed = {
            n for n, p in net.named_parameters() if not torch.equal(p, start.get_parameter(n))
        }
        assert {name.rpartition(".")[0] for name in changed} == {
            "blocks.1.0",
            "blocks.1.2",
            "classifier",
        }

    @pytest.mark.parametrize("tied", [False, True])
    def test_is_where_tensors_trained_in_full_start(self, tied: bool) -> None:
        net = TiedHead() if tied else Encoder()
        layers = ("mix",) if tied else ("*.q_proj",)
        twin = attach(net, rank=2, adapter=Adapter(layers=layers, others="trained"))
        assert trained_in_full(twin)
        full = full_starts(net, seed=4, repeats=[1, 2], scaffold=Scaffold())
        small, large = (initial_state(twin, r, seed=4, repeat=2, full=full[2])[0] for r in (1, 2))
        assert torch.equal(small["embed.weight"], full[2]["embed.weight"])
        assert torch.equal(large["embed.weight"], full[2]["embed.weight"])
        if not tied:
            name = "encoder.layers.0.self_attn"
            assert torch.equal(
                small[f"{name}.v_proj.weight"], full[2][f"{name}.in_proj_weight"][16:]
            )
            assert torch.equal(small[f"{name}.v_proj.bias"], full[2][f"{name}.in_proj_bias"][16:])
        with pytest.raises(ValueError, match="start where full training does"):
            initial_state(twin, 1, seed=4, repeat=2)

    def test_models_of_the_transformers_library_draw_by_their_own_rule(self) -> None:
        transformers = pytest.importorskip("transformers")
        sizes = {"hidden_size": 32, "intermediate_size": 8, "num_attention_heads": 2}
        config = transformers.ViTConfig(**sizes, num_hidden_layers=1, image_size=8, patch_size=4)
        net = nn.Sequential(transformers.ViTModel(config))
        for parameter in net.parameters():
            parameter._is_hf_initialized = True  # type: ignore[attr-defined]
        starts = [reinitialised(net, seed=0, repeat=k).state_dict() for k in (0, 0, 1)]
        for name in ("0.embeddings.cls_token", "0.pooler.dense.weight"):
            assert torch.equal(starts[0][name], starts[1][name])
            assert not torch.equal(starts[0][name], starts[2][name])
            assert starts[0][name].std().item() == pytest.approx(config.initializer_range, rel=0.4)
