"""Graphs: molecules with their published features and split, nodes with both directions."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rankprobe.config import config_from_settings
from rankprobe.data.load import load_task
from rankprobe.data.molecules import ATOM_CATEGORIES, BOND_CATEGORIES, scaffold_parts
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, DataError

RINGS = {"C1CC1": 20, "c1ccccc1": 12, "c1ccncc1": 5, "C1CCCCC1": 3}
MOLECULES = [(ring, "C" * n + ring) for ring, count in RINGS.items() for n in range(1, count + 1)]
FRAME = pd.DataFrame(
    {"smiles": [text for _, text in MOLECULES], "active": np.arange(len(MOLECULES)) % 2}
)


def molecules(folder: Path, frame: pd.DataFrame = FRAME, **data: Any) -> Task:
    frame.to_csv(folder / "m.csv", index=False)
    data = {"source": "graphs", "path": "m.csv", "smiles": "smiles", **data}
    return load_task(config_from_settings({"data": data}, folder=folder))


def parts_of(task: Task) -> list[list[int]]:
    return [split.x.tolist() for split in (task.train, task.validation, task.test)]


def test_the_features_are_those_of_the_open_graph_benchmark(tmp_path: Path) -> None:
    """Formyl chloride's chiral cousin by hand: atoms C, F, Cl, Br and N with a double bond."""
    first = pd.DataFrame({"smiles": ["F[C@](Cl)(Br)C=N"], "active": [1]})
    task = molecules(tmp_path, pd.concat([first, FRAME]))
    assert ATOM_CATEGORIES == (119, 5, 12, 12, 10, 6, 6, 2, 2)
    assert BOND_CATEGORIES == (5, 6, 2)
    assert task.sizes["node_categories"] == ATOM_CATEGORIES
    nodes, starts = task.context["nodes"], task.context["node_start"]
    fluorine, carbon, _, _, imine, nitrogen = nodes[starts[0] : starts[1]].tolist()
    assert fluorine == [8, 0, 1, 5, 0, 0, 2, 0, 0]
    assert carbon[0] == 5
    assert carbon[1] in (1, 2)  # its side
    assert carbon[2:] == [4, 5, 0, 0, 2, 0, 0]
    assert imine == [5, 0, 3, 5, 1, 0, 1, 0, 0]
    assert nitrogen == [6, 0, 2, 5, 1, 0, 1, 0, 0]
    edges, features = task.context["edges"], task.context["edge_features"]
    assert edges[:, :4].T.tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]
    assert features[0].tolist() == features[1].tolist() == [0, 0, 0]
    double = edges[:, : task.context["edge_start"][1]].T.tolist().index([4, 5])
    assert features[double, 0] == 1


def test_graphs_lie_one_after_another(tmp_path: Path) -> None:
    task = molecules(tmp_path)
    context = task.context
    assert task.kind == "graphs"
    assert len(context["node_start"]) == len(FRAME) + 1
    for index, text in enumerate(FRAME["smiles"]):
        first, last = context["node_start"][index : index + 2]
        start, end = context["edge_start"][index : index + 2]
        edges = context["edges"][:, start:end]
        assert last - first == sum(letter in "CcNn" for letter in text)
        assert edges.min() >= first
        assert edges.max() < last
        pairs = set(map(tuple, edges.T.tolist()))
        assert pairs == {(b, a) for a, b in pairs}
        assert len(pairs) == end - start


def test_an_atom_alone_has_no_bonds(tmp_path: Path) -> None:
    task = molecules(tmp_path, pd.concat([FRAME, pd.DataFrame({"smiles": ["[Na+]"], "active": 1})]))
    assert np.diff(task.context["edge_start"])[-1] == 0
    assert np.diff(task.context["node_start"])[-1] == 1


