"""From a configuration and a task to a bench and a search, with everything checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import torch
from pydantic import BaseModel

from rankprobe.config import TaskConfig
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, Problem
from rankprobe.lowrank import (
    Adapter,
    Scaffold,
    attach,
    count_trainable,
    largest_useful_rank,
    trained_in_full,
)
from rankprobe.lowrank.families import redefined
from rankprobe.records import Member
from rankprobe.search.backbone import built_backbone, given_network
from rankprobe.search.bench import Bench
from rankprobe.search.settings import Search, search_of
from rankprobe.training import TrainingProtocol
from rankprobe.training.build import build_cohort
from rankprobe.training.memory import activation_bytes, out_of_memory
from rankprobe.training.protocol import trainable_parameters
from rankprobe.training.scaffolds import ScaffoldUse
from rankprobe.user_code import UserCode

# Changed when the same settings would give other results: such results are not mixed.
PROTOCOL_VERSION = 1


@dataclass
class Setup:
    """Everything that a measurement needs but a place to write and a place to run.

    Attributes:
        bench: Backbone, data and protocol.
        search: What to look for.
        identity: Everything that decides a member's result, but the member.
        largest: Largest useful rank.
        network: What a network that comes from outside is.
        in_full: Parameters by name that every adapter trains in full beside the head.
    """

    bench: Bench
    search: Search
    identity: Mapping[str, Any]
    largest: int
    network: Mapping[str, Any] = field(default_factory=dict)
    in_full: Mapping[str, int] = field(default_factory=dict)
    _trainable: dict[int | None, int] = field(default_factory=dict, repr=False)

    def trainable(self, rank: int | None) -> int:
        """Number of parameters trained at a rank."""
        return trainable_parameters(self.bench.backbone, rank, self.bench.protocol.adapter)

    @cached_property
    def _activations(self) -> int:
        bench, rank = self.bench, min(8, self.largest)
        module = attach(bench.backbone, rank=rank, adapter=bench.protocol.adapter)
        few = torch.from_numpy(bench.task.train.x[:4])
        try:
            return activation_bytes(module, few, bench.protocol.batch_size)
        except Exception as error:
            if out_of_memory(error):
                raise
            name = type(bench.backbone).__name__
            raise ConfigError(
                f"`{name}` fails with adapted layers on a batch of shape {tuple(few.shape)}: "
                f"{type(error).__name__}: {error}; an adapted layer has not all that torch's own "
                "has: call it, and do not look into it"
            ) from error

    def bytes_of(self, rank: int | None) -> int:
        """Memory that a member of a rank takes while training, roughly.

        Trained tensors four times (values, gradients, two moments), and the activations of a batch.
        """
        if rank not in self._trainable:
            self._trainable[rank] = self.trainable(rank)
        return 4 * 4 * self._trainable[rank] + self._activations


def prepare(config: TaskConfig, task: Task, *, device: str = "auto") -> Setup:
    """Build the network and check what can only be checked against it.

    Raises:
        ConfigError: Ranks that the network has no use for, a device that is not there.
    """
    backbone = built_backbone(config, task)
    adapter = Adapter(**config.adapter.model_dump())
    protocol = TrainingProtocol(
        objective=task.objective,
        adapter=adapter,
        scaffold=scaffold_of(config),
        seed=config.seed,
        batch_size=config.training.batch_size,
        weight_decay=config.training.weight_decay,
        schedule=config.training.schedule,
        device=_device(device),
        decay=config.training.decay,
        warmup=config.training.warmup,
        clip=config.training.clip,
        class_weights=_class_weights(config, task),
        use=use_of(config),
    )
    largest = largest_useful_rank(backbone, adapter)
    if protocol.scaffold.init == "mixed":  # names in `random` that no layer has
        attach(backbone, rank=1, adapter=adapter, scaffold=protocol.scaffold)
    beside = attach(backbone, rank=0, adapter=adapter)
    in_full = {name: beside.get_parameter(name).numel() for name in trained_in_full(beside)}
    with_head = count_trainable(beside) > 0
    search = search_of(config, largest, with_head=with_head)
    network = given_network(config, backbone)
    identity = _identity(config, task) | ({"network": network["hash"]} if network else {})
    if in_full:  # rank 0 was the head alone before
        identity["rank_zero"] = "what is trained in full"
    bench = Bench(backbone, task, protocol, _code(config))
    if protocol.use.frozen == "zero" and adapter.b_init == "zeros":
        _check_alive(bench, config)
    return Setup(bench, search, identity, largest, network, in_full)


def use_of(config: TaskConfig) -> ScaffoldUse:
    """What becomes of the scaffold while members train, and after.

    Raises:
        ConfigError: Several seeds for one adapter, which a measurement has not.
    """
    if config.scaffold.seeds is not None:
        raise ConfigError(
            Problem(
                "`scaffold.seeds` makes one adapter for several tasks, and full training knows of "
                "no seeds: there is no minimal rank",
                config.where("scaffold", "seeds"),
                "call `rankprobe.seed_gated` with this file, or remove `seeds`",
            )
        )
    return ScaffoldUse(**config.scaffold.model_dump(exclude={"seeds", "outside"}))


def _check_alive(bench: Bench, config: TaskConfig) -> None:
    """Refuse a network in which no adapter gets a gradient: W and B zero in layer after layer."""
    few = torch.from_numpy(bench.task.train.x[:8])
    with torch.random.fork_rng([]):
        cohort = build_cohort(bench.backbone, [Member(1, 1e-3, 0, 1)], bench.protocol, few)
        outputs = cohort.outputs(few, 0)
        outputs.backward(torch.rand_like(outputs))  # type: ignore[no-untyped-call]
    gradients = [cohort.stacks[name].grad for name in cohort.stacks if name.endswith(".B")]
    if not any(grad is not None and bool(grad.any()) for grad in gradients):
        raise ConfigError(
            Problem(
                "without a scaffold, and with B zero at the start, every adapted layer gives 0 "
                "and no adapter gets a gradient",
                config.where("adapter", "b_init"),
                "write `b_init: kaiming`, which is what `scaffold: zero` has by default",
            )
        )


def _code(config: TaskConfig) -> UserCode | None:
    """Where the network's classes are, for other processes."""
    factory = getattr(config.backbone, "factory", None)
    if factory is None or config.network is not None:
        return None
    return UserCode(factory, config.folder)


