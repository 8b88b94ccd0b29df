"""From a run folder to a file that holds a model: its seed, and what was trained."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import rankprobe
from rankprobe.artifact.description import Description, Frozen, Trained, written
from rankprobe.artifact.network import attached, backbone_of, frozen_sums, put, sha256_of
from rankprobe.artifact.reading import Model, read_model
from rankprobe.artifact.sizes import Sizes, sizes_of
from rankprobe.config import TaskConfig
from rankprobe.config_backbones import GivenBackbone, HuggingfaceConfig
from rankprobe.data.facts import TaskFacts, read_facts
from rankprobe.data.fitted import reads
from rankprobe.errors import ArtifactError, StoreError
from rankprobe.lowrank import Scaffold
from rankprobe.records import Member, Result
from rankprobe.result_file import load_result
from rankprobe.search import trained as kept
from rankprobe.search.setup import scaffold_of, use_of
from rankprobe.training.loop import batches_per_epoch
from rankprobe.training.scaffolds import ScaffoldUse, resampled

DType = Literal["fp32", "fp16"]
_SECTIONS = ("backbone", "adapter", "training", "scaffold")  # what a network is made by
_TYPES: Mapping[DType, type[np.floating[Any]]] = {"fp32": np.float32, "fp16": np.float16}


@dataclass(frozen=True)
class Packed:
    """What was packed.

    Attributes:
        path: The file.
        rank: Rank of the model.
        repeat: Its repeat.
        metric: Name of the metric.
        test: Its score on the test split.
        sizes: How large it is, beside other forms of the same network.
        note: What cannot be done with it; empty where all can.
    """

    path: Path
    rank: int
    repeat: int
    metric: str
    test: float
    sizes: Sizes
    note: str = ""


def pack(
    run: str | Path,
    *,
    rank: int | None = None,
    repeat: int | None = None,
    dtype: DType = "fp32",
    out: str | Path = "model.safetensors",
    trust: bool = False,
) -> Packed:
    """Write a trained member of a run as one file.

    Args:
        run: A run folder.
        rank: Its rank; the minimal rank of the result unless given.
        repeat: Its repeat; the best on the validation split unless given.
        dtype: Type of the trained numbers: ``fp32``, or ``fp16``, which takes half the room.
        out: The file to write.
        trust: Whether code of the user's, which makes the network, may run.

    Raises:
        ArtifactError: Not a run folder, no such member, or a network that has no such form.
        StoreError: Trained tensors that are damaged, or a file that cannot be written.
    """
    folder = Path(run)
    result, facts = load_result(folder), read_facts(folder)
    config = _config(result, folder)
    _check_form(config, facts)
    item = _chosen(folder, result, rank, repeat)
    member = item.member
    assert member.rank is not None
    tensors = {
        name: _stored(name, value, dtype) for name, value in kept.read_tensors(item.file).items()
    }
    use = use_of(config)
    frozen = _evaluated(scaffold_of(config), use, config, result, member)
    description = Description(
        format=1,
        rankprobe=rankprobe.__version__,
        task=facts,
        backbone=config.backbone,
        adapter=config.adapter,
        frozen=Frozen(
            specification=frozen.spec_version,
            seed=frozen.seed,
            family=frozen.family,
            scale=frozen.scale,
            zero=use.frozen == "zero" or use.evaluation == "removed",
            sha256={},
        ),
        trained=Trained(
            rank=member.rank,
            repeat=member.repeat,
            learning_rate=member.learning_rate,
            epochs=member.epochs,
            validation=item.validation,
            test=item.test,
            sha256={name: sha256_of(value) for name, value in tensors.items()},
        ),
        network=_network(result),
    )
    # A run lies in runs/NAME beside its settings, and so beside their code, unless told otherwise.
    code = (folder, folder.absolute().parent.parent)
    module = attached(description, backbone_of(description, *code, trust=trust))
    put(module, {name: np.asarray(value) for name, value in tensors.items()})
    frozen_now = description.frozen.model_copy(update={"sha256": frozen_sums(module)})
    description = description.model_copy(update={"frozen": frozen_now})
    path = Path(out)
    model = _write(path, tensors, description, code, trust=trust)
    return Packed(
        path,
        member.rank,
        member.repeat,
        facts.metric,
        item.test,
        sizes_of(model.backbone, path.stat().st_size),
        _note(facts.fitted),
    )


def _config(result: Result, folder: Path) -> TaskConfig:
    given = result.provenance.get("configuration")
    if not isinstance(given, dict):
        raise ArtifactError(f"{folder}: the result holds no configuration; measure the task again")
    parts = {key: given[key] for key in _SECTIONS if key in given}
    try:
        return TaskConfig.model_validate_json(json.dumps({"name": "model", **parts}))
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise ArtifactError(
            f"{folder}: the configuration of the result cannot be read by this version ({reason}); "
            "measure the task again"
        ) from None


def _evaluated(
    scaffold: Scaffold, use: ScaffoldUse, config: TaskConfig, result: Result, member: Member
) -> Scaffold:
    """The scaffold that a member was tested on: the last that it trained on.

    It is made as the version of its specification says that the run was measured with.
    """
    version = result.provenance.get("scaffold_specification", scaffold.spec_version)
    scaffold = replace(scaffold, spec_version=version).sibling(member.scaffold)
    if use.evaluation == "removed" or use.resample == "none":
        return scaffold
    per_epoch = batches_per_epoch(result.task.train, config.training.batch_size)
    return resampled(scaffold, use.index(member.epochs * per_epoch - 1, per_epoch))


def _check_form(config: TaskConfig, facts: TaskFacts) -> None:
    """Refuse networks that are more than a seed and an adapter."""
    backbone, scaffold = config.backbone, config.scaffold
    if scaffold.seeds or (scaffold.resample == "batch" and scaffold.evaluation == "kept"):
        raise ArtifactError(
            "the network was tested on several scaffolds at once, and a packed model has one seed; "
            "measure it with `scaffold: {resample: none}`"
        )
    if isinstance(backbone, GivenBackbone) and backbone.init != "scaffold":
        raise ArtifactError(
            "the network keeps weights that it came with, and a packed model is a seed and an "
            "adapter: measure it with `backbone: {init: scaffold}`, or share the adapter with the "
            "package peft"
        )
    if isinstance(backbone, HuggingfaceConfig):
        raise ArtifactError(
            "a model of the transformers library needs files of its own beside the seed, so it "
            "cannot be packed; save it with that library"
        )
    if getattr(backbone, "family", "") == "python" and getattr(backbone, "factory", None) is None:
        raise ArtifactError(
            "the network was given in Python, so nothing says how to make it again; measure with "
            "`backbone: {family: python, factory: module:function}`"
        )
    if facts.shared:
        # Such a network holds the arrays of its whole task, and an example is a number in them.
        what = {"graphs": "graphs (molecules among them)", "nodes": "the nodes of a graph"}
        raise ArtifactError(
            f"models of {what.get(facts.kind, facts.kind)} cannot be packed: the network holds all "
            "graphs of its task, and a packed model is a seed and an adapter without data; what "
            "can be packed are models of tables, arrays, pictures, texts, series, trajectories "
            "and language"
        )


def _chosen(folder: Path, result: Result, rank: int | None, repeat: int | None) -> kept.Trained:
    """The member to pack."""
    points = {point.rank: point for point in result.points}
    listed = ", ".join(map(str, points))
    if rank is None:
        rank = result.minimal_rank.value
        if rank is None:
            raise ArtifactError(
                f"no rank that was measured keeps up with full training "
                f"({result.minimal_rank.verdict.replace('_', ' ')}); give --rank, one of {listed}"
            )
    if rank not in points:
        raise ArtifactError(f"rank {rank} was not measured; give --rank, one of {listed}")
    there = [
        item
        for item in kept.trained(folder)
        if (item.member.rank, item.member.learning_rate, item.member.epochs)
        == (rank, points[rank].learning_rate, result.scope.get("epochs"))
    ]
    if not there:
        why = result.provenance.get("weights") or "it was measured before they were kept, perhaps"
        raise StoreError(
            f"{folder} holds no trained tensors of rank {rank}: {why}; measure again with --fresh"
        )
    if repeat is None:
        sign = 1 if result.higher_is_better else -1
        return max(there, key=lambda item: sign * item.validation)
    for item in there:
        if item.member.repeat == repeat:
            return item
    repeats = ", ".join(str(item.member.repeat) for item in there)
    raise StoreError(f"there is no repeat {repeat} of rank {rank}; give --repeat, one of {repeats}")


def _stored(name: str, value: NDArray[Any], dtype: DType) -> NDArray[Any]:
    if value.dtype.kind != "f":
        return value
    with np.errstate(over="ignore"):
        stored = value.astype(_TYPES[dtype])
    if not np.isfinite(stored).all():
        larger = "; pack it with --dtype fp32" if dtype == "fp16" else ""
        raise ArtifactError(f"the tensor `{name}` holds values that {dtype} cannot hold{larger}")
    return stored


def _network(result: Result) -> str:
    network = result.provenance.get("network")
    return str(network["hash"]) if isinstance(network, dict) else ""


def _write(
    path: Path,
    tensors: Mapping[str, NDArray[Any]],
    description: Description,
    code: Sequence[Path],
    *,
    trust: bool,
) -> Model:
    """Write beside the file, read what was written, and only then put it in place."""
    from safetensors.numpy import save

    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(save(dict(tensors), written(description)))
        model = read_model(part, trust=trust, code=code)
        part.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}; name another file") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return model


def _note(fitted: Mapping[str, Any] | None) -> str:
    if reads(fitted):
        return ""
    why = (fitted or {}).get("refused", "its source has no form of preprocessing in a file")
    return (
        f"`rankprobe predict` cannot read new data for this model: {why}; rankprobe.load gives "
        "the network, for inputs that you prepare"
    )
