"""Settings of the backbones: one model a family, told apart by ``backbone.family``."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, FiniteFloat

from rankprobe.config_values import COUNT, SEED, SWITCH, Count, Factory, Model, Name, Positive, Seed
from rankprobe.config_values import listed as _listed

Dropout = Annotated[
    FiniteFloat, Field(ge=0, lt=1, description="a number from 0 up to, not including, 1")
]


Weights = Literal[
    "normal",
    "truncated_normal",
    "uniform",
    "orthogonal",
    "kaiming_normal",
    "kaiming_uniform",
    "xavier_normal",
    "xavier_uniform",
    "spectral_radius",
    "cauchy",
    "laplace",
    "student_t",
    "gaussian_mixture",
    "sparse_normal",
    "sparse_erdos_renyi",
    "beta",
    "exponential",
    "normal_16bit",
    "normal_8bit",
    "normal_4bit",
    "normal_2bit",
    "binary",
]
WEIGHTS: tuple[str, ...] = get_args(Weights)
"""Families of random weights; see `rankprobe.lowrank.families`, which imports NumPy."""

WIDTHS = {
    "tiny": (128, 64),
    "small": (256, 128, 64),
    "medium": (512, 256, 128, 64),
    "large": (1024, 512, 256, 128, 64),
}
"""Widths of the hidden layers of the published multilayer perceptrons."""


def _widths(value: Any) -> Any:
    """Widths, or the name of published ones."""
    return WIDTHS.get(value, value) if isinstance(value, str) else _listed(value)


class AnyBackbone(Model):
    """The frozen weights, which all families have.

    ``init: scaffold`` makes every weight from the seed; ``pretrained`` keeps the weights that the
    network comes with as the scaffold; ``mixed`` keeps them but for the layers that ``random``
    names. ``weight_scale: fan_in`` gives weights the standard deviation 1/sqrt(fan-in), but to
    families that are a scale (orthogonal, Kaiming, Xavier, spectral radius) their own; ``family``
    gives the others the scale that they were published with, where there is one.
    """

    family: str = ""
    seed: Seed = Field(default=42, description=SEED)
    weights: Weights = "normal"
    weight_scale: Literal["fan_in", "family"] | Positive = Field(
        default="fan_in", description="fan_in, family, or a standard deviation above 0"
    )


class BuiltBackbone(AnyBackbone):
    """A family of ours: ``size`` multiplies all its widths, see `sized`."""

    size: Positive = Field(default=1.0, description="a number above 0")


class MlpConfig(BuiltBackbone):
    """Linear layers; see `rankprobe.backbones.mlp`."""

    family: Literal["mlp"] = "mlp"
    hidden: Annotated[tuple[Count, ...], BeforeValidator(_widths)] = Field(
        default=WIDTHS["medium"],
        description="a list of whole numbers of at least 1, [], tiny, small, medium or large",
    )
    activation: Literal["relu", "tanh", "gelu", "silu", "identity"] = "relu"
    dropout: Dropout = 0.1


class CnnConfig(BuiltBackbone):
    """Plain or residual convolutions; see `rankprobe.backbones.cnn`."""

    family: Literal["cnn"] = "cnn"
    width: Count = Field(default=16, description=COUNT)
    depth: Count = Field(default=20, description="6 n + 2 with a whole number n, such as 8 or 20")
    residual: bool = Field(default=False, description=SWITCH)


class CfcConfig(BuiltBackbone):
    """Closed-form continuous-time network; see `rankprobe.backbones.cfc`."""

    family: Literal["cfc"] = "cfc"
    hidden: Count = Field(default=64, description=COUNT)
    backbone_units: Count = Field(default=64, description=COUNT)
    backbone_layers: Count = Field(default=2, description=COUNT)
    dropout: Dropout = 0.0


class GinConfig(BuiltBackbone):
    """Graph isomorphism network with bond features; see `rankprobe.backbones.gin`."""

    family: Literal["gin"] = "gin"
    hidden: Count = Field(default=64, description=COUNT)
    layers: Count = Field(default=3, description=COUNT)
    dropout: Dropout = 0.5
    residual: bool = Field(default=True, description=SWITCH)


class GcnConfig(BuiltBackbone):
    """Graph convolutional network; see `rankprobe.backbones.gcn`."""

    family: Literal["gcn"] = "gcn"
    hidden: Count = Field(default=64, description=COUNT)
    layers: Count = Field(default=2, description=COUNT)
    dropout: Dropout = 0.5


class TransformerConfig(BuiltBackbone):
    """Transformer encoder over tokens; see `rankprobe.backbones.transformer`."""

    family: Literal["transformer"] = "transformer"
    width: Count = Field(default=128, description=COUNT)
    layers: Count = Field(default=2, description=COUNT)
    heads: Count = Field(default=4, description=COUNT)
    feedforward: Count = Field(default=256, description=COUNT)
    dropout: Dropout = 0.1
    norm: Literal["pre", "post"] = "pre"


class VitConfig(BuiltBackbone):
    """Vision transformer; see `rankprobe.backbones.vit`."""

    family: Literal["vit"] = "vit"
    patch: Count = Field(default=4, description=COUNT)
    width: Count = Field(default=128, description=COUNT)
    layers: Count = Field(default=4, description=COUNT)
    heads: Count = Field(default=4, description=COUNT)
    feedforward: Count = Field(default=256, description=COUNT)
    dropout: Dropout = 0.1
    pool: Literal["class", "mean"] = "class"


class LlamaConfig(BuiltBackbone):
    """Causal language model; see `rankprobe.backbones.llama`."""

    family: Literal["llama"] = "llama"
    width: Count = Field(default=128, description=COUNT)
    layers: Count = Field(default=4, description=COUNT)
    heads: Count = Field(default=4, description=COUNT)
    feedforward: Count = Field(default=344, description=COUNT)


class DecisionTransformerConfig(BuiltBackbone):
    """Decision Transformer; see `rankprobe.backbones.decision_transformer`."""

    family: Literal["decision_transformer"] = "decision_transformer"
    width: Count = Field(default=128, description=COUNT)
    layers: Count = Field(default=3, description=COUNT)
    heads: Count = Field(default=1, description=COUNT)
    dropout: Dropout = 0.1


class GivenBackbone(AnyBackbone):
    """What networks that come from outside share."""

    init: Literal["scaffold", "pretrained", "mixed"] = "scaffold"
    random: Annotated[tuple[Name, ...], BeforeValidator(_listed)] = Field(
        default=(), description="a list of layer names, which may hold * such as [*.query]"
    )


class PythonConfig(GivenBackbone):
    """A module of the user's; see `rankprobe.search.own_network`."""

    family: Literal["python"] = "python"
    factory: Factory | None = Field(default=None, description="`module:function`")