def _class_weights(
    config: TaskConfig, task: Task
) -> Literal["none", "balanced"] | tuple[float, ...]:
    wanted, where = config.training.class_weights, config.where("training", "class_weights")
    if wanted != "none" and task.objective != "classification":
        problem = f"`class_weights` weigh classes, and the objective is {task.objective}"
        raise ConfigError(Problem(problem, where, "remove it"))
    if isinstance(wanted, tuple) and len(wanted) != task.outputs:
        problem = (
            f"`class_weights` lists {len(wanted)} weights, and there are {task.outputs} classes"
        )
        raise ConfigError(Problem(problem, where, f"in this order: {', '.join(task.classes)}"))
    return wanted


def threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def scaffold_of(config: TaskConfig) -> Scaffold:
    """How the frozen weights of a network are made."""
    scale = config.backbone.weight_scale
    return Scaffold(
        seed=config.backbone.seed,
        family=config.backbone.weights,
        scale=None if scale == "fan_in" else scale,
        init=getattr(config.backbone, "init", "scaffold"),
        random=getattr(config.backbone, "random", ()),
    )


def _identity(config: TaskConfig, task: Task) -> dict[str, Any]:
    """What decides a member's result. Lengths and rates are the member's own."""
    training = config.training.model_dump(exclude={"epochs", "learning_rate"})
    scaffold = config.scaffold.model_dump(mode="json", exclude_defaults=True)
    frozen = scaffold_of(config)
    drawn = frozen.init != "pretrained"
    # Of a family that never changed nothing is said: all that was ever measured agrees on it.
    version = redefined(frozen.family, frozen.spec_version) if drawn else None
    return {
        "protocol_version": PROTOCOL_VERSION,
        "data": task.hash,
        "metric": task.metric,
        "seed": config.seed,
        "backbone": _said(config.backbone, size=1.0),
        "adapter": _said(config.adapter, residual=False),
        "training": training,
        **({"scaffold": scaffold} if scaffold else {}),
        **({"scaffold_specification": version} if version else {}),
    }


def _said(section: BaseModel, **later: Any) -> dict[str, Any]:
    """A section's settings, without those that came later where they change nothing.

    Otherwise what was measured before them would be a measurement of something else.
    """
    settings = section.model_dump(mode="json")
    return {key: value for key, value in settings.items() if later.get(key, ...) != value}


def _device(name: str) -> str:
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no CUDA device here; use --device cpu")
    return name
