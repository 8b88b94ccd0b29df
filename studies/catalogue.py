"""The measurements that studies are made of: one dataset.yaml each, and where its results lie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from rankprobe.errors import ConfigError
from rankprobe.records import Result
from rankprobe.result_file import load_result

ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Measurement:
    """One measurement of a study.

    Attributes:
        name: Its name, the ``name`` in its file.
        study: Folder of the study.
        what: What is measured, in a few words.
        file: Its dataset.yaml.
        fetched: Name of the data to fetch first; ``None`` where it comes with a library.
        hidden: Widths of the network that replaces the file's; ``None`` leaves that.
    """

    name: str
    study: str
    what: str
    file: str = "dataset.yaml"
    fetched: str | None = None
    hidden: tuple[int, ...] | None = None

    def config(self, root: Path = ROOT) -> Path:
        """Its dataset.yaml."""
        return root / self.study / self.file

    @property
    def overrides(self) -> dict[str, Any]:
        """Settings that replace those of its file."""
        if self.hidden is None:
            return {}
        return {"name": self.name, "backbone": {"hidden": self.hidden}}

    def results(self, root: Path = ROOT) -> Path:
        """The folder of its committed results."""
        folder = root / self.study / "results"
        stem = Path(self.file).stem
        if self.hidden is not None:
            folder /= "-".join(map(str, self.hidden))
        return folder if stem == "dataset" else folder / stem

    def result(self, root: Path = ROOT) -> Result | None:
        """Its committed result; ``None`` while it has none.

        Raises:
            ArtifactError: There is one, and it cannot be read.
        """
        file = self.results(root) / "result.json"
        return load_result(file) if file.is_file() else None


STUDIES = (
    Measurement("digits", "digits", "handwritten digits of 8 x 8 pixels"),
    Measurement("mnist5k", "mnist5k", "5,000 handwritten digits", fetched="mnist5k"),
    Measurement("mnist", "mnist", "70,000 handwritten digits", fetched="mnist"),
    Measurement(
        "mnist-paper", "mnist", "the paper's protocol, adapter unscaled", "paper.yaml", "mnist"
    ),
    Measurement(
        "mnist-paper-standard",
        "mnist",
        "the paper's protocol, adapter scaled by alpha/r",
        "paper_standard.yaml",
        "mnist",
    ),
)
ORDERING = tuple(
    Measurement(name, "ordering", what, f"{name.replace('-', '_')}.yaml", name)
    for name, what in (
        ("digits-3-8", "two digits, 3 and 8"),
        ("digits-halves", "ten digits as two classes, 0-4 and 5-9"),
        ("digits-ten", "ten digits"),
        ("penbased", "ten digits written with a pen"),
        ("letter", "26 capital letters"),
        ("linear", "side of a plane, 16 bits"),
        ("parity", "parity of 4 of 16 bits"),
        ("pairs", "are most of 7 pairs of bits alike?"),
        ("digits-shuffled", "ten digits, labels permuted"),
    )
)
NETWORK = (64, 32)  # what the files of ORDERING hold
# The same tasks on a network of half the width.
OTHER_NETWORKS = {
    hidden: tuple(
        replace(task, name=f"{task.name}-{'-'.join(map(str, hidden))}", hidden=hidden)
        for task in ORDERING
    )
    for hidden in ((32, 16),)
}
MEASUREMENTS = (*STUDIES, *ORDERING, *chain(*OTHER_NETWORKS.values()))
# The tuned ones on real data, which are compared with each other.
TUNED = tuple(measurement for measurement in STUDIES if measurement.file == "dataset.yaml")


def find(name: str) -> Measurement:
    """The measurement of a name.

    Raises:
        ConfigError: There is none.
    """
    for measurement in MEASUREMENTS:
        if measurement.name == name:
            return measurement
    known = ", ".join(measurement.name for measurement in MEASUREMENTS)
    raise ConfigError(f"there is no measurement named `{name}`; there are: {known}")
