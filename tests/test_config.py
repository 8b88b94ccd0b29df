"""dataset.yaml: defaults, every kind of mistake in its own words, all of them at once."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rankprobe.config import Rates, TaskConfig, config_from_settings, load_config
from rankprobe.config_backbones import MlpConfig
from rankprobe.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    np.savez(tmp_path / "letters.npz", x=np.zeros((4, 2)), y=np.zeros(4), x_test=1, y_test=1, g=1)
    (tmp_path / "t.csv").write_text("age,town,price\n1,a,2\n")
    return tmp_path


def problems(folder: Path, text: str, **options: Any) -> list[str]:
    """Every problem as one line: ``LINE: message | hint``."""
    file = folder / "dataset.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file, **options)
    return [
        f"{p.where.removeprefix(f'{file}:')}: {p.message} | {p.hint}" for p in caught.value.problems
    ]


def one(folder: Path, line: str) -> str:
    """The only problem of one setting."""
    (problem,) = problems(folder, f"data: letters.npz\n{line}\n")
    return problem


def test_defaults_are_those_of_the_contract(folder: Path) -> None:
    (folder / "dataset.yaml").write_text("data: letters.npz\n")
    config = load_config(folder / "dataset.yaml")
    dump = config.model_dump(mode="json")
    assert dump.pop("name") == "dataset"
    assert dump.pop("data") == {
        "source": "arrays", "path": "letters.npz", "name": None, "factory": None,
        "features": None, "target": None, "standardize": "auto",
        "split": {"test": None, "validation": None, "seed": 0,
                  "column": None, "group": None, "time": None, "scaffold": False},
        "size": None, "grey": False, "augment": "none",
        "length": None, "vocabulary": 8000, "tokenizer": None,
        "labels": None, "id": None, "time": None, "channel": None, "value": None, "until": None,
        "smiles": None, "edges": None,
        "environment": None, "policy": None, "episodes": None, "configuration": None,
    }  # fmt: skip
    assert dump == {
        "seed": 0, "objective": None, "metric": None,
        "backbone": {"family": "mlp", "hidden": [512, 256, 128, 64], "activation": "relu",
                     "dropout": 0.1, "seed": 42, "weights": "normal", "weight_scale": "fan_in",
                     "size": 1.0},
        "adapter": {"scaling": "rank_stabilized", "alpha": 1.0, "beta": "trained",
                    "b_init": "zeros", "head": "trained", "bias": "none",
                    "layer_norm": False, "dora": False, "residual": False, "embeddings": "trained",
                    "layers": None, "others": "frozen", "unadapted": "refused"},
        "scaffold": {"frozen": "seeded", "evaluation": "kept", "resample": "none", "count": 2,
                     "draws": "fixed", "seeds": None, "outside": "ignored"},
        "training": {"optimizer": "adamw", "learning_rate": "tuned", "weight_decay": 0.01,
                     "batch_size": 128, "epochs": "auto", "schedule": "cosine", "decay": 0.9,
                     "warmup": 0.0, "clip": None, "class_weights": "none"},
        "search": {"ranks": "auto", "repeats": 5, "target": 0.95, "epsilon": None,
                       "floor": "auto", "refine": True, "scaffolds": 1, "precision": None,
                       "budget": None},
    }  # fmt: skip
    assert config.folder == folder


def test_every_setting_is_read(folder: Path) -> None:
    (folder / "dataset.yaml").write_text("""\
name: letters
seed: 3
data: {source: arrays, path: letters.npz, features: x, target: y, standardize: true,
       split: {test: [x_test, y_test], validation: 0.25, seed: 9}}
objective: regression
metric: mse
backbone: {hidden: [], activation: tanh, dropout: 0, seed: 1, weights: binary, weight_scale: 2}
adapter: {scaling: none, alpha: 2, beta: fixed, b_init: kaiming, head: adapter, bias: trained,
          layer_norm: true, dora: true}
training: {learning_rate: {adapter: 1e-2, baseline: 1e-3}, weight_decay: 0, batch_size: 1,
           epochs: 20, schedule: constant}
