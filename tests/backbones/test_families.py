"""What is particular to each family of networks, against others' code where there is some."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from rankprobe.backbones import Inputs, build
from rankprobe.lowrank import count_trainable, reinitialised
from tests.training.toys import inputs_of, toy

TOKENS = Inputs("tokens", (6,), {"vocabulary": 11})


def size(family: str, inputs: Inputs | tuple[int, ...], outputs: int, **settings: Any) -> int:
    """Number of parameters, counted without making them."""
    with torch.device("meta"):
        return count_trainable(build(family, inputs, outputs, **settings))


class TestCnn:
    @pytest.mark.parametrize("residual", [False, True])
    def test_published_size(self, residual: bool) -> None:
        assert size("cnn", (3, 32, 32), 10, residual=residual) == 269_722

    def test_layers(self) -> None:
        net = build("cnn", (3, 32, 32), 10)
        convolutions = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
        assert [m.out_channels for m in convolutions] == [16] * 7 + [32] * 6 + [64] * 6
        assert [i for i, m in enumerate(convolutions) if m.stride == (2, 2)] == [7, 13]

    def test_shortcut_skips_places_and_pads_channels(self) -> None:
        """Where both norms give zero, only the shortcut is left: every second place, relu."""
        net = build("cnn", (4, 4), 2, width=2, depth=8, residual=True)
        pair = net.get_submodule("pairs.1")
        norm = net.get_submodule("pairs.1.norm2")
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.zeros_(norm.weight)
        x = torch.randn(3, 2, 4, 4)
        expected = torch.zeros(3, 4, 2, 2)
        expected[:, 1:3] = x[:, :, ::2, ::2].relu()
        assert torch.equal(pair(x), expected)

    def test_plain_has_no_shortcut(self) -> None:
        net = build("cnn", (4, 4), 2, width=2, depth=8)
        norm = net.get_submodule("pairs.1.norm2")
        assert isinstance(norm, nn.BatchNorm2d)
        nn.init.zeros_(norm.weight)
        assert not net.get_submodule("pairs.1")(torch.randn(3, 2, 4, 4)).any()

    def test_starts_with_variance_two_over_fan_in(self) -> None:
        net = reinitialised(build("cnn", (3, 32, 32), 10), seed=0, repeat=1)
        kernel = net.get_submodule("pairs.8.conv2").get_parameter("weight")
        assert kernel.std().item() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.02)

    @pytest.mark.parametrize(("depth", "near"), [(7, 8), (19, 20), (2, 8), (18, 20)])
    def test_depth(self, depth: int, near: int) -> None:
        with pytest.raises(ValueError, match=f"6 n \\+ 2, such as {near}, and not {depth}"):
            build("cnn", (3, 32, 32), 10, depth=depth)

    @pytest.mark.parametrize("family", ["cnn", "vit"])
    def test_what_is_no_picture(self, family: str) -> None:
        with pytest.raises(ValueError, match=r"it reads pictures, .* has the shape \(7,\)"):
            build(family, (7,), 10)


class TestCfc:
    def test_equals_the_authors_network(self) -> None:
        """On series without padding; theirs takes times between steps of one series at a time."""
        theirs = pytest.importorskip("ncps.torch").CfC(
            6, 5, return_sequences=False, backbone_units=4, backbone_layers=2
        )
        inputs = inputs_of(toy("series"))
        net = build("cfc", inputs, 3, hidden=5, backbone_units=4)
        state = {key: value for key, value in net.state_dict().items() if "cell" in key}
        theirs.rnn_cell.load_state_dict({k.removeprefix("cell."): v for k, v in state.items()})
        x = torch.randn(4, 7, 7)
        x[..., 3:6] = 1
        for one in x[:, None]:
            last, _ = theirs(one[..., :6], timespans=one[..., 6:])
            torch.testing.assert_close(net(one), net.get_submodule("head")(last))

    def test_padding_leaves_the_state_as_it_is(self) -> None:
        net = build("cfc", inputs_of(toy("series")), 3)
        x = torch.randn(4, 5, 7)
        x[..., 3:6] = 1
        longer = torch.cat([x, torch.zeros(4, 2, 7)], dim=1)
        longer[:, 5:, 6] = 3.0
        assert torch.equal(net(x), net(longer))
        longer[:, 5, 4] = 1.0
        assert not torch.allclose(net(x), net(longer))

    def test_starts_as_the_authors_do(self) -> None:
        net = reinitialised(build("cfc", inputs_of(toy("series")), 3), seed=0, repeat=0)
        weight = net.get_submodule("cell.ff1").get_parameter("weight")
        bound = math.sqrt(6 / sum(weight.shape))
        assert 0.95 * bound < weight.abs().max() <= bound

    def test_published_size(self) -> None:
        """Of 41 features a step: gates of 256 units over a backbone of 2 x 64."""
        inputs = Inputs("series", (9, 83), {"channels": 41})
        backbone = (82 + 256) * 64 + 64 + 64 * 64 + 64
        gates = 4 * (64 * 256 + 256)
        assert size("cfc", inputs, 2, hidden=256) == backbone + gates + 256 * 2 + 2

    def test_the_package_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ncps.torch", None)
        with pytest.raises(ValueError, match=r"pip install 'rankprobe\[series\]'"):
            build("cfc", inputs_of(toy("series")), 3)


class TestTransformer:
    @pytest.mark.parametrize("norm", ["pre", "post"])
    def test_equals_that_of_torch(self, norm: Any) -> None:
        net = build("transformer", TOKENS, 3, width=8, feedforward=12, heads=2, norm=norm).eval()
        tokens = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 0, 0, 0, 0]])
        table, places = (
            net.get_submodule(name).get_parameter("weight")
            for name in ("tokens", "positions.table")
        )
        x = table[tokens] + places
        for index in range(2):
            layer = nn.TransformerEncoderLayer(
                8, 2, 12, activation="gelu", batch_first=True, norm_first=norm == "pre"
            ).train()
            block = net.get_submodule(f"blocks.{index}").state_dict()
            projections = [f"attention.{name}" for name in ("query", "key", "value")]
            names = {
                "attention.out": "self_attn.out_proj",
                "feedforward.up": "linear1",
                "feedforward.down": "linear2",
                "norm1": "norm1",
                "norm2": "norm2",
            }
            state = {
                f"{theirs}.{key}": block[f"{ours}.{key}"]
                for ours, theirs in names.items()
                for key in ("weight", "bias")
            }
            for key in ("weight", "bias"):
                parts = [block[f"{name}.{key}"] for name in projections]
                state[f"self_attn.in_proj_{key}"] = torch.cat(parts)
            layer.load_state_dict(state)
            for dropout in (m for m in layer.modules() if isinstance(m, nn.Dropout)):
                dropout.p = 0.0
            layer.self_attn.dropout = 0.0
            x = layer(x, src_key_padding_mask=tokens == 0)
        x = net.get_submodule("norm")(x)
        means = torch.stack([x[0].mean(dim=0), x[1, :2].mean(dim=0)])
        torch.testing.assert_close(net(tokens), net.get_submodule("head")(means))

    def test_padding_changes_nothing(self) -> None:
        longer = Inputs("tokens", (9,), {"vocabulary": 11})
        net = build("transformer", longer, 3, width=8).eval()
        tokens = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 0, 0, 0, 0]])
        torch.testing.assert_close(net(tokens), net(F.pad(tokens, (0, 3))))

    def test_embeddings_start_small(self) -> None:
        net = reinitialised(build("transformer", TOKENS, 3), seed=0, repeat=0)
        table = net.get_submodule("tokens").get_parameter("weight")
        assert table.std().item() == pytest.approx(0.02, rel=0.1)

    def test_vocabulary_is_missing(self) -> None:
        with pytest.raises(ValueError, match="tokens say `vocabulary`, a whole number, and not No"):
            build("transformer", Inputs("tokens", (6,)), 3)


class TestVit:
    def test_published_size(self) -> None:
        """ViT-B/16 on 224 x 224 pictures of 1,000 classes."""
        shape = {"width": 768, "layers": 12, "heads": 12, "feedforward": 3072}
        assert size("vit", (3, 224, 224), 1000, patch=16, **shape) == 86_567_656

    def test_patches_are_a_convolution(self) -> None:
        net = build("vit", (3, 8, 12), 2, patch=4, width=8)
        patches = net.get_submodule("patches")
        embed = net.get_submodule("patches.embed")
        x = torch.randn(2, 3, 8, 12)
        kernel = embed.get_parameter("weight").view(8, 3, 4, 4)
        expected = F.conv2d(x, kernel, embed.get_parameter("bias"), stride=4)
        torch.testing.assert_close(patches(x), expected.flatten(2).transpose(1, 2))

    def test_sides_that_do_not_divide(self) -> None:
        with pytest.raises(ValueError, match=r"`patch` .* and 4 does not divide 8 x 10"):
            build("vit", (3, 8, 10), 2)


class TestLlama:
    # The published sizes are known by their totals; these shapes reach them.
    SIZES = (
        (3, {"width": 88, "layers": 2, "heads": 2, "feedforward": 232}),
        (30, {"width": 512, "layers": 4, "heads": 8, "feedforward": 1376}),
        (300, {"width": 1024, "layers": 21, "heads": 16, "feedforward": 2752}),
        (600, {"width": 1280, "layers": 28, "heads": 20, "feedforward": 3424}),
        (900, {"width": 1536, "layers": 30, "heads": 16, "feedforward": 4096}),
    )

    @pytest.mark.parametrize(("millions", "shape"), SIZES)
    def test_published_sizes(self, millions: int, shape: dict[str, int]) -> None:
        inputs = Inputs("tokens", (128,), {"vocabulary": 32_000})
        assert size("llama", inputs, 32_000, **shape) / 1e6 == pytest.approx(millions, rel=0.04)

    def test_equals_that_of_transformers(self) -> None:
        transformers = pytest.importorskip("transformers")
        net = build("llama", TOKENS, 11, width=8, heads=2, feedforward=12, layers=2)
        theirs = transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                vocab_size=11,
                hidden_size=8,
                intermediate_size=12,
                num_hidden_layers=2,
                num_attention_heads=2,
                tie_word_embeddings=True,
                rms_norm_eps=1e-6,
                max_position_embeddings=6,
            )
        )
        names = {
            "tokens": "model.embed_tokens",
            "head": "lm_head",
            "norm": "model.norm",
            "blocks": "model.layers",
            "attention": "self_attn",
            "query": "q_proj",
            "key": "k_proj",
            "value": "v_proj",
            "out": "o_proj",
            "feedforward": "mlp",
            "gate": "gate_proj",
            "up": "up_proj",
            "down": "down_proj",
            "norm1": "input_layernorm",
            "norm2": "post_attention_layernorm",
        }
        torch.manual_seed(0)
        state = {key: torch.randn_like(value) for key, value in net.state_dict().items()}
        state["head.weight"] = state["tokens.weight"]
        net.load_state_dict(state)
        theirs.load_state_dict(
            {".".join(names.get(part, part) for part in k.split(".")): v for k, v in state.items()}
        )
        tokens = torch.randint(11, (3, 6))
        torch.testing.assert_close(net(tokens), theirs(tokens).logits, rtol=1e-4, atol=1e-4)

    def test_looks_at_nothing_ahead(self) -> None:
        net = build("llama", TOKENS, 11, width=8)
        tokens = torch.tensor([[3, 1, 4, 1, 5, 9], [3, 1, 4, 2, 6, 5]])
        first, second = net(tokens)
        torch.testing.assert_close(first[:3], second[:3])
        assert not torch.allclose(first[3], second[3])

    def test_head_and_embeddings_are_one(self) -> None:
        net = build("llama", TOKENS, 11, width=8)
        table = net.get_submodule("tokens").get_parameter("weight")
        again = reinitialised(net, seed=0, repeat=0)
        for network in (net, again):
            assert network.get_submodule("head").get_parameter("weight") is (
                network.get_submodule("tokens").get_parameter("weight")
            )
            assert not any(name == "head.weight" for name, _ in network.named_parameters())
        assert not torch.equal(again.get_submodule("tokens").get_parameter("weight"), table)
        assert again.get_submodule("head").get_parameter("weight").std() < 0.03

    def test_outputs_are_the_vocabulary(self) -> None:
        with pytest.raises(ValueError, match="next of 11 tokens, and this task has 3 outputs"):
            build("llama", TOKENS, 3)

    def test_heads(self) -> None:
        with pytest.raises(ValueError, match="3 does not divide 8"):
            build("llama", TOKENS, 11, width=8, heads=3)


class TestDecisionTransformer:
    def test_an_action_is_predicted_from_what_is_before_it(self) -> None:
        """Its return to go and state, and all that is before; not from itself or the future."""
        task = toy("windows")
        net = build("decision_transformer", inputs_of(task), 2, width=8, heads=2).eval()
        x = torch.from_numpy(task.train.x[:8]).clone()
        x[..., -1], x[..., -2] = 1.0, torch.arange(5.0)
        before = net(x)
        for column, first in ((0, 2), (2, 2), (4, 3)):  # return, state, action
            other = x.clone()
            other[:, 2, column] += 1.0
            same = [torch.allclose(before[:, t], net(other)[:, t], atol=1e-6) for t in range(5)]
            assert same == [t < first for t in range(5)]

    def test_padding_is_not_looked_at(self) -> None:
        task = toy("windows")
        net = build("decision_transformer", inputs_of(task), 2, width=8).eval()
        x = torch.from_numpy(task.train.x[:30])
        real = x[..., -1] > 0
        other = x.clone()
        other[..., :-2][~real] += 1.0
        outputs = net(other)
        torch.testing.assert_close(net(x)[real], outputs[real])
        assert outputs.isfinite().all()
        assert not torch.allclose(net(x)[~real], outputs[~real])

    def test_time_matters(self) -> None:
        task = toy("windows")
        net = build("decision_transformer", inputs_of(task), 2, width=8).eval()
        x = torch.from_numpy(task.train.x[:3])
        later = x.clone()
        later[..., -2] += 2
        assert not torch.allclose(net(x), net(later))

    def test_published_size(self) -> None:
        """HalfCheetah: 17 numbers a state, 6 an action, episodes of 1,000 steps."""
        inputs = Inputs("windows", (20, 26), {"states": 17, "actions": 6, "longest": 1000})
        block = 4 * (128 * 128 + 128) + 2 * 128 * 512 + 512 + 128 + 4 * 128
        embedded = 128 * (1000 + 1 + 17 + 6 + 3) + 2 * 128
        assert size("decision_transformer", inputs, 6) == (
            embedded + 3 * block + 2 * 128 + 6 * 128 + 6
        )
