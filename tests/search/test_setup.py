"""What only shows when network and data meet."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

import rankprobe
from rankprobe.errors import ConfigError, StoreError
from rankprobe.lowrank import families
from rankprobe.lowrank.families import SPEC_VERSION
from rankprobe.search import setup
from rankprobe.search.measure import bytes_needed
from rankprobe.search.scope import learning_rate_words
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


def test_a_network_that_looks_into_its_layers_is_refused_before_training() -> None:
    message = "`LooksInside` fails with adapted layers on a batch of shape (4, 4): AttributeError"
    with pytest.raises(ConfigError, match=re.escape(message)):
        rankprobe.measure(
            np.eye(60, 4), np.arange(60) % 2, backbone=LooksInside(), training={"epochs": 1}
        )


def test_a_text_s_vocabulary_needs_no_room() -> None:
    text = toy("next_token")
    assert bytes_needed(replace(text, outputs=50_000)) == bytes_needed(text)
    labels = toy("tokens")
    more = bytes_needed(replace(labels, outputs=50_000)) - bytes_needed(labels)
    assert more == 150 * 4 * 20 * (50_000 - 3)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("tuned", "tuned for every rank and for full training"),
        (0.01, "fixed: 0.01"),
        ({"adapter": 0.01, "baseline": 0.001}, "fixed: adapter 0.01, baseline 0.001"),
        (
            {"adapter": (0.003, 0.01), "baseline": 0.001},
            "tuned over adapter 0.003 0.01, baseline 0.001",
        ),
    ],
)
def test_the_scope_says_how_rates_were_chosen(given: object, words: str) -> None:
    assert learning_rate_words(given) == words


class TestSpecification:
    """A run folder agrees with what goes on in it on the weights, not on the version's number."""

    def measured(self, folder: Path, family: str) -> None:
        rankprobe.measure(
            np.eye(60, 4),
            np.arange(60) % 2,
            out=folder,
            backbone={"hidden": [4], "weights": family},
            training={"epochs": 1, "learning_rate": 0.01},
            search={"ranks": [1], "repeats": 1},
        )

    @pytest.fixture
    def next_version(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
        """Has the next version of the specification change the family beta."""

        def change() -> None:
            version = SPEC_VERSION + 1
            changed = replace(families.FAMILIES["beta"], since=version)
            monkeypatch.setattr(families, "SPEC_VERSION", version)
            monkeypatch.setattr(families, "DEFINITIONS", (*families.DEFINITIONS, changed))
            before = setup.scaffold_of
            monkeypatch.setattr(
                setup, "scaffold_of", lambda config: replace(before(config), spec_version=version)
            )

        return change

    def test_a_family_that_changed_is_another_measurement(
        self, tmp_path: Path, next_version: Callable[[], None]
    ) -> None:
        self.measured(tmp_path, "beta")
        next_version()
        message = r"holds a measurement of something else: scaffold_specification changed; write"
        with pytest.raises(StoreError, match=message):
            self.measured(tmp_path, "beta")

    @pytest.mark.parametrize("family", ["normal", "laplace"])
    def test_a_family_that_did_not_goes_on(
        self, tmp_path: Path, next_version: Callable[[], None], family: str
    ) -> None:
        self.measured(tmp_path, family)
        next_version()
        self.measured(tmp_path, family)


class Words(nn.Module):
    """A table of embeddings beside the head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.hidden, self.head = nn.Embedding(9, 4), nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.hidden(self.embed(x.long()).mean(1)).relu())
        return outputs


@pytest.mark.parametrize("embeddings", ["trained", "frozen"])
def test_rank_0_trains_embeddings_as_every_rank_does(embeddings: str) -> None:
    x = np.arange(240).reshape(60, 4) % 9
    result = rankprobe.measure(
        x.astype(np.float32),
        np.arange(60) % 2,
        backbone=Words(),
        adapter={"embeddings": embeddings},
        training={"epochs": 1, "learning_rate": 0.01},
        search={"ranks": [1], "repeats": 2},
    )
    said = result.scope.get("in_full_beside_head")
    assert said == ("embed.weight (36 parameters)" if embeddings == "trained" else None)
    assert ("embed.weight" in result.methods) == (embeddings == "trained")


@pytest.mark.parametrize(
    ("weights", "scale", "words"),
    [
        ("normal", "fan_in", "normal, standard deviation 1/sqrt(fan-in), seed 42"),
        ("orthogonal", "fan_in", "orthogonal, gain 1, seed 42"),
        ("cauchy", "family", "cauchy, scale 0.1, clipped at 1, seed 42"),
        ("cauchy", 0.2, "cauchy, standard deviation 0.2, seed 42"),
    ],
)
def test_the_scope_says_how_frozen_weights_were_made(
    weights: str, scale: object, words: str
) -> None:
    result = rankprobe.measure(
        np.eye(60, 3),
        np.arange(60) % 2,
        backbone={"hidden": [4], "weights": weights, "weight_scale": scale},
        training={"epochs": 1, "learning_rate": 0.01},
        search={"ranks": [1], "repeats": 1},
    )
    assert result.scope["scaffold"] == words