def test_the_scaffold_split(tmp_path: Path) -> None:
    """The largest groups fill training, each scaffold is in one split."""
    task = molecules(tmp_path, split={"scaffold": True})
    rings = [{MOLECULES[index][0] for index in part} for part in parts_of(task)]
    assert rings == [{"C1CC1", "c1ccccc1"}, {"C1CCCCC1"}, {"c1ccncc1"}]
    assert "none in two splits" in task.division
    assert molecules(tmp_path, split={"scaffold": True}).hash == (task.hash)


def test_order_of_equal_groups_and_room_for_rows_left_out() -> None:
    rows = np.arange(10)
    # Ten scaffolds of one molecule: the later ones come first, as in the published split.
    alone = scaffold_parts([str(i) for i in range(10)], rows, 10, 0.1, 0.1)
    assert alone.tolist() == [2, 1, *[0] * 8]
    # A group that does not fit goes on to validation; smaller ones still fill training.
    mixed = scaffold_parts(["a"] * 7 + ["b"] * 2 + ["c"], rows, 10, 0.2, 0.0)
    assert mixed.tolist() == [0] * 7 + [1] * 2 + [0]
    # Shares are of all rows, those without a molecule included.
    assert (scaffold_parts([str(i) for i in range(8)], rows[:8], 10, 0.1, 0.1) == 0).all()


def test_the_same_molecule_written_twice_is_found(tmp_path: Path) -> None:
    other = FRAME.assign(smiles=[f"C1({'C' * (len(t) - 6)}C)CC1" if i < 4 else t
                                 for i, t in enumerate(FRAME["smiles"])])  # fmt: skip
    twice = pd.concat([FRAME, FRAME])
    parts = np.where(np.arange(len(twice)) < len(FRAME) - 9, "train", "test")
    given = molecules(tmp_path, twice.assign(part=parts), split={"column": "part"})
    assert "duplicates_across_splits" in given.flags
    drawn = molecules(tmp_path, twice)
    assert "duplicates_across_splits" not in drawn.flags
    assert drawn.division.endswith("copies in one split")
    assert "duplicates_across_splits" not in molecules(tmp_path).flags
    assert "duplicates_across_splits" not in molecules(tmp_path, other).flags


