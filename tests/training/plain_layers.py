"""Adapted layers in the dense, merged form: torch's own layer, with weights assembled anew."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from rankprobe.lowrank import Adapter, LowRankLayer, Scaffold, attach, initial_state
from rankprobe.lowrank.embedding import LowRankEmbedding, TiedLinear
from rankprobe.records import Member
from rankprobe.training import TrainingProtocol


class Dense(nn.Module):
    """beta W + scaling B A of one matrix, from the trained tensors of a member."""

    weight: Tensor
    A: Tensor
    B: Tensor
    beta: Tensor
    bias: Tensor
    magnitude: Tensor

    def __init__(self, frozen: LowRankLayer, rank: int, adapter: Adapter, columns: bool) -> None:
        super().__init__()
        self.register_buffer("weight", frozen.weight.clone())
        self.columns, self.dora, self.residual = columns, adapter.dora, adapter.residual
        own = min(rank, frozen.largest_rank) or 1
        power = {"rank_stabilized": 0.5, "standard": 1.0, "none": 0.0}[adapter.scaling]
        alpha = 1.0 if adapter.scaling == "none" else adapter.alpha
        self.factor = float(np.float32(alpha / own**power))
        self.norm: nn.Module | None = None
        width = len(frozen.B)
        if adapter.layer_norm:
            self.norm = nn.GroupNorm(1, width) if frozen.weight.dim() > 2 else nn.LayerNorm(width)
        zero = torch.zeros(width) if frozen.offset is None else frozen.offset.clone()
        norms = self.weight.norm(dim=0) if columns else self.weight.flatten(1).norm(dim=1)
        self.fixed = {"beta": torch.ones(()), "bias": zero, "magnitude": norms}

    def start(self, values: Mapping[str, Tensor], prefix: str) -> None:
        for key in ("A", "B", "beta", "bias", "magnitude"):
            if f"{prefix}{key}" in values:
                setattr(self, key, nn.Parameter(values[f"{prefix}{key}"].clone()))
            else:
                self.register_buffer(key, self.fixed[key])

    def matrix(self) -> Tensor:
        low_rank = self.B @ self.A.flatten(1)
        low_rank = low_rank.T if self.columns else low_rank.view_as(self.weight)
        dense = self.beta * self.weight + self.factor * low_rank
        if not self.dora:
            return dense
        if self.columns:
            return dense / dense.square().sum(dim=0).sqrt() * self.magnitude
        rows = dense.flatten(1)
        rows = rows / rows.square().sum(dim=1, keepdim=True).sqrt() * self.magnitude[:, None]
        return rows.view_as(dense)

    def normed(self, h: Tensor, axes: int) -> Tensor:
        """The combined path normalised, then the bias."""
        if self.norm is not None:
            h = self.norm(h)
        return h + self.bias.view(-1, *(1 for _ in range(axes)))


class PlainSingle(Dense):
    """A convolution, a table of embeddings or a transposed linear layer."""

    def __init__(self, original: Any, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.held = (copy.deepcopy(original).double(),)

    def forward(self, x: Tensor) -> Tensor:
        (original,), matrix = self.held, self.matrix()
        if isinstance(original, nn.Embedding):
            h = F.embedding(x, matrix, original.padding_idx)
            return self.normed(h, 0)
        if not isinstance(original, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            h = self.normed(x @ matrix.T, 0)
        else:
            zero = torch.zeros_like(self.bias)
            h = functional_call(original, {"weight": matrix, "bias": zero}, x)
            h = self.normed(h, matrix.dim() - 2)
        return x + h if self.residual and x.shape == h.shape else h


class PlainSeveral(nn.Module):
    """torch's own recurrent layer or attention, with the weights of its maps."""

    def __init__(self, original: nn.Module, maps: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.held = (copy.deepcopy(original).double(),)
        for name, each in maps.items():
            self.add_module(name, each)
        self.batch_first = getattr(original, "batch_first", None)
        self.in_proj_bias, self._qkv_same_embed_dim = None, False

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        (original,) = self.held
        weights, biases = {}, {}
        for name, each in self.named_children():
            if isinstance(each, Dense):
                weights[name], biases[name] = each.matrix(), each.bias
            else:
                weights[name], biases[name] = (
                    each.get_parameter("weight"),
                    each.get_parameter("bias"),
                )
        if not isinstance(original, nn.MultiheadAttention):
            tensors = {f"weight_{name}": value for name, value in weights.items()}
            tensors |= {f"bias_{name}": value for name, value in biases.items()}
        else:
            three = [weights[f"{letter}_proj"] for letter in "qkv"]
            tensors = {f"{letter}_proj_weight": w for letter, w in zip("qkv", three, strict=True)}
            if original._qkv_same_embed_dim:
                tensors = {"in_proj_weight": torch.cat(three)}
            tensors["in_proj_bias"] = torch.cat([biases[f"{letter}_proj"] for letter in "qkv"])
            tensors["out_proj.weight"] = weights["out_proj"]
            tensors["out_proj.bias"] = biases["out_proj"]
        original.train(self.training)
        return functional_call(original, tensors, inputs, settings)


class PlainTied(nn.Module):
    def __init__(self, table: Dense, bias: Tensor | None) -> None:
        super().__init__()
        self.held = (table,)
        self.bias = None if bias is None else nn.Parameter(bias.clone())

    def forward(self, x: Tensor) -> Tensor:
        h = x @ self.held[0].matrix().T
        return h if self.bias is None else h + self.bias


def plain_twin(
    backbone: nn.Module,
    member: Member,
    settings: TrainingProtocol,
    full: Mapping[str, Tensor],
) -> nn.Module:
    """The network of one member at its own rank, of torch's own layers alone.

    Args:
        backbone: The network.
        member: The member, with a rank.
        settings: How to train.
        full: What full training of the member's repeat starts from.
    """
    rank, adapter = member.rank or 0, settings.adapter
    scaffold: Scaffold = settings.scaffold.sibling(member.scaffold)
    twin = attach(backbone, rank=rank, adapter=adapter, scaffold=scaffold)
    start, _ = initial_state(twin, rank, seed=settings.seed, repeat=member.repeat, full=full)
    made = _dense_forms(backbone, twin, rank, adapter, start)
    net = _with_dense_forms(copy.deepcopy(backbone), twin, made)
    theirs = dict(twin.named_parameters())
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name in start)
        values = start.get(name, theirs.get(name))
        if values is not None:
            parameter.data = values.detach().clone()
    for name, buffer in net.named_buffers():
        if name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            buffer.copy_(dict(twin.named_buffers())[name])
    assert start.keys() == {n for n, p in net.named_parameters() if p.requires_grad}
    return net


