"""A user's own network: from a file, as a module, as a function; what goes wrong says so."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import rankprobe
from rankprobe.config import config_from_settings, load_config
from rankprobe.data.load import load_task, task_from_arrays
from rankprobe.errors import ConfigError, StoreError, TrainingError
from rankprobe.records import Member
from rankprobe.search.bench import Bench
from rankprobe.search.check import check_task
from rankprobe.search.setup import Setup, prepare
from rankprobe.training import TrainingData, train
from rankprobe.user_code import UserCode
from tests.training.reference import raw_score

HERE = Path(__file__).parent
SHORT: dict[str, Any] = {
    "training": {"epochs": 2, "learning_rate": 0.01},
    "search": {"ranks": [1, 2], "repeats": 2},
}


def arrays(rows: int = 120) -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(rows, 6)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


class Own(nn.Module):
    """Of this module, so that another process can import it."""

    def __init__(self, wide: int = 8, outputs: int = 2) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(6, wide), nn.Linear(wide, outputs)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(torch.relu(self.first(x)))
        return out


def setup_of(backbone: Any, **settings: Any) -> Setup:
    config = config_from_settings({**SHORT, "backbone": backbone, **settings})
    return prepare(config, task_from_arrays(*arrays(), config=config))


def refused(backbone: Any, **settings: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        setup_of(backbone, **settings)
    return str(caught.value)


@pytest.fixture
def guide(tmp_path: Path) -> Path:
    """The example of docs/own_networks.md in a folder of its own."""
    for name in ("my_models.py", "dataset.yaml"):
        shutil.copy(HERE / name, tmp_path)
    return tmp_path


def test_the_guide_shows_the_files_that_are_measured_here() -> None:
    guide = (HERE.parents[1] / "docs" / "own_networks.md").read_text()
    for name in ("my_models.py", "dataset.yaml"):
        assert (HERE / name).read_text() in guide


def test_the_guides_network_is_measured_as_a_new_user_would(guide: Path) -> None:
    pytest.importorskip("sklearn")
    assert len((guide / "my_models.py").read_text().splitlines()) <= 36
    command = [sys.executable, "-m", "rankprobe", "check", "dataset.yaml"]
    said = subprocess.run(command, cwd=guide, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert "runs code of your own, which needs your consent\n    add --trust" in said.stderr
    said = subprocess.run(
        [*command, "--trust"], cwd=guide, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert "6,762 weights; largest useful rank 32" in said.stdout
    # In this process, so that it takes seconds; trained for longer, and at few ranks.
    result = rankprobe.measure(
        guide / "dataset.yaml",
        trust=True,
        out=guide / "run",
        training={"epochs": 4, "learning_rate": 0.01},
        search={"ranks": [1, 8], "repeats": 2},
    )
    assert result.scope["architecture"] == "Gated of my_models:make_net, head head"
    assert result.provenance["network"]["class"] == "Gated"
    assert result.provenance["network"]["parameters"] == 6_762
    assert result.points[1].mean > result.points[0].mean > 0.1


def test_a_cohort_of_an_own_network_equals_members_alone(guide: Path) -> None:
    pytest.importorskip("sklearn")
    config = load_config(guide / "dataset.yaml", trust=True)
    task = load_task(config)
    bench = prepare(config, task).bench
    data = TrainingData.of(task, dtype=torch.float64)
    members = [Member(1, 0.01, 0, 1), Member(5, 0.03, 0, 1), Member(32, 0.01, 0, 1)]

    def trained(some: list[Member]) -> Any:
        return train(
            some, backbone=bench.backbone, data=data, protocol=bench.protocol, score=raw_score
        )

    for together, member in zip(trained(members), members, strict=True):
        (alone,) = trained([member])
        np.testing.assert_allclose(together.predictions, alone.predictions, rtol=0, atol=1e-9)


def test_a_module_is_measured_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = arrays()
    torch.manual_seed(0)
    network = Own()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    result = rankprobe.measure(x, y, backbone=network, out=tmp_path, **SHORT)
    assert result.scope["architecture"] == f"Own of {__name__}, head head"
    assert result.provenance["network"]["class"] == "Own"
    assert result.provenance["network"]["parameters"] == 74
    assert result.provenance["configuration"]["backbone"]["factory"] == f"{__name__}:Own"
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    monkeypatch.setattr(Bench, "train", None)  # nothing is trained again
    torch.manual_seed(1)  # random weights make no difference where they are drawn anew
    again = rankprobe.measure(x, y, backbone=Own(), out=tmp_path, **SHORT)
    assert again.points == result.points
    with pytest.raises(StoreError, match="something else: network changed"):
        rankprobe.measure(x, y, backbone=Own(wide=9), out=tmp_path, **SHORT)
    given = {"module": Own(), "init": "pretrained"}
    with pytest.raises(StoreError, match="something else"):
        rankprobe.measure(x, y, backbone=given, out=tmp_path, **SHORT)


def test_a_module_takes_the_place_of_what_a_file_says(tmp_path: Path) -> None:
    x, y = arrays()
    np.savez(tmp_path / "d.npz", x=x, y=y)
    file = tmp_path / "dataset.yaml"
    file.write_text("data: d.npz\nbackbone: {family: mlp, hidden: [4]}\n")
    result = rankprobe.measure(file, backbone=Own(), out=tmp_path / "run", **SHORT)
    assert result.provenance["network"]["class"] == "Own"
    # and needs no consent, which the data's code still does
    file.write_text("data: {factory: 'own:make'}\n")
    with pytest.raises(ConfigError, match="the source `python` runs code of your own"):
        load_config(file, overrides={"backbone": Own()})


def test_functions_that_make_networks() -> None:
    def plain(input_shape: Any, outputs: int) -> nn.Module:
        assert input_shape == (6,)
        return Own(outputs=outputs)

    def knowing(input_shape: Any, outputs: int, *, inputs: Any) -> nn.Module:
        assert inputs.kind == "numbers"
        assert inputs.shape == input_shape
        return Own(outputs=outputs)

    for function in (plain, knowing, lambda *_: Own()):
        assert setup_of(function).network["class"] == "Own"

    class Whole(Own):
        def __init__(self, input_shape: Any, outputs: int) -> None:
            super().__init__(outputs=outputs)

    assert setup_of(Whole).network["class"].endswith("Whole")


def test_the_same_function_makes_the_same_network_each_time() -> None:
    """Whatever torch's generator has been used for; ``pretrained`` keeps what it makes."""
    identities = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        given = {"module": lambda *_: Own(), "init": "pretrained"}
        before = torch.get_rng_state()
        identities.append(setup_of(given).identity["network"])
        assert torch.equal(before, torch.get_rng_state())
    assert identities[0] == identities[1]


