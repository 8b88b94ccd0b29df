"""From a file to a network: nothing is believed that is not checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from rankprobe.artifact.description import Description, read_description
from rankprobe.artifact.header import Header, read_header
from rankprobe.artifact.network import (
    attached,
    backbone_of,
    check_shapes,
    frozen_sums,
    plan,
    put,
    scaffold_of,
    sha256_of,
)
from rankprobe.errors import ArtifactError


@dataclass(frozen=True, eq=False)
class Model:
    """A model as it was packed.

    Attributes:
        description: What the file says of it.
        backbone: The plain network; its weights mean nothing.
        module: The network with frozen and trained weights, in evaluation mode.
    """

    description: Description
    backbone: nn.Module
    module: nn.Module


def load(path: str | Path, *, trust: bool = False) -> nn.Module:
    """The network of an artifact as an ordinary torch module, in evaluation mode.

    Its frozen weights are made again from the seed. It is called with a batch of preprocessed
    inputs, float32 (n, ...) or int64 token ids, and gives what the network was trained to give:
    a row of scores (logits) an example, (n, classes), or of values, (n, outputs), which times
    ``module.description.task.scale`` plus ``.shift`` are in the units of the target.
    `rankprobe predict` does that, and what comes before, for files of data.

    Args:
        path: A file that `rankprobe pack` wrote.
        trust: Whether code of the user's, which made the network, may run.

    Raises:
        ArtifactError: The file is damaged, of a version that is not known, or not what it says;
            the message names the tensor. Nothing of it is ever executed.
    """
    return read_model(path, trust=trust).module


def read_model(path: str | Path, *, trust: bool = False, code: Sequence[Path] = ()) -> Model:
    """`load`, with what the file says and the plain network beside the module.

    Args:
        path: As for `load`.
        trust: As for `load`.
        code: Further folders where code of the user's may lie.

    Raises:
        ArtifactError: As `load`.
    """
    path = Path(path)
    header = read_header(path)
    description = read_description(path, header.metadata)
    try:
        return _model(header, description, path.parent, *code, trust=trust)
    except ArtifactError as error:
        if str(error).startswith(str(path)):
            raise
        raise ArtifactError(f"{path}: {error}") from None


def _model(header: Header, description: Description, *folders: Path, trust: bool) -> Model:
    shapes = {name: entry.shape for name, entry in header.tensors.items()}
    if shapes.keys() != description.trained.sha256.keys():
        name = min(shapes.keys() ^ description.trained.sha256.keys())
        raise ArtifactError(f"its tensor `{name[:200]}` is not among those that were packed")
    scaffold_of(description)
    plan(description, shapes)
    tensors = {name: _values(header, description, name) for name in shapes}
    backbone = backbone_of(description, *folders, trust=trust)
    module = attached(description, backbone)
    check_shapes(module, shapes)
    _check_frozen(description, module)
    put(module, tensors)
    module.description = description  # type: ignore[assignment]
    return Model(description, backbone, module.eval())


def _values(header: Header, description: Description, name: str) -> NDArray[Any]:
    values = header.read(name)
    if sha256_of(values) != description.trained.sha256[name]:
        raise ArtifactError(
            f"its tensor `{name}` is not what was packed; get the file or pack it again"
        )
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ArtifactError(f"its tensor `{name}` holds values that are not finite")
        return values.astype(np.float32)
    return values


def _check_frozen(description: Description, module: nn.Module) -> None:
    """Hold every frozen weight that was made again against what it was."""
    wanted, made = description.frozen.sha256, frozen_sums(module)
    for name in sorted(wanted.keys() ^ made.keys()):
        raise ArtifactError(f"its frozen tensor `{name[:200]}` is not one of its network")
    for name, own in made.items():
        if own != wanted[name]:
            raise ArtifactError(
                f"its frozen tensor `{name}` came out other than it was when the model was "
                "packed: its description was changed, or this version makes other weights"
            )
