"""The measurements that studies are made of: one dataset.yaml each, and where its results lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from rankprobe.errors import ConfigError
from rankprobe.grid_file import is_grid, load_grid
from rankprobe.records import Result
from rankprobe.records.grid import Grid
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
        fetched: Names of the data to fetch first; none where it comes with a library, or from
            the user.
        changes: Settings that replace the file's, in the same nested structure.
        variant: Folder of its results, below those of its file's own measurement; with
            `changes` alone.
        trust: Whether its settings name code of its study, which runs.
        varies: Whether its file holds ``vary``, so that its results are those of a grid.
    """

    name: str
    study: str
    what: str
    file: str = "dataset.yaml"
    fetched: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""
    trust: bool = False
    varies: bool = False

    def config(self, root: Path = ROOT) -> Path:
        """Its dataset.yaml."""
        return root / self.study / self.file

    @property
    def overrides(self) -> dict[str, Any]:
        """Settings that replace those of its file."""
        return {"name": self.name, **self.changes} if self.changes else {}

    def results(self, root: Path = ROOT) -> Path:
        """The folder of its committed results."""
        folder = root / self.study / "results" / self.variant
        stem = Path(self.file).stem
        return folder if stem == "dataset" else folder / stem

    def result(self, root: Path = ROOT) -> Result | None:
        """Its committed result; ``None`` while it has none.

        Raises:
            ArtifactError: There is one, and it cannot be read.
        """
        file = self.results(root) / "result.json"
        return load_result(file) if file.is_file() else None

    def grid(self, root: Path = ROOT) -> Grid | None:
        """The committed results of a grid; ``None`` while it has none.

        Raises:
            ArtifactError: There are some, and they cannot be read.
        """
        folder = self.results(root)
        return load_grid(folder) if is_grid(folder) else None


