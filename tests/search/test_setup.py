"""What only shows when network and data meet."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

import rankprobe
from rankprobe.errors import ConfigError
from rankprobe.search.measure import bytes_needed
from tests.training.toys import toy


class LooksInside(nn.Module):
    """Reads what an adapted layer has not."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.hidden(x).view(len(x), self.hidden.out_features)
        outputs: Tensor = self.head(h)
        return outputs


def data() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(60, 4)), "y": np.arange(60) % 2}


def test_a_network_that_looks_into_its_layers_is_refused_before_training() -> None:
    message = "`LooksInside` fails with adapted layers on a batch of shape (4, 4): AttributeError"
    with pytest.raises(ConfigError, match=re.escape(message)):
        rankprobe.measure(**data(), backbone=LooksInside(), training={"epochs": 1})


def test_a_text_s_vocabulary_needs_no_room() -> None:
    text = toy("next_token")
    assert bytes_needed(replace(text, outputs=50_000)) == bytes_needed(text)
    labels = toy("tokens")
    more = bytes_needed(replace(labels, outputs=50_000)) - bytes_needed(labels)
    assert more == 150 * 4 * 20 * (50_000 - 3)
