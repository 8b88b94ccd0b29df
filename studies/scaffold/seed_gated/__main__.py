"""Train the seed-gated tasks: ``python -m studies.scaffold.seed_gated``.

Fetches the data, trains with and without the outside class, and writes ``results/ignored.json`` and
``results/class.json`` beside this file.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

from rankprobe.reporting.folder import write_whole
from studies.command import guarded
from studies.fetch import fetch
from studies.scaffold.seed_gated.page import HERE, OUTSIDE


def train(folder: Path = HERE) -> None:
    """Fetch the data, train both, print their tables and write their results.

    Args:
        folder: Holds dataset.yaml; results go below it.
    """
    import rankprobe

    fetch("scaffold")
    for outside in OUTSIDE:
        measured = rankprobe.seed_gated(folder / "dataset.yaml", scaffold={"outside": outside})
        text = json.dumps({**measured.to_json(), "provenance": _provenance()}, indent=1) + "\n"
        write_whole(folder / "results" / f"{outside}.json", text.encode())
        print(f"other classes: {outside}\n{measured.words()}\n", flush=True)


def _provenance() -> dict[str, Any]:
    import torch

    import rankprobe
    from rankprobe.checkout import commit

    return {
        "rankprobe": rankprobe.__version__,
        "commit": commit(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


if __name__ == "__main__":
    raise SystemExit(guarded(train))
