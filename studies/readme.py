"""Fill the marked blocks of every study's README from its results: ``python -m studies.readme``."""

from __future__ import annotations

from pathlib import Path

from rankprobe.reporting.folder import write_whole
from studies.calibration import report as calibration
from studies.catalogue import FAN_IN, FURTHER, GRIDS, REMOVAL_PAPER, ROOT, TUNED
from studies.command import guarded
from studies.flowers import limit
from studies.icu import sizes
from studies.markdown import grid_block, replaced, result_block, studies_block
from studies.mnist import compare_paper
from studies.nine import beside, overview, protocol
from studies.nine.kinds import KINDS
from studies.ordering import report as ordering
from studies.planted import report as planted
from studies.scaffold import beside as scaffold
from studies.scaffold import betas, readings
from studies.scaffold.seed_gated import page as seed_gated
from studies.speed import report as speed


def documents(root: Path = ROOT) -> dict[Path, str]:
    """Every README of the studies as its results say it should read.

    Raises:
        ArtifactError: A result that cannot be read, or a README without its blocks.
    """
    blocks: dict[Path, dict[str, str]] = {
        root / measurement.study / "README.md": {"result": result_block(measurement, root)}
        for measurement in TUNED
    }
    for kind in KINDS:
        blocks[root / kind.study / "README.md"] = {
            "result": result_block(kind.measurement, root),
            "beside": beside.block(kind, root),
            "protocol": protocol.block(kind, root),
        }
    for study in dict.fromkeys(measurement.study for measurement in FURTHER):
        blocks[root / study / "README.md"]["further"] = "\n\n".join(
            f"### {m.name}: {m.what}\n\n{result_block(m, root)}"
            for m in FURTHER
            if m.study == study
        )
    for measurement in GRIDS:
        block = {
            "result": grid_block(measurement, root),
            "beside": scaffold.block(measurement, root),
        }
        blocks.setdefault(root / measurement.study / "README.md", {}).update(block)
    pages = root / "scaffold"
    blocks[pages / "resampling" / "README.md"]["transition"] = readings.transitions(root)
    blocks[pages / "resampling" / "README.md"]["betas"] = betas.block("scaffold-resampling", root)
    blocks[pages / "families" / "README.md"]["fan_in"] = grid_block(FAN_IN, root)
    blocks[pages / "seed_gated" / "README.md"] = {"seed_gated": seed_gated.block(root)}
    blocks[pages / "removal" / "README.md"]["paper"] = "\n\n".join(
        (grid_block(REMOVAL_PAPER, root), scaffold.block(REMOVAL_PAPER, root))
    )
    blocks[pages / "capacity" / "README.md"]["capacity"] = readings.sizes(root)
    blocks[root / "icu" / "README.md"]["sizes"] = sizes.block(root)
    blocks[root / "flowers" / "README.md"]["limit"] = limit.block(root)
    blocks[root / "mnist" / "README.md"]["paper"] = compare_paper.block(root)
    blocks[root / "calibration" / "README.md"] = {"calibration": calibration.block(root)}
    blocks[root / "ordering" / "README.md"] = {"ordering": ordering.block(root)}
    blocks[root / "planted" / "README.md"] = {"planted": planted.block(root)}
    blocks[root / "speed" / "README.md"] = {"speed": speed.block(root)}
    blocks[root / "README.md"] = {
        "nine": overview.block(root),
        "studies": studies_block(root),
        "ordering": ordering.sentence(root),
        "planted": planted.sentence(root),
        "calibration": calibration.headline_table(root),
        "speed": speed.sentence(root),
        "scaffold": scaffold.overview(root),
        "size": scaffold.size(root),
    }
    return {
        path: replaced(path.read_text(encoding="utf-8"), contents, where=path)
        for path, contents in blocks.items()
    }


def refresh(root: Path = ROOT) -> list[Path]:
    """Rewrite those READMEs that no longer say what the results say; returns them.

    Raises:
        ArtifactError: As `documents`.
        StoreError: One cannot be written.
    """
    return [
        write_whole(path, text.encode())
        for path, text in documents(root).items()
        if path.read_text(encoding="utf-8") != text
    ]


def main() -> int:
    """Rewrite them and name them; returns the exit status."""

    def work() -> None:
        for path in refresh():
            print(path)

    return guarded(work)


if __name__ == "__main__":
    raise SystemExit(main())
