"""Twins of layers of several maps compute what torch's own layers do with the same weights."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence

from rankprobe.errors import ConfigError
from rankprobe.lowrank import Adapter, Scaffold, adapted_layers, attach
from rankprobe.lowrank.attention import attention
from rankprobe.lowrank.plain import for_cohorts

GIVEN: dict[str, Any] = {"rank": 2, "scaffold": Scaffold(init="pretrained")}


def close(left: Any, right: Any) -> None:
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize(
    ("layers", "batch_first", "two_sided", "bias"),
    list(itertools.product([1, 2], [False, True], [False, True], [False, True])),
)
def test_recurrent(kind: Any, layers: int, batch_first: bool, two_sided: bool, bias: bool) -> None:
    torch.manual_seed(0)
    net = kind(3, 4, num_layers=layers, batch_first=batch_first, bidirectional=two_sided, bias=bias)
    net = net.double()
    twin = attach(net, **GIVEN)
    assert len(adapted_layers(twin)) == 2 * layers * (1 + two_sided)
    x = torch.randn(2, 5, 3, dtype=torch.double)
    close(twin(x), net(x))
    states = layers * (1 + two_sided)
    first = torch.randn(2, states, 2 if batch_first else 5, 4, dtype=torch.double)
    hidden = tuple(first) if kind is nn.LSTM else first[0]
    close(twin(x, hidden), net(x, hidden))
    alone = tuple(h[:, 0] for h in first) if kind is nn.LSTM else first[0][:, 0]
    close(twin(x[0], alone), net(x[0], alone))


def test_packed_sequences_are_refused() -> None:
    twin = attach(nn.GRU(3, 4), rank=1)
    with pytest.raises(ConfigError) as error:
        twin(pack_sequence([torch.randn(4, 3), torch.randn(2, 3)]))
    assert str(error.value) == (
        "adapted recurrent layers do not take packed sequences; give padded ones and mask the "
        "outputs"
    )


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_cells(kind: Any) -> None:
    torch.manual_seed(0)
    net = kind(3, 4).double()
    twin = attach(net, **GIVEN)
    x, state = torch.randn(5, 3, dtype=torch.double), torch.randn(2, 5, 4, dtype=torch.double)
    hidden = tuple(state) if kind is nn.LSTMCell else state[0]
    close(twin(x), net(x))
    close(twin(x, hidden), net(x, hidden))
    alone = tuple(h[0] for h in state) if kind is nn.LSTMCell else state[0][0]
    close(twin(x[0], alone), net(x[0], alone))


def test_every_gate_is_in_one_map_with_a_norm_where_asked() -> None:
    twin = attach(nn.LSTM(3, 4), rank=2, adapter=Adapter(layer_norm=True, bias="trained"))
    layers = adapted_layers(twin)
    assert {name: layer.weight.shape for name, layer in layers.items()} == {
        "ih_l0": (16, 3),
        "hh_l0": (16, 4),
    }
    twin(torch.randn(5, 2, 3))[0].square().sum().backward()
    for layer in layers.values():
        for name, parameter in layer.named_parameters():
            assert parameter.grad is not None, name


MASKS: list[dict[str, Any]] = [
    {},
    {"attn_mask": torch.ones(4, 6, dtype=torch.bool).triu(2)},
    {"attn_mask": torch.linspace(-1, 1, 24, dtype=torch.double).view(4, 6)},
    {"attn_mask": torch.linspace(-1, 1, 144, dtype=torch.double).view(6, 4, 6)},
    {"key_padding_mask": torch.arange(6) > torch.tensor([[5], [3], [4]])},
    {
        "attn_mask": torch.ones(4, 6, dtype=torch.bool).triu(4),
        "key_padding_mask": torch.arange(6) > torch.tensor([[5], [3], [4]]),
    },
    {"need_weights": False},
    {"average_attn_weights": False},
    {
        "attn_mask": torch.ones(4, 6, dtype=torch.bool).triu(1),
        "need_weights": False,
        "is_causal": True,
    },
]


@pytest.mark.parametrize("settings", MASKS, ids=lambda s: ", ".join(s))
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("cohort", [False, True], ids=["adapted", "trained in full"])
def test_attention(
    settings: dict[str, Any], batch_first: bool, separate: bool, cohort: bool
) -> None:
    torch.manual_seed(0)
    widths = {"kdim": 5, "vdim": 3} if separate else {}
    net = nn.MultiheadAttention(8, 2, batch_first=batch_first, **widths).double()
    nn.init.normal_(net.in_proj_bias)
    nn.init.normal_(net.out_proj.bias)
    twin = attach(net, **GIVEN)
    if cohort:
        twin = for_cohorts(nn.MultiheadAttention(8, 2, batch_first=batch_first, **widths)).double()
        twin.load_state_dict(net.state_dict())
    shapes = [(3, 4, 8), (3, 6, widths.get("kdim", 8)), (3, 6, widths.get("vdim", 8))]
    inputs = [torch.randn(shape, dtype=torch.double) for shape in shapes]
    if not batch_first:
        inputs = [x.transpose(0, 1) for x in inputs]
    close(twin(*inputs, **settings), net(*inputs, **settings))


def test_attention_of_one_example() -> None:
    net = nn.MultiheadAttention(8, 2).double()
    x, y = torch.randn(4, 8, dtype=torch.double), torch.randn(6, 8, dtype=torch.double)
    padding = torch.arange(6) > 3
    twin = attach(net, **GIVEN)
    close(twin(x, y, y, key_padding_mask=padding), net(x, y, y, key_padding_mask=padding))


class TestAttentionFunction:
    def values(self) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        return [torch.randn(3, 2, 2, 5, 4, generator=generator) for _ in range(3)]

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"is_causal": True},
            {"scale": 0.3},
            {"attn_mask": torch.ones(5, 5, dtype=torch.bool).tril()},
            {"attn_mask": torch.linspace(-2, 1, 50).view(2, 1, 5, 5)},
        ],
    )
    def test_members_in_one_batch(self, settings: Any) -> None:
        q, k, v = self.values()
        run = torch.func.vmap(lambda *x: attention(*x, **settings), randomness="same")
        plain = [
            nn.functional.scaled_dot_product_attention(*x, **settings)
            for x in zip(q, k, v, strict=True)
        ]
        torch.testing.assert_close(run(q, k, v), torch.stack(plain))

    def test_a_mask_of_each_member_s_own(self) -> None:
        q, k, v = self.values()
        masks = torch.linspace(-2, 1, 75).view(3, 5, 5)
        together = torch.func.vmap(attention)(q, k, v, masks)
        plain = [
            nn.functional.scaled_dot_product_attention(*x) for x in zip(q, k, v, masks, strict=True)
        ]
        torch.testing.assert_close(together, torch.stack(plain))

    @pytest.mark.parametrize(
        "settings",
        [{}, {"is_causal": True}, {"attn_mask": torch.ones(5, 5, dtype=torch.bool).tril()}],
    )
    def test_drops_what_torch_drops(self, settings: Any) -> None:
        q, k, v = (x[0] for x in self.values())
        torch.manual_seed(1)
        ours = attention(q, k, v, dropout_p=0.3, **settings)
        torch.manual_seed(1)
        theirs = nn.functional.scaled_dot_product_attention(q, k, v, dropout_p=0.3, **settings)
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("adapted", [True, False])
def test_the_shortcut_of_the_encoder_is_not_taken(adapted: bool) -> None:
    """In evaluation it would read frozen weights and leave the adapters out."""
    net = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True)
    layers = ("linear1", "linear2") if adapted else ("*_proj",)
    twin = attach(net, rank=2, adapter=Adapter(layers=layers, others="trained"))
    for layer in adapted_layers(twin).values():
        nn.init.normal_(layer.B)
    x = torch.randn(3, 4, 8)
    expected = for_cohorts(twin).train()(x)
    with torch.no_grad():
        torch.testing.assert_close(twin.eval()(x), expected)


def test_what_networks_ask_a_recurrent_layer_for() -> None:
    net = nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    twin = attach(net, rank=1)
    assert callable(twin.flatten_parameters)
    twin.flatten_parameters()
    for name in ("input_size", "hidden_size", "num_layers", "bidirectional", "batch_first"):
        assert getattr(twin, name) == getattr(net, name)


def test_a_table_with_padding_starts_as_the_scaffold_under_dora() -> None:
    table = nn.Embedding(7, 4, padding_idx=0)
    net = nn.Sequential(table, nn.Flatten(), nn.Linear(20, 3))
    index = torch.tensor([[0, 1, 2, 3, 6]])
    plain, dora = (
        attach(net, rank=2, adapter=Adapter(embeddings="adapter", dora=dora))[0](index)
        for dora in (False, True)
    )
    torch.testing.assert_close(dora, plain)
