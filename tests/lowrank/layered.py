"""Small networks of every kind of layer, (batch, ...) numbers to (batch, outputs)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WORDS = 7


def words(x: Tensor) -> Tensor:
    """Numbers as tokens; 0 is padding."""
    return (2 * x + WORDS / 2).long().clamp(0, WORDS - 1)


# No bias stands before batch norm, which takes it away: its gradient is rounding alone, and AdamW
# makes steps of it.


class Pictures(nn.Module):
    """Strided, grouped, depthwise and dilated convolutions with batch norm and dropout."""

    def __init__(self, batch_norm: type[nn.Module] = nn.BatchNorm2d) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1, stride=2, bias=False)
        self.norm = batch_norm(6)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6, padding_mode="reflect")
        self.dropout = nn.Dropout(0.2)
        self.grouped = nn.Conv2d(6, 8, (3, 1), padding="same", dilation=2, groups=2, bias=False)
        self.last_norm = batch_norm(8)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.relu(self.norm(self.stem(x)))
        h = self.dropout(torch.relu(self.depthwise(h)))
        h = torch.relu(self.last_norm(self.grouped(h)))
        outputs: Tensor = self.head(self.pool(h).flatten(1))
        return outputs


class Viewing(nn.Module):
    """Reshapes with ``view``, which channels last in memory would not allow."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3)
        self.second = nn.Conv2d(4, 4, 1)
        self.head = nn.Linear(4 * 4 * 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.second(torch.tanh(self.first(x)))
        outputs: Tensor = self.head(h.view(len(h), -1))
        return outputs


class Signals(nn.Module):
    """One-dimensional convolutions with every norm, one of which averages over all batches."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(3, 6, 3, padding=1, padding_mode="circular", bias=False),
            nn.BatchNorm1d(6, momentum=None),
            nn.ReLU(),
            nn.Conv1d(6, 6, 3),
            nn.GroupNorm(2, 6),
            nn.PReLU(6),
            nn.Conv1d(6, 5, 1, bias=False),
            nn.InstanceNorm1d(5, affine=True),
        )
        self.hidden = nn.Linear(5, 6, bias=False)
        self.norm = nn.BatchNorm1d(6, affine=False)
        self.out = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.out(self.norm(self.hidden(self.layers(x).square().mean(2))))
        return outputs


class Volumes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(1)
        self.first = nn.Conv3d(1, 4, 2)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.head(torch.relu(self.first(self.norm(x))).mean((2, 3, 4)))
        return outputs


class Sequence(nn.Module):
    """Embedded tokens, read by a recurrent layer of two layers in both directions."""

    def __init__(self, kind: Callable[..., nn.Module] = nn.GRU, **settings: Any) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, 5, padding_idx=0)
        self.rnn = kind(5, 4, num_layers=2, bidirectional=True, batch_first=True, **settings)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        outputs, state = self.rnn(self.embed(words(x)))
        last = state[0] if isinstance(state, tuple) else state
        read: Tensor = self.head(outputs.mean(1) + torch.cat([last[0], last[1]], dim=1))
        return read


class Cells(nn.Module):
    """One cell after another."""

    def __init__(self, kind: Callable[..., nn.Module] = nn.GRUCell) -> None:
        super().__init__()
        self.cell = kind(3, 5)
        self.head = nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for step in range(x.shape[1]):
            state = self.cell(x[:, step], state)
        outputs: Tensor = self.head(state[0] if isinstance(state, tuple) else state)
        return outputs


class Encoder(nn.Module):
    """torch's own encoder over embedded tokens, padding masked."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, 8, padding_idx=0)
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        tokens = words(x)
        padding = (tokens == 0) & (torch.arange(tokens.shape[1]) > 0)
        h = self.encoder(self.embed(tokens), src_key_padding_mask=padding)
        outputs: Tensor = self.head(h.mean(1))
        return outputs


class CrossAttention(nn.Module):
    """Weights of their own for keys and values; the attention's own weights are used as well."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(3, 8)
        self.attention = nn.MultiheadAttention(8, 2, kdim=3, vdim=3, bias=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        series = x.transpose(0, 1)
        steps = x.shape[1]
        mask = torch.ones(steps, steps, dtype=torch.bool).triu(1)
        h, weights = self.attention(self.query(series), series, series, attn_mask=mask)
        outputs: Tensor = self.head(h.mean(0) * (1 + weights.square().sum((1, 2)))[:, None])
        return outputs


class OwnAttention(nn.Module):
    """`scaled_dot_product_attention` called by the network itself, causally, with dropout."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.qkv = nn.Linear(3, 24)
        self.dropout = dropout
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(2, (2, 4)).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=2))
        p = self.dropout if self.training else 0.0
        h = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=p)
        outputs: Tensor = self.head(h.transpose(1, 2).flatten(2).mean(1))
        return outputs


class SomeRMSNorm(nn.Module):
    """A norm as the transformers library writes them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6)
        return scaled


class Conv1D(nn.Module):
    """A linear layer as GPT-2 has it: its matrix is held transposed."""

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.randn(nx, nf) * 0.2)
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight + self.bias


class TiedHead(nn.Module):
    """A small language model that reads its outputs off its own embeddings."""

    def __init__(self, bias: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(WORDS, 6)
        self.norm = SomeRMSNorm(6)
        self.mix = Conv1D(6, 6)
        self.head = nn.Linear(6, WORDS, bias=bias)
        self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(words(x))
        h = h + torch.tanh(self.mix(self.norm(h.cumsum(1))))
        outputs: Tensor = self.head(h[:, -1])
        return outputs


class Token(nn.Module):
    """A parameter that belongs to no layer, and a layer that has no low-rank form."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 4))
        self.scale = nn.Parameter(torch.ones(4))
        self.embed = nn.Linear(3, 4)
        self.spread = nn.ConvTranspose1d(4, 5, 2)
        self.head = nn.Linear(5, 3)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.token, std=0.3)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.embed(x)) * self.scale
        h = torch.cat([self.token.expand(len(h), 1, -1), h], dim=1)
        outputs: Tensor = self.head(self.spread(h.transpose(1, 2)).square().mean(2))
        return outputs


@dataclass(frozen=True)
class Case:
    """A network, the shape of an example, and its number of outputs."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    outputs: int = 3
    vmap_trained_in_full: bool = True


CASES = {
    "pictures": Case(Pictures, (2, 8, 6)),
    "view": Case(Viewing, (2, 6, 4)),
    "signals": Case(Signals, (3, 7)),
    "volumes": Case(Volumes, (1, 3, 3, 3)),
    "gru": Case(Sequence, (5,), 3, False),
    "lstm": Case(lambda: Sequence(nn.LSTM), (5,), 3, False),
    "rnn": Case(lambda: Sequence(nn.RNN, nonlinearity="relu"), (5,), 3, False),
    "gru cell": Case(Cells, (4, 3), 3, False),
    "lstm cell": Case(lambda: Cells(nn.LSTMCell), (4, 3), 3, False),
    "rnn cell": Case(lambda: Cells(nn.RNNCell), (4, 3), 3, False),
    "encoder": Case(lambda: Encoder(0.0), (5,)),
    "cross attention": Case(CrossAttention, (4, 3)),
    "own attention": Case(OwnAttention, (4, 3)),
    "tied": Case(TiedHead, (5,), WORDS),
}
