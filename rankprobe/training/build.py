"""From members to a cohort: the network, the initial values, and the scaffold of the moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from rankprobe.lowrank import attach, full_starts, initial_state, reinitialised, trained_in_full
from rankprobe.lowrank.plain import for_cohorts
from rankprobe.records import Member
from rankprobe.training.fusion import fuse
from rankprobe.training.scaffolds import Turns, resampled
from rankprobe.training.trainees import Cohort
from rankprobe.training.variants import attached, held_still

if TYPE_CHECKING:
    from rankprobe.training.protocol import TrainingProtocol


def build_cohort(
    backbone: nn.Module,
    members: Sequence[Member],
    protocol: TrainingProtocol,
    example: Tensor,
    *,
    dtype: torch.dtype | None = None,
    protocols: Sequence[TrainingProtocol] = (),
) -> Cohort:
    """The cohort of some members: baselines, or adapters.

    A baseline starts from its layers' own initial values; see `rankprobe.lowrank.reinitialised`.
    Members may have ``protocols`` of their own, which differ in values alone; see
    `rankprobe.training.variants`.
    """
    dtype = dtype or (example.dtype if example.is_floating_point() else torch.float32)
    held: list[dict[str, Tensor]] = []
    constants: list[dict[str, Tensor]] = [{} for _ in members]
    repeats = [member.repeat for member in members]
    ranks = [member.rank for member in members if member.rank is not None]
    scaffold = protocol.scaffold.sibling(members[0].scaffold)
    if ranks:
        own = protocols or [protocol] * len(members)
        made = attached(backbone, max(ranks), own, scaffold=members[0].scaffold)
        module = fuse(for_cohorts(made.module))
        needed = repeats if trained_in_full(module) else []
        full = full_starts(backbone, seed=protocol.seed, repeats=needed, scaffold=scaffold)
        states = [
            initial_state(each, rank, seed=protocol.seed, repeat=repeat, full=full.get(repeat))
            for each, rank, repeat in zip(made.own, ranks, repeats, strict=True)
        ]
        trained, constants = [state for state, _ in states], [fixed for _, fixed in states]
        if protocols:
            held = held_still(trained, made.own)
            made.put_lanes(example.device, dtype)
    else:
        # Running statistics start anew with the weights.
        start = reinitialised(backbone, seed=protocol.seed, repeat=repeats[0], scaffold=scaffold)
        module = for_cohorts(start)
        full = full_starts(backbone, seed=protocol.seed, repeats=repeats, scaffold=scaffold)
        trained = [full[repeat] for repeat in repeats]
    cohort = Cohort(
        module,
        trained,
        constants,
        [member.learning_rate for member in members],
        repeats,
        weight_decay=protocol.weight_decay,
        example=example,
        dtype=dtype,
        clip=protocol.clip,
        held=held,
    )
    if ranks and not protocol.use.usual:
        cohort.turns = Turns(
            cohort.module,
            protocol.use,
            lambda index: attach(
                backbone,
                rank=min(max(ranks), 1),
                adapter=protocol.adapter,
                scaffold=resampled(replace(scaffold, packed=False), index),
            ),
        )
    return cohort
