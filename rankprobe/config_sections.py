"""The sections of a dataset.yaml that say how members are built, trained and searched."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, FiniteFloat

from rankprobe.config_values import (
    COUNT,
    SWITCH,
    Count,
    Model,
    Name,
    Positive,
    SeedClasses,
    Share,
    ascending,
    listed,
)


class AdapterConfig(Model):
    """What is trained beside the frozen weights."""

    scaling: Literal["rank_stabilized", "standard", "none"] = "rank_stabilized"
    alpha: Positive = Field(default=1.0, description="a number above 0")
    beta: Literal["trained", "fixed"] = "trained"
    b_init: Literal["zeros", "kaiming"] = "zeros"
    head: Literal["trained", "adapter", "adapter_bias"] = "trained"
    bias: Literal["none", "trained"] = "none"
    layer_norm: bool = Field(default=False, description=SWITCH)
    dora: bool = Field(default=False, description=SWITCH)
    residual: bool = Field(default=False, description=SWITCH)
    embeddings: Literal["trained", "frozen", "adapter"] = "trained"
    layers: Annotated[
        Annotated[tuple[Name, ...], Field(min_length=1)] | None, BeforeValidator(listed)
    ] = Field(default=None, description="a list of layer names, which may hold * such as [*.query]")
    others: Literal["frozen", "trained"] = "frozen"
    unadapted: Literal["refused", "frozen", "trained"] = "refused"


class ScaffoldConfig(Model):
    """What becomes of the frozen weights while members train, and after."""

    frozen: Literal["seeded", "zero"] = "seeded"
    evaluation: Literal["kept", "removed"] = "kept"
    resample: Literal["none", "epoch", "step", "batch"] = "none"
    count: Annotated[int, Field(ge=2)] = Field(
        default=2, description="a whole number of at least 2"
    )
    draws: Literal["fixed", "fresh"] = "fixed"
    seeds: SeedClasses | None = Field(
        default=None, description="names of classes by seed, such as {42: [0, 1], 43: [2, 3]}"
    )
    outside: Literal["ignored", "class"] = "ignored"


Candidates = (
    Positive | Annotated[tuple[Positive, ...], Field(min_length=1), BeforeValidator(listed)]
)


class Rates(Model):
    """Learning rates of every adapter and of full training: one fixed, or a list to tune on."""

    adapter: Candidates
    baseline: Candidates


class TrainingConfig(Model):
    """How every member is trained."""

    optimizer: Literal["adamw"] = "adamw"
    learning_rate: Literal["tuned"] | Positive | Rates = Field(
        default="tuned",
        description="tuned, a number above 0, or {adapter: NUMBER, baseline: NUMBER} with "
        "a number or a list of numbers each",
    )
    weight_decay: Annotated[FiniteFloat, Field(ge=0)] = Field(
        default=0.01, description="a number of at least 0"
    )
    batch_size: Count = Field(default=128, description=COUNT)
    epochs: Literal["auto"] | Count = Field(
        default="auto", description="auto, or a whole number of at least 1"
    )
    schedule: Literal["cosine", "constant", "exponential"] = "cosine"
    decay: Share = Field(default=0.9, description="a number between 0 and 1, neither included")
    warmup: Annotated[FiniteFloat, Field(ge=0, lt=1)] = Field(
        default=0.0, description="a share of all steps, from 0 up to, not including, 1"
    )
    clip: Positive | None = Field(default=None, description="a norm above 0")
    class_weights: (
        Literal["none", "balanced"]
        | Annotated[tuple[Positive, ...], Field(min_length=2), BeforeValidator(listed)]
    ) = Field(default="none", description="none, balanced, or a list of numbers above 0")


class SearchConfig(Model):
    """Which ranks are measured, how often, and what they must reach."""

    ranks: Annotated[
        Literal["auto"] | Annotated[tuple[Count, ...], Field(min_length=1)],
        BeforeValidator(ascending),
    ] = Field(default="auto", description="auto, or a list of whole numbers of at least 1")
    repeats: Count = Field(default=5, description=COUNT)
    target: Share = Field(default=0.95, description="a number between 0 and 1, neither included")
    epsilon: Positive | None = Field(
        default=None, description="a number above 0, in the units of the metric"
    )
    floor: Literal["auto", "none", "chance", "head"] = "auto"
    refine: bool = Field(default=True, description=SWITCH)
    scaffolds: Count = Field(default=1, description=COUNT)
    precision: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="a whole number of at least 0: ranks between low and high"
    )
    budget: Count | None = Field(
        default=None, description="a whole number of at least 1: trainings in all"
    )
