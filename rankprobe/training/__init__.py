"""Training members together: the expensive half of a measurement."""

from rankprobe.training.data import TrainingData
from rankprobe.training.protocol import (
    Score,
    Scorer,
    TrainingProtocol,
    train,
)

__all__ = ["Score", "Scorer", "TrainingData", "TrainingProtocol", "train"]