def _dense_forms(
    backbone: nn.Module,
    twin: nn.Module,
    rank: int,
    adapter: Adapter,
    start: Mapping[str, Tensor],
) -> dict[str, Dense]:
    """The dense form of every adapted layer and map, by name."""
    made: dict[str, Dense] = {}
    for name, layer in twin.named_modules():
        if not isinstance(layer, LowRankLayer):
            continue
        arguments = (layer, rank, adapter, isinstance(layer, LowRankEmbedding))
        known = _module(backbone, name)
        holder = _module(backbone, name.rpartition(".")[0])
        alone = known is not None and not (name and _several(holder))
        made[name] = PlainSingle(known, *arguments) if alone else Dense(*arguments)
        made[name].start(start, f"{name}." if name else "")
    return made


def _with_dense_forms(net: nn.Module, twin: nn.Module, made: Mapping[str, Dense]) -> nn.Module:
    """The network with dense forms in place of adapted layers."""
    for name, layer in list(net.named_modules()):
        if _several(layer):
            mine, prefix = twin.get_submodule(name), f"{name}." if name else ""
            maps = {
                key: made.get(f"{prefix}{key}", copy.deepcopy(each))
                for key, each in mine.named_children()
            }
            net.set_submodule(name, PlainSeveral(layer, maps))
    for name, dense in made.items():
        if isinstance(dense, PlainSingle):
            net = dense if not name else _put(net, name, dense)
    for name, layer in twin.named_modules():
        if isinstance(layer, TiedLinear):
            table = next(d for n, d in made.items() if twin.get_submodule(n) is layer.table)
            _put(net, name, PlainTied(table, layer.bias))
    return net


def _several(layer: nn.Module | None) -> bool:
    return isinstance(layer, nn.RNNBase | nn.RNNCellBase | nn.MultiheadAttention)


def _module(net: nn.Module, name: str) -> nn.Module | None:
    try:
        return net.get_submodule(name)
    except AttributeError:
        return None


def _put(net: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    old = net.get_submodule(name)
    for path, each in list(net.named_modules(remove_duplicate=False)):
        if each is old:
            net.set_submodule(path, layer)
    return net
