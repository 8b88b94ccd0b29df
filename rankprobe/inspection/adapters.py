"""Spectra of trained adapters, read from their factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rankprobe.inspection.spectra import effective_rank, product_spectrum, stable_rank
from rankprobe.lowrank.adapter import Adapter
from rankprobe.records.inspection import AdapterSpectrum, Spread

Tensors = Mapping[str, NDArray[np.float32]]
Norms = Mapping[str, float]  # of frozen weights, by layer


@dataclass(frozen=True)
class TrainedRank:
    """The members of one rank.

    Attributes:
        rank: The rank.
        members: Trained tensors by name, one mapping a repeat.
        scaffolds: Spectral norms of each one's frozen weights; empty where they are not known.
    """

    rank: int
    members: Sequence[Tensors]
    scaffolds: Sequence[Norms] = ()


def layers_of(tensors: Tensors) -> list[str]:
    """Names of the adapted layers among trained tensors: those with factors A and B."""
    holders = (_split(name) for name in tensors)
    return [layer for layer, key in holders if key == "A" and _joined(layer, "B") in tensors]


def adapter_spectra(
    trained: TrainedRank, adapter: Adapter, order: Sequence[str] = ()
) -> list[AdapterSpectrum]:
    """What every layer's adapter learned at one rank.

    Args:
        trained: One member or more.
        adapter: How the adapters were built, for their scaling.
        order: Names of layers in the network's order; any unless given.
    """
    layers = layers_of(trained.members[0])
    known = [layer for layer in order if layer in layers]
    rest = [layer for layer in layers if layer not in known]
    return [_spectrum(layer, trained, adapter) for layer in (*known, *rest)]


def _spectrum(layer: str, trained: TrainedRank, adapter: Adapter) -> AdapterSpectrum:
    betas, stables, effectives, norms = [], [], [], []
    for tensors in trained.members:
        B, A = tensors[_joined(layer, "B")], tensors[_joined(layer, "A")]
        values = adapter.factor(len(A)) * product_spectrum(B, A)
        beta = tensors.get(_joined(layer, "beta"))
        betas.append(1.0 if beta is None else float(beta))
        stables.append(stable_rank(values))
        effectives.append(effective_rank(values))
        norms.append(float(values.max(initial=0.0)))
    frozen = [scaffold[layer] for scaffold in trained.scaffolds if layer in scaffold]
    whole = len(frozen) == len(norms)
    under = [abs(beta) * norm for beta, norm in zip(betas, frozen, strict=False)]
    shares = [norm / base for norm, base in zip(norms, under, strict=False) if base > 0]
    return AdapterSpectrum(
        layer=layer,
        rank=trained.rank,
        nominal=len(trained.members[0][_joined(layer, "A")]),
        beta=Spread.of(betas),
        stable=Spread.of(stables),
        effective=Spread.of(effectives),
        norm=Spread.of(norms),
        scaffold=Spread.of(frozen) if whole else None,
        over_scaffold=Spread.of(shares) if whole and len(shares) == len(norms) else None,
    )


def _split(name: str) -> tuple[str, str]:
    layer, _, key = name.rpartition(".")
    return layer, key


def _joined(layer: str, key: str) -> str:
    return f"{layer}.{key}" if layer else key
