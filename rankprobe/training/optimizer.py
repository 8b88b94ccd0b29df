"""AdamW with a learning rate for every member of a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPS = 1e-8


class CohortAdamW:
    """AdamW (arXiv:1711.05101) over tensors stacked along a first axis of members.

    torch's fused kernel takes one rate a call, so neighbouring members of one rate share a
    call, on slices of the stacks: one pass over memory a step, and no arithmetic of our own.
    The kernel is called as `torch.optim` calls it, without what it looks up before every call,
    which takes longer than the update of a small network.
    Padding stays exactly zero, because its gradient and its moments are.

    Args:
        stacks: Leaf tensors, (members, ...), whose ``grad`` backward fills.
        rates: Peak learning rate of each member; members of one rate side by side are fastest.
        weight_decay: Decoupled weight decay.
        clip: Largest norm of each member's gradient, over all tensors; ``None``: any.
    """

    def __init__(
        self,
        stacks: Sequence[Tensor],
        rates: Sequence[float],
        *,
        weight_decay: float,
        clip: float | None = None,
    ) -> None:
        self.stacks, self.weight_decay, self.clip = list(stacks), weight_decay, clip
        runs = [(rate, len(list(group))) for rate, group in groupby(rates)]
        self.rates = [rate for rate, _ in runs]
        self.sizes = [size for _, size in runs]
        self.values = self._by_rate([stack.detach() for stack in self.stacks])
        self.means = self._by_rate([torch.zeros_like(stack) for stack in self.stacks])
        self.squares = self._by_rate([torch.zeros_like(stack) for stack in self.stacks])
        device = self.stacks[0].device
        self.steps = [torch.zeros((), device=device) for _ in self.stacks]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """Update every member at ``factor`` times its peak rate, and drop the gradients.

        Tensors that the network did not use have no gradient and stay as they are.
        """
        grads = {i: stack.grad for i, stack in enumerate(self.stacks) if stack.grad is not None}
        if self.clip is not None:
            _clip(list(grads.values()), self.clip)
        used, gradients = list(grads), self._by_rate(list(grads.values()))
        steps = [self.steps[i] for i in used]
        torch._foreach_add_(steps, 1)
        for index, rate in enumerate(self.rates):
            torch._fused_adamw_(
                [self.values[index][i] for i in used],
                gradients[index],
                [self.means[index][i] for i in used],
                [self.squares[index][i] for i in used],
                [],
                steps,
                lr=rate * factor,
                beta1=BETAS[0],
                beta2=BETAS[1],
                weight_decay=self.weight_decay,
                eps=EPS,
                amsgrad=False,
                maximize=False,
            )
        for stack in self.stacks:
            stack.grad = None

    def _by_rate(self, stacks: Sequence[Tensor]) -> list[list[Tensor]]:
        """For every rate, the slices of all stacks that belong to its members."""
        split = (torch.split(stack, self.sizes) for stack in stacks)
        parts = zip(*split, strict=True)
        return [list(part) for part in parts]


def _clip(gradients: Sequence[Tensor], largest: float) -> None:
    """Scale each member's gradient down to a norm, as `torch.nn.utils.clip_grad_norm_` does."""
    squares = [gradient.reshape(len(gradient), -1).square().sum(dim=1) for gradient in gradients]
    factors = (largest / (torch.stack(squares).sum(dim=0).sqrt() + 1e-6)).clamp_max(1.0)
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *(1 for _ in gradient.shape[1:])))
