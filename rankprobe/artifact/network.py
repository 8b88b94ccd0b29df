"""The network that a description names: planned without memory, then built from its seed."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from rankprobe.artifact.description import Description
from rankprobe.config import TaskConfig
from rankprobe.config_backbones import GivenBackbone, PythonConfig
from rankprobe.data.facts import TaskFacts
from rankprobe.data.task import Split, Task
from rankprobe.errors import ArtifactError, RankprobeError
from rankprobe.lowrank import Adapter, LowRankLayer, Scaffold, attach
from rankprobe.lowrank.scaffold import SPEC_VERSION
from rankprobe.search.backbone import built_backbone, given_network
from rankprobe.settings import Origin
from rankprobe.training.scaffolds import remove
from rankprobe.user_code import code_folder

Shape = tuple[int, ...]
_LARGEST = 1 << 31  # a size of a layer
_DEPTHS = ("layers", "depth", "backbone_layers")


def plan(description: Description, tensors: Mapping[str, Shape]) -> None:
    """Hold a file's tensors against the network that it describes, before that takes memory.

    Args:
        description: What the file says.
        tensors: Shapes of its tensors by name.

    Raises:
        ArtifactError: A network that cannot be, is too large for this machine, or has tensors of
            other names or shapes.
    """
    if isinstance(description.backbone, GivenBackbone):
        return  # made by code of the user's: held against the tensors when it is there
    _check_sizes(description, len(tensors))
    with _built(), torch.device("meta"):
        backbone = built_backbone(_config(description, Path()), stub_task(description.task))
        held = [*backbone.parameters(), *backbone.buffers()]
        _check_memory(sum(4 * tensor.numel() for tensor in held))
        twin = attach(
            backbone,
            rank=description.trained.rank,
            adapter=Adapter(**description.adapter.model_dump()),
            scaffold=Scaffold(init="pretrained"),
        )
    check_shapes(twin, tensors)


def backbone_of(description: Description, *folders: Path, trust: bool = False) -> nn.Module:
    """The plain network, with whatever initial weights it draws.

    Args:
        description: What a file says.
        *folders: Where code of the user's may lie beside the working folder, the likeliest first.
        trust: Whether code of the user's may run.

    Raises:
        ArtifactError: It needs code and trust is not given, or that code has changed.
    """
    settings = description.backbone
    if isinstance(settings, PythonConfig) and not trust:
        raise ArtifactError(
            f"the network is made by code of yours, `{settings.factory}`, which only runs with "
            "--trust (trust=True in Python)"
        )
    factory = getattr(settings, "factory", None)
    code = Path() if factory is None else code_folder(factory, folders, ArtifactError)
    config = _config(description, code)
    with _built(), torch.device("cpu"), torch.random.fork_rng([]), _float32():
        torch.default_generator.manual_seed(0)
        backbone = built_backbone(config, stub_task(description.task)).float()
    made = given_network(config, backbone).get("hash", "")
    if made != description.network:
        raise ArtifactError(
            "the code that makes the network is not what it was when the model was packed; use "
            "that code, or pack the model again"
        )
    return backbone


def attached(description: Description, backbone: nn.Module) -> nn.Module:
    """The network with its frozen weights made anew, and adapters without their values."""
    frozen, scaffold = description.frozen, scaffold_of(description)
    if frozen.zero:
        scaffold = replace(scaffold, packed=False)  # what is written over is held as it is
    with _built(), torch.device("cpu"), torch.random.fork_rng([]), _float32():
        module = attach(
            backbone,
            rank=description.trained.rank,
            adapter=Adapter(**description.adapter.model_dump()),
            scaffold=scaffold,
        )
    if frozen.zero:
        remove(module)
    return module


def scaffold_of(description: Description) -> Scaffold:
    """How the frozen weights are made.

    Raises:
        ArtifactError: By a version of the specification that is not known here.
    """
    frozen = description.frozen
    if frozen.specification > SPEC_VERSION:
        raise ArtifactError(
            f"its frozen weights follow version {frozen.specification} of the scaffold "
            f"specification, and this version of rankprobe knows up to {SPEC_VERSION}; install a "
            "newer one"
        )
    scale: Any = frozen.scale
    return Scaffold(
        seed=frozen.seed,
        family=frozen.family,
        scale=scale,
        spec_version=frozen.specification,
    )


def frozen_sums(module: nn.Module) -> dict[str, str]:
    """sha256 of the frozen tensors of two axes or more of what `attach` made, by name.

    Shared ones count once. Weights that are held as codes are made one layer at a time.
    """
    sums: dict[str, str] = {}
    seen: set[int] = set()
    for name, layer in module.named_modules():
        prefix = f"{name}." if name else ""
        if isinstance(layer, LowRankLayer):
            sums[f"{prefix}weight"] = sha256_of(layer.weight)
            continue
        for key, parameter in layer.named_parameters(recurse=False):
            if not parameter.requires_grad and parameter.dim() > 1 and id(parameter) not in seen:
                seen.add(id(parameter))
                sums[f"{prefix}{key}"] = sha256_of(parameter)
    return sums


def sha256_of(values: Tensor | NDArray[Any]) -> str:
    """sha256 of a tensor's values, in their order, little-endian."""
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    array = np.ascontiguousarray(array)
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(little.reshape(-1).view(np.uint8).data).hexdigest()


