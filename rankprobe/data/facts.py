"""What a network and new data must know of a task, without its data: as JSON in a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, FiniteFloat, ValidationError

from rankprobe.config_values import Count, Model, listed
from rankprobe.data.task import Task
from rankprobe.errors import ArtifactError

FACTS = "task.json"
Whole = Annotated[int, Field(ge=0)]
Sizes = Annotated[tuple[Whole, ...], BeforeValidator(listed)]


class TaskFacts(Model):
    """What is left of a task without its examples.

    Attributes:
        name: Name of the task.
        kind: How an example is to be read.
        objective: ``classification``, ``regression`` or ``next_token``.
        metric: Of its scores.
        outputs: Number of outputs of the network.
        classes: Names of the classes by index.
        input_shape: Shape of one example.
        target_shape: Shape of one target.
        sizes: What the shape of an example does not tell.
        shared: Names of arrays that all examples share, such as a graph.
        shift: What is added to scaled outputs of a regression, for each column of the target.
        scale: What they are multiplied by before.
        fitted: Preprocessing; see `rankprobe.data.fitted`.
    """

    name: str
    kind: Literal["numbers", "tokens", "series", "graphs", "nodes", "windows"]
    objective: Literal["classification", "regression", "next_token"]
    metric: str
    outputs: Count
    classes: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()
    input_shape: Sizes
    target_shape: Sizes
    sizes: dict[str, Whole | Sizes] = Field(default_factory=dict)
    shared: Annotated[tuple[str, ...], BeforeValidator(listed)] = ()
    shift: Annotated[tuple[FiniteFloat, ...], BeforeValidator(listed)] = ()
    scale: FiniteFloat = 1.0
    fitted: dict[str, Any] | None = None


def facts_of(task: Task, *, shift: tuple[float, ...] = (), scale: float = 1.0) -> TaskFacts:
    """The facts of a task; ``shift`` and ``scale`` turn outputs into its units."""
    fitted = task.fitted and dict(task.fitted)
    return TaskFacts(
        name=task.name,
        kind=task.kind,
        objective=task.objective,
        metric=task.metric,
        outputs=task.outputs,
        classes=task.classes,
        input_shape=task.input_shape,
        target_shape=task.train.y.shape[1:],
        sizes={name: _plain(size) for name, size in task.sizes.items()},
        shared=tuple(sorted(task.context)),
        shift=shift,
        scale=scale,
        fitted=fitted or None,
    )


def read_facts(folder: Path) -> TaskFacts:
    """The facts that a run folder holds.

    Raises:
        ArtifactError: It holds none, or they are damaged.
    """
    file = folder / FACTS
    try:
        return TaskFacts.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise ArtifactError(
            f"{folder} holds no {FACTS}: it was measured before models were kept, or is no run "
            "folder; measure again with --fresh"
        ) from None
    except (OSError, ValidationError) as error:
        first = str(error).splitlines()[0]
        raise ArtifactError(f"{file} cannot be read: {first}; measure again with --fresh") from None


def _plain(size: Any) -> int | tuple[int, ...]:
    return tuple(map(int, size)) if isinstance(size, tuple | list) else int(size)