STUDIES = (
    Measurement("digits", "digits", "handwritten digits of 8 x 8 pixels"),
    Measurement("mnist5k", "mnist5k", "5,000 handwritten digits", fetched=("mnist5k",)),
    Measurement("mnist", "mnist", "70,000 handwritten digits", fetched=("mnist",)),
    Measurement(
        "mnist-paper", "mnist", "the paper's protocol, adapter unscaled", "paper.yaml", ("mnist",)
    ),
    Measurement(
        "mnist-paper-standard",
        "mnist",
        "the paper's protocol, adapter scaled by alpha/r",
        "paper_standard.yaml",
        ("mnist",),
    ),
)
ORDERING = tuple(
    Measurement(name, "ordering", what, f"{name.replace('-', '_')}.yaml", (name,))
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


def _narrower(task: Measurement, hidden: tuple[int, ...]) -> Measurement:
    """The same task on hidden layers of other widths."""
    widths = "-".join(map(str, hidden))
    changes = {"backbone": {"hidden": hidden}}
    return replace(task, name=f"{task.name}-{widths}", changes=changes, variant=widths)


# The same tasks on a network of half the width.
OTHER_NETWORKS = {
    hidden: tuple(_narrower(task, hidden) for task in ORDERING) for hidden in ((32, 16),)
}
# One measurement a kind of task, at a protocol for two cores; that of pictures of digits is in
# STUDIES. The others of a study, which ask one thing more of it, follow their first.
KINDS = (
    Measurement("cifar10", "cifar10", "small colour pictures", fetched=("cifar10-small",)),
    Measurement("icu", "icu", "death after a year of clinical series", fetched=("icu",)),
    Measurement("molhiv", "molhiv", "molecules that act against HIV", fetched=("molhiv",)),
    Measurement("citations", "citations", "subjects of papers", fetched=("citations",)),
    Measurement("flowers", "flowers", "faces: many classes, few examples", fetched=("flowers",)),
    Measurement("imdb", "imdb", "film reviews", fetched=("imdb-small",)),
    Measurement("control", "control", "an expert's actions", fetched=("control",)),
    Measurement("language", "language", "the next token of a text", fetched=("language",)),
)
_ICU, _CONTROL = (next(m for m in KINDS if m.name == name) for name in ("icu", "control"))
# The same series on states of other sizes: the paper found that a small one needs a higher rank.
SIZES = tuple(
    replace(
        _ICU,
        name=name,
        what=f"{_ICU.what}, state of {hidden}",
        changes={"backbone": {"hidden": hidden}},
        variant=f"hidden-{hidden}",
    )
    for name, hidden in (("icu-small", 16), ("icu-tiny", 4))
)
ONLINE = replace(
    _CONTROL,
    name="control-online",
    what="the return of the policy that was learned",
    changes={
        "metric": "episode_return",
        # Those chosen by the error of actions: choosing by episodes would triple the time.
        "training": {"learning_rate": {"adapter": 0.03, "baseline": 0.01}},
    },
    variant="online",
)


def _features(name: str, what: str, file: str, data: str) -> tuple[Measurement, Measurement]:
    """A task on MobileNetV2 whose frozen weights are random, and on those of ImageNet."""
    random = Measurement(
        f"{name}-random", "flowers", f"{what}, random features", file, (data,), trust=True
    )
    pretrained = replace(
        random,
        name=f"{name}-pretrained",
        what=f"{what}, features of ImageNet",
        fetched=(data, "flowers-weights"),
        changes={"backbone": {"factory": "mobilenet:pretrained", "init": "pretrained"}},
        variant="pretrained",
    )
    return random, pretrained


# Random against pre-trained features: the same task twice.
FEATURES = (
    _features("faces", "faces", "faces.yaml", "flowers"),
    _features("cifar-features", "600 colour pictures", "cifar.yaml", "flowers-cifar"),
)
FURTHER = (*SIZES, ONLINE, *chain(*FEATURES))
# One experiment each, with settings that vary in its file.
GRIDS = tuple(
    Measurement(
        f"scaffold-{folder.replace('_', '-')}",
        f"scaffold/{folder}",
        what,
        fetched=("scaffold",),
        varies=True,
    )
    for folder, what in (
        ("families", "22 distributions of frozen weights"),
        ("removal", "the scaffold there, never there, and taken away"),
        ("resampling", "a scaffold that stays, and that changes while training"),
        ("b_init", "B from zeros and Kaiming-uniform"),
        ("heads", "a head that is trained, and one with an adapter"),
        ("scaling", "what the adapters are multiplied by, and beta fixed"),
        ("capacity", "networks of four sizes"),
    )
)
# Families with a scale of their own, at that of all others.
FAN_IN = Measurement(
    "scaffold-families-fan-in",
    "scaffold/families",
    "six distributions at one standard deviation",
    "fan_in.yaml",
    ("scaffold",),
    varies=True,
)
# The scaffold taken away under the paper's own protocol, where ours differs most.
REMOVAL_PAPER = Measurement(
    "scaffold-removal-paper",
    "scaffold/removal",
    "the scaffold there, never there, and taken away: the paper's protocol",
    "paper.yaml",
    ("mnist",),
    varies=True,
)
MEASUREMENTS = (
    *STUDIES,
    *ORDERING,
    *chain(*OTHER_NETWORKS.values()),
    *KINDS,
    *FURTHER,
    *GRIDS,
    FAN_IN,
    REMOVAL_PAPER,
)
# The published protocols of the other kinds of task: for other hardware, some for data that only
# the user has. They are run by their names alone.
PUBLISHED_PROTOCOLS = tuple(
    Measurement(f"{kind.study}-paper", kind.study, "the paper's protocol", "paper.yaml", fetched)
    for kind, fetched in zip(
        KINDS,
        (("cifar10",), (), ("molhiv",), (), (), ("imdb",), (), ()),
        strict=True,
    )
)
# The tuned ones of handwritten digits, which are compared with each other.
TUNED = tuple(measurement for measurement in STUDIES if measurement.file == "dataset.yaml")


def find(name: str) -> Measurement:
    """The measurement of a name.

    Raises:
        ConfigError: There is none.
    """
    everything = (*MEASUREMENTS, *PUBLISHED_PROTOCOLS)
    for measurement in everything:
        if measurement.name == name:
            return measurement
    known = ", ".join(measurement.name for measurement in everything)
    raise ConfigError(f"there is no measurement named `{name}`; there are: {known}")