def test_rows_without_a_molecule(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    frame = pd.concat(
        [FRAME[:3], pd.DataFrame({"smiles": ["hello", None], "active": 1}), FRAME[3:]]
    )
    task = molecules(tmp_path, frame)
    assert task.notes == (
        "2 of 42 rows of m.csv hold no molecule and are left out: the rows 4, 5, with 'hello', ''",
    )
    assert sum(map(len, parts_of(task))) == len(FRAME)
    labels = {i: y for s in (task.train, task.validation, task.test)
              for i, y in zip(s.x.tolist(), s.y.tolist(), strict=True)}  # fmt: skip
    assert [labels[index] for index in range(len(FRAME))] == FRAME["active"].tolist()
    assert capfd.readouterr().err == ""


def test_metal_complexes_of_published_sets_are_kept(tmp_path: Path) -> None:
    odd = pd.DataFrame({"smiles": ["Cc1ccc([B-2]2(c3ccc(C)cc3)=NCCO2)cc1"], "active": [0]})
    task = molecules(tmp_path, pd.concat([FRAME, odd]), split={"scaffold": True})
    assert task.preprocessing is not None
    assert task.preprocessing["unknown valence"].startswith("1 molecules")
    assert sum(map(len, parts_of(task))) == len(FRAME) + 1


def test_molecules_need_their_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(DataError, match=r"pip install 'rankprobe\[graphs\]'"):
        molecules(tmp_path)


@pytest.mark.parametrize(
    ("frame", "data", "message"),
    [
        (FRAME.assign(smiles="?"), {}, r"40 of 40 rows of m.csv hold no molecule, [\s\S]*row 1"),
        (FRAME, {"smiles": "smile"}, r"no column `smile` in m.csv[\s\S]*did you mean `smiles`"),
        (FRAME, {"target": "activ"}, "no column `activ` in m.csv"),
        (FRAME, {"split": {"scaffold": True, "group": "active"}}, "divides molecules, and by"),
    ],
)
def test_bad_molecules_are_named(
    tmp_path: Path, frame: pd.DataFrame, data: dict[str, Any], message: str
) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        molecules(tmp_path, frame, **data)


NODES = pd.DataFrame(
    {
        "id": [f"n{i}" for i in range(40)],
        "width": np.arange(40) / 7,
        "flag": np.arange(40) % 3 == 0,
        "part": ["train"] * 24 + ["validation"] * 6 + ["test"] * 10,
        "kind": np.arange(40) % 2,
    }
)
EDGES = pd.DataFrame(
    [("n0", "n1"), ("n1", "n0"), ("n0", "n1"), ("n2", "n2"), ("n3", "n1")],
    columns=["target", "source"],
)


def nodes(
    folder: Path, table: pd.DataFrame = NODES, edges: pd.DataFrame = EDGES, **data: Any
) -> Task:
    table.to_csv(folder / "n.csv", index=False)
    edges.to_csv(folder / "e.csv", index=False)
    data = {"source": "graphs", "path": "n.csv", "edges": "e.csv", "split": "part", **data}
    return load_task(config_from_settings({"data": data}, folder=folder))


def test_nodes_and_their_edges(tmp_path: Path) -> None:
    task = nodes(tmp_path)
    assert task.kind == "nodes"
    assert task.sizes["node_features"] == 2
    assert parts_of(task) == [list(range(24)), list(range(24, 30)), list(range(30, 40))]
    assert task.context["edges"].T.tolist() == [[0, 1], [1, 0], [1, 3], [3, 1]]
    x = task.context["nodes"]
    assert abs(x[:24].mean(axis=0)).max() < 1e-6  # by the training nodes alone
    assert abs(x[:24].std(axis=0) - 1).max() < 1e-5


def test_zeros_and_ones_stay_as_they_are(tmp_path: Path) -> None:
    task = nodes(tmp_path, features="flag")
    np.testing.assert_array_equal(task.context["nodes"][:, 0], NODES["flag"])
    assert abs(nodes(tmp_path, features="flag", standardize=True).context["nodes"][0, 0] - 1) > 0.1


def test_nodes_from_arrays_and_from_parquet(tmp_path: Path) -> None:
    x = NODES[["width", "flag"]].to_numpy(float)
    np.savez(
        tmp_path / "n.npz",
        id=np.array(NODES["id"], dtype=np.str_),
        features=x,
        y=NODES["kind"],
        part=np.array(NODES["part"], dtype=np.str_),
    )
    table = nodes(tmp_path)
    arrays = nodes(tmp_path, path="n.npz")
    pd.DataFrame(
        {"id": NODES["id"], "v": list(x), "part": NODES["part"], "kind": NODES["kind"]}
    ).to_parquet(tmp_path / "n.parquet")
    lists = nodes(tmp_path, path="n.parquet")
    assert table.hash == arrays.hash == lists.hash


@pytest.mark.parametrize(
    ("table", "edges", "data", "message"),
    [
        (NODES, EDGES.replace("n3", "n99"), {}, "`target` in e.csv is 'n99' in row 5, and no node"),
        (
            NODES.assign(id="a"),
            EDGES,
            {},
            "two nodes in n.csv have the id 'a', the second in row 2",
        ),
        (NODES.drop(columns="id"), EDGES, {}, "no column `id` in n.csv"),
        (NODES.assign(width="wide"), EDGES, {}, "`width` in n.csv needs numbers, and holds 'wide'"),
        (NODES, EDGES, {"path": "m.csv"}, "m.csv` is not there"),
    ],
)
def test_bad_nodes_are_named(
    tmp_path: Path, table: pd.DataFrame, edges: pd.DataFrame, data: dict[str, Any], message: str
) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        nodes(tmp_path, table, edges, **data)


def test_neither_smiles_nor_edges(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "m.csv", index=False)
    settings = {"data": {"source": "graphs", "path": "m.csv"}}
    with pytest.raises(ConfigError, match="needs `smiles` or `edges`"):
        load_task(config_from_settings(settings, folder=tmp_path))


OBJECTS = """
import warnings
import torch
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own making
    from torch_geometric.data import Data
def graph(i, **more):
    x = torch.full((3, 2), float(i))
    edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    return Data(x=x, edge_index=edges, y=torch.tensor([i % 2]), **more)
def graphs():
    return [graph(i, edge_attr=torch.tensor([[0], [0], [1], [1]])) for i in range(40)]
def nodes():
    one = torch.arange(40)
    made = Data(x=torch.eye(40), edge_index=torch.stack([one, one.roll(1)]), y=one % 2)
    made.train_mask, made.val_mask, made.test_mask = one < 10, (one > 9) & (one < 20), one > 29
    return made
def odd():
    made = graphs()
    made[3].edge_index[0, 0] = 9
    return made
"""


def objects(folder: Path, name: str) -> Task:
    (folder / "own.py").write_text(OBJECTS)
    settings = {"data": {"factory": f"own:{name}"}}
    return load_task(config_from_settings(settings, folder=folder, trust=True), trust=True)


def test_graphs_of_torch_geometric(tmp_path: Path) -> None:
    task = objects(tmp_path, "graphs")
    assert (task.kind, len(task.train)) == ("graphs", 28)
    assert task.sizes["node_categories"] == ()
    assert task.sizes["edge_categories"] == (2,)
    assert task.context["nodes"].shape == (120, 2)
    assert task.context["edges"][:, 4].tolist() == [3, 4]
    assert task.context["edge_features"][:4, 0].tolist() == [0, 0, 1, 1]
    assert [i % 2 for i in task.test.x] == task.test.y.tolist()


def test_nodes_of_torch_geometric_with_masks(tmp_path: Path) -> None:
    task = objects(tmp_path, "nodes")
    assert task.kind == "nodes"
    assert parts_of(task) == [list(range(10)), list(range(10, 20)), list(range(30, 40))]
    assert task.context["edges"].shape == (2, 80)
    assert task.context["nodes"].shape == (40, 40)


def test_bad_objects_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"graph 4 of own:odd: `edge_index` names nodes beyond"):
        objects(tmp_path, "odd")