search: {ranks: [8, 1, 8, 2], repeats: 1, target: .5, floor: head, refine: false}
""")
    config = load_config(folder / "dataset.yaml")
    assert config.data is not None
    assert config.data.split.test == ("x_test", "y_test")
    assert config.data.split.validation == 0.25
    assert config.data.standardize is True
    assert isinstance(config.backbone, MlpConfig)
    assert config.backbone.hidden == ()
    assert config.backbone.weight_scale == 2.0
    assert config.adapter.alpha == 2.0
    assert config.training.learning_rate == Rates(adapter=0.01, baseline=0.001)
    assert config.training.epochs == 20
    assert config.search.ranks == (1, 2, 8)
    assert config.search.refine is False
    assert json.loads(json.dumps(config.model_dump(mode="json")))["search"]["ranks"] == [1, 2, 8]


@pytest.mark.parametrize(
    ("data", "source"),
    [
        ({"path": "letters.npz"}, "arrays"),
        ({"path": "t.csv"}, "table"),
        ({"name": "iris"}, "sklearn"),
        ({"factory": "module:make"}, "python"),
        ({"split": {"test": 0.3}}, "arrays"),
        ({"path": "t.jsonl"}, "text"),
        ({"path": "t.txt"}, "tokens"),
    ],
)
def test_the_source_is_inferred(folder: Path, data: dict[str, Any], source: str) -> None:
    for name in ("t.jsonl", "t.txt"):
        (folder / name).touch()
    config = config_from_settings({"data": data}, folder=folder, trust=True)
    assert config.data is not None
    assert config.data.source == source


def test_everything_wrong_is_reported_at_once_in_order(folder: Path) -> None:
    found = problems(
        folder,
        """\
data:
  path: t.csv
  target: prize
  split: {test: 0.9, validation: 0.2}
seed: -1
seed: 2
backbone:
  hiden: [64]
  activation: relux
