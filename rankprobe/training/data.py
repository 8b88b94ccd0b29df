"""A task as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rankprobe.data.task import Task
from rankprobe.training.objectives import Objective, class_weights

if TYPE_CHECKING:
    from rankprobe.training.protocol import Score
    from rankprobe.training.trainees import Cohort

Rollout = Callable[["Cohort", Literal["validation", "test"]], "list[Score | None]"]


@dataclass(frozen=True, eq=False)
class TrainingData:
    """A task as tensors. Regression targets are centred and divided by ONE scale.

    Outputs times ``scale`` plus ``shift`` are in original units; the ratios between the columns
    of a target are left as they are, because they are part of the task.

    Attributes:
        train_x: (n, ...) floating, or int64 for tokens and indices.
        train_y: (n, ...) class indices or next tokens, or scaled values.
        validation_x, validation_y, test_x, test_y: Likewise, with targets in original units.
        shift: (outputs,) or a scalar.
        scale: Divisor of regression targets.
        objective: Of the task.
        dtype: Type of the weights.
        gaps: Whether there is nothing to predict somewhere in the targets.
        augment: What is done to batches of pictures.
        class_weights: (classes,) weights of the classes in the loss, if there are any.
        rollout: Scores policies by acting, in place of scoring outputs on held-out examples.
    """

    train_x: Tensor
    train_y: Tensor
    validation_x: Tensor
    validation_y: Tensor
    test_x: Tensor
    test_y: Tensor
    shift: Tensor
    scale: float
    objective: Objective
    dtype: torch.dtype
    gaps: bool = False
    augment: str = "none"
    class_weights: Tensor | None = None
    rollout: Rollout | None = None

    @classmethod
    def of(
        cls,
        task: Task,
        *,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
        weights: Literal["none", "balanced"] | Sequence[float] = "none",
    ) -> Self:
        """Tensors of a task on a device; see `class_weights` for the weights."""

        def tensor(values: NDArray[Any]) -> Tensor:
            made = torch.from_numpy(np.ascontiguousarray(values))
            return made.to(device, dtype if made.is_floating_point() else made.dtype)

        y = tensor(task.train.y)
        shift, scale = torch.zeros((), dtype=dtype, device=device), 1.0
        of_classes = None
        gaps = bool(y.isnan().any() if y.is_floating_point() else (y < 0).any())
        if task.objective == "regression":
            mean = torch.nanmean if gaps else torch.mean
            shift = mean(y.flatten(0, -2), dim=0)
            scale = float(mean((y - shift).square()).sqrt())
            y = (y - shift) / scale
        elif task.objective == "classification":
            of_classes = class_weights(weights, y.cpu(), task.outputs)
        return cls(
            train_x=tensor(task.train.x),
            train_y=y,
            validation_x=tensor(task.validation.x),
            validation_y=tensor(task.validation.y),
            test_x=tensor(task.test.x),
            test_y=tensor(task.test.y),
            shift=shift,
            scale=scale,
            objective=task.objective,
            dtype=dtype,
            gaps=gaps,
            augment=task.augment,
            class_weights=None if of_classes is None else of_classes.to(device, dtype),
        )

    def held_out(self, split: Literal["validation", "test"]) -> tuple[Tensor, Tensor]:
        """Inputs and targets of a split."""
        if split == "test":
            return self.test_x, self.test_y
        return self.validation_x, self.validation_y
