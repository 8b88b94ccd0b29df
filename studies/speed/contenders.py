"""What is timed: one training step of cohorts, of single members at their best, of full training.

All contenders train the same network on the same batches: 784-512-256-128-64-10, dropout 0.1,
batch 128. A cohort is built and stepped by the code that measurements use. A single member is
an ordinary torch module: its own rank, unpadded, ordinary autograd, fused AdamW.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rankprobe.backbones.mlp import mlp
from rankprobe.lowrank import (
    LowRankLinear,
    adapted_layers,
    attach,
    initial_state,
    reinitialised,
)
from rankprobe.lowrank.randomness import integer_seed
from rankprobe.records import Member
from rankprobe.search.cohorts import compose
from rankprobe.training import TrainingProtocol
from rankprobe.training.build import build_cohort
from rankprobe.training.objectives import loss_gradient

INPUTS, HIDDEN, OUTPUTS, BATCH, DROPOUT = 784, (512, 256, 128, 64), 10, 128, 0.1
RANKS = (1, 2, 4, 8, 16, 32)
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
PROTOCOL = TrainingProtocol("classification", batch_size=BATCH)

Phases = tuple[float, float, float]
Step = Callable[[Tensor, Tensor, int], Phases]


@dataclass(frozen=True)
class Contender:
    """Something whose training steps are timed.

    Attributes:
        name: Its name.
        members: Members that one step trains.
        arithmetic: Floating-point operations that a member-step needs.
        steps: Each trains one batch: inputs, labels and a seed in; seconds of the forward
            pass, the backward pass and the update out. More than one are taken in turn.
        turns: Times that all steps are taken in a round.
    """

    name: str
    members: int
    arithmetic: float
    steps: tuple[Step, ...]
    turns: int


def contenders() -> tuple[Contender, ...]:
    """Single members, cohorts of 6, 12 and 30, and full training."""
    singles = tuple(single_member(rank) for rank in RANKS)
    share = sum(arithmetic(rank, sharing=1) for rank in RANKS) / len(RANKS)
    return (
        Contender("single members", 1, share, singles, 4),
        *(_cohort(rates) for rates in (1, 2, 5)),
        Contender("full training", 1, arithmetic(None, sharing=1), (full_training(),), 12),
    )


def arithmetic(rank: int | None, *, sharing: int) -> float:
    """Floating-point operations of the matrix products that one member-step needs.

    A product of (b, i) with (i, o) counts 2 b i o. Forward: W x, A x and B (A x) in each
    adapted layer; backward: the gradients of A, B and A x, and, in every layer but the first,
    of the input, through W and through A. The head, and every layer of full training, has one
    product forward, one for its weights and one for its input. Left out: elementwise work,
    the optimiser, and what padding adds.

    Args:
        rank: The member's rank; ``None`` for full training.
        sharing: Members that share the product of the first layer's W with the batch.
    """
    widths = [INPUTS, *HIDDEN, OUTPUTS]
    shapes = list(itertools.pairwise(widths))
    total = 0.0
    for index, (d_in, d_out) in enumerate(shapes):
        first, head = index == 0, index == len(shapes) - 1
        if rank is None or head:
            total += (2 if first else 3) * d_in * d_out
            continue
        r = min(rank, d_in, d_out)
        frozen = d_in * d_out / sharing if first else 2 * d_in * d_out
        total += frozen + r * ((2 if first else 3) * d_in + 3 * d_out)
    return 2 * BATCH * total


class SingleLinear(nn.Module):
    """An adapted layer as one would write it for a single member, with the sum in one call.

    Of five ways to write it this was the fastest on a CPU: as printed in the paper's formula,
    beta on the input, beta on W, and one merged matrix are all slower.

    Args:
        layer: The adapted layer to copy.
    """

    weight: Tensor

    def __init__(self, layer: LowRankLinear) -> None:
        super().__init__()
        self.register_buffer("weight", layer.weight)
        self.A, self.B, self.beta = layer.A, layer.B, layer.beta
        self.scaling = float(layer.scaling)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs, (batch, d_out), of inputs, (batch, d_in)."""
        frozen = self.beta * F.linear(x, self.weight)
        return torch.addmm(frozen, F.linear(x, self.A), self.B.t(), alpha=self.scaling)


