"""What is frozen at each moment of a training: one scaffold, several in turn, or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from rankprobe.lowrank import Scaffold, adapted_layers
from rankprobe.lowrank.base import LowRankLayer
from rankprobe.lowrank.initial import attachment
from rankprobe.lowrank.randomness import integer_seed
from rankprobe.training.stacks import inside, slots_of

Part = tuple[int, Tensor | None]  # index of a scaffold, and its rows of a batch; None: all


@dataclass(frozen=True)
class ScaffoldUse:
    """What becomes of the scaffold while members with adapters train, and after.

    Full training has no scaffold: none of this concerns it.

    Attributes:
        frozen: ``seeded``, or ``zero``: the matrix W beside every adapter is zero.
        evaluation: Whether W is ``kept`` for validation and test, or ``removed`` (zero there).
        resample: When the random frozen tensors become those of another seed: never (``none``);
            every ``epoch`` a new one; every ``step``, ``count`` of them taking turns; or within
            every ``batch``, which is divided into ``count`` parts that go through one each.
        count: Scaffolds of ``step`` and ``batch``.
        draws: Whether these are the same ones all the time (``fixed``), or every step draws others
            (``fresh``: with ``step`` one of its own, with ``batch`` ``count`` of its own). Every
            epoch always draws another.
    """

    frozen: Literal["seeded", "zero"] = "seeded"
    evaluation: Literal["kept", "removed"] = "kept"
    resample: Literal["none", "epoch", "step", "batch"] = "none"
    count: int = 2
    draws: Literal["fixed", "fresh"] = "fixed"

    @property
    def usual(self) -> bool:
        """Whether there is one scaffold from the first step to the test."""
        return self.evaluation == "kept" and self.resample == "none"

    def words(self, scaffold: str) -> str:
        """The scaffold and what becomes of it; ``scaffold`` says how it is made."""
        if self.frozen == "zero":
            return "none: the frozen matrices are zero"
        words = [scaffold]
        if self.resample == "epoch":
            words.append("another seed every epoch; validation and test on the last trained on")
        elif self.resample == "step":
            turns = f"{self.count} seeds taking turns step by step"
            turns = "another seed every step" if self.draws == "fresh" else turns
            words.append(f"{turns}; validation and test on the last trained on")
        elif self.resample == "batch":
            other = "other " if self.draws == "fresh" else ""
            words.append(
                f"every batch divided among {self.count} {other}seeds; validation and test example "
                f"i on {'the last ' if other else ''}seed i mod {self.count}"
            )
        if self.evaluation == "removed":
            words[1:] = [*(each.partition(";")[0] for each in words[1:])]
            words.append("removed (zero) for validation and test")
        return "; ".join(words)

    def index(self, step: int, per_epoch: int) -> int:
        """Which scaffold a step trains with; that of a batch's first part where it is divided.

        Validation and test after the step use the same one; see `Turns.parts` for ``batch``.
        """
        if self.resample == "epoch":
            return step // per_epoch
        if self.resample == "step":
            return step if self.draws == "fresh" else step % self.count
        return step * self.count if self.resample == "batch" and self.draws == "fresh" else 0


def resampled(scaffold: Scaffold, index: int) -> Scaffold:
    """The scaffold that takes the place of another: index 0 is itself, others have other seeds.

    Such a seed is a hash of (seed, index) below 2**32, apart from those of `Scaffold.sibling`.
    """
    if index == 0:
        return scaffold
    return replace(scaffold, seed=integer_seed(["resample", scaffold.seed, index]) % 2**32)


def remove(module: nn.Module) -> None:
    """Set the matrix W beside every adapter to zero, in place."""
    for layer in adapted_layers(module).values():
        layer.weight.zero_()


class Turns:
    """Puts the scaffold of the moment into a network.

    Tensors are put in place of each other, never written over: the gradient of a step may still
    need those of its first part.

    Args:
        module: The network as a cohort trains it.
        use: What becomes of the scaffold.
        attached: What `attach` makes of the network with the scaffold of an index; index 0 is the
            one that is there.
    """

    def __init__(
        self, module: nn.Module, use: ScaffoldUse, attached: Callable[[int], nn.Module]
    ) -> None:
        self.module, self.use, self._attached = module, use, attached
        self._matrices = {inside(name, "weight") for name in adapted_layers(module)}
        self._names = sorted(self._matrices)
        if use.resample != "none":  # weights that the network came with stay as they are
            keeps = attachment(module).scaffold.keeps
            found = frozen_tensors(attached(0))
            self._names = [name for name in found if not keeps(name.rpartition(".")[0])]
        self._slots = slots_of(module, self._names)
        self._now = self._there = 0
        self._kept = {0: [slots[0][2].detach() for slots in self._slots]}

    def begin(self, step: int, per_epoch: int) -> None:
        """A step begins."""
        self._now = self.use.index(step, per_epoch)

    def outputs(
        self,
        run: Callable[[Tensor, int], Tensor],
        x: Tensor,
        seed: int,
        axis: int,
        places: Tensor | None,
    ) -> Tensor:
        """Outputs, (members, batch, ...), of examples in their order, each of its scaffold.

        Args:
            run: (some examples, seed of their dropout masks) -> (members, some examples, ...).
            x: All examples.
            seed: Of the masks; the parts of a divided batch have masks of their own.
            axis: That of the examples in ``x``.
            places: See `parts`.
        """
        outputs, order = [], []
        for place, (index, rows) in enumerate(self.parts(x.shape[axis], places)):
            self.put(index)
            if rows is None:
                return run(x, seed)
            own = integer_seed(["part", seed, place]) if place else seed
            outputs.append(run(x.index_select(axis, rows.to(x.device)), own))
            order.append(rows)
        back = torch.cat(order).argsort().to(x.device)
        return torch.cat(outputs, dim=1).index_select(1, back)

    def parts(self, examples: int, places: Tensor | None = None) -> list[Part]:
        """Which examples go through which scaffold.

        While training a divided batch has parts as equal as can be, of at least two examples
        (normalisation over a batch has nothing to say about one). In evaluation example i goes
        through scaffold i mod ``count``, wherever others are.

        Args:
            examples: How many there are.
            places: (examples,) the place i of each in its split; those from 0 unless given.
        """
        training = self.module.training
        if self.use.evaluation == "removed" and not training:
            return [(_REMOVED, None)]
        if self.use.resample != "batch":
            return [(self._now, None)]
        rows = torch.arange(examples)
        if training:
            count = max(1, min(self.use.count, examples // 2))
            return list(enumerate(rows.tensor_split(count), start=self._now))
        turn = (rows if places is None else places) % self.use.count
        split = [(self._now + index, rows[turn == index]) for index in range(self.use.count)]
        return [(index, part) for index, part in split if len(part)]

    def put(self, index: int) -> None:
        """Put a scaffold into the network."""
        if index == self._there:
            return
        tensors = self._tensors(index)
        for slots, tensor in zip(self._slots, tensors, strict=True):
            for holder, key, _ in slots:
                holder[key] = tensor
        self._there = index

    def _tensors(self, index: int) -> list[Tensor]:
        if index in self._kept:
            return self._kept[index]
        pairs = list(zip(self._names, self._kept[0], strict=True))
        if index == _REMOVED:
            tensors = [
                torch.zeros_like(own) if name in self._matrices else own for name, own in pairs
            ]
        else:
            made = frozen_tensors(self._attached(index))
            tensors = [made[name].to(own) for name, own in pairs]
            if self.use.resample == "epoch" or self.use.draws == "fresh":
                # Those before never come back.
                self._kept = {
                    key: self._kept[key] for key in self._kept if key <= 0 or key >= self._now
                }
        self._kept[index] = tensors
        return tensors


_REMOVED = -1  # stands for no scaffold


def frozen_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The frozen tensors of two axes or more of what `attach` made, by name; shared ones once."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, layer in module.named_modules():
        if isinstance(layer, LowRankLayer):
            held = {"weight": layer.weight}
        else:
            held = {
                key: parameter
                for key, parameter in layer.named_parameters(recurse=False)
                if not parameter.requires_grad and parameter.dim() > 1
            }
        found |= {inside(name, key): each for key, each in held.items() if id(each) not in seen}
        seen |= {id(each) for each in held.values()}
    return found
