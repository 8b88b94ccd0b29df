"""The network that was measured: its frozen weights, and where full training started and ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from rankprobe.inspection.spectra import spectral_norm
from rankprobe.inspection.updates import FullUpdate
from rankprobe.lowrank import adapted_layers, attach, full_starts
from rankprobe.lowrank.places import weight_places
from rankprobe.records import Member
from rankprobe.search.trained import Trained, read_tensors
from rankprobe.training import TrainingProtocol


class Network:
    """A network and the protocol it was trained by.

    Args:
        backbone: The network, as if for one model.
        protocol: How it was trained.

    Attributes:
        layers: Names of its adapted layers, in order.
    """

    def __init__(self, backbone: nn.Module, protocol: TrainingProtocol) -> None:
        self.backbone, self.protocol = backbone, protocol
        self._norms: dict[int, dict[str, float]] = {}
        self.layers = list(self.scaffold_norms(0))

    def scaffold_norms(self, index: int) -> Mapping[str, float]:
        """Spectral norms of the frozen weights by layer, of the scaffold of this index."""
        if index not in self._norms:
            protocol = self.protocol
            module = attach(
                self.backbone,
                rank=1,
                adapter=protocol.adapter,
                scaffold=protocol.scaffold.sibling(index),
            )
            there = protocol.use.frozen == "seeded"
            self._norms[index] = {
                name: spectral_norm(layer.weight.detach().cpu().numpy()) if there else 0.0
                for name, layer in adapted_layers(module).items()
            }
        return self._norms[index]

    def scaffold_note(self) -> str:
        """What the norms leave out, where there is more than one scaffold; else nothing."""
        use = self.protocol.use
        if use.resample != "none" and use.frozen == "seeded":
            return "the scaffold was resampled: norms of W are those of the first one"
        return ""

    def updates(self, baselines: Sequence[Trained]) -> dict[Member, FullUpdate]:
        """What full training added, by baseline."""
        places = weight_places(self.backbone, self.layers)
        found = {}
        for item in baselines:
            repeat, scaffold = item.member.repeat, self.protocol.scaffold
            starts = full_starts(
                self.backbone,
                seed=self.protocol.seed,
                repeats=[repeat],
                scaffold=scaffold.sibling(item.member.scaffold),
            )[repeat]
            initial = {name: value.cpu().float().numpy() for name, value in starts.items()}
            found[item.member] = FullUpdate.of(read_tensors(item.file), initial, places)
        return found
