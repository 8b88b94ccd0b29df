"""Where adapted layers' weights are in the network that they came from."""

import numpy as np
import pytest
import torch
from torch import nn

from rankprobe.lowrank import Adapter, Scaffold, adapted_layers, attach
from rankprobe.lowrank.initial import attachment
from rankprobe.lowrank.places import weight_places
from tests.lowrank.layered import CASES

EVERYTHING = Adapter(head="adapter", embeddings="adapter")


@pytest.mark.parametrize("name", CASES)
def test_the_weights_of_every_kind_of_layer_are_found(name: str) -> None:
    network = CASES[name].make()
    # Frozen are the network's own weights, so that each layer holds what must be found.
    twin = attach(network, rank=1, adapter=EVERYTHING, scaffold=Scaffold(init="pretrained"))
    layers = adapted_layers(twin)
    places = weight_places(network, layers)
    parameters = {key: value.detach().numpy() for key, value in network.named_parameters()}
    kept = [key for key in layers if key != attachment(twin).own_head]
    assert kept
    for key in kept:
        np.testing.assert_array_equal(places[key].read(parameters), layers[key].weight)


class Conv1D(nn.Module):
    """As the transformers library has it: (d_in, d_out)."""

    def __init__(self, nf: int, nx: int) -> None:
        super().__init__()
        self.nf = nf
        self.weight = nn.Parameter(torch.randn(nx, nf))
        self.bias = nn.Parameter(torch.zeros(nf))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight + self.bias


def test_a_matrix_that_is_held_transposed() -> None:
    network = nn.Sequential(Conv1D(5, 3), nn.Linear(5, 2))
    place = weight_places(network, ["0"])["0"]
    parameters = {key: value.detach().numpy().copy() for key, value in network.named_parameters()}
    assert place.read(parameters).shape == (5, 3)
    place.write(parameters, np.arange(15.0).reshape(5, 3))
    np.testing.assert_array_equal(parameters["0.weight"], np.arange(15.0).reshape(5, 3).T)


def test_writing_rows_leaves_the_others_alone() -> None:
    network = nn.MultiheadAttention(4, 2)
    place = weight_places(network, ["k_proj"])["k_proj"]
    parameters = {key: value.detach().numpy().copy() for key, value in network.named_parameters()}
    before = parameters["in_proj_weight"].copy()
    place.write(parameters, np.ones((4, 4)))
    after = parameters["in_proj_weight"]
    assert (after[4:8] == 1).all()
    np.testing.assert_array_equal(
        np.delete(after, range(4, 8), 0), np.delete(before, range(4, 8), 0)
    )


def test_a_network_that_is_one_layer() -> None:
    network = nn.Linear(3, 2)
    twin = attach(network, rank=1, adapter=Adapter(head="adapter"))
    (place,) = weight_places(network, adapted_layers(twin)).values()
    assert place.source.name == "weight"
