"""What training means, without any of the means to do it fast.

One member at a time, at its own rank, with dense matrices, ordinary autograd and torch's own
AdamW. Contract tests hold the cohort against it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.data.task import Objective, Split, Task
from rankprobe.lowrank import Adapter, attach, initial_state, reinitialised
from rankprobe.lowrank.randomness import integer_seed, permutation
from rankprobe.records import Member, Run
from rankprobe.training import Score, TrainingData, TrainingProtocol, train
from rankprobe.training.objectives import scored_outputs
from tests.training.plain_layers import plain_twin
from tests.training.plain_scaffolds import PlainTurns


def toy_task(
    objective: Objective = "classification", shape: Sequence[int] = (6,), outputs: int = 3
) -> Task:
    """48 training examples, so that the last of 5 batches of 10 is smaller."""
    generator = np.random.default_rng(3)
    x = generator.normal(size=(84, *shape)).astype(np.float32)
    teacher = generator.normal(size=(math.prod(shape), outputs))
    values = x.reshape(len(x), -1) @ teacher
    y: NDArray[Any] = values.argmax(axis=1).astype(np.int64)
    if objective == "regression":  # in units of their own: far from 0, and unlike each other
        y = (values * np.linspace(20, 90, outputs) + 1000).astype(np.float32)
    train, validation, test = (
        Split(x[rows], y[rows]) for rows in (slice(48), slice(48, 64), slice(64, None))
    )
    return Task("toy", objective, "accuracy", train, validation, test, outputs)


def protocol(objective: Objective = "classification", **settings: Any) -> TrainingProtocol:
    """Batches of 10, and a weight decay that shows."""
    return TrainingProtocol(objective, **{"batch_size": 10, "weight_decay": 0.1, **settings})


class RawScore:
    """A number that moves whenever any output does."""

    def compact(self, outputs: NDArray[Any], target: NDArray[Any]) -> NDArray[Any]:
        return outputs.copy()

    def __call__(self, split: Literal["validation", "test"], predictions: NDArray[Any]) -> Score:
        return Score(float(np.square(predictions).mean()), 0.5, predictions)


raw_score = RawScore()


def train_together(
    members: Sequence[Member],
    backbone: nn.Module,
    settings: TrainingProtocol,
    *,
    task: Task | None = None,
    dtype: torch.dtype = torch.float64,
    tick: Callable[[int], None] | None = None,
) -> tuple[Run, ...]:
    """Train a cohort on the toy task of the protocol's objective."""
    data = TrainingData.of(task or toy_task(settings.objective), dtype=dtype)
    return train(
        members, backbone=backbone, data=data, protocol=settings, score=raw_score, tick=tick
    )


@dataclass(frozen=True)
class Solo:
    """A member trained by the plain loop."""

    history: tuple[tuple[float, float], ...]
    outputs: NDArray[Any]
    parameters: Mapping[str, Tensor]


class PlainLinear(nn.Module):
    """The adapted layer as one dense matrix, assembled anew in every forward pass."""

    weight: Tensor
    A: Tensor
    B: Tensor
    beta: Tensor
    bias: Tensor | None
    magnitude: Tensor

    def __init__(self, weight: Tensor, factor: float, adapter: Adapter) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.factor, self.dora = factor, adapter.dora
        self.norm = nn.LayerNorm(len(weight)) if adapter.layer_norm else None
        self.residual = adapter.residual and weight.shape[0] == weight.shape[1]

    def start(self, values: Mapping[str, Tensor], prefix: str) -> None:
        """Take the initial values of the layer's own tensors; the rest is fixed."""
        fixed = {"beta": torch.ones(())}
        if self.dora:
            fixed["magnitude"] = self.weight.norm(dim=1)
        for key in ("A", "B", "beta", "bias", "magnitude"):
            if f"{prefix}.{key}" in values:
                setattr(self, key, nn.Parameter(values[f"{prefix}.{key}"]))
            else:
                self.register_buffer(key, fixed.get(key))

    def forward(self, x: Tensor) -> Tensor:
        matrix = self.beta * self.weight + self.factor * self.B @ self.A
        if self.dora:
            matrix = matrix * (self.magnitude / matrix.norm(dim=1))[:, None]
        h = x @ matrix.T
        h = h if self.norm is None else self.norm(h)
        h = h if self.bias is None else h + self.bias
        return x + h if self.residual else h


