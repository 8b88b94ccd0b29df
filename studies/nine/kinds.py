"""The nine kinds of task, in the order in which they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rankprobe.records import Result
from studies.catalogue import ROOT, Measurement, find
from studies.nine.published import ONLINE_CONTROL, PUBLISHED, SMALL_ICU, Published
from studies.ordering.orders import Order


@dataclass(frozen=True)
class Kind:
    """A kind of task, with the study that stands for it.

    Attributes:
        study: Folder of the study, and name of its first measurement.
        task: What is learned, in a few words.
        kind: What the inputs are.
        status: Why there is no result, or what limits it; empty where nothing does.
        further: Other measurements that have a published curve of their own.
    """

    study: str
    task: str
    kind: str
    status: str = ""
    further: tuple[tuple[str, Published], ...] = ()

    @property
    def measurement(self) -> Measurement:
        """The measurement that stands for it."""
        return find(self.study)

    @property
    def published(self) -> Published:
        """The published curve that stands for it."""
        return PUBLISHED[self.study]

    def result(self, root: Path = ROOT) -> Result | None:
        """Its committed result; ``None`` while it has none."""
        return self.measurement.result(root)


KINDS = (
    Kind("mnist", "ten handwritten digits", "grey pictures"),
    Kind("cifar10", "ten classes of objects", "colour pictures"),
    Kind(
        "icu",
        "death after the first year",
        "irregular clinical series",
        further=(("icu-small", SMALL_ICU),),
    ),
    Kind("molhiv", "action against HIV", "molecules"),
    Kind("citations", "subject of a paper", "nodes of a graph"),
    Kind("flowers", "which of 40 people", "pictures, few a class"),
    Kind("imdb", "positive or negative", "film reviews"),
    Kind(
        "control",
        "what an expert does next",
        "behaviour",
        further=(("control-online", ONLINE_CONTROL),),
    ),
    Kind("language", "the next token", "language"),
)
# Written down before any of them was measured.
EXPECTED = (
    Order("icu", "citations", "published: 98.8 % and 79.3 % of full training's gain at rank 1"),
    Order(
        "icu", "icu-small", "the same series; the smaller state leaves each rank less to work on"
    ),
)


def results(root: Path = ROOT) -> dict[str, Result]:
    """The committed results of the nine by name, in order.

    Raises:
        ArtifactError: One cannot be read.
    """
    found = {kind.study: kind.result(root) for kind in KINDS}
    return {name: result for name, result in found.items() if result is not None}
