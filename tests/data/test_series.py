"""Series: irregular times kept, gaps marked, persons apart, nothing after the deadline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rankprobe.config import config_from_settings
from rankprobe.data.load import load_task
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, DataError

PEOPLE = 40
ROWS = [
    (100 + i, float(day), channel, 10.0 * i + day)
    for i in range(PEOPLE)
    for day, channel in ((0, "hr"), (3 + i % 3, "bp"), (9, "hr"), (9, "bp"))
]
FRAME = pd.DataFrame(ROWS, columns=["id", "time", "channel", "value"])
LABELS = pd.DataFrame(
    {
        "id": 100 + np.arange(PEOPLE),
        "age": [None if i == 7 else 30.0 + i for i in range(PEOPLE)],
        "ward": [f"w{i // 4}" for i in range(PEOPLE)],
        "died": np.arange(PEOPLE) % 2,
    }
)


def load(
    folder: Path, frame: pd.DataFrame = FRAME, labels: pd.DataFrame = LABELS, **data: Any
) -> Task:
    frame.to_csv(folder / "s.csv", index=False)
    labels.to_csv(folder / "labels.csv", index=False)
    data = {"source": "series", "path": "s.csv", "labels": "labels.csv", **data}
    return load_task(config_from_settings({"data": data}, folder=folder))


def everything(task: Task) -> np.ndarray[Any, Any]:
    return np.concatenate([split.x for split in (task.train, task.validation, task.test)])


def test_the_layout(tmp_path: Path) -> None:
    task = load(tmp_path, standardize=False)
    assert (task.kind, task.sizes, task.input_shape) == ("series", {"channels": 2}, (3, 5))
    for x in everything(task):
        # Channels in the order of their names: bp, hr; then what was observed, then elapsed time.
        i = int(x[0, 1]) // 10
        second = 3 + i % 3
        expected = [
            [0, 10 * i, 0, 1, 0],
            [10 * i + second, 0, 1, 0, second],
            [10 * i + 9, 10 * i + 9, 1, 1, 9 - second],
        ]
        assert x.tolist() == expected


def test_channels_are_standardised_over_what_training_observed(tmp_path: Path) -> None:
    task = load(tmp_path)
    x = task.train.x
    for channel in range(2):
        seen = x[..., channel][x[..., 2 + channel] == 1]
        assert abs(seen.mean()) < 1e-5
        assert abs(seen.std() - 1) < 1e-5
    assert not x[..., :2][x[..., 2:4] == 0].any()
    elapsed = x[..., 4]
    assert elapsed[elapsed > 0].mean() == pytest.approx(1, abs=1e-6)
    raw = load(tmp_path, standardize=False)
    seen = raw.train.x[..., 1][raw.train.x[..., 3] == 1]
    test = raw.test.x[..., 1][raw.test.x[..., 3] == 1]
    np.testing.assert_allclose(
        task.test.x[..., 1][task.test.x[..., 3] == 1], (test - seen.mean()) / seen.std(), rtol=1e-4
    )


def test_the_order_of_rows_means_nothing_and_one_cell_is_averaged(tmp_path: Path) -> None:
    twice = pd.concat([FRAME, FRAME.assign(value=FRAME["value"] + 2)])
    mixed = twice.sample(frac=1, random_state=3)
    assert load(tmp_path, mixed).hash == load(tmp_path, twice).hash
    raw = load(tmp_path, twice, standardize=False)
    first = raw.train.x[0, 0, 1]
    assert first % 10 == 1  # of 10 i and 10 i + 2


def test_the_order_of_rows_decides_no_rounding(tmp_path: Path) -> None:
    first = FRAME[:1]
    cell = [first.assign(value=value) for value in (1e16, 1.0, -1e16)]
    one = load(tmp_path, pd.concat([*cell, FRAME]), standardize=False)
    other = load(tmp_path, pd.concat([FRAME, cell[0], cell[2], cell[1]]), standardize=False)
    assert one.hash == other.hash


def test_missing_values_are_gaps_and_padding_has_no_observation(tmp_path: Path) -> None:
    gaps = FRAME.assign(value=FRAME["value"].where((FRAME["time"] != 9) | (FRAME["id"] % 2 == 0)))
    x = everything(load(tmp_path, gaps))
    padded = x[:, 2, 2:4].sum(axis=1) == 0
    assert padded.sum() == PEOPLE // 2
    assert not x[padded, 2].any()


def test_length_keeps_the_last_steps(tmp_path: Path) -> None:
    task = load(tmp_path, length=2, standardize=False)
    assert task.input_shape == (2, 5)
    assert (task.train.x[:, 1, 2:4] == 1).all()
    assert (task.train.x[:, 0, 4] == 0).all()
    assert task.preprocessing is not None
    assert task.preprocessing["long series"] == "40 of 40 cut to their last 2 steps"


def test_nothing_after_the_deadline(tmp_path: Path) -> None:
    early = FRAME[FRAME["time"] < 9]
    assert load(tmp_path, until=8.5).hash == load(tmp_path, early).hash
    assert load(tmp_path, until=9).hash == load(tmp_path).hash


def test_values_of_a_whole_series_are_observed_at_its_first_step(tmp_path: Path) -> None:
    task = load(tmp_path, features=["age"], standardize=False, length=2)
    assert task.sizes == {"channels": 3}
    x = everything(task)
    assert sorted(x[:, 0, 2].tolist()) == sorted([0.0, *(30.0 + i for i in range(40) if i != 7)])
    assert x[:, 0, 5].sum() == PEOPLE - 1
    assert not x[:, 1, [2, 5]].any()


def test_series_without_readings_are_left_out_unless_something_is_known(tmp_path: Path) -> None:
    few = FRAME[FRAME["id"] > 101]
    task = load(tmp_path, few)
    assert len(everything(task)) == PEOPLE - 2
    assert task.notes == (
        "2 of 40 series of labels.csv have no reading in s.csv and are left out: 100, 101",
    )
    assert len(everything(load(tmp_path, few, features="age"))) == PEOPLE


def test_readings_without_a_label_are_counted(tmp_path: Path) -> None:
    task = load(tmp_path, labels=LABELS[5:])
    assert task.notes[0] == (
        "5 of 40 `id` of s.csv have no row in labels.csv and are left out with their 20 "
        "readings: 100, 101, 102, 103, 104"
    )
    assert load(tmp_path, labels=LABELS[9:]).notes[0].endswith("103, 104, ...")


def test_wards_stay_together(tmp_path: Path) -> None:
    task = load(tmp_path, split={"group": "ward"}, standardize=False)
    wards = [
        {int(x[0, 1]) // 40 for x in split.x} for split in (task.train, task.validation, task.test)
    ]
    assert sum(map(len, wards)) == len(set.union(*wards)) == 10


def test_dates_are_days(tmp_path: Path) -> None:
    dates = pd.Timestamp("2021-03-01") + pd.to_timedelta(FRAME["time"], unit="D")
    dated = load(tmp_path, FRAME.assign(time=dates.astype(str)), standardize=False)
    np.testing.assert_allclose(dated.train.x, load(tmp_path, standardize=False).train.x, atol=1e-3)


def test_arrays_give_the_same_as_a_table(tmp_path: Path) -> None:
    values = np.full((PEOPLE, 3, 2), np.nan)
    times = np.zeros((PEOPLE, 3))
    for i in range(PEOPLE):
        days = [0, 3 + i % 3, 9]
        times[i] = days
        values[i, 0, 1], values[i, 1, 0], values[i, 2] = 10 * i, 10 * i + days[1], 10 * i + 9
    np.savez(tmp_path / "s.npz", values=values, times=times, y=np.arange(PEOPLE) % 2)
    settings = {"data": {"source": "series", "path": "s.npz"}}
    task = load_task(config_from_settings(settings, folder=tmp_path))
    np.testing.assert_array_equal(task.train.x, load(tmp_path).train.x)


@pytest.mark.parametrize(
    ("frame", "labels", "data", "message"),
    [
        (FRAME.drop(columns="value"), LABELS, {}, "no column `value` in s.csv"),
        (FRAME, LABELS, {"target": "dead"}, "no column `dead` in labels.csv"),
        (FRAME, LABELS, {"split": {"group": "wad"}}, r"no column `wad` in labels.csv[\s\S]*`ward`"),
        (
            FRAME.assign(value="high"),
            LABELS,
            {},
            "`value` in s.csv needs numbers, and holds 'high'",
        ),
        (FRAME.assign(time="soon"), LABELS, {}, "`time` in s.csv holds no times"),
        (
            FRAME.assign(id=FRAME["id"].where(FRAME.index > 0)),
            LABELS,
            {},
            "`id` in s.csv is missing in 1 of",
        ),
        (FRAME.assign(id=7), LABELS, {}, "no `id` in s.csv is among the labels"),
        (
            FRAME,
            pd.concat([LABELS, LABELS[:1]]),
            {},
            "two rows for the `id` '100', the second in row",
        ),
        (FRAME, LABELS, {"until": -1}, "no series in s.csv has a reading up to the time -1"),
        (FRAME, LABELS, {"features": "ward"}, "`ward` in labels.csv needs numbers"),
    ],
)
def test_bad_tables_are_named(
    tmp_path: Path, frame: pd.DataFrame, labels: pd.DataFrame, data: dict[str, Any], message: str
) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        load(tmp_path, frame, labels, **data)


def test_readings_need_labels(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "s.csv", index=False)
    settings = {"data": {"source": "series", "path": "s.csv"}}
    with pytest.raises(ConfigError, match=r"`data.labels` is missing[\s\S]*name a table"):
        load_task(config_from_settings(settings, folder=tmp_path))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"times": np.zeros((40, 3))}, "there is no array `values` in s.npz"),
        ({"values": np.zeros((40, 3)), "times": np.zeros(3)}, r"need \(n, steps, channels\)"),
        ({"values": np.zeros((40, 3, 2)), "times": np.zeros(4)}, r"need \(40, 3\) or \(3,\)"),
        ({"values": np.zeros((40, 1, 2)), "times": [[np.nan]] * 40}, "missing in row 1 where"),
        ({"values": np.full((40, 1, 2), np.inf), "times": [0]}, "holds infinite values"),
    ],
)
def test_bad_arrays_are_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "s.npz", y=np.arange(40) % 2, **arrays)
    settings = {"data": {"source": "series", "path": "s.npz"}}
    with pytest.raises((DataError, ConfigError), match=message):
        load_task(config_from_settings(settings, folder=tmp_path))


def records(folder: Path, people: int = 20) -> None:
    """Stays in the form of PhysioNet 2012."""
    (folder / "set-a").mkdir()
    outcomes = ["RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death"]
    for i in range(people):
        number = 132539 + i
        lines = ["Time,Parameter,Value", f"00:00,RecordID,{number}", f"00:00,Age,{50 + i}"]
        lines += ["00:00,Gender,-1", "00:00,Height,-1", "00:00,ICUType,4", "00:00,Weight,-1"]
        lines += ["00:07,HR,73", "00:07,Temp,-1", f"01:30,HR,{70 + i}", "47:45,HR,80"]
        (folder / "set-a" / f"{number}.txt").write_text("\n".join(lines) + "\n")
        outcomes.append(f"{number},6,1,5,-1,{i % 2}")
    (folder / "Outcomes-a.txt").write_text("\n".join(outcomes) + "\n")


def stays(folder: Path, **data: Any) -> Task:
    data = {"source": "series", "path": "set-a", "labels": "Outcomes-a.txt", **data}
    return load_task(config_from_settings({"data": data}, folder=folder))


def test_physionet_records(tmp_path: Path) -> None:
    records(tmp_path)
    task = stays(tmp_path, standardize=False)
    assert task.sizes == {"channels": 4}  # Age, HR, ICUType, Temp: -1 means missing at admission
    assert task.input_shape == (4, 9)
    x = task.train.x[0]
    assert x[0, [0, 2]].tolist() == [x[0, 0], 4]
    assert x[1].tolist() == [0, 73, 0, -1, 0, 1, 0, 1, np.float32(7 / 60)]
    assert x[:, 8].sum() == np.float32(47.75)
    assert task.classes == ("0", "1")
    assert stays(tmp_path, until=24).input_shape == (3, 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Time,Value\n", "132539.txt does not begin with `Time,Parameter,Value`"),
        ("Time,Parameter,Value\n00:00,Age\n", "132539.txt, line 2: '00:00,Age' is not a time"),
        ("Time,Parameter,Value\nlate,Age,5\n", "132539.txt, line 2"),
    ],
)
def test_bad_records_are_named(tmp_path: Path, text: str, message: str) -> None:
    records(tmp_path)
    (tmp_path / "set-a" / "132539.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        stays(tmp_path)


def test_a_folder_without_records(tmp_path: Path) -> None:
    records(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no records such as"):
        stays(tmp_path, path="empty")


def test_a_column_to_divide_by_is_no_target(tmp_path: Path) -> None:
    labels = LABELS[["id", "died", "ward"]]
    task = load(tmp_path, labels=labels, split={"group": "ward"})
    assert task.classes == ("0", "1")


def test_a_target_is_looked_for_in_its_own_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the target `died` in labels.csv holds only one class"):
        load(tmp_path, labels=LABELS.assign(died=1))


def test_an_archive_holds_its_labels(tmp_path: Path) -> None:
    values, labels = np.ones((PEOPLE, 2, 1)), np.arange(PEOPLE) % 2
    np.savez(tmp_path / "s.npz", values=values, times=np.arange(2.0), y=labels)
    with pytest.raises(ConfigError, match=r"`data.labels` means nothing to series in an .npz"):
        load(tmp_path, path="s.npz")
