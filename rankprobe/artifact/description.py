"""What an artifact says of its model: everything but the trained numbers, as one checked JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, FiniteFloat, ValidationError

from rankprobe.config import AdapterConfig
from rankprobe.config_backbones import BackboneConfig
from rankprobe.config_values import Model, Seed
from rankprobe.data.facts import TaskFacts
from rankprobe.errors import ArtifactError

FORMAT: Final = 1
"""Version of the layout; every version that was ever written is read by all later ones."""

_KEY, _SUM = "rankprobe", "rankprobe_sha256"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Rank = Annotated[int, Field(ge=0, lt=1 << 31)]


class Frozen(Model):
    """The frozen weights of a model: how they are made again, and what they must be.

    Attributes:
        specification: Version of the scaffold specification.
        seed: Seed of this model's scaffold.
        family: Distribution.
        scale: Standard deviation; ``None``: the family's own, or 1 / sqrt(fan-in).
        zero: Whether the matrix beside every adapter is zero.
        sha256: Of the float32 values of every frozen random tensor, by name.
    """

    specification: Annotated[int, Field(ge=1)]
    seed: Seed
    family: str
    scale: FiniteFloat | Literal["family"] | None
    zero: bool = False
    sha256: dict[str, Sha256]


class Trained(Model):
    """The trained numbers of a model, and how they came about.

    Attributes:
        rank: Rank of the adapters.
        repeat: Index of the repeat.
        learning_rate: Peak learning rate.
        epochs: Passes over the training data.
        validation: Metric on the validation split.
        test: Metric on the test split.
        sha256: Of every tensor as it is stored, by name.
    """

    rank: Rank
    repeat: Rank
    learning_rate: FiniteFloat
    epochs: Rank
    validation: FiniteFloat
    test: FiniteFloat
    sha256: dict[str, Sha256]


class Description(Model):
    """What an artifact says of its model.

    Attributes:
        format: Version of the layout.
        rankprobe: Version that wrote it.
        task: What the model reads and gives, and how data become inputs.
        backbone: The network, as in dataset.yaml.
        adapter: How it is adapted, as in dataset.yaml.
        frozen: The frozen weights.
        trained: The trained tensors.
        network: Hash of a network of the user's, with its code; empty for families of rankprobe.
    """

    format: Literal[1]
    rankprobe: str
    task: TaskFacts
    backbone: BackboneConfig
    adapter: AdapterConfig
    frozen: Frozen
    trained: Trained
    network: str = ""


def written(description: Description) -> dict[str, str]:
    """The metadata of a safetensors file."""
    text = json.dumps(description.model_dump(mode="json"), allow_nan=False, separators=(",", ":"))
    return {_KEY: text, _SUM: hashlib.sha256(text.encode()).hexdigest()}


def read_description(path: Path, metadata: Mapping[str, str]) -> Description:
    """What a file's metadata say.

    Raises:
        ArtifactError: Not an artifact, of another version, or changed since it was written.
    """
    if _KEY not in metadata or _SUM not in metadata:
        raise ArtifactError(
            f"{path} is a safetensors file, and no artifact of rankprobe: write one with "
            "`rankprobe pack`"
        )
    text = metadata[_KEY]
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        raise _changed(path) from None
    version = given.get("format") if isinstance(given, dict) else None
    if type(version) is int and version != FORMAT:
        raise ArtifactError(
            f"{path} has the format {version}, and this version of rankprobe reads {FORMAT}; "
            "install the version that wrote it, or a newer one"
        )
    if hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != metadata[_SUM]:
        raise _changed(path)
    try:
        return Description.model_validate_json(text)
    except (ValidationError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: {_first(error)}; pack the model again") from None


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"what it says of its model cannot be read ({str(error)[:120]})"
    problem: Any = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])[:200]
    return f"`{where}` of what it says of its model: {problem['msg'][:200]}"


def _changed(path: Path) -> ArtifactError:
    return ArtifactError(
        f"{path} is damaged: what it says of its model is not what was written; get it or pack "
        "it again"
    )
