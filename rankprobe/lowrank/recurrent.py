"""Adapted recurrent layers: the recurrence written out over adapted maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from rankprobe.errors import ConfigError
from rankprobe.lowrank.maps import Map

RECURRENT = (nn.RNN, nn.GRU, nn.LSTM)
CELLS = (nn.RNNCell, nn.GRUCell, nn.LSTMCell)
State = tuple[Tensor, ...]


def maps(layer: nn.Module) -> dict[str, Map]:
    """The maps of a recurrent layer or cell: input-to-hidden and hidden-to-hidden.

    The gates of a map are stacked: they are one matrix, (gates * hidden, inputs), with one
    adapter.
    """
    found = {}
    for key, weight in layer.named_parameters(recurse=False):
        if key.startswith("weight_"):
            name = key.removeprefix("weight_")
            bias = f"bias_{name}"
            found[name] = Map(weight, key, getattr(layer, bias, None), bias)
    return found


def refusal(layer: nn.Module) -> str | None:
    """Why a recurrent layer has no low-rank form, if it has none."""
    return "with projections" if getattr(layer, "proj_size", 0) else None


class LowRankRecurrent(nn.Module):
    """`torch.nn.RNN`, `torch.nn.GRU` or `torch.nn.LSTM` over adapted maps.

    Computes what they compute, with the dropout masks drawn in an order of its own.

    Args:
        like: The layer that it replaces.
        made: Its maps, (batch, ..., inputs) to (batch, ..., gates * hidden), by name.

    Shapes: as the layer that it replaces; sequences packed by `torch.nn.utils.rnn` are refused.
    """

    def __init__(self, like: nn.RNNBase, made: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, linear in made.items():
            self.add_module(name, linear)
        # Under torch's names where networks ask a layer for them.
        self.input_size, self.hidden_size = like.input_size, like.hidden_size
        self.num_layers, self.bidirectional = like.num_layers, like.bidirectional
        self.batch_first, self.dropout = like.batch_first, like.dropout
        self.sides = ("", "_reverse") if like.bidirectional else ("",)
        self.cell, self.states = _cell(like)

    def flatten_parameters(self) -> None:
        """Nothing to do: networks call it for torch's own layer."""

    def forward(
        self, x: Tensor, hidden: Tensor | State | None = None
    ) -> tuple[Tensor, Tensor | State]:
        """(outputs, last state) as torch's own layer gives them."""
        if isinstance(x, PackedSequence):
            raise ConfigError(
                "adapted recurrent layers do not take packed sequences; give padded ones and "
                "mask the outputs"
            )
        single = x.dim() == 2
        if single:
            x = x.unsqueeze(1)
        elif self.batch_first:
            x = x.transpose(0, 1)
        states = self._first_states(x, hidden, single)
        last: list[State] = []
        for layer in range(self.num_layers):
            sides = [
                self._run(x, f"_l{layer}{side}", states[len(last) + k], backwards=k == 1)
                for k, side in enumerate(self.sides)
            ]
            x = torch.cat([outputs for outputs, _ in sides], dim=-1)
            last += [state for _, state in sides]
            if layer < self.num_layers - 1 and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
        ends = tuple(torch.stack(parts) for parts in zip(*last, strict=True))
        if single:
            x, ends = x.squeeze(1), tuple(end.squeeze(1) for end in ends)
        elif self.batch_first:
            x = x.transpose(0, 1)
        return x, ends if self.states == 2 else ends[0]

    def _first_states(self, x: Tensor, hidden: Tensor | State | None, single: bool) -> list[State]:
        count = self.num_layers * len(self.sides)
        if hidden is None:
            zero = x.new_zeros(x.shape[1], self.hidden_size)
            return [(zero,) * self.states] * count
        given = (hidden,) if isinstance(hidden, Tensor) else tuple(hidden)
        if single:
            given = tuple(state.unsqueeze(1) for state in given)
        return [tuple(state[index] for state in given) for index in range(count)]

    def _run(
        self, x: Tensor, suffix: str, state: State, *, backwards: bool
    ) -> tuple[Tensor, State]:
        """One layer in one direction: outputs of all steps, and the last state."""
        inwards = self.get_submodule(f"ih{suffix}")(x)
        recurrent = self.get_submodule(f"hh{suffix}")
        steps = range(len(x))
        outputs = []
        for step in reversed(steps) if backwards else steps:
            state = self.cell(inwards[step], recurrent(state[0]), state)
            outputs.append(state[0])
        return torch.stack(outputs[::-1] if backwards else outputs), state


class LowRankCell(nn.Module):
    """`torch.nn.RNNCell`, `torch.nn.GRUCell` or `torch.nn.LSTMCell` over adapted maps.

    Args:
        like: The cell that it replaces.
        made: Its two maps by name, ``ih`` and ``hh``.

    Shapes: as the cell that it replaces.
    """

    def __init__(self, like: nn.RNNCellBase, made: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, linear in made.items():
            self.add_module(name, linear)
        self.width = like.hidden_size
        self.cell, self.states = _cell(like)

    def forward(self, x: Tensor, hidden: Tensor | State | None = None) -> Tensor | State:
        """The next state."""
        if hidden is None:
            state: State = (x.new_zeros(*x.shape[:-1], self.width),) * self.states
        else:
            state = (hidden,) if isinstance(hidden, Tensor) else tuple(hidden)
        inwards, around = self.get_submodule("ih")(x), self.get_submodule("hh")(state[0])
        state = self.cell(inwards, around, state)
        return state if self.states == 2 else state[0]


def _cell(like: Any) -> tuple[Callable[[Tensor, Tensor, State], State], int]:
    """(inwards, around, state) -> state, of a layer or a cell, and the tensors of a state."""
    if isinstance(like, nn.GRU | nn.GRUCell):
        return _gru, 1
    if isinstance(like, nn.LSTM | nn.LSTMCell):
        return _lstm, 2
    return (_relu if like.nonlinearity == "relu" else _tanh), 1


def _tanh(inwards: Tensor, around: Tensor, _: State) -> State:
    return (torch.tanh(inwards + around),)


def _relu(inwards: Tensor, around: Tensor, _: State) -> State:
    return (torch.relu(inwards + around),)


def _gru(inwards: Tensor, around: Tensor, state: State) -> State:
    """Gates in torch's order: reset, update, new."""
    reset_in, update_in, new_in = inwards.chunk(3, dim=-1)
    reset_around, update_around, new_around = around.chunk(3, dim=-1)
    reset = torch.sigmoid(reset_in + reset_around)
    update = torch.sigmoid(update_in + update_around)
    new = torch.tanh(new_in + reset * new_around)
    return (new + update * (state[0] - new),)


def _lstm(inwards: Tensor, around: Tensor, state: State) -> State:
    """Gates in torch's order: input, forget, cell, output."""
    into, forget, new, out = (inwards + around).chunk(4, dim=-1)
    cell = torch.sigmoid(forget) * state[1] + torch.sigmoid(into) * torch.tanh(new)
    return torch.sigmoid(out) * torch.tanh(cell), cell