class HuggingfaceConfig(GivenBackbone):
    """A model of the transformers library; see `rankprobe.search.huggingface`."""

    family: Literal["huggingface"] = "huggingface"
    path: Name | None = Field(default=None, description="a folder, or a name on the hub")
    init: Literal["scaffold", "pretrained", "mixed"] = "pretrained"


BackboneConfig = Annotated[
    MlpConfig
    | CnnConfig
    | CfcConfig
    | GinConfig
    | GcnConfig
    | TransformerConfig
    | VitConfig
    | LlamaConfig
    | DecisionTransformerConfig
    | PythonConfig
    | HuggingfaceConfig,
    Field(discriminator="family"),
]
FAMILIES: tuple[type[AnyBackbone], ...] = get_args(get_args(BackboneConfig)[0])

_WIDTHS = ("hidden", "width", "feedforward", "backbone_units")


def sized(settings: BuiltBackbone) -> dict[str, Any]:
    """The widths of a family times its ``size``, those that it has.

    They are rounded to the nearest whole number, at least 1; the width of a position to the nearest
    that the heads divide, evenly where the family needs it (a rotary attention turns pairs).
    """
    widths = {key: getattr(settings, key) for key in _WIDTHS if hasattr(settings, key)}
    heads = getattr(settings, "heads", 1) * (2 if settings.family == "llama" else 1)
    unit = {"width": heads}
    return {key: _scaled(value, settings.size, unit.get(key, 1)) for key, value in widths.items()}


def _scaled(widths: Any, size: float, unit: int) -> Any:
    if isinstance(widths, tuple):
        return tuple(_scaled(width, size, unit) for width in widths)
    # A size of 1 leaves a width as it is: one that the heads do not divide is refused, not mended.
    return widths if size == 1 else unit * max(1, math.floor(widths * size / unit + 0.5))