def plain_network(backbone: nn.Module, member: Member, settings: TrainingProtocol) -> nn.Module:
    """The network of one member at its own rank, with its initial values."""
    adapter, scaffold = settings.adapter, settings.scaffold.sibling(member.scaffold)
    start = reinitialised(backbone, seed=settings.seed, repeat=member.repeat, scaffold=scaffold)
    if member.rank is None:
        return start
    if _more_than_linear(backbone) or adapter.layers is not None or scaffold.init != "scaffold":
        return plain_twin(backbone, member, settings, dict(start.named_parameters()))
    twin = attach(backbone, rank=member.rank, adapter=adapter, scaffold=scaffold)
    state, _ = initial_state(twin, member.rank, seed=settings.seed, repeat=member.repeat)
    net = copy.deepcopy(backbone)
    layers = {name: m for name, m in net.named_modules() if isinstance(m, nn.Linear)}
    if adapter.head == "trained":
        layers.popitem()
    plain: dict[nn.Module, PlainLinear] = {}
    for name, layer in layers.items():
        own = min(member.rank, layer.in_features, layer.out_features) or 1
        power = {"rank_stabilized": 0.5, "standard": 1.0, "none": 0.0}[adapter.scaling]
        alpha = 1.0 if adapter.scaling == "none" else adapter.alpha
        factor = float(np.float32(alpha / own**power))  # the layer keeps it in float32
        weight = scaffold.weight(name, (layer.out_features, layer.in_features))
        plain[layer] = PlainLinear(torch.from_numpy(weight), factor, adapter)
        plain[layer].start(state, name)
    for path, module in list(net.named_modules(remove_duplicate=False)):
        if module in plain:
            parent, _, child = path.rpartition(".")
            setattr(net.get_submodule(parent), child, plain[module])
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(name in state)
        if name in state:
            parameter.data = state[name].clone()
    assert state.keys() == {n for n, p in net.named_parameters() if p.requires_grad}
    return net


def _more_than_linear(backbone: nn.Module) -> bool:
    """Whether layers other than linear ones and LayerNorm hold weights."""
    return any(
        not isinstance(layer, nn.Linear | nn.LayerNorm)
        and any(True for _ in layer.parameters(False))
        for layer in backbone.modules()
    )


def solo(
    member: Member,
    backbone: nn.Module,
    settings: TrainingProtocol,
    *,
    task: Task | None = None,
    dtype: torch.dtype = torch.float64,
) -> Solo:
    """Train one member on the toy task of the protocol's objective, plainly."""
    data = TrainingData.of(task or toy_task(settings.objective), dtype=dtype)
    net = plain_network(backbone, member, settings).to(dtype)
    turns = PlainTurns(net, settings, settings.scaffold.sibling(member.scaffold))
    moved = [p for p in net.parameters() if p.requires_grad and p.numel()]
    optimizer = torch.optim.AdamW(
        moved, weight_decay=settings.weight_decay, foreach=False, fused=False
    )
    n, size = len(data.train_x), settings.batch_size
    per_epoch = math.ceil(n / size)
    total = member.epochs * per_epoch
    scored = {math.ceil(total * k / 8) for k in range(1, 9)}
    history: list[tuple[float, float]] = []

    def outputs(x: Tensor, target: Tensor) -> NDArray[Any]:
        net.eval()
        with torch.no_grad():
            values: Tensor = turns.evaluate(x) * data.scale + data.shift
        net.train()
        return scored_outputs(settings.objective, values[None], target)[0].numpy()

    with torch.random.fork_rng(devices=[]):
        for step in range(total):
            epoch, batch = divmod(step, per_epoch)
            order = permutation(["order", settings.seed, member.repeat, epoch], n)
            rows = torch.from_numpy(order[batch * size : (batch + 1) * size])
            masks = integer_seed(["mask", settings.seed, member.repeat, step])
            guess, truth = (
                turns.train(data.train_x[rows], masks, step, per_epoch),
                data.train_y[rows],
            )
            loss = _loss(guess, truth)
            factor = (1 + math.cos(math.pi * step / total)) / 2
            for group in optimizer.param_groups:
                group["lr"] = member.learning_rate * (
                    factor if settings.schedule == "cosine" else 1
                )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if step + 1 in scored:
                score = raw_score("validation", outputs(data.validation_x, data.validation_y))
                history.append(((step + 1) / per_epoch, score.value))
    return Solo(tuple(history), outputs(data.test_x, data.test_y), dict(net.named_parameters()))


def _loss(guess: Tensor, truth: Tensor) -> Tensor:
    """The mean loss of everything that there is to predict."""
    if truth.is_floating_point():
        there = ~truth.isnan()
        return F.mse_loss(guess[there], truth[there])
    return F.cross_entropy(guess.flatten(0, -2), truth.flatten(), ignore_index=-1)