def check_shapes(module: nn.Module, tensors: Mapping[str, Shape]) -> None:
    """Refuse tensors of other names or shapes than the network has.

    Raises:
        ArtifactError: The first that is missing, is not known, or has another shape.
    """
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    buffers = _own_buffers(module)
    counts = {
        f"{name}.{key}" if name else key
        for name, layer in module.named_modules()
        if isinstance(layer, _NormBase)
        for key, _ in layer.named_buffers(recurse=False)
    }
    for name in sorted(tensors.keys() - trained.keys() - buffers.keys()):
        raise ArtifactError(f"it holds a tensor `{name[:200]}`, which its network has not")
    for name in sorted((trained.keys() | counts) - tensors.keys()):
        raise ArtifactError(f"it lacks the tensor `{name}`, which its network needs")
    for name, shape in tensors.items():
        wanted = tuple((trained.get(name) if name in trained else buffers[name]).shape)  # type: ignore[union-attr]
        if shape != wanted:
            raise ArtifactError(
                f"its tensor `{name}` has the shape {shape}, and its network needs {wanted}"
            )


def put(module: nn.Module, tensors: Mapping[str, NDArray[Any]]) -> None:
    """Give a network its trained values, in place."""
    held = dict(module.named_parameters()) | _own_buffers(module)
    with torch.no_grad():
        for name, values in tensors.items():
            held[name].copy_(torch.from_numpy(np.array(values)))


def _own_buffers(module: nn.Module) -> dict[str, Tensor]:
    """Buffers that are no part of an adapted layer's frozen side."""
    return {
        f"{name}.{key}" if name else key: buffer
        for name, layer in module.named_modules()
        if not isinstance(layer, LowRankLayer)
        for key, buffer in layer.named_buffers(recurse=False)
    }


def _check_sizes(description: Description, tensors: int) -> None:
    """Refuse what would take long, or much memory, even to plan."""
    settings = description.backbone.model_dump(exclude={"seed"})
    for key, value in settings.items():
        numbers = value if isinstance(value, tuple) else (value,)
        if key in _DEPTHS and isinstance(value, int) and value > tensors:
            raise ArtifactError(
                f"its `backbone.{key}` is {value:,}, and it holds {tensors} tensors"
            )
        if len(numbers) > tensors + 1 or any(
            isinstance(number, int) and number > _LARGEST for number in numbers
        ):
            raise ArtifactError(f"its `backbone.{key}` is larger than any network has")
    task = description.task
    shape = math.prod(max(1, size) for size in task.input_shape)
    sizes = [size if isinstance(size, int) else math.prod(size) for size in task.sizes.values()]
    if len(task.input_shape) > 8 or max(shape, task.outputs, *sizes, 1) > _LARGEST:
        raise ArtifactError("the inputs or outputs of its task are larger than any network has")


def _check_memory(needed: int) -> None:
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there // 2:
        raise ArtifactError(
            f"its network takes {needed / 1e9:,.1f} GB, more than half of the {there / 1e9:,.1f} "
            "GB that this machine has; load it on a larger one"
        )


def _config(description: Description, folder: Path) -> TaskConfig:
    config = TaskConfig(name="model", backbone=description.backbone, adapter=description.adapter)
    config._origin = Origin(folder)
    return config


def stub_task(facts: TaskFacts) -> Task:
    """A task of the same form with two examples, all of the same zero."""
    whole = facts.kind in ("tokens", "graphs", "nodes")

    def zeros(shape: Shape, dtype: Any) -> NDArray[Any]:
        one: NDArray[Any] = np.zeros(1, dtype)
        return np.lib.stride_tricks.as_strided(one, shape, (0,) * len(shape))

    x = zeros((2, *facts.input_shape), np.int64 if whole else np.float32)
    labels = facts.objective != "regression"
    y = zeros((2, *facts.target_shape), np.int64 if labels else np.float32)
    split = Split(x, y)
    sizes: Any = facts.sizes
    return Task(
        facts.name,
        facts.objective,
        facts.metric,
        split,
        split,
        split,
        outputs=facts.outputs,
        classes=facts.classes,
        kind=facts.kind,
        sizes=sizes,
    )


@contextlib.contextmanager
def _built() -> Iterator[None]:
    """Whatever fails while a network is built is one clear error."""
    try:
        yield
    except ArtifactError:
        raise
    except RankprobeError as error:
        raise ArtifactError(f"the network that it describes cannot be built: {error}") from None
    except (RuntimeError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise ArtifactError(
            f"the network that it describes cannot be built: {type(error).__name__}: {first}"
        ) from None


@contextlib.contextmanager
def _float32() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