class Tuple(Own):
    def forward(self, x: Tensor) -> Any:
        return super().forward(x), x


class WithLogits(Own):
    def forward(self, x: Tensor) -> Any:
        return SimpleNamespace(logits=super().forward(x))


class Fails(Own):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("mat1 and mat2")


class Bare(Own):
    def __init__(self) -> None:
        super().__init__()
        self.gates = nn.Parameter(torch.ones(3, 4))


class Empty(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :2] * self.gain


def frozen() -> nn.Module:
    network = Own()
    network.first.requires_grad_(False)
    return network


def bad_function(first: int) -> nn.Module:
    raise AssertionError(first)


def failing(input_shape: Any, outputs: int) -> nn.Module:
    raise KeyError("width")


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (
            lambda: Own(outputs=3),
            (
                "(2, 6) `Own` returns outputs of shape (2, 3), and the task `task` needs (2, 2)\n"
                "    its"
            ),
        ),
        (Tuple, "`Tuple` returns tuple, and a row of outputs is needed\n    return one tensor"),
        (Fails, "`Fails` fails on a batch of shape (2, 6): RuntimeError: mat1 and mat2"),
        (Bare, "no low-rank form: the network itself (Bare: gates); write `adapter: {unadapted"),
        (Empty, "the network has no layer with a weight matrix to adapt"),
        (frozen, "do not require gradients, and full training trains all: first.weight, first.b"),
        (lambda: nn.Linear(6, 2), "the network has no layer to adapt: its only linear layer is"),
        (lambda: bad_function, "cannot be called as bad_function(input_shape, outputs)\n    give"),
        (lambda: failing, ":failing` failed: KeyError: 'width'"),
        (lambda: lambda *_: 3, "returned int; return a torch.nn.Module"),
        (lambda: 3, "`backbone` must be a torch module, a function that makes one, or a group"),
    ],
)
def test_networks_that_do_not_serve(backbone: Any, message: str) -> None:
    assert message in refused(backbone())


def test_logits_are_taken_out_of_what_holds_them() -> None:
    bench = setup_of(WithLogits()).bench
    assert bench.backbone(torch.zeros(3, 6)).shape == (3, 2)


