"""What full training added to the weights of every layer, and full training cut to a rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rankprobe.inspection.spectra import (
    Decomposition,
    effective_rank,
    spectral_norm,
    stable_rank,
    values_needed,
)
from rankprobe.lowrank.places import Place
from rankprobe.records.inspection import Spread, UpdateSpectrum

SHARES = (0.9, 0.95, 0.99)  # of the squared norm
_SHOWN = 1024  # singular values that are recorded

Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class FullUpdate:
    """One full training.

    Attributes:
        trained: Its tensors by name.
        initial: Its parameters before training, by name.
        places: Where the adapted layers' weights are.
        parts: Each layer's update, decomposed.
    """

    trained: Arrays
    initial: Arrays
    places: Mapping[str, Place]
    parts: Mapping[str, Decomposition]

    @classmethod
    def of(cls, trained: Arrays, initial: Arrays, places: Mapping[str, Place]) -> FullUpdate:
        """Decompose what training added to every layer."""
        parts = {
            layer: Decomposition.of(
                place.read(trained).astype(np.float64) - place.read(initial).astype(np.float64)
            )
            for layer, place in places.items()
        }
        return cls(trained, initial, places, parts)

    def cut(self, rank: int) -> dict[str, NDArray[np.float32]]:
        """The trained tensors with every adapted layer's update cut to a rank.

        The rest stays as it was trained: biases, gains, the head, running statistics.
        """
        tensors = {name: value.copy() for name, value in self.trained.items()}
        for layer, place in self.places.items():
            start = place.read(self.initial).astype(np.float64)
            place.write(tensors, start + self.parts[layer].cut(rank))
        return tensors


def update_spectra(updates: Sequence[FullUpdate]) -> list[UpdateSpectrum]:
    """What full training added to every layer, over the repeats.

    Args:
        updates: One a repeat, at least one.
    """
    return [_spectrum(layer, updates) for layer in updates[0].places]


def _spectrum(layer: str, updates: Sequence[FullUpdate]) -> UpdateSpectrum:
    values = [update.parts[layer].values for update in updates]
    needed = np.array([values_needed(each, SHARES) for each in values])
    medians = np.median(np.stack(values), axis=0)[:_SHOWN]
    starts = (update.places[layer].read(update.initial) for update in updates)
    return UpdateSpectrum(
        layer=layer,
        shape=updates[0].parts[layer].shape,
        singular_values=tuple(float(f"{value:.6g}") for value in medians),
        needed={f"{share:g}": Spread.of(needed[:, k]) for k, share in enumerate(SHARES)},
        stable=Spread.of(map(stable_rank, values)),
        effective=Spread.of(map(effective_rank, values)),
        norm=Spread.of(float(each.max(initial=0.0)) for each in values),
        initial=Spread.of(map(spectral_norm, starts)),
    )
