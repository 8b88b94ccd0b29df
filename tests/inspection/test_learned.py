"""Adapters and updates of full training, planted and found."""

import math
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from rankprobe.inspection.adapters import TrainedRank, adapter_spectra
from rankprobe.inspection.cuts import compared
from rankprobe.inspection.updates import FullUpdate, update_spectra
from rankprobe.lowrank import Adapter, adapted_layers, attach, reinitialised
from rankprobe.lowrank.places import weight_places
from tests.lowrank.layered import CASES

EVERYTHING = Adapter(head="adapter", embeddings="adapter")
Tensors = dict[str, NDArray[np.float32]]


def arrays(module: nn.Module) -> Tensors:
    return {key: value.detach().numpy().copy() for key, value in module.named_parameters()}


def full(name: str, rank: int) -> FullUpdate:
    """A full training that added an update of this rank to every layer, and moved all else."""
    network = CASES[name].make()
    initial = arrays(reinitialised(network, seed=0, repeat=0))
    trained = {key: value + 1 for key, value in initial.items()}
    places = weight_places(network, adapted_layers(attach(network, rank=1, adapter=EVERYTHING)))
    generator = np.random.default_rng(0)
    for place in places.values():
        start = place.read(initial)
        d_out, d_in = start.shape[0], math.prod(start.shape[1:])
        added = generator.normal(size=(d_out, rank)) @ generator.normal(size=(rank, d_in))
        place.write(trained, start + added.reshape(start.shape))
    return FullUpdate.of(trained, initial, places)


@pytest.mark.parametrize("name", CASES)
def test_an_update_of_known_rank_is_kept_by_that_cut_and_by_no_smaller(name: str) -> None:
    update = full(name, 2)
    assert update.places
    whole, smaller, none = update.cut(2), update.cut(1), update.cut(0)
    for key, value in whole.items():
        np.testing.assert_allclose(value, update.trained[key], atol=1e-5, rtol=1e-5)
    for layer, place in update.places.items():
        np.testing.assert_array_equal(place.read(none), place.read(update.initial))
        moved = place.read(smaller).astype(float) - place.read(update.initial)
        rank = np.linalg.matrix_rank(moved.reshape(len(moved), -1), tol=1e-4)
        assert rank == 1, layer
    for spectrum in update_spectra([update, update]):
        assert spectrum.needed["0.99"].high <= min(2, spectrum.largest_rank)
        assert spectrum.needed["0.99"].low >= 1
        assert len(spectrum.singular_values) == spectrum.largest_rank


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_adapted_stays_as_it_was_trained(name: str) -> None:
    update = full(name, 2)
    adapted = {place.source.name for place in update.places.values()}
    rest = [key for key in update.trained if key not in adapted]
    for key in rest:
        np.testing.assert_array_equal(update.cut(1)[key], update.trained[key])


def test_the_update_is_what_was_added() -> None:
    update = full("pictures", 2)
    (spectrum, *_) = update_spectra([update])
    place = update.places[spectrum.layer]
    added = place.read(update.trained).astype(float) - place.read(update.initial)
    values = np.linalg.svd(added.reshape(len(added), -1), compute_uv=False)
    np.testing.assert_allclose(spectrum.singular_values, values, rtol=1e-5, atol=1e-5)
    assert spectrum.norm.median == pytest.approx(values[0])
    start = place.read(update.initial).reshape(len(added), -1)
    assert spectrum.initial.median == pytest.approx(np.linalg.norm(start, 2))
    assert spectrum.shape == added.shape


@pytest.mark.parametrize("name", CASES)
def test_adapters_of_every_kind_of_layer(name: str) -> None:
    """The spectra are those of what the layer itself adds to its frozen weights."""
    torch.manual_seed(0)
    twin = attach(CASES[name].make(), rank=3, adapter=EVERYTHING)
    layers = adapted_layers(twin)
    for layer in layers.values():
        nn.init.normal_(layer.A)
        nn.init.normal_(layer.B)
        nn.init.constant_(layer.beta, -0.5)
    found = adapter_spectra(
        TrainedRank(3, [arrays(twin)], [dict.fromkeys(layers, 4.0)]), EVERYTHING, list(layers)
    )
    assert [item.layer for item in found] == list(layers)
    for item in found:
        layer = layers[item.layer]
        added = (layer.merged() + 0.5 * layer.weight).detach().double().flatten(1)
        values = torch.linalg.svdvals(added)
        assert item.nominal == min(3, layer.largest_rank)
        assert item.norm.median == pytest.approx(values[0].item(), rel=1e-4)
        stable = (values.square().sum() / values[0] ** 2).item()
        assert item.stable.median == pytest.approx(stable, rel=1e-4)
        assert item.stable.median <= item.effective.median <= item.nominal + 1e-6
        assert item.beta.median == -0.5
        assert item.over_scaffold is not None
        assert item.over_scaffold.median == pytest.approx(item.norm.median / 2)


