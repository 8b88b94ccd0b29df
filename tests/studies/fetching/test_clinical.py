from __future__ import annotations

import gzip
import io
import lzma
import pickle
import sys
from typing import Any

import pandas as pd
import pytest

from rankprobe.errors import DataError
from studies.fetching.clinical import icu
from tests.studies.fetching.files import pickled

NAN = float("nan")
PEOPLE: dict[str, list[Any]] = {
    # 1 lives, 2 dies later, 3 dies within the year, 4 is measured too seldom, 5 leaves on day 365
    "id": [1, 2, 3, 4, 5],
    "age": [50, 60, 70, 80, 90],
    "male": [0, 1, 0, 1, 0],
    "weight": [70.5, NAN, 60.0, 60.0, 60.0],
    "height": [170.0, NAN, 160.0, 160.0, 160.0],
    "bmi": [24.394464, NAN, 23.4, 23.4, 23.4],
    "case.id": [1.0, 1.0, 3.0, 3.0, NAN],
    "futime": [366, 4000, 300, 4000, 365],
    "status": [0, 1, 1, 1, 1],
}


def measured(rows: list[tuple[int, int, str, float]]) -> dict[str, list[Any]]:
    """Rows with the copies that the table has: `chol` of `hdl`, `dbp` of `sbp`."""
    copies = {"hdl": "chol", "sbp": "dbp"}
    rows = rows + [(i, d, copies[t], v) for i, d, t, v in rows if t in copies]
    return dict(
        zip(("id", "days", "test", "value"), map(list, zip(*rows, strict=True)), strict=True)
    )


ROWS = [
    *((person, 10, "hdl", 50.0) for person in (1, 2, 3, 4, 5)),
    *((person, -300, "sbp", 120.0 + person) for person in (1, 2, 3, 5)),
    *((person, 365, "smoke", 1.0) for person in (1, 2, 3, 5)),
    (1, 10, "hdl", 60.0),
    (1, 366, "hdl", 99.0),
    (1, 20, "sbp", 13682.0),
    (4, 20, "smoke", 1.0),
    (4, 30, "smoke", 1.0),
    (4, 3000, "hdl", 99.0),
]


def frames(measurements: dict[str, list[Any]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    series, labels = icu(pickled(PEOPLE), pickled(measurements))
    return pd.read_csv(io.BytesIO(gzip.decompress(series))), pd.read_csv(io.BytesIO(labels))


def test_who_is_at_risk_after_a_year_is_labelled_by_later_death() -> None:
    _, labels = frames(measured(ROWS))
    assert labels[["id", "label", "age", "male"]].to_numpy().tolist() == [
        [1, 0, 50, 0],
        [2, 1, 60, 1],
    ]
    # The length of the observation would tell the label.
    assert list(labels.columns) == ["id", "label", "age", "male", "weight", "height", "bmi"]
    assert labels["bmi"].isna().tolist() == [False, True]
    assert labels["weight"][0] == 70.5


def test_five_rows_are_enough_and_four_are_not() -> None:
    measurements = measured([row for row in ROWS if row[1] <= 365])
    assert [measurements["id"].count(person) for person in (2, 4)] == [5, 4]


def test_nothing_measured_after_the_year_is_written() -> None:
    series, _ = frames(measured(ROWS))
    assert series.to_numpy().tolist() == [
        [1, -300, "sbp", 121.0],
        [1, 10, "hdl", 55.0],
        [1, 365, "smoke", 1.0],
        [2, -300, "sbp", 122.0],
        [2, 10, "hdl", 50.0],
        [2, 365, "smoke", 1.0],
    ]
    assert list(series.columns) == ["id", "time", "channel", "value"]


def test_a_channel_that_is_no_copy_is_not_left_out_in_silence() -> None:
    measurements = measured(ROWS)
    measurements["value"][measurements["test"].index("chol")] += 100.0
    with pytest.raises(DataError, match="`chol` was left out as a copy of `hdl`, and is none"):
        frames(measurements)
    measurements = measured(ROWS)
    measurements["days"][measurements["test"].index("dbp")] += 1
    with pytest.raises(DataError, match="`dbp` was left out as a copy of `sbp`, and is none"):
        frames(measurements)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pd.eval, ("1 + 1",))


def test_a_table_that_calls_a_function_is_not_read() -> None:
    with pytest.raises(DataError, match=r"asks for pandas\..*eval, which no table needs"):
        icu(lzma.compress(pickle.dumps(Evil())), pickled(measured(ROWS)))


def test_other_content_is_refused() -> None:
    with pytest.raises(DataError, match="a table of the clinical series cannot be read"):
        icu(b"no table", b"")
    with pytest.raises(DataError, match="lacks a column of id, futime, status, age"):
        icu(pickled(measured(ROWS)), b"")
    with pytest.raises(DataError, match="lacks a column"):
        icu(lzma.compress(pickle.dumps([1])), b"")


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    people = pickled(PEOPLE)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(DataError, match=r"needs pandas: pip install 'rankprobe\[table\]'"):
        icu(people, people)
