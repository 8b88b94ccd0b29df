"""Members of a cohort against each of them trained alone in plain steps."""

from __future__ import annotations

import numpy as np
import torch

from rankprobe.records import Member
from rankprobe.training import TrainingData, TrainingProtocol
from rankprobe.training.build import build_cohort
from rankprobe.training.trainees import Cohort
from tests.lowrank.layered import Case
from tests.training.reference import solo, toy_task, train_together


def built(case: Case, members: tuple[Member, ...], settings: TrainingProtocol) -> Cohort:
    """The cohort of members on a case's network."""
    task = toy_task(settings.objective, case.shape, case.outputs)
    data = TrainingData.of(task, dtype=torch.double)
    return build_cohort(case.make(), members, settings, data.train_x[:2])


def assert_equals_solo(case: Case, members: tuple[Member, ...], settings: TrainingProtocol) -> None:
    """Outputs and history of every member are those that it has alone."""
    task, backbone = toy_task(settings.objective, case.shape, case.outputs), case.make()
    for run in train_together(members, backbone, settings, task=task):
        assert run.status == "finished", run.reason
        assert run.predictions is not None
        alone = solo(run.member, backbone, settings, task=task)
        scale = np.abs(alone.outputs).max()
        np.testing.assert_allclose(run.predictions, alone.outputs, rtol=1e-9, atol=1e-9 * scale)
        np.testing.assert_allclose(run.history, alone.history, rtol=1e-9)
