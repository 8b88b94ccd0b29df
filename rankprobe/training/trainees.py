"""What the loop trains: members stacked along a first axis and stepped together."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch._C._functorch import (
    _add_batch_dim,
    _remove_batch_dim,
    _vmap_decrement_nesting,
    _vmap_increment_nesting,
)
from torch.func import vmap

from rankprobe.lowrank import adapted_layers
from rankprobe.lowrank.attention import FoldedAttention
from rankprobe.lowrank.plain import put_channels_last, statistics
from rankprobe.training.chance import seed_all
from rankprobe.training.memory import values_per_example
from rankprobe.training.optimizer import CohortAdamW
from rankprobe.training.scaffolds import Turns
from rankprobe.training.stacks import Held, inside, slots_of, stacked

# Numbers that one evaluation may hold at once, over all members: 64 MB of float32.
_EVALUATION_VALUES = 16_000_000
# Numbers that a convolution gives for a member's batch from which a CPU had better train member
# after member: what one computes then stays in its caches. On Plain-20, 64 pictures a batch, one
# thread, member-steps a second together and apart: 8 x 8 37.9 and 35.5, 16 x 16 14.5 and 15.7,
# 32 x 32 4.1 and 5.2.
_LARGE_CONVOLUTION = 1 << 17

T = TypeVar("T")
State = Mapping[str, Tensor]


class Cohort:
    """Members of one network, trained together.

    The network is written once, as if for one model, and run under `torch.func.vmap`; frozen
    tensors are not stacked. Smaller ranks are padded with zeros, which stay zero. A network
    that vmap cannot run is run one member after another; a single member is run as it is.

    Members of several repeats each have a batch of their own, and no masks: a mask belongs to
    one repeat, and vmap draws one for all.

    Args:
        module: The network; its own parameters only give the names.
        trained: Initial trained tensors, one mapping a member.
        constants: Tensors that differ between members and are not trained; buffers that training
            updates, such as the running statistics of batch norm, are added.
        rates: Peak learning rates, one a member.
        repeats: Repeats, one a member.
        weight_decay: Decoupled weight decay.
        example: A few inputs, (n, ...), to see whether vmap can run the network.
        dtype: Type of the trained tensors.
        clip: Largest norm of each member's gradient; ``None``: any.
        held: Tensors that other members train and a member does not, one mapping a member.

    Attributes:
        turns: Changes the scaffold, where that is not the same one all the time.
    """

    def __init__(
        self,
        module: nn.Module,
        trained: Sequence[State],
        constants: Sequence[State],
        rates: Sequence[float],
        repeats: Sequence[int],
        *,
        weight_decay: float,
        example: Tensor,
        dtype: torch.dtype,
        clip: float | None = None,
        held: Sequence[State] = (),
    ) -> None:
        self.size, self.repeats = len(trained), tuple(repeats)
        self.trainable = [sum(value.numel() for value in state.values()) for state in trained]
        self._shapes = [{name: value.shape for name, value in state.items()} for state in trained]
        self.module = module.to(example.device, dtype).requires_grad_(False).train()
        like = torch.empty(0, dtype=dtype, device=example.device)
        held = held or [{} for _ in trained]
        states = [{**still, **own} for still, own in zip(held, trained, strict=True)]
        self.stacks = {
            name: stacked([state[name] for state in states], like=like).requires_grad_()
            for name in max(trained, key=len)
        }
        self._held = [
            Held(stack, [index for index, still in enumerate(held) if name in still])
            for name, stack in self.stacks.items()
            if any(name in still for still in held)
        ]
        self.constants = {
            name: stacked([state[name] for state in constants], like=like) for name in constants[0]
        }
        self.statistics = {
            name: torch.stack([buffer] * self.size)
            for name, buffer in statistics(self.module, example).items()
        }
        self.optimizer = CohortAdamW(
            [stack for stack in self.stacks.values() if stack.numel()],
            rates,
            weight_decay=weight_decay,
            clip=clip,
        )
        self._values = 0  # of an example, in the largest tensor; measured when first needed
        self._small = {n: layer for n, layer in adapted_layers(self.module).items() if layer.small}
        layers = adapted_layers(self.module).values()
        self._lanes = [layer.lanes for layer in layers if layer.lanes is not None]
        self._slots = slots_of(self.module, [*self.stacks, *self.constants, *self.statistics])
        self._slots += [[(layer.__dict__, "whole", None)] for layer in self._small.values()]
        self._convolved = put_channels_last(self.module, example)
        self._attention = FoldedAttention()
        self.turns: Turns | None = None
        self.one_by_one = self.size == 1 or not self._vmap_runs(example)

    def begin(self, step: int, per_epoch: int) -> None:
        """A training step begins, of so many an epoch."""
        if self.turns is not None:
            self.turns.begin(step, per_epoch)

    def outputs(
        self, x: Tensor, seed: int, *, apart: bool = False, places: Tensor | None = None
    ) -> Tensor:
        """Outputs in training mode, or in evaluation mode where the module is.

        Args:
            x: (batch, ...), shared by all members; or (members, batch, ...).
            seed: Of the dropout masks, which all members share.
            apart: Whether every member has inputs of its own.
            places: (batch,) the place of each example in its split; from 0 unless given.

        Returns:
            (members, batch, outputs).
        """
        if self.turns is None:
            return self._outputs(x, seed, apart=apart)
        return self.turns.outputs(
            lambda part, own: self._outputs(part, own, apart=apart), x, seed, int(apart), places
        )

    def _outputs(self, x: Tensor, seed: int, *, apart: bool) -> Tensor:
        """Outputs of what goes through one scaffold."""
        batch = x.shape[1] if apart else len(x)
        large = x.device.type == "cpu" and batch * self._convolved > _LARGE_CONVOLUTION
        if self.one_by_one or large:
            own = x if apart else [x] * self.size
            # Apart at once: the gradients of slices one by one would each be of the whole's size.
            members = zip(*(tensor.unbind(0) for tensor in self._tensors()), strict=True)
            outputs = []
            for index, (mine, tensors) in enumerate(zip(own, members, strict=True)):
                for lanes in self._lanes:
                    lanes.now = index
                outputs.append(self._alone(mine, tensors, seed))
            return torch.stack(outputs)
        seed_all(seed, x.device)
        return self._together(x, apart=apart)

    def kept_bytes(self, index: int) -> int:
        """Bytes of what `tensors` returns, nearly: running statistics are left out."""
        return 4 * self.trainable[index]

    def tensors(self, index: int) -> dict[str, NDArray[Any]]:
        """What training made of a member: trained tensors without padding, and statistics."""
        found: dict[str, NDArray[Any]] = {}
        for name, shape in self._shapes[index].items():
            own = self.stacks[name].detach()[index][tuple(slice(size) for size in shape)]
            found[name] = own.to("cpu", torch.float32).contiguous().numpy().copy()
        for name, stack in self.statistics.items():
            own = stack[index].detach().cpu()
            found[name] = (own.float() if own.is_floating_point() else own).numpy().copy()
        return found

    def update(self, factor: float) -> None:
        """One optimiser step at ``factor`` times every member's peak rate."""
        for held in self._held:
            held.before()
        self.optimizer.step(factor)
        for held in self._held:
            held.after()

    @torch.no_grad()
    def evaluate(self, x: Tensor) -> Iterator[Tensor]:
        """Outputs in evaluation mode, (members, some examples, ...), part by part."""
        self.module.eval()
        try:
            # torch leaves Tensor.split without types
            places, size = torch.arange(len(x)), self.chunk(x)
            for part, own in zip(x.split(size), places.split(size), strict=True):  # type: ignore[no-untyped-call]
                yield self.outputs(part, seed=0, places=own)
        finally:
            self.module.train()

    def chunk(self, x: Tensor) -> int:
        """Examples that are evaluated at once."""
        if not self._values:
            few, first = x[:2], [tensor[0] for tensor in self._tensors()]
            self._values = self._with(lambda: values_per_example(self.module, few), first)
        return max(1, _EVALUATION_VALUES // (self.size * self._values))

    def _one(self, x: Tensor, *tensors: Tensor) -> Tensor:
        """The network with these tensors: `torch.func.functional_call` without its overhead."""
        output: Tensor = self._with(lambda: self.module(x), tensors)
        return output

    def _with(self, call: Callable[[], T], tensors: Sequence[Tensor]) -> T:
        """Call something while the network holds these tensors."""
        for slots, tensor in zip(self._slots, tensors, strict=True):
            for holder, key, _ in slots:
                holder[key] = tensor
        try:
            result = call()
            self._keep_statistics(tensors)
            return result
        finally:
            for slots in self._slots:
                for holder, key, own in slots:
                    holder[key] = own

    def _keep_statistics(self, tensors: Sequence[Tensor]) -> None:
        """Write to a member's own statistics what the network has put in their place."""
        first = len(self.stacks) + len(self.constants)
        for index in range(first, first + len(self.statistics)):
            holder, key, _ = self._slots[index][0]
            if holder[key] is not tensors[index]:
                tensors[index].copy_(holder[key].detach())

    def _together(self, x: Tensor, *, apart: bool) -> Tensor:
        """All members under `torch.func.vmap`, without what it looks up before every call.

        That takes longer than a step of a small network; these are the calls that it makes.
        """
        tensors = self._tensors()
        level = _vmap_increment_nesting(self.size, "same")
        try:
            own = _add_batch_dim(x, 0, level) if apart else x
            batched = [_add_batch_dim(tensor, 0, level) for tensor in tensors]
            with self._attention if self._attention.used else nullcontext():
                output = self._one(own, *batched)
            outputs: Tensor = _remove_batch_dim(output, level, self.size, 0)
        finally:
            _vmap_decrement_nesting()
        return outputs

    def _alone(self, x: Tensor, tensors: Sequence[Tensor], seed: int) -> Tensor:
        seed_all(seed, x.device)
        return self._one(x, *tensors)

    def _tensors(self) -> list[Tensor]:
        """Everything that differs between members, in the order of the slots."""
        tensors = {**self.stacks, **self.constants, **self.statistics}
        wholes = []
        for name, layer in self._small.items():
            A, B, scaling = (tensors[inside(name, key)] for key in ("A", "B", "scaling"))
            beta = tensors.get(inside(name, "beta"), layer.beta)
            wholes.append(layer.merged_of(A, B, beta, scaling))
        return [*tensors.values(), *wholes]

    def _vmap_runs(self, x: Tensor) -> bool:
        # Members of several repeats have batches of their own, which not every network can take
        # that looks something up by its inputs.
        own = 0 if len(set(self.repeats)) > 1 else None
        x = x if own is None else torch.stack([x] * self.size)
        kept = {name: stack.clone() for name, stack in self.statistics.items()}
        try:
            with warnings.catch_warnings(), torch.no_grad(), self._attention:
                # Of an operation that torch does member after member, the whole network is better
                # run so.
                warnings.filterwarnings("error", "There is a performance drop", UserWarning)
                tensors = self._tensors()
                dims = (own, *(0 for _ in tensors))
                vmap(self._one, in_dims=dims, randomness="same")(x, *tensors)
        except (RuntimeError, ValueError, NotImplementedError, UserWarning):
            # A real fault shows up again, and as itself, when one member is run alone.
            return False
        finally:
            for name, stack in kept.items():
                self.statistics[name].copy_(stack)
        return True
