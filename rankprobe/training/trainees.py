"""What the loop trains: members stacked along a first axis and stepped together."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from rankprobe.lowrank import attach, initial_state
from rankprobe.lowrank.randomness import integer_seed
from rankprobe.records import Member
from rankprobe.training.fusion import fuse
from rankprobe.training.optimizer import CohortAdamW

if TYPE_CHECKING:
    from rankprobe.training.protocol import TrainingProtocol

# Numbers that one evaluation may hold at once, over all members: 64 MB of float32.
_EVALUATION_VALUES = 16_000_000

State = Mapping[str, Tensor]


class Cohort:
    """Members of one network, trained together.

    The network is written once, as if for one model, and run under `torch.func.vmap`; frozen
    tensors are not stacked. Smaller ranks are padded with zeros, which stay zero. A network
    that vmap cannot run is run one member after another; a single member is run as it is.

    Args:
        module: The network; its own parameters only give the names.
        trained: Initial trained tensors, one mapping a member.
        constants: Tensors that differ between members and are not trained.
        rates: Peak learning rates, one a member.
        weight_decay: Decoupled weight decay.
        example: A few inputs, (n, ...), to see whether vmap can run the network.
    """

    def __init__(
        self,
        module: nn.Module,
        trained: Sequence[State],
        constants: Sequence[State],
        rates: Sequence[float],
        *,
        weight_decay: float,
        example: Tensor,
    ) -> None:
        self.size = len(trained)
        self.module = module.to(example.device, example.dtype).requires_grad_(False).train()
        self.stacks = {
            name: _stack([state[name] for state in trained], like=example).requires_grad_()
            for name in trained[0]
        }
        self.constants = {
            name: _stack([state[name] for state in constants], like=example)
            for name in constants[0]
        }
        self.optimizer = CohortAdamW(
            [stack for stack in self.stacks.values() if stack.numel()],
            rates,
            weight_decay=weight_decay,
        )
        self.one_by_one = self.size == 1 or not self._vmap_runs(example)

    def outputs(self, x: Tensor, seed: int) -> Tensor:
        """Outputs in training mode.

        Args:
            x: (batch, ...), shared by all members.
            seed: Of the dropout masks, which all members share.

        Returns:
            (members, batch, outputs).
        """
        if self.one_by_one:
            return torch.stack([self._alone(index, x, seed) for index in range(self.size)])
        seed_all(seed, x.device)
        return self._together(x)

    def update(self, factor: float) -> None:
        """One optimiser step at ``factor`` times every member's peak rate."""
        self.optimizer.step(factor)

    @torch.no_grad()
    def evaluate(self, x: Tensor) -> Tensor:
        """Outputs in evaluation mode, (members, n, outputs)."""
        self.module.eval()
        widths = [stack.shape[1] for stack in self.stacks.values() if stack.dim() > 2]
        chunk = max(1, _EVALUATION_VALUES // (self.size * max([*widths, x[0].numel()])))
        parts = [self.outputs(part, seed=0) for part in x.split(chunk)]  # type: ignore[no-untyped-call]
        self.module.train()
        return torch.cat(parts, dim=1)

    def _one(self, trained: State, constants: State, x: Tensor) -> Tensor:
        output: Tensor = functional_call(self.module, {**trained, **constants}, (x,))
        return output

    def _together(self, x: Tensor) -> Tensor:
        run = vmap(self._one, in_dims=(0, 0, None), randomness="same")
        outputs: Tensor = run(self.stacks, self.constants, x)
        return outputs

    def _alone(self, index: int, x: Tensor, seed: int) -> Tensor:
        seed_all(seed, x.device)
        trained = {name: stack[index] for name, stack in self.stacks.items()}
        return self._one(trained, {name: c[index] for name, c in self.constants.items()}, x)

    def _vmap_runs(self, x: Tensor) -> bool:
        try:
            with torch.no_grad():
                self._together(x)
        except (RuntimeError, ValueError, NotImplementedError):
            # A real fault shows up again, and as itself, when one member is run alone.
            return False
        return True


def build_cohort(
    backbone: nn.Module, members: Sequence[Member], protocol: TrainingProtocol, example: Tensor
) -> Cohort:
    """The cohort of some members of one repeat: baselines, or adapters.

    A baseline starts from torch's own initial values.
    """
    constants: list[dict[str, Tensor]] = [{} for _ in members]
    ranks = [member.rank for member in members if member.rank is not None]
    if ranks:
        module = fuse(
            attach(backbone, rank=max(ranks), adapter=protocol.adapter, scaffold=protocol.scaffold)
        )
        states = [
            initial_state(module, rank, seed=protocol.seed, repeat=members[0].repeat)
            for rank in ranks
        ]
        trained, constants = [state for state, _ in states], [fixed for _, fixed in states]
    else:
        module = reinitialised(backbone, seed=protocol.seed, repeat=members[0].repeat)
        start = {name: value.detach().clone() for name, value in module.named_parameters()}
        trained = [start for _ in members]
    return Cohort(
        module,
        trained,
        constants,
        [member.learning_rate for member in members],
        weight_decay=protocol.weight_decay,
        example=example,
    )


def reinitialised(module: nn.Module, *, seed: int, repeat: int) -> nn.Module:
    """A copy with torch's own initial values, drawn from (seed, repeat)."""
    module = copy.deepcopy(module)
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(integer_seed(["baseline", seed, repeat]))
        for layer in module.modules():
            if callable(reset := getattr(layer, "reset_parameters", None)):
                reset()
    return module


def seed_all(seed: int, device: torch.device) -> None:
    """Seed the generator of a device; `torch.manual_seed` seeds them all, and takes 0.8 ms."""
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def _stack(tensors: Sequence[Tensor], *, like: Tensor) -> Tensor:
    """Stack tensors that differ in rank, padded with zeros to the largest."""
    shape = [max(sizes) for sizes in zip(*(tensor.shape for tensor in tensors), strict=True)]
    stack = like.new_zeros(len(tensors), *shape)
    for index, tensor in enumerate(tensors):
        stack[index][tuple(slice(size) for size in tensor.shape)] = tensor
    return stack