def test_repeats_are_summed_up() -> None:
    def member(beta: float, scale: float) -> Tensors:
        A, B = np.eye(2, 5, dtype=np.float32), np.float32(scale) * np.eye(4, 2, dtype=np.float32)
        return {"x.A": A, "x.B": B, "x.beta": np.array(beta, np.float32), "head.weight": A}

    members = [member(0.5, 1.0), member(1.0, 2.0), member(0.25, 0.0)]
    (item,) = adapter_spectra(TrainedRank(2, members), Adapter(scaling="standard", alpha=4))
    assert (item.beta.median, item.beta.low, item.beta.high) == (0.5, 0.25, 1.0)
    assert item.norm.values == (2.0, 4.0, 0.0)  # alpha / r is 2
    np.testing.assert_allclose(item.effective.values, (2, 2, 0))
    assert item.scaffold is item.over_scaffold is None


def test_a_scaffold_of_zeros_has_no_share() -> None:
    tensors = {"x.A": np.eye(1, 3, dtype=np.float32), "x.B": np.eye(3, 1, dtype=np.float32)}
    trained = TrainedRank(1, [tensors], [{"x": 0.0}])
    (item,) = adapter_spectra(trained, Adapter())
    assert item.beta.median == 1.0  # fixed
    assert item.scaffold is not None
    assert item.over_scaffold is None


class TestCompared:
    full: ClassVar = {0: 0.9, 1: 0.92, 2: 0.91}

    def test_capacity(self) -> None:
        cut = {k: v - 0.2 - 0.01 * k for k, v in self.full.items()}
        found = compared(2, cut, cut, self.full, higher_is_better=True)
        assert found is not None
        assert found.shortfalls == ("capacity",)
        assert found.lost.mean == pytest.approx(-0.21)
        # t(0.975, 2) = 4.3027; standard error 0.01 / sqrt(3)
        assert found.lost.high == pytest.approx(-0.21 + 4.30265 * 0.01 / math.sqrt(3), rel=1e-5)
        assert found.gained.mean == 0

    def test_optimisation(self) -> None:
        trained = {k: v - 0.2 - 0.01 * k for k, v in self.full.items()}
        found = compared(2, self.full, trained, self.full, higher_is_better=True)
        assert found is not None
        assert found.shortfalls == ("optimisation",)
        assert found.short == found.gained

    def test_a_rank_that_does_better_than_its_cut_and_reaches_full_training_is_not_short(
        self,
    ) -> None:
        cut = {k: v - 0.2 - 0.01 * k for k, v in self.full.items()}
        found = compared(2, cut, self.full, self.full, higher_is_better=True)
        assert found is not None
        assert found.gained.low > 0 > found.lost.high
        assert found.shortfalls == ()

    def test_losses_are_better_when_smaller(self) -> None:
        cut = {k: v - 0.2 - 0.01 * k for k, v in self.full.items()}
        found = compared(2, cut, self.full, self.full, higher_is_better=False)
        assert found is not None
        assert found.lost.mean > 0 > found.gained.mean
        assert found.shortfalls == ("optimisation",)

    def test_noise_is_no_shortfall(self) -> None:
        cut = {0: 0.95, 1: 0.85, 2: 0.9}
        found = compared(2, cut, self.full, self.full, higher_is_better=True)
        assert found is not None
        assert found.shortfalls == ()

    def test_repeats_that_lack_a_score_are_left_out(self) -> None:
        cut = {0: 0.5, 1: math.nan, 2: 0.7}
        found = compared(2, cut, {0: 0.6, 1: 0.6}, self.full, higher_is_better=True)
        assert found is not None
        assert (found.scores, found.trained) == ((0.5,), (0.6,))
        assert math.isinf(found.lost.low)
        assert found.shortfalls == ()
        assert compared(2, {1: 0.5}, {0: 0.5}, self.full, higher_is_better=True) is None
