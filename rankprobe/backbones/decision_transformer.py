"""Decision Transformer (arXiv:2106.01345)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rankprobe.backbones.attention import earlier
from rankprobe.backbones.blocks import Block, Embedding
from rankprobe.backbones.inputs import Inputs, whole


class DecisionTransformer(nn.Module):
    """Predicts each action of a window from the returns to go, states and actions before it.

    Every step is three tokens, (return to go, state, action), each embedded linearly with the
    embedding of the step's time added; the action is read off the state's token.

    Args:
        states: Width of a state.
        actions: Width of an action.
        longest: Number of times that an episode can have.
        outputs: Width of the head.
        width, layers, heads, dropout: See `decision_transformer`.
    """

    def __init__(
        self,
        states: int,
        actions: int,
        longest: int,
        outputs: int,
        *,
        width: int,
        layers: int,
        heads: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.parts = (1, states, actions, 1, 1)
        self.time = Embedding(longest, width)
        self.returns = nn.Linear(1, width)
        self.states = nn.Linear(states, width)
        self.actions = nn.Linear(actions, width)
        self.embedded = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(width, heads, 4 * width, dropout=dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)

    def forward(self, windows: Tensor) -> Tensor:
        """(n, steps, outputs) from windows, (n, steps, 1 + states + actions + 2)."""
        returns, states, actions, time, real = windows.split(self.parts, dim=-1)  # type: ignore[no-untyped-call]
        when = self.time(time[..., 0].long())
        tokens = [self.returns(returns), self.states(states), self.actions(actions)]
        x = torch.stack([token + when for token in tokens], dim=2).flatten(1, 2)
        x = self.dropout(self.embedded(x))
        mask = _visible(real[..., 0] > 0)
        for block in self.blocks:
            x = block(x, mask)
        at_states = self.norm(x.unflatten(1, (-1, 3))[:, :, 1])
        outputs: Tensor = self.head(at_states)
        return outputs


def _visible(real: Tensor) -> Tensor:
    """Which tokens a token looks at, (n, 1, tokens, tokens), from real steps, (n, steps).

    Itself, so that those of padding have something to look at, and real ones before it.
    """
    real = real.repeat_interleave(3, dim=1)
    before = earlier(real.shape[1], real.device)
    itself = before & before.t()
    return ((before & real[:, None, :]) | itself)[:, None]


def decision_transformer(
    inputs: Inputs,
    outputs: int,
    *,
    width: int = 128,
    layers: int = 3,
    heads: int = 1,
    dropout: float = 0.1,
) -> DecisionTransformer:
    """A Decision Transformer; the published size is width 128, 3 layers, 1 head, 20 steps.

    The head is linear. The authors put tanh behind it, for actions between -1 and 1; here outputs
    are centred and scaled actions, as regression trains on, which a tanh could not reach.

    Args:
        inputs: ``windows`` of a trajectory.
        outputs: Width of an action.
        width: Width of a token.
        layers: Number of blocks.
        heads: Heads of attention; divide the width.
        dropout: Share dropped of embeddings and of what each layer adds.

    Raises:
        ValueError: A width that the heads do not divide.
    """
    return DecisionTransformer(
        whole(inputs, "states"),
        whole(inputs, "actions"),
        whole(inputs, "longest"),
        outputs,
        width=width,
        layers=layers,
        heads=heads,
        dropout=dropout,
    )
