"""The count behind the table of sizes, and weights that are made a tensor at a time."""

import json

import numpy as np
import pytest

from rankprobe.lowrank import Scaffold
from studies.catalogue import ROOT
from studies.scaffold.size import (
    FEEDFORWARD,
    LAYERS,
    RANK,
    RESULTS,
    TABLE,
    VOCABULARY,
    WIDTH,
    adapted,
    frozen_shapes,
    network,
    regenerated,
    table,
)


@pytest.mark.parametrize("layers", [1, 2])
def test_weights_are_counted_as_by_hand(layers: int) -> None:
    layer = 4 * WIDTH**2 + 3 * WIDTH * FEEDFORWARD
    count = sum(parameter.numel() for parameter in network(layers).parameters())
    assert count == VOCABULARY * WIDTH + layers * (layer + 2 * WIDTH) + WIDTH
    trained = sum(p.numel() for p in adapted(layers).parameters() if p.requires_grad)
    adapters = layers * 4 * (2 * RANK * WIDTH + 1)
    assert trained == VOCABULARY * WIDTH + adapters + layers * 2 * WIDTH + WIDTH
    frozen = sum(int(np.prod(shape)) for shape in frozen_shapes(layers).values())
    assert frozen == layers * layer


def test_what_is_made_again_is_what_is_frozen() -> None:
    shapes = {"blocks.0.attention.query": (64, 32), "blocks.0.feedforward.up": (32, 16)}
    made = regenerated(shapes)
    assert (made.weights, made.tensors, made.result) == (64 * 32 + 32 * 16, 2, 2 * 2560)
    assert made.largest == Scaffold().weight("any", (64, 32)).nbytes


def test_the_committed_table_is_that_of_the_committed_numbers() -> None:
    found = json.loads((ROOT / RESULTS).read_text())
    assert (ROOT / TABLE).read_text() == table(found)
    assert [shape["layers"] for shape in found["shapes"].values()] == list(LAYERS.values())
    for name, shape in found["shapes"].items():
        assert name == f"{shape['weights'] / 1e6:,.0f} million"
    whole, layer = found["whole"], found["one_layer"]
    assert whole["peak"] - whole["result"] < 4 * layer["weights"]