def single_module(rank: int) -> nn.Module:
    """The adapted network of one member as an ordinary module, at its first repeat's start."""
    module = attach(_network(), rank=rank, adapter=PROTOCOL.adapter, scaffold=PROTOCOL.scaffold)
    trained, scalings = initial_state(module, rank, seed=PROTOCOL.seed, repeat=0)
    module.load_state_dict({**trained, **scalings}, strict=False)
    for name, layer in adapted_layers(module).items():
        assert isinstance(layer, LowRankLinear)
        setattr(module, name, SingleLinear(layer))
    return module


def single_member(rank: int) -> Step:
    """Steps of one member alone."""
    return _ordinary(single_module(rank))


def full_training() -> Step:
    """Steps of the network with every weight trained."""
    return _ordinary(reinitialised(_network(), seed=PROTOCOL.seed, repeat=0))


def _ordinary(module: nn.Module) -> Step:
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.01, fused=True)

    def step(x: Tensor, y: Tensor, seed: int) -> Phases:
        torch.default_generator.manual_seed(seed)
        start = time.perf_counter()
        value = F.cross_entropy(module(x), y)
        forward = time.perf_counter()
        value.backward()  # type: ignore[no-untyped-call]
        backward = time.perf_counter()
        optimizer.step()
        optimizer.zero_grad()
        return forward - start, backward - forward, time.perf_counter() - backward

    return step


def _cohort(rates: int) -> Contender:
    members = [Member(rank, rate, 0, 1) for rank in RANKS for rate in RATES[:rates]]
    (composed,) = compose(members, bytes_of=lambda _: 1, parameters=1, draws_masks=True)
    cohort = build_cohort(_network(), composed, PROTOCOL, torch.zeros(2, INPUTS))

    def step(x: Tensor, y: Tensor, seed: int) -> Phases:
        start = time.perf_counter()
        outputs = cohort.outputs(x, seed)
        gradient = loss_gradient(outputs, y)
        forward = time.perf_counter()
        outputs.backward(gradient)  # type: ignore[no-untyped-call]
        backward = time.perf_counter()
        cohort.update(1.0)
        return forward - start, backward - forward, time.perf_counter() - backward

    size = len(composed)
    share = sum(arithmetic(member.rank, sharing=size) for member in composed) / size
    return Contender(f"cohort of {size}", size, share, (step,), 4)


def batches(count: int = 16) -> list[tuple[Tensor, Tensor]]:
    """Batches of synthetic pixels and labels: time does not depend on their values."""
    generator = torch.Generator().manual_seed(integer_seed(["speed", 0]) % 2**63)
    return [
        (
            torch.randn(BATCH, INPUTS, generator=generator),
            torch.randint(OUTPUTS, (BATCH,), generator=generator),
        )
        for _ in range(count)
    ]


def matrix_product(size: int = 2048) -> Callable[[], float]:
    """Times the product of two square float32 matrices: seconds that one takes."""
    left, right = torch.randn(size, size), torch.randn(size, size)
    out = torch.empty(size, size)

    def product() -> float:
        start = time.perf_counter()
        torch.mm(left, right, out=out)
        return time.perf_counter() - start

    return product


def _network() -> nn.Module:
    return mlp((INPUTS,), OUTPUTS, hidden=HIDDEN, dropout=DROPOUT)


def mean_phases(phases: Sequence[Phases], members: int) -> Phases:
    """Milliseconds a member-step, by phase."""
    forward, backward, update = (
        1000 * math.fsum(column) / len(phases) / members for column in zip(*phases, strict=True)
    )
    return forward, backward, update
