"""The starter file measures as it is, whatever the columns are called, and overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rankprobe.config import load_config
from rankprobe.data.load import load_task
from rankprobe.errors import ConfigError, DataError
from rankprobe.recognise import is_smiles
from rankprobe.starter import starter_yaml, write_starter

N = 40
FRAME = pd.DataFrame(
    {"a": np.linspace(0, 1, N), "kind": ["x", "y"] * 20, "grade": np.arange(N) % 4}
)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table_round_trips(tmp_path: Path, suffix: str) -> None:
    data = tmp_path / f"school{suffix}"
    if suffix == ".parquet":
        FRAME.to_parquet(data)
    else:
        FRAME.to_csv(data, sep="\t" if suffix == ".tsv" else ",", index=False)
    file = write_starter(data)
    assert file == tmp_path / "dataset.yaml"
    config = load_config(file)
    assert config.name == "school"
    assert config.data is not None
    assert (config.data.source, config.data.path, config.data.target) == (
        "table",
        data.name,
        "grade",
    )
    assert config.objective == "classification"
    assert load_task(config).outputs == 4
    text = file.read_text()
    assert f"path: school{suffix}  # relative to this file; 40 rows, 2 feature columns" in text
    assert "target: grade  # the last column; `--label COLUMN` chooses another" in text
    assert (
        "objective: classification  # inferred: the target holds 4 whole numbers, 4 classes; "
        "if it is a quantity, write regression\n" in text
    )


def test_arrays_round_trip(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.random.default_rng(0).normal(size=(N, 3, 2)), y=np.ones(N),
             z=np.linspace(0, 1, N))  # fmt: skip
    file = write_starter(tmp_path / "a.npz", label="z")
    assert "40 rows, inputs of shape 3 x 2\n  features: x\n  target: z\n" in file.read_text()
    assert load_task(load_config(file)).objective == "regression"


def test_what_is_commented_out_is_valid_too(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    file = write_starter(tmp_path / "t.csv")
    plain = load_config(file)
    keys = ("metric", "seed", "backbone", "training", "search")
    lines = [
        line.removeprefix("# ") if line.removeprefix("# ").startswith(keys) else line
        for line in file.read_text().splitlines()
    ]
    file.write_text("\n".join(lines))
    full = load_config(file)
    assert full.metric == "accuracy"
    assert full.model_copy(update={"metric": None}) == plain


@pytest.mark.parametrize(
    "name",
    ["yes: \"no\"", "it's", " leading", "yes", "1e-3", "12", "null", "#x", "- a", "größe 🙂",
     "a\tb", "{a}", "*a", "&b", "!c", "%d", "@e", "`f`", "a\\b", "tr\u2028ue", "~"],
)  # fmt: skip
@pytest.mark.parametrize("given", [True, False])
def test_odd_names_are_quoted(tmp_path: Path, name: str, given: bool) -> None:
    FRAME.rename(columns={"grade": name}).to_csv(tmp_path / "t.csv", index=False)
    file = write_starter(tmp_path / "t.csv", label=name if given else None)
    config = load_config(file)
    assert config.data is not None
    assert config.data.target == name


def test_odd_file_names_are_quoted(tmp_path: Path) -> None:
    data = tmp_path / "no: 1.csv"
    FRAME.to_csv(data, index=False)
    config = load_config(write_starter(data))
    assert config.name == "no: 1"
    assert load_task(config).outputs == 4


def test_prose_in_a_table_is_read_as_text(tmp_path: Path) -> None:
    reviews = [f"film number {i} was {'good' if i % 2 else 'bad'} to see" for i in range(N)]
    frame = pd.DataFrame({"what": reviews, "liked": np.arange(N) % 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    for name in ("t.csv", "t.jsonl"):
        file = write_starter(tmp_path / name, out=tmp_path / f"{name}.yaml")
        text = file.read_text()
        assert "source: text" in text
        assert "  features: what\n  target: liked\n" in text
        assert "# backbone: {family: transformer}" in text
        assert load_task(load_config(file)).kind == "tokens"
    frame.assign(what=["north sea", "south sea"] * 20).to_csv(tmp_path / "t.csv", index=False)
    assert "source: table" in starter_yaml(tmp_path / "t.csv")


def test_a_text_file_is_for_a_language_model(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\n\n".join(f"page {i} of a book\n" * 90 for i in range(N)))
    file = write_starter(tmp_path / "t.txt")
    assert "objective: next_token  # inferred: the token that follows" in file.read_text()
    assert load_task(load_config(file)).metric == "perplexity"


def test_a_folder_of_pictures_gets_a_size_if_it_needs_one(tmp_path: Path) -> None:
    for i in range(N):
        (tmp_path / "p" / f"kind {i % 2}").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 8), (i, 0, 0)).save(tmp_path / "p" / f"kind {i % 2}" / f"{i}.png")
    text = starter_yaml(tmp_path / "p")
    assert "source: images\n  path: p  # relative to this file; 40 rows, inputs of shape " in text
    assert " size:" not in text
    Image.new("RGB", (8, 8)).save(tmp_path / "p" / "kind 1" / "other.png")
    file = write_starter(tmp_path / "p")
    assert "  size: 64  # pixels a side; the pictures differ or are large\n" in file.read_text()
    assert load_task(load_config(file)).input_shape == (3, 64, 64)


def test_the_file_can_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "sets").mkdir()
    FRAME.to_csv(tmp_path / "data" / "t.csv", index=False)
    file = write_starter(tmp_path / "data" / "t.csv", out=tmp_path / "sets" / "t.yaml")
    assert "path: ../data/t.csv" in file.read_text().replace('"', "")
    assert "`rankprobe measure t.yaml`" in file.read_text()
    assert load_task(load_config(file)).outputs == 4
    with pytest.raises(ConfigError, match=r"there is no such folder\n    make it first"):
        write_starter(tmp_path / "data" / "t.csv", out=tmp_path / "none" / "t.yaml")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "dataset.yaml").write_text("mine")
    with pytest.raises(ConfigError) as caught:
        write_starter(tmp_path / "t.csv")
    assert str(caught.value) == (
        f"{tmp_path}/dataset.yaml: is already there, and is not overwritten\n    move it away first"
    )
    assert (tmp_path / "dataset.yaml").read_text() == "mine"


def test_nothing_is_written_for_data_that_cannot_be_measured(tmp_path: Path) -> None:
    FRAME.assign(id=[f"id{i}" for i in range(N)]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"has a single example"):
        write_starter(tmp_path / "t.csv")
    with pytest.raises(ConfigError, match=r"there is no column `grad` in t.csv\n    did you mean"):
        write_starter(tmp_path / "t.csv", label="grad")
    with pytest.raises(ConfigError, match=r"is not there\n    did you mean `t.csv`"):
        write_starter(tmp_path / "tt.csv")
    (tmp_path / "t.xls").write_text("")
    with pytest.raises(ConfigError, match=r"this kind of file\n    readable are tables \(.csv, "):
        write_starter(tmp_path / "t.xls")
    FRAME.rename(columns={"grade": ""}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"the last column of .* has no name; choose one with --la"):
        starter_yaml(tmp_path / "t.csv")
    assert not (tmp_path / "dataset.yaml").exists()


RINGS = ("C1CC1", "c1ccccc1", "c1ccncc1", "C1CCCCC1", "C1CC(=O)C1")
MOLECULES = [
    f"{tail}{ring}" for ring in RINGS for tail in ("C", "CC", "O", "N", "[NH3+]C", "Cl", "F", "BrC")
]


@pytest.mark.parametrize("column", ["SMILES", "structure"])
def test_molecules_are_recognised(tmp_path: Path, column: str) -> None:
    pytest.importorskip("rdkit")
    frame = pd.DataFrame({"mass": np.linspace(0, 1, N), column: MOLECULES})
    frame.assign(toxic=np.arange(N) % 2).to_csv(tmp_path / "m.csv", index=False)
    file = write_starter(tmp_path / "m.csv")
    text = file.read_text()
    assert "source: graphs\n  path: m.csv" in text
    assert "40 rows, inputs: one of the graphs\n" in text
    assert f"  smiles: {column}\n  target: toxic\n" in text
    assert load_task(load_config(file)).kind == "graphs"
    other = starter_yaml(tmp_path / "m.csv", label="mass")
    assert f"  smiles: {column}\n  target: mass\n" in other


@pytest.mark.parametrize(
    "values",
    [
        ["NO", "ON", "CON", "SOS"],  # words of letters that are atoms
        ["C1", "C2", "N1", "B12"],  # codes: rings that are not closed
        ["(C", "C)", "CC=", "[N"],
        ["12", "(1)", "3-4", "5=5"],
        ["CCO and CN", "C1CC1 x"],
        [1.0, 2.0],
    ],
)
def test_what_is_no_molecule(values: list[object]) -> None:
    assert not is_smiles("code", values)
    assert is_smiles("code", MOLECULES)


def test_text_beside_other_columns_is_pointed_out(tmp_path: Path) -> None:
    reviews = [f"film number {i} was {'good' if i % 2 else 'bad'} to see" for i in range(N)]
    FRAME.assign(what=reviews, liked=np.arange(N) % 2).to_csv(tmp_path / "t.csv", index=False)
    text = starter_yaml(tmp_path / "t.csv")
    assert "source: table" in text
    assert "  # what holds text: `source: text` with `features: what` reads it alone" in text
    assert text.count("holds text") == 1


def test_text_is_not_predicted_and_the_message_is_short(tmp_path: Path) -> None:
    reviews = [f"film number {i} was good to see and I would go again" for i in range(N)]
    FRAME.assign(what=reviews).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ConfigError) as caught:
        write_starter(tmp_path / "t.csv")
    assert str(caught.value) == (
        f"the column `what` of {tmp_path}/t.csv holds running text, which cannot be predicted\n"
        "    choose what to predict with --label COLUMN"
    )
    names = [f"a long name that goes on and on, number {i}" for i in range(N)]
    FRAME.assign(what=["x " * 60 + name for name in names]).to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "d.yaml").write_text("data: {path: t.csv, target: what}\n")
    with pytest.raises(DataError) as failed:
        load_task(load_config(tmp_path / "d.yaml"))
    assert len(str(failed.value)) < 400


def test_readings_are_series_where_their_labels_are_there(tmp_path: Path) -> None:
    rows = [
        (f"p{i}", t, channel, float(i % 4 + t))
        for i in range(N)
        for t in (0.0, 1.0)
        for channel in ("hr", "bp")
    ]
    names = ["patient", "hours", "channel", "value"]
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "s.csv", index=False)
    with pytest.raises(ConfigError) as caught:
        write_starter(tmp_path / "s.csv")
    assert "looks like readings of series, one a row" in str(caught.value)
    assert "one row a series (`patient` and what to predict)" in str(caught.value)
    # A column that is named is predicted from the row, as in any table.
    assert "source: table" in starter_yaml(tmp_path / "s.csv", label="value")
    labels = pd.DataFrame({"patient": [f"p{i}" for i in range(N)], "died": np.arange(N) % 2})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    (tmp_path / "sets").mkdir()
    file = write_starter(tmp_path / "s.csv", out=tmp_path / "sets" / "s.yaml")
    text = file.read_text()
    assert "source: series\n  path: ../s.csv" in text.replace('"', "")
    assert "  id: patient\n  time: hours\n" in text
    assert "  target: died\n" in text
    task = load_task(load_config(file))
    assert (task.kind, task.outputs) == ("series", 2)


def readings(folder: Path) -> Path:
    """A long table of series without labels."""
    rows = [(i, t, "hr", float(i % 4 + t)) for i in range(N) for t in (0.0, 1.0)]
    frame = pd.DataFrame(rows, columns=["id", "time", "channel", "value"])
    frame.to_csv(folder / "s.csv", index=False)
    return folder / "s.csv"


def test_labels_are_found_in_the_table_that_has_the_column(tmp_path: Path) -> None:
    data, people = readings(tmp_path), pd.DataFrame({"id": range(N), "died": np.arange(N) % 2})
    people.rename(columns={"died": "age"}).to_csv(tmp_path / "labels.csv", index=False)
    start = f"{data} looks like readings of series, one a row, and "
    with pytest.raises(ConfigError) as none:
        write_starter(data, label="died")
    assert str(none.value) == (
        f"{start}no table beside it has the columns `id` and `died`\n    put one there with one "
        "row a series, or predict a column of this table: id, time, channel, value"
    )
    people.to_csv(tmp_path / "people.csv", index=False)
    text = starter_yaml(data, label="died")
    assert "  labels: people.csv\n  target: died\n" in text
    people.to_parquet(tmp_path / "wards.parquet")
    with pytest.raises(ConfigError) as several:
        write_starter(data, label="died")
    assert str(several.value) == (
        f"{start}several tables beside it have the columns `id` and `died`: people.csv, "
        "wards.parquet\n    call the one with the labels labels.csv, or write a dataset.yaml with "
        "`labels`"
    )
    file = write_starter(data)  # no column named: the table that is called labels
    assert "  labels: labels.csv\n  target: age\n" in file.read_text()


@pytest.mark.parametrize("name", ["id", "ID", "index", "patient_id", "patientId", "row id"])
def test_columns_that_name_rows_are_left_out(tmp_path: Path, name: str) -> None:
    frame = FRAME.assign(**{name: np.arange(N)})[[name, *FRAME.columns]]
    frame.to_csv(tmp_path / "t.csv", index=False)
    for label, features in ((None, "[a, kind]"), ("kind", "[a, grade]")):
        text = starter_yaml(tmp_path / "t.csv", label=label)
        assert " left out: every value is there once, and names a row\n" in text
        assert f"  features: {features}\n" in text
        assert "40 rows, 2 feature columns" in text
    task = load_task(load_config(write_starter(tmp_path / "t.csv")))
    assert name not in (task.preprocessing or {})


def test_columns_that_measure_something_stay(tmp_path: Path) -> None:
    kept = {
        "body mass index": np.linspace(0, 1, N),
        "index": np.linspace(0, 1, N),  # no whole numbers
        "ward_id": np.arange(N) // 2,  # shared by rows
        "period": np.arange(N),
        "paid": np.arange(N),
    }
    FRAME.assign(**kept)[[*kept, *FRAME.columns]].to_csv(tmp_path / "t.csv", index=False)
    assert "  features:" not in starter_yaml(tmp_path / "t.csv")
    frame = pd.DataFrame({"id": np.arange(N), "y": np.arange(N) // 20})
    frame.to_csv(tmp_path / "t.csv", index=False)  # nothing else to learn from
    assert "  features:" not in starter_yaml(tmp_path / "t.csv")


def test_the_data_are_looked_at_before_the_output(tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text("mine")
    for path, hint in ((tmp_path / "no.csv", ""), (tmp_path / "no" / "no.csv", f"{tmp_path}/no")):
        with pytest.raises(ConfigError) as caught:
            write_starter(path)
        hint = f"\n    there is no folder {hint} either" if hint else ""
        assert str(caught.value) == f"{path}: the file is not there{hint}"
    with pytest.raises(ConfigError) as settings:
        write_starter(tmp_path / "dataset.yaml")
    assert str(settings.value) == (
        f"{tmp_path}/dataset.yaml: this is a file of settings, not data\n    `rankprobe check "
        f"{tmp_path}/dataset.yaml` reads it; give `init` the data themselves"
    )