def test_a_lazy_layer_gets_its_shape() -> None:

    network = nn.Sequential(nn.LazyLinear(5), nn.ReLU(), nn.LazyLinear(2))
    assert setup_of(network).bench.parameters == 6 * 5 + 5 + 5 * 2 + 2


def test_given_weights_stay_and_full_training_starts_from_them() -> None:
    network = Own()
    setup = setup_of({"module": network, "init": "pretrained"})
    bench = setup.bench
    assert bench.protocol.scaffold.init == "pretrained"
    assert (bench.protocol.adapter.beta, bench.protocol.adapter.embeddings) == ("fixed", "frozen")
    setup = setup_of({"module": network, "init": "pretrained"}, adapter={"beta": "trained"})
    assert setup.bench.protocol.adapter.beta == "trained"
    changed = Own()
    changed.load_state_dict(network.state_dict())
    same = setup_of({"module": changed, "init": "pretrained"}).identity
    with torch.no_grad():
        changed.first.weight[0, 0] += 1e-6
    other = setup_of({"module": changed, "init": "pretrained"}).identity
    assert same["network"] != other["network"]
    assert "no layer" in refused({"module": network, "init": "mixed", "random": ["nothing*"]})


def test_workers_get_the_network_and_say_where_they_cannot(guide: Path) -> None:
    """Classes of a file beside the settings travel; those of a function cannot, and say so."""
    x, y = arrays()

    class Local(Own):
        pass

    with pytest.raises(ConfigError, match=r"cannot be sent to worker processes.*\n    define its"):
        rankprobe.measure(x, y, backbone=Local(), workers=1, **SHORT)
    (guide / "own.py").write_text(
        "from torch import nn\nclass Net(nn.Sequential):\n    pass\n"
        "def make(input_shape, outputs):\n"
        "    return Net(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, outputs))\n"
    )
    np.savez(guide / "d.npz", x=x, y=y)
    (guide / "own.yaml").write_text("data: d.npz\nbackbone: {family: python, factory: own:make}\n")
    kept: dict[str, Any] = {"trust": True, **SHORT}
    here = rankprobe.measure(guide / "own.yaml", out=guide / "here", **kept)
    there = rankprobe.measure(guide / "own.yaml", out=guide / "there", workers=1, **kept)
    assert there.points == here.points


def test_a_changed_file_is_another_network_and_is_read_again(guide: Path) -> None:
    file = guide / "own.py"
    code = "from torch import nn\ndef make(input_shape, outputs):\n    return nn.Linear(6, 2)\n"
    file.write_text(code)
    first = UserCode("own:make", guide)
    function = first.function(ConfigError)
    assert first.function(ConfigError) is function
    before = first.hash()
    file.write_text(code + "# changed\n")
    assert first.hash() != before
    assert first.function(ConfigError) is not function
    file.write_text("raise SystemExit\n")
    with pytest.raises(SystemExit):
        first.function(TrainingError)


def test_check_tries_an_own_network(guide: Path) -> None:
    pytest.importorskip("sklearn")
    config = load_config(guide / "dataset.yaml", trust=True)
    checked = check_task(config, load_task(config))
    assert (checked.parameters, checked.largest) == (6_762, 32)
    (guide / "my_models.py").write_text("def make_net(input_shape, outputs): 1 / 0")
    with pytest.raises(ConfigError, match="`my_models:make_net` failed: ZeroDivisionError"):
        check_task(load_config(guide / "dataset.yaml", trust=True), load_task(config))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{family: python}", "2: `backbone.factory` is missing: the family `python` needs it"),
        ("{family: huggingface}", "2: `backbone.path` is missing: the family `huggingface` needs"),
        ("{family: huggingface, path: m, init: mixed}", "in some layers, and none is named"),
        ("{family: huggingface, path: m, random: [a]}", "means nothing without `init: mixed`"),
        ("{family: huggingface, path: m}\nsearch: {scaffolds: 2}", "given weights are one"),
    ],
)
def test_settings_of_given_networks(tmp_path: Path, text: str, message: str) -> None:
    np.savez(tmp_path / "d.npz", x=arrays()[0], y=arrays()[1])
    (tmp_path / "dataset.yaml").write_text(f"data: d.npz\nbackbone: {text}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "dataset.yaml", trust=True)
    assert message in str(caught.value)


def test_a_network_with_batch_norm_over_features_is_checked() -> None:
    net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    config = config_from_settings({**SHORT, "backbone": net})
    assert (
        "nothing wrong found"
        in check_task(config, task_from_arrays(*arrays(), config=config)).words()
    )
