"""How adapters are built, and their initial values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from rankprobe.lowrank.randomness import random_words


@dataclass(frozen=True)
class Adapter:
    """How adapters are built; the defaults are those of ``dataset.yaml``.

    Attributes:
        scaling: Factor of B A: ``rank_stabilized`` alpha / sqrt(r) (rsLoRA, arXiv:2312.03732),
            ``standard`` alpha / r (LoRA, arXiv:2106.09685), ``none`` 1.
        alpha: Numerator of the scaling.
        beta: Whether the scalar before the frozen matrix is ``trained`` or ``fixed`` at 1.
        b_init: Initial B: ``zeros`` or ``kaiming`` (uniform, fan-in the true rank).
        head: ``trained`` in full, or an ``adapter`` without or with a bias (``adapter_bias``).
        bias: Whether adapted layers train a bias of their own; ``none`` has no bias at all, or
            keeps a given one as it is.
        layer_norm: LayerNorm on the sum of frozen and adapted path.
        dora: Weight decomposition (DoRA, arXiv:2402.09353).
        residual: Whether the input is added to what a layer gives, where both have one shape.
        embeddings: Whether tables of embeddings, and heads tied to them, are ``trained`` in full,
            ``frozen``, or an ``adapter``.
        layers: Names of the layers to adapt, which may hold ``*``; a name of a container covers
            what is inside. ``None``: all. Heads and embeddings have settings of their own.
        others: Whether layers that ``layers`` leaves out are ``frozen``, or ``trained`` in full.
        unadapted: What becomes of layers and parameters that have no low-rank form: ``refused``,
            ``frozen`` or ``trained`` in full. Parameters of one dimension are always trained.
    """

    scaling: Literal["rank_stabilized", "standard", "none"] = "rank_stabilized"
    alpha: float = 1.0
    beta: Literal["trained", "fixed"] = "trained"
    b_init: Literal["zeros", "kaiming"] = "zeros"
    head: Literal["trained", "adapter", "adapter_bias"] = "trained"
    bias: Literal["none", "trained"] = "none"
    layer_norm: bool = False
    dora: bool = False
    residual: bool = False
    embeddings: Literal["trained", "frozen", "adapter"] = "trained"
    layers: tuple[str, ...] | None = None
    others: Literal["frozen", "trained"] = "frozen"
    unadapted: Literal["refused", "frozen", "trained"] = "refused"

    def factor(self, rank: int) -> float:
        """The factor of B A at a rank."""
        if self.scaling == "none" or rank == 0:
            return 1.0
        return self.alpha / (math.sqrt(rank) if self.scaling == "rank_stabilized" else rank)


def uniform(
    what: str, key: tuple[int, int, str, int], shape: tuple[int, ...], *, bound: float
) -> Tensor:
    """Uniform float32 initial values on +-bound, keyed by (seed, repeat, layer, rank)."""
    words = random_words(["initial", what, *key], math.prod(shape))
    unit = torch.from_numpy(words.astype("float32")).sub_(32767.5).div_(32768.0)
    return unit.mul_(bound).view(shape)
