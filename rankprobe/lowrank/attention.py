"""Attention over adapted projections, and attention that folds the members of a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._C._functorch import is_batchedtensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from rankprobe.lowrank.maps import Map
from rankprobe.lowrank.members import whole_cohort

_PROJECTIONS = ("q_proj", "k_proj", "v_proj")


def maps(layer: nn.MultiheadAttention) -> dict[str, Map]:
    """The four projections: query, key, value and output, each a map of its own."""
    found: dict[str, Map] = {}
    width = layer.embed_dim
    biases: Tensor | None = layer.in_proj_bias
    for index, name in enumerate(_PROJECTIONS):
        rows = (index * width, (index + 1) * width)
        bias = None if biases is None else biases[slice(*rows)]
        if layer._qkv_same_embed_dim:
            weight = layer.in_proj_weight[slice(*rows)]
            found[name] = Map(weight, "in_proj_weight", bias, "in_proj_bias", rows, rows)
        else:
            key = f"{name}_weight"
            found[name] = Map(getattr(layer, key), key, bias, "in_proj_bias", None, rows)
    out = layer.out_proj
    found["out_proj"] = Map(out.weight, "out_proj.weight", out.bias, "out_proj.bias")
    return found


def refusal(layer: nn.MultiheadAttention) -> str | None:
    """Why an attention layer has no low-rank form, if it has none."""
    extra = layer.bias_k is not None or layer.add_zero_attn
    return "with add_bias_kv or add_zero_attn" if extra else None


class _Attention(nn.Module):
    """The forward pass of `torch.nn.MultiheadAttention` over projections of any kind."""

    num_heads: int
    dropout: float
    batch_first: bool

    def project(self, name: str, x: Tensor) -> Tensor:
        """One of the four projections."""
        raise NotImplementedError

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """(outputs, weights or ``None``), as `torch.nn.MultiheadAttention` gives them."""
        inputs, single = [query, key, value], query.dim() == 2
        if single:
            inputs = [x.unsqueeze(0) for x in inputs]
            if key_padding_mask is not None:
                key_padding_mask = key_padding_mask.unsqueeze(0)
        elif not self.batch_first:
            inputs = [x.transpose(0, 1) for x in inputs]
        q, k, v = (
            self._heads(self.project(name, x)) for name, x in zip(_PROJECTIONS, inputs, strict=True)
        )
        mask = _mask(attn_mask, key_padding_mask, q)
        dropout = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
            weights = torch.softmax(scores if mask is None else scores + mask, dim=-1)
            weights = F.dropout(weights, dropout) if dropout > 0 else weights
            h = weights @ v
            weights = weights.mean(dim=1) if average_attn_weights else weights
        else:
            h = attention(q, k, v, mask, dropout, is_causal and mask is None)
        h = self.project("out_proj", h.transpose(1, 2).flatten(2))
        if single:
            return h.squeeze(0), None if weights is None else weights.squeeze(0)
        return h if self.batch_first else h.transpose(0, 1), weights

    def _heads(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to (batch, heads, positions, width of a head)."""
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)


class LowRankAttention(_Attention):
    """`torch.nn.MultiheadAttention` over four adapted projections.

    Args:
        like: The layer that it replaces.
        made: ``q_proj``, ``k_proj``, ``v_proj`` and ``out_proj``.

    Shapes: as the layer that it replaces.
    """

    # What `torch.nn.TransformerEncoderLayer` looks at: there are no packed weights to read.
    in_proj_bias = None
    _qkv_same_embed_dim = False

    def __init__(self, like: nn.MultiheadAttention, made: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, linear in made.items():
            self.add_module(name, linear)
        self.num_heads, self.dropout = like.num_heads, like.dropout
        self.batch_first = like.batch_first

    def project(self, name: str, x: Tensor) -> Tensor:
        """One of the four projections."""
        projected: Tensor = self.get_submodule(name)(x)
        return projected


class CohortAttention(_Attention, nn.MultiheadAttention):
    """`torch.nn.MultiheadAttention` itself, with the members of a cohort in one batch."""

    def project(self, name: str, x: Tensor) -> Tensor:
        """One of the four projections."""
        each = maps(self)[name]
        return F.linear(x, each.weight, each.bias)


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **settings: Any,
) -> Tensor:
    """`torch.nn.functional.scaled_dot_product_attention`, with a cohort folded into one batch.

    torch has no rule for it under `torch.func.vmap`: it warns and runs member after member.

    Args:
        query: (batch, ..., queries, width).
        key: (batch, ..., keys, width).
        value: (batch, ..., keys, width).
        attn_mask: Added to the scores, or true where attention may go; of as many axes as the
            query, or fewer.
        dropout_p: Share of weights dropped, the same ones for all members.
        is_causal: Whether each query sees itself and what is before it.
        **settings: What else torch's function takes.
    """
    if dropout_p > 0:
        return _with_dropout(query, key, value, attn_mask, dropout_p, is_causal, **settings)
    if attn_mask is not None and is_batchedtensor(attn_mask):
        attn_mask = attn_mask.expand(*query.shape[:-1], key.shape[-2])  # a batch of its own
    own = attn_mask is not None and attn_mask.dim() == query.dim() and len(attn_mask) == len(query)

    def run(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        mask = mask if own else attn_mask
        return F.scaled_dot_product_attention(q, k, v, mask, is_causal=is_causal, **settings)

    return whole_cohort(run, query, key, value, attn_mask if own else None)


class FoldedAttention(TorchFunctionMode):
    """While active, every `torch.nn.functional.scaled_dot_product_attention` is `attention`.

    Attributes:
        used: Whether one was met.
    """

    def __init__(self) -> None:
        super().__init__()
        self.used = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called by torch in place of each of its functions."""
        if func is F.scaled_dot_product_attention:
            self.used, func = True, attention
        return func(*args, **(kwargs or {}))


def _with_dropout(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    dropout: float,
    causal: bool,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Written out, so that a mask is drawn once for all members."""
    if enable_gqa:
        copies = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(copies, dim=-3) for x in (key, value))
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~seen, float("-inf"))
    if mask is not None:
        unseen = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else None
        scores = scores + mask if unseen is None else unseen
    return F.dropout(torch.softmax(scores, dim=-1), dropout) @ value


def _mask(attn_mask: Tensor | None, padding: Tensor | None, like: Tensor) -> Tensor | None:
    """Both masks of `torch.nn.MultiheadAttention` as one that is added to the scores.

    Args:
        attn_mask: (queries, keys) or (batch * heads, queries, keys); true, or a number to add.
        padding: (batch, keys); true where a key is padding, or a number to add.
        like: (batch, heads, queries, width).
    """
    masks = []
    if attn_mask is not None:
        added = _added(attn_mask, like)
        by_head = added.dim() == 3
        masks.append(
            added.view(*like.shape[:2], *added.shape[1:]) if by_head else added[None, None]
        )
    if padding is not None:
        masks.append(_added(padding, like)[:, None, None, :])
    return sum(masks[1:], masks[0]) if masks else None


def _added(mask: Tensor, like: Tensor) -> Tensor:
    if mask.dtype != torch.bool:
        return mask.to(like.dtype)
    zero = torch.zeros(mask.shape, dtype=like.dtype, device=mask.device)
    return zero.masked_fill(mask, float("-inf"))
