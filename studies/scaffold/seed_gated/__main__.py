"""Train the seed-gated tasks: ``python -m studies.scaffold.seed_gated``.

Fetches the data, trains with and without the outside class, and writes ``results/ignored.json`` and
``results/class.json`` beside this file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from studies.command import guarded
from studies.fetch import fetch

HERE = Path(__file__).parent


def train(folder: Path = HERE) -> None:
    """Fetch the data, train both, print their tables and write their results.

    Args:
        folder: Holds dataset.yaml; results go below it.
    """
    import rankprobe

    fetch("scaffold")
    results = folder / "results"
    results.mkdir(exist_ok=True)
    for outside in ("ignored", "class"):
        measured = rankprobe.seed_gated(folder / "dataset.yaml", scaffold={"outside": outside})
        text = json.dumps(measured.to_json(), indent=1) + "\n"
        (results / f"{outside}.json").write_text(text)
        print(f"other classes: {outside}\n{measured.words()}\n", flush=True)


if __name__ == "__main__":
    sys.exit(guarded(train))