objective: classification
metric: r2
""",
    )
    assert found == [
        "3: there is no column `prize` in t.csv | did you mean `price`?",
        (
            "4: test and validation take 1.1 of the data and leave none to train | "
            "give shares that add up to less than 1, such as {test: 0.2, validation: 0.1}"
        ),
        "5: `seed` must be a whole number of at least 0, not -1 | ",
        "6: `seed` is given twice, first on line 5 | keep one of them",
        "8: unknown key `backbone.hiden` | did you mean `hidden`?",
        (
            "9: `backbone.activation` must be relu, tanh, gelu, silu or identity, not 'relux' | "
            "did you mean `relu`?"
        ),
        (
            "11: the metric `r2` is for regression, and the objective is classification | "
            "metrics for classification: accuracy, balanced_accuracy, auroc, log_loss"
        ),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seed: true", "`seed` must be a whole number of at least 0, not true | "),
        ("seed: 1.5", "`seed` must be a whole number of at least 0, not 1.5 | "),
        (
            "seed: '1'",
            (
                "`seed` must be a whole number of at least 0, not '1' | "
                "write the number without quotes"
            ),
        ),
        (
            "seed:",
            (
                "`seed` must be a whole number of at least 0, not empty | "
                "give it a value, or remove the line"
            ),
        ),
        (
            "name: a/b",
            ("`name` must be text that can name a folder: no slashes, no dot first, not 'a/b' | "),
        ),
        (
            "name: ..",
            ("`name` must be text that can name a folder: no slashes, no dot first, not '..' | "),
        ),
        ("ranks: [1]", "unknown key `ranks` | `ranks` belongs under `search`"),
        (
            "zzz: 1",
            (
                "unknown key `zzz` | known keys: name, seed, data, objective, metric, "
                "backbone, adapter, scaffold, training, search"
            ),
        ),
        ("search: {seed: 1}", "unknown key `search.seed` | `seed` belongs at the top level"),
        (
            "search: {ranks: 0}",
            ("`search.ranks` must be auto, or a list of whole numbers of at least 1, not 0 | "),
        ),
        (
            "search: {ranks: [0, 1]}",
            (
                "`search.ranks` must be auto, or a list of whole numbers of "
                "at least 1, not [0, 1] | "
            ),
        ),
        (
            "search: {ranks: [true]}",
            (
                "`search.ranks` must be auto, or a list of whole numbers of "
                "at least 1, not [True] | "
            ),
        ),
        (
            "search: {ranks: []}",
            ("`search.ranks` must be auto, or a list of whole numbers of at least 1, not [] | "),
        ),
        (
            "search: {target: 1}",
            ("`search.target` must be a number between 0 and 1, neither included, not 1 | "),
        ),
        (
            "search: {target: .nan}",
            ("`search.target` must be a number between 0 and 1, neither included, not nan | "),
        ),
        (
            "search: {refine: off}",
            ("`search.refine` must be true or false, not 'off' | write `false`"),
        ),
        (
            "backbone: 3",
            (
                "`backbone` must be a group of settings (family, seed, weights, "
                "weight_scale, size, hidden, activation, dropout), not 3 | "
            ),
        ),
        (
            "backbone: {dropout: 1.0}",
            ("`backbone.dropout` must be a number from 0 up to, not including, 1, not 1.0 | "),
        ),
        (
            "backbone: {weight_scale: 0}",
            (
                "`backbone.weight_scale` must be fan_in, family, or a "
                "standard deviation above 0, not 0 | "
            ),
        ),
        (
            "backbone: {weight_scale: true}",
            (
                "`backbone.weight_scale` must be fan_in, family, or a "
                "standard deviation above 0, not true | "
            ),
        ),
        ("adapter: {alpha: .inf}", "`adapter.alpha` must be a number above 0, not inf | "),
        ("adapter: {bias: false}", "`adapter.bias` must be none or trained, not false | "),
        ("training: {optimizer: sgd}", "`training.optimizer` must be adamw, not 'sgd' | "),
        (
            "training: {learning_rate: 0}",
            (
                "`training.learning_rate` must be tuned, a number above "
                "0, or {adapter: NUMBER, baseline: NUMBER} with a number "
                "or a list of numbers each, not 0 | "
            ),
        ),
        (
            "training: {learning_rate: {adapter: 1}}",
            (
                "`training.learning_rate` must be tuned, a "
                "number above 0, or {adapter: NUMBER, baseline: NUMBER} with a number "
                "or a list of numbers each, not {'adapter': 1} | "
            ),
        ),
        (
            "training: {epochs: 0}",
            ("`training.epochs` must be auto, or a whole number of at least 1, not 0 | "),
        ),
        (
            "training: {batch_size: 12.5}",
            ("`training.batch_size` must be a whole number of at least 1, not 12.5 | "),
        ),
        (
            "metric: acuracy",
            (
                "`metric` must be accuracy, balanced_accuracy, auroc, log_loss, r2, "
                "mse, perplexity, cross_entropy or episode_return, not 'acuracy' "
                "| did you mean `accuracy`?"
            ),
        ),
        (
            "metric: mse\nsearch: {floor: none}",
            (
                "`floor: none` has no meaning for `mse`: a loss "
                "has no share to reach | write `floor: chance` or `floor: head`"
            ),
        ),
        (
            "search: {target: 0.9, epsilon: 0.1}",
            (
                "a rank comes within `epsilon` of full training, or reaches the share `target` "
                "| keep one of them"
            ),
        ),
        (
            "search: {budget: 100}",
            (
                "`search.budget` limits what `precision` adds, and there is no precision "
                "| write `precision: 1` beside it, or remove it"
            ),
        ),
    ],
)
def test_messages(folder: Path, line: str, message: str) -> None:
    assert one(folder, line).partition(": ")[2] == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("data:", "1: `data` is missing | name the data, for example `data: letters.npz`"),
        (
            "data: {features: x}",
            (
                "1: `data.path` is missing: the source `arrays` needs it | "
                "name the data, for example `data: letters.npz`"
            ),
        ),
        (
            "data: {source: text, path: letters.npz}",
            (
                "1: the source `text` cannot read `letters.npz` | readable are .csv, .tsv, .jsonl "
                "and .parquet with a column of text"
            ),
        ),
        (
            "data: {source: table, path: t.csv, grey: true}",
            "1: `data.grey` means nothing to the source `table` | remove it",
        ),
        (
            "data: {source: huggingface, path: [letters.npz, t.csv]}",
            "1: the source `huggingface` reads one file or folder, not 2 | join them, or name one",
        ),
        (
            "data: {source: tokens, path: t.csv, split: {group: town}}",
            (
                "1: `data.split.group` needs data with named columns or arrays | "
                "give shares instead: {test: 0.2, validation: 0.1}"
            ),
        ),
        (
            "data: {source: tabel, path: t.csv}",
            (
                "1: `data.source` must be arrays, table, sklearn, "
                "python, images, text, series, graphs, trajectories, tokens or huggingface, "
                "not 'tabel' | did you mean `table`?"
            ),
        ),
        (
            "data: letters.xls",
            (
                "1: the source `arrays` cannot read `letters.xls` | readable are "
                ".npz or a pair of .npy (arrays), and .csv, .tsv or .parquet (table); for others, "
                "name the `source`"
            ),
        ),
        (
            "data: {source: table, path: letters.npz}",
            (
                "1: the source `table` cannot read "
                "`letters.npz` | readable are .npz or a pair of .npy (arrays), and .csv, .tsv or "
                ".parquet (table); for others, name the `source`"
            ),
        ),
        (
            "data: x.npy",
            (
                "1: one .npy file holds the inputs or the targets, not both | "
                "give a pair: `path: [x.npy, y.npy]`"
            ),
        ),
        (
            "data: {path: [letters.npz, letters.npz]}",
            ("1: only .npy files come in pairs | give one file"),
        ),
        ("data: {source: sklearn}", "1: `data.name` is missing: the source `sklearn` needs it | "),
        (
            "data: {path: t.csv, name: iris}",
            ("1: `data.name` means nothing to the source `table` | remove it"),
        ),
        (
            "data: {path: letters.npz, features: [x, y]}",
            (
                "1: `data.features` must name one array, "
                "not a list | join the arrays in one when you write the file"
            ),
        ),
        (
            "data: {path: t.csv, features: [age, price], target: price}",
            ("1: `price` is both a feature and the target | remove it from `features`"),
        ),
        (
            "data: {path: t.csv, target: 2020}",
            (
                "1: `data.target` must be a name or a list of "
                "names, not 2020 | a name that looks like a number or a truth value needs quotes"
            ),
        ),
        (
            "data: {path: t.csv, target: zzz}",
            ("1: there is no column `zzz` in t.csv | columns that are there: age, town, price"),
        ),
        (
            "data:\n  path: t.csv\n  features:\n  - age\n  - twon",
            ("5: there is no column `twon` in t.csv | did you mean `town`?"),
        ),
        (
            "data: {path: letters.npz, target: label}",
            (
                "1: there is no array `label` in "
                "letters.npz | arrays that are there: x, y, x_test, y_test, g"
            ),
        ),
        (
            "data: {path: t.csv, split: fold}",
            ("1: there is no column `fold` in t.csv | columns that are there: age, town, price"),
        ),
        (
            "data: {path: t.csv, split: {group: age, time: town}}",
            ("1: a split goes by group or by time, not both | keep one of them"),
        ),
        (
            "data: {path: t.csv, split: {column: age, test: 0.2}}",
            (
                "1: `data.split.test` means "
                "nothing beside `column`, which says what is test | remove one of them"
            ),
        ),
        (
            "data: {name: iris, split: {group: age}}",
            (
                "1: `data.split.group` needs data with named "
                "columns or arrays | give shares instead: {test: 0.2, validation: 0.1}"
            ),
        ),
        (
            "data: {path: t.csv, split: {test: [a, b]}}",
            (
                "1: `data.split.test` names arrays, which "
                "only an .npz file without `column`, `group` or `time` can do | give a share "
                "instead, "
                "such as 0.2"
            ),
        ),
        (
            "data: {path: letters.npz, split: {test: [x, y_test]}}",
            (
                "1: the array `x` is named for "
                "test and for train: scores on rows seen in training mean nothing | name other "
                "arrays, "
                "such as [x_test, y_test]"
            ),
        ),
        (
            "data: {path: letters.npz, split: {test: [x_test, y_test], validation: [x_test, g]}}",
            (
                "1: the array `x_test` is named for validation and for test: scores on rows seen "
                "in "
                "training mean nothing | name other arrays, such as [x_validation, y_validation]"
            ),
        ),
        (
            "data: {path: letters.npz, split: {test: 1.0}}",
            (
                "1: `data.split.test` must be a share "
                "between 0 and 1, or the names of two arrays such as [x_test, y_test], not 1.0 | "
            ),
        ),
        (
            "data: {factory: 'a:b'}",
            (
                "1: the source `python` runs code of your own, which needs "
                "your consent | add --trust to the command (trust=True in Python) if you trust "
                "this "
                "file"
            ),
        ),
        (
            "data: {factory: 'a.b'}\nseed: 1",
            ("1: `data.factory` must be `module:function`, not 'a.b' | "),
        ),
    ],
)
def test_messages_about_data(folder: Path, data: str, message: str) -> None:
    (folder / "x.npy").touch()
    (folder / "letters.xls").touch()
    assert problems(folder, f"{data}\n", trust="a.b" in data) == [message]


def test_data_is_required_in_a_file(folder: Path) -> None:
    (found,) = problems(folder, "seed: 1\n")
    assert found.endswith(": `data` is missing | name the data, for example `data: letters.npz`")


def test_missing_files_are_named_with_their_neighbours(folder: Path) -> None:
    (found,) = problems(folder, "seed: 1\ndata: leters.npz\n")
    assert found == f"2: the file `{folder}/leters.npz` is not there | did you mean `letters.npz`?"
    (folder / "sub.npz").mkdir()
    (found,) = problems(folder, "data: sub.npz\n")
    assert found.startswith(f"1: the file `{folder}/sub.npz` is a folder, not a file")
    (found,) = problems(folder, "data: no/letters.npz\n")
    assert f"the folder {folder}/no is not there either" in found


def test_overrides_replace_settings_and_name_themselves(folder: Path) -> None:
    file = folder / "dataset.yaml"
    file.write_text("data: letters.npz\nsearch: {target: 2, repeats: 3}\n")
    config = load_config(file, overrides={"seed": 7, "search": {"target": 0.9, "ranks": (4, 2)}})
    assert (config.seed, config.search.target, config.search.repeats) == (7, 0.9, 3)
    assert config.search.ranks == (2, 4)
    assert config.where("search", "repeats") == f"{file}:2"
    assert config.where("search", "ranks") == "search.ranks"
    with pytest.raises(ConfigError) as caught:
        load_config(file, overrides={"search": {"ranks": [0]}})
    assert [p.where for p in caught.value.problems] == ["search.ranks", f"{file}:2"]


def test_settings_from_python(folder: Path) -> None:
    config = config_from_settings(
        {
            "backbone": {"hidden": (8, np.int64(4))},
            "search": {"ranks": np.array([2, 1])},
            "data": {"path": folder / "letters.npz"},
        }
    )
    assert isinstance(config.backbone, MlpConfig)
    assert config.backbone.hidden == (8, 4)
    assert config.search.ranks == (1, 2)
    assert config.name == "task"
    for name, widths in {"tiny": (128, 64), "large": (1024, 512, 256, 128, 64)}.items():
        named = config_from_settings({"backbone": {"hidden": name}})
        assert named.backbone.model_dump()["hidden"] == widths
    with pytest.raises(ConfigError, match="tiny, small, medium or large"):
        config_from_settings({"backbone": {"hidden": "huge"}})
    assert config_from_settings({}).data is None
    with pytest.raises(ConfigError) as caught:
        config_from_settings({"backbone": {"hiden": 3}, "data": {"split": "fold"}})
    assert [p.where for p in caught.value.problems] == ["backbone.hiden", "data.split.column"]


def test_equal_settings_are_equal_wherever_they_were_written(folder: Path) -> None:
    (folder / "dataset.yaml").write_text("data: letters.npz\nseed: 1\n")
    (folder / "other.yaml").write_text("# a comment\nseed: 1\nname: dataset\ndata: letters.npz\n")
    config, other = load_config(folder / "dataset.yaml"), load_config(folder / "other.yaml")
    assert config == other
    assert pickle.loads(pickle.dumps(config)).where("seed") == config.where("seed")
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3
    assert TaskConfig.model_validate(config.model_dump()) == TaskConfig(**dict(config))


def test_import_is_light() -> None:
    heavy = ("torch", "pandas", "scipy", "sklearn", "skrub", "matplotlib", "optuna")
    script = (
        "import sys, rankprobe.config, rankprobe.data.load, rankprobe.starter; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
