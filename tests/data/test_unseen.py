"""What new rows hold that training rows did not, told by what each column was fitted on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rankprobe.config import config_from_settings
from rankprobe.data.load import load_task
from rankprobe.data.unseen import unseen


def fitted(folder: Path, **columns: Any) -> dict[str, Any]:
    frame = pd.DataFrame(columns)
    frame["y"] = np.arange(len(frame)) % 2
    frame.to_csv(folder / "t.csv", index=False)
    split = {"test": 0.1, "validation": 0.1, "seed": 0}
    data = {"source": "table", "path": str(folder / "t.csv"), "target": "y", "split": split}
    task = load_task(config_from_settings({"data": data, "objective": "classification"}))
    assert task.fitted is not None
    return dict(task.fitted)


def test_a_category_of_two_values_is_read_as_the_first(tmp_path: Path) -> None:
    known = fitted(tmp_path, sex=["f", "m"] * 30, age=range(60))
    new = pd.DataFrame({"sex": ["m", "x", None], "age": [1, 2, 3]})
    (line,) = unseen(known, new)
    assert line == (
        "`sex`: 1 row with values never seen in training ('x'), read as 'f'; 1 row with no value, "
        "which training always had, read as 'f'"
    )


def test_gaps_are_news_only_where_training_had_none(tmp_path: Path) -> None:
    ages = [None if row % 3 == 0 else float(row) for row in range(60)]
    kinds = ["a", "b", None] * 20
    known = fitted(tmp_path, age=ages, height=np.arange(60.0), kind=kinds)
    new = pd.DataFrame({"kind": ["a", None], "height": [None, 1.0], "age": [None, None]})
    assert unseen(known, new) == (
        "`height`: 1 row with no value, which training always had, read as the median of training",
    )


def test_long_values_are_cut_and_hostile_ones_quoted(tmp_path: Path) -> None:
    known = fitted(tmp_path, kind=["a", "b", "c"] * 20)
    new = pd.DataFrame({"kind": ["\x1b[31m", "b" * 99]})
    (line,) = unseen(known, new)
    assert line == (
        "`kind`: 2 rows with values never seen in training "
        f"('\\x1b[31m', '{'b' * 27}...'), read as none of those seen"
    )
