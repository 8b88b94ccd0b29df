"""Adapters merged into the matrices that they stand beside: a plain, dense network."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rankprobe.artifact.reading import read_model
from rankprobe.errors import ArtifactError, StoreError
from rankprobe.lowrank import LowRankLayer
from rankprobe.lowrank.conv import LowRankConv
from rankprobe.lowrank.embedding import LowRankEmbedding, TiedLinear
from rankprobe.lowrank.kinds import layer_bias, layer_maps, linear_weight


def merge(
    path: str | Path, *, out: str | Path | None = None, trust: bool = False
) -> dict[str, Tensor]:
    """The dense state dict of the plain network that an artifact's model is equal to.

    Each adapted layer becomes ``beta W + scaling B A``, rescaled by DoRA's magnitudes where it
    has them. The plain network is that of `rankprobe.backbones`, or the user's own.

    Args:
        path: A file that `rankprobe pack` wrote.
        out: A safetensors file to write as well.
        trust: Whether code of the user's, which made the network, may run.

    Returns:
        What ``load_state_dict`` of the plain network takes.

    Raises:
        ArtifactError: The file cannot be read, or a layer that no plain layer is equal to.
        StoreError: ``out`` cannot be written.
    """
    model = read_model(path, trust=trust)
    state = merged_network(model.backbone, model.module).state_dict()
    if out is not None:
        _write(Path(out), state)
    return dict(state)


def merged_network(backbone: nn.Module, module: nn.Module) -> nn.Module:
    """A copy of the plain network that computes what the adapted one does.

    Args:
        backbone: The plain network.
        module: What `rankprobe.lowrank.attach` made of it, with its values.

    Raises:
        ArtifactError: A layer that no plain layer is equal to; it is named.
    """
    plain = copy.deepcopy(backbone).eval()
    layers = dict(plain.named_modules())
    with torch.no_grad():
        for name, layer in layers.items():
            twin = module.get_submodule(name) if _is_there(module, name) else None
            if twin is not None:
                _merge(name, layer, twin)
    return plain


def _is_there(module: nn.Module, name: str) -> bool:
    """Parts of a layer that was replaced as a whole are gone."""
    try:
        module.get_submodule(name)
    except AttributeError:
        return False
    return True


def _merge(name: str, layer: nn.Module, twin: nn.Module) -> None:
    if isinstance(twin, LowRankLayer):
        _merge_linear(name, layer, twin)
    elif isinstance(twin, TiedLinear):  # its matrix is the table's
        _set_bias(name, layer_bias(layer), twin.bias)
    elif type(twin) is not type(layer):
        for key, each in layer_maps(layer).items():
            part, inner = twin.get_submodule(key), f"{name}.{key}"
            each.weight.copy_(dense(inner, part))
            _set_bias(inner, each.bias, _bias(part))
    else:
        held = dict(twin.named_parameters(recurse=False)) | dict(twin.named_buffers(recurse=False))
        for key, tensor in held.items():
            getattr(layer, key).copy_(tensor)


def _merge_linear(name: str, layer: nn.Module, twin: LowRankLayer) -> None:
    matrix = linear_weight(layer)
    weight: Any = layer.weight if matrix is None else matrix
    weight.copy_(dense(name, twin))
    _set_bias(name, layer_bias(layer), _bias(twin))


def dense(name: str, layer: nn.Module) -> Tensor:
    """The matrix, kernel or table that a layer multiplies by or looks up in.

    Raises:
        ArtifactError: There is none that does all that the layer does.
    """
    if not isinstance(layer, LowRankLayer):
        weight: Any = layer.weight
        return weight  # type: ignore[no-any-return]
    if layer.norm is not None:
        raise ArtifactError(
            f"the layer `{name}` normalises the sum of its frozen and its adapted path "
            "(`adapter: {layer_norm: true}`), which no plain layer does; use the model as "
            "rankprobe.load gives it"
        )
    if isinstance(layer, LowRankEmbedding):
        return layer.table()
    merged = layer.merged()
    if layer.magnitude is not None:
        factors = layer.magnitude / layer.row_norms(merged)
        merged = merged * factors.view(-1, *(1 for _ in merged.shape[1:]))
    return merged + _identity(name, layer, merged) if layer.adapter.residual else merged


def _identity(name: str, layer: LowRankLayer, like: Tensor) -> Tensor:
    """What adds a layer's input to its output, where it has a residual: 0 where it has none."""
    if not isinstance(layer, LowRankConv):
        same = like.shape[0] == like.shape[1]
        return torch.eye(*like.shape) if same else torch.zeros_like(like)
    form = layer.convolve
    if like.shape[0] != like.shape[1] * form.groups:
        return torch.zeros_like(like)
    sides = form.around[-2::-2]  # before each axis in order
    kept = all(
        (step, size % 2, 2 * pad) == (1, 1, gap * (size - 1))
        for step, size, pad, gap in zip(
            form.stride, like.shape[2:], sides, form.dilation, strict=True
        )
    )
    if not kept:
        raise ArtifactError(
            f"the layer `{name}` adds its input to outputs of another place or size "
            "(`adapter: {residual: true}`), which no plain convolution does; use the model as "
            "rankprobe.load gives it"
        )
    kernel = torch.zeros_like(like)
    nn.init.dirac_(kernel, form.groups)
    return kernel


def _bias(layer: nn.Module) -> Tensor | None:
    own = layer_bias(layer)
    return getattr(layer, "offset", None) if own is None else own


def _set_bias(name: str, bias: Tensor | None, value: Tensor | None) -> None:
    """A plain layer's bias; an adapted layer without one adds nothing."""
    if bias is not None:
        bias.zero_() if value is None else bias.copy_(value)
    elif value is not None:
        raise ArtifactError(f"the layer `{name}` has a bias, and the plain one has none")


def _write(path: Path, state: dict[str, Tensor]) -> None:
    from safetensors.numpy import save

    arrays = {name: tensor.detach().contiguous().numpy() for name, tensor in state.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(save(arrays, {"format": "pt"}))
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}; name another file") from None
