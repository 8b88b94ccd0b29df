"""What a layer is: by its class, or by its looks where another library made it."""

from __future__ import annotations

from typing import Literal, cast

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import UninitializedParameter

from rankprobe.lowrank import attention, recurrent
from rankprobe.lowrank.conv import CONVOLUTIONS
from rankprobe.lowrank.maps import Map

Kind = Literal[
    "linear", "convolution", "embedding", "several maps", "normalisation", "vectors", "unknown"
]
_NORMALISATION = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm, _NormBase)
_SEVERAL = (*recurrent.RECURRENT, *recurrent.CELLS, nn.MultiheadAttention)


def kind(layer: nn.Module) -> Kind | None:
    """What a layer is, by the weights that it holds itself; ``None`` where it holds none.

    A normalisation layer is one of torch's, or one of a class called ``...Norm`` whose parameters
    have at most one dimension. ``vectors`` is any other layer of which that holds.
    """
    if isinstance(layer, _SEVERAL):
        return "several maps" if refusal(layer) is None else "unknown"
    own = list(layer.parameters(recurse=False))
    if not own:
        return "normalisation" if isinstance(layer, _NORMALISATION) else None
    if refusal(layer) is not None:
        return "unknown"
    if linear_weight(layer) is not None:
        return "linear"
    if isinstance(layer, CONVOLUTIONS) and not layer.transposed:
        return "convolution"
    if isinstance(layer, nn.Embedding):
        return "embedding"
    flat = all(parameter.dim() <= 1 for parameter in own)
    if isinstance(layer, _NORMALISATION) or (flat and type(layer).__name__.endswith("Norm")):
        return "normalisation"
    return "vectors" if flat else "unknown"


def refusal(layer: nn.Module) -> str | None:
    """Why a layer of a kind that has a low-rank form has none itself."""
    if any(isinstance(p, UninitializedParameter) for p in layer.parameters(recurse=False)):
        return "whose shape is not known yet: run the network once"
    if isinstance(layer, nn.MultiheadAttention):
        return attention.refusal(layer)
    if isinstance(layer, recurrent.RECURRENT):
        return recurrent.refusal(layer)
    if isinstance(layer, nn.Embedding):
        odd = {
            "sparse": layer.sparse,
            "max_norm": layer.max_norm is not None,
            "scale_grad_by_freq": layer.scale_grad_by_freq,
        }
        named = [name for name, there in odd.items() if there]
        return f"with {' and '.join(named)}" if named else None
    return None


def linear_weight(layer: nn.Module) -> Tensor | None:
    """The matrix, (d_out, d_in), of a layer that is a linear map and nothing else.

    Beside `torch.nn.Linear` these are the ``Conv1D`` of the transformers library, whose matrix is
    held transposed, and the ``Linear`` of torch_geometric; both are known by their looks.
    """
    if isinstance(layer, nn.Linear):
        return layer.weight
    weight = getattr(layer, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() != 2:
        return None
    looks = type(layer).__name__
    if looks == "Conv1D" and getattr(layer, "nf", None) == weight.shape[1]:
        return weight.t()
    shape = (getattr(layer, "out_channels", None), getattr(layer, "in_channels", None))
    return weight if looks == "Linear" and shape == tuple(weight.shape) else None


def layer_bias(layer: nn.Module) -> Tensor | None:
    """The bias of a layer, if it has one."""
    bias = getattr(layer, "bias", None)
    return bias if isinstance(bias, Tensor) else None


def layer_maps(layer: nn.Module) -> dict[str, Map]:
    """The maps of a layer that holds several."""
    if isinstance(layer, nn.MultiheadAttention):
        return attention.maps(layer)
    return recurrent.maps(layer)


def with_maps(layer: nn.Module, made: dict[str, nn.Module]) -> nn.Module:
    """The twin of a layer that holds several maps."""
    if isinstance(layer, nn.MultiheadAttention):
        return attention.LowRankAttention(layer, made)
    if isinstance(layer, nn.RNNBase):
        return recurrent.LowRankRecurrent(layer, made)
    return recurrent.LowRankCell(cast("nn.RNNCellBase", layer), made)
