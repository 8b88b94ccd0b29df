"""Causal language model in Llama's form (arXiv:2302.13971), with tied embeddings."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.backbones.attention import Rotary, SelfAttention
from rankprobe.backbones.blocks import Embedding
from rankprobe.backbones.inputs import Inputs, whole


class GatedFeedForward(nn.Module):
    """``down(silu(gate x) * up x)`` (SwiGLU, arXiv:2002.05202), without biases.

    Args:
        width: Width of inputs and outputs.
        hidden: Width between them.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) from the same."""
        output: Tensor = self.down(F.silu(self.gate(x)) * self.up(x))
        return output


class LlamaBlock(nn.Module):
    """Causal attention and a gated feed-forward layer, each behind RMSNorm, with residuals.

    Args:
        width: Width of a position.
        heads: Heads of attention.
        feedforward: Width inside the feed-forward layer.
        longest: Largest number of positions.
    """

    def __init__(self, width: int, heads: int, feedforward: int, longest: int) -> None:
        super().__init__()
        rotary = Rotary(width // heads, longest)
        self.norm1 = nn.RMSNorm(width, eps=1e-6)
        self.attention = SelfAttention(width, heads, causal=True, bias=False, rotary=rotary)
        self.norm2 = nn.RMSNorm(width, eps=1e-6)
        self.feedforward = GatedFeedForward(width, feedforward)

    def forward(self, x: Tensor) -> Tensor:
        """(n, length, width) from the same."""
        x = x + self.attention(self.norm1(x))
        added: Tensor = x + self.feedforward(self.norm2(x))
        return added


class TiedLinear(nn.Linear):
    """Scores of all tokens, by the table that embeds them.

    Args:
        embedding: The table, whose weights these are.
    """

    def __init__(self, embedding: nn.Embedding) -> None:
        tokens, width = embedding.weight.shape
        super().__init__(width, tokens, bias=False, device="meta")
        self.weight = embedding.weight

    def reset_parameters(self) -> None:
        """Nothing to draw: the table draws itself."""


class Llama(nn.Module):
    """Embedded tokens, blocks, RMSNorm, and scores by the same table.

    Args:
        vocabulary: Number of tokens.
        longest: Largest number of positions.
        width, layers, heads, feedforward: See `llama`.
    """

    def __init__(
        self,
        vocabulary: int,
        longest: int,
        *,
        width: int,
        layers: int,
        heads: int,
        feedforward: int,
    ) -> None:
        super().__init__()
        self.tokens = Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(
            LlamaBlock(width, heads, feedforward, longest) for _ in range(layers)
        )
        self.norm = nn.RMSNorm(width, eps=1e-6)
        self.head = TiedLinear(self.tokens)

    def forward(self, tokens: Tensor) -> Tensor:
        """Scores of the token after each, (n, length, vocabulary), from ids, (n, length)."""
        x = self.tokens(tokens)
        for block in self.blocks:
            x = block(x)
        scores: Tensor = self.head(self.norm(x))
        return scores


def llama(
    inputs: Inputs,
    outputs: int,
    *,
    width: int = 128,
    layers: int = 4,
    heads: int = 4,
    feedforward: int = 344,
) -> Llama:
    """A causal language model: RMSNorm, RoPE, SiLU gates, tied embeddings, no biases.

    Padding needs no mask: it comes last, and no position looks ahead.

    Args:
        inputs: ``tokens`` of one length.
        outputs: The size of the vocabulary.
        width: Width of a position.
        layers: Number of blocks.
        heads: Heads of attention; divide the width.
        feedforward: Width inside the feed-forward layers.

    Raises:
        ValueError: Outputs that are not the vocabulary, or widths that do not divide.
    """
    vocabulary = whole(inputs, "vocabulary")
    if outputs != vocabulary:
        raise ValueError(
            f"it predicts the next of {vocabulary} tokens, and this task has {outputs} outputs; "
            "the family `transformer` classifies texts"
        )
    if width % heads:
        raise ValueError(f"`heads` divides `width`, and {heads} does not divide {width}")
    return Llama(
        vocabulary,
        inputs.shape[0],
        width=width,
        layers=layers,
        heads=heads,
        feedforward=feedforward,
    )