def test_what_is_no_graph() -> None:
    from rankprobe.data.graph_objects import examples_from_graphs

    made = SimpleNamespace(x=np.eye(2), edge_index=np.zeros((2, 0), dtype=int))
    with pytest.raises(DataError, match="graph 1 of own has no `y`"):
        examples_from_graphs([made], "own")


def test_a_column_to_divide_by_is_no_target(tmp_path: Path) -> None:
    """The last column is the target only where it has no other role."""
    task = molecules(tmp_path, FRAME.assign(lab=np.arange(len(FRAME)) // 4), split={"group": "lab"})
    assert task.classes == ("0", "1")
    table = NODES.assign(part=NODES["part"])[[*NODES.columns.drop("part"), "part"]]
    assert nodes(tmp_path, table).classes == nodes(tmp_path).classes


@pytest.mark.parametrize(
    ("key", "value"),
    [("features", "active"), ("edges", "e.csv"), ("id", "active"), ("standardize", True)],
)
def test_settings_that_mean_nothing_to_molecules(tmp_path: Path, key: str, value: Any) -> None:
    (tmp_path / "e.csv").write_text("source,target\n0,1\n")
    with pytest.raises(ConfigError, match=f"`data.{key}` means nothing"):
        molecules(tmp_path, **{key: value})


def test_ids_of_another_shape_are_refused(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("source,target\n0,1\n")
    one = np.arange(40)
    np.savez(tmp_path / "n.npz", id=one[:, None], features=one[:, None] / 2, y=one % 2)
    data = {"source": "graphs", "path": "n.npz", "edges": "e.csv"}
    with pytest.raises(DataError, match=r"the ids \(40, 1\) and the targets \(40,\)"):
        load_task(config_from_settings({"data": data}, folder=tmp_path))
