"""Closed-form continuous-time network (CfC, doi:10.1038/s42256-022-00556-7)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rankprobe.backbones.inputs import Inputs, whole


class XavierLinear(nn.Linear):
    """A linear layer whose weights start Xavier-uniform, as the authors of CfC start theirs."""

    def reset_parameters(self) -> None:
        """Draw weights and biases anew."""
        super().reset_parameters()
        nn.init.xavier_uniform_(self.weight)


class CfC(nn.Module):
    """The authors' cell, run over a series by the times between its steps; a linear head.

    Args:
        channels: Number of channels.
        outputs: Width of the head.
        cell: (input, state, elapsed) -> (output, state), of ``state_size`` units, that reads two
            features a channel: its value, and whether it was observed.
        state_size: Width of the state.
    """

    def __init__(self, channels: int, outputs: int, cell: nn.Module, state_size: int) -> None:
        super().__init__()
        self.channels, self.state_size = channels, state_size
        self.cell = cell
        self.head = nn.Linear(state_size, outputs)

    def forward(self, series: Tensor) -> Tensor:
        """(n, outputs) from series, (n, steps, 2 * channels + 1)."""
        features, elapsed = series[..., :-1], series[..., -1:]
        # A step at which nothing was observed is padding, and leaves the state as it is.
        there = (features[..., self.channels :] > 0).any(dim=-1, keepdim=True)
        state = series.new_zeros(len(series), self.state_size)
        for step in range(series.shape[1]):
            _, after = self.cell(features[:, step], state, elapsed[:, step])
            state = torch.where(there[:, step], after, state)
        outputs: Tensor = self.head(state)
        return outputs


def cfc(
    inputs: Inputs,
    outputs: int,
    *,
    hidden: int = 64,
    backbone_units: int = 64,
    backbone_layers: int = 2,
    dropout: float = 0.0,
) -> CfC:
    """A CfC whose last state is read by a linear head.

    The cell is that of its authors' package, ``ncps``, called step by step with the times of each
    series. The published size is hidden 256, backbone 2 x 64.

    Args:
        inputs: ``series``.
        outputs: Outputs of a series.
        hidden: Width of the state.
        backbone_units: Width of the layers that the cell's gates share.
        backbone_layers: Number of those layers.
        dropout: Share dropped between those layers.

    Raises:
        ValueError: The package is not installed.
    """
    try:
        from ncps.torch import CfCCell
    except ImportError:
        raise ValueError(
            "the family `cfc` needs the package ncps: pip install 'rankprobe[series]'"
        ) from None
    channels = whole(inputs, "channels")
    cell = CfCCell(
        2 * channels,
        hidden,
        backbone_units=backbone_units,
        backbone_layers=backbone_layers,
        backbone_dropout=dropout,
    )
    for name, layer in list(cell.named_modules()):
        if type(layer) is nn.Linear:
            parent, _, child = name.rpartition(".")
            own = XavierLinear(layer.in_features, layer.out_features)
            setattr(cell.get_submodule(parent), child, own)
    return CfC(channels, outputs, cell, hidden)
