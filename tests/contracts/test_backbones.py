"""What every backbone family keeps to, and what is particular to each."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import rankprobe.backbones
from rankprobe.backbones import BACKBONES, build
from rankprobe.backbones.mlp import ACTIVATIONS, mlp
from rankprobe.config_backbones import FAMILIES
from rankprobe.data.task import Task
from rankprobe.lowrank import Adapter, Scaffold, adapted_layers, attach, count_trainable
from rankprobe.records import Member
from rankprobe.search.backbone import own_settings
from rankprobe.training.build import build_cohort
from rankprobe.training.chance import draws_masks
from rankprobe.training.memory import values_per_example
from rankprobe.training.objectives import loss_gradient
from rankprobe.training.trainees import Cohort
from tests.training.reference import protocol, solo, train_together
from tests.training.toys import TOYS, inputs_of, toy

# For every family: what it reads, a key of `TOYS`, and settings.
CASES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "mlp": [
        ("numbers", {"hidden": (8, 7)}),
        ("tables", {"hidden": (8,), "dropout": 0.0}),
        ("numbers", {"hidden": (), "activation": "tanh"}),
        ("numbers", {"hidden": (8, 4), "activation": "gelu", "dropout": 0.3}),
        ("series", {"hidden": (8,)}),
    ],
    "cnn": [
        ("pictures", {"width": 2, "depth": 8}),
        ("grey", {"width": 3, "depth": 8, "residual": True}),
    ],
    "cfc": [
        ("series", {"hidden": 6, "backbone_units": 5}),
        ("series", {"hidden": 4, "backbone_units": 5, "backbone_layers": 1}),
        ("series", {"hidden": 4, "backbone_units": 5, "dropout": 0.2}),
    ],
    "gin": [
        ("molecules", {"hidden": 6, "layers": 3}),
        ("graphs", {"hidden": 6, "layers": 2, "residual": False, "dropout": 0.0}),
        ("bare_graphs", {"hidden": 6, "layers": 2}),
    ],
    "gcn": [
        ("nodes", {"hidden": 6}),
        ("nodes", {"hidden": 5, "layers": 3, "dropout": 0.0}),
        ("nodes", {"layers": 1}),
    ],
    "transformer": [
        ("tokens", {"width": 8, "heads": 2, "feedforward": 12}),
        ("tokens", {"width": 6, "heads": 1, "feedforward": 4, "layers": 1, "norm": "post"}),
    ],
    "vit": [
        ("pictures", {"width": 8, "heads": 2, "feedforward": 12, "layers": 2}),
        ("grey", {"width": 6, "heads": 1, "feedforward": 4, "layers": 1, "pool": "mean"}),
    ],
    "llama": [("next_token", {"width": 8, "heads": 2, "feedforward": 12, "layers": 2})],
    "decision_transformer": [
        ("windows", {"width": 8, "layers": 2}),
        ("windows", {"width": 8, "layers": 1, "heads": 2, "dropout": 0.0}),
    ],
}
ALL = [(family, *case) for family, cases in CASES.items() for case in cases]
WITH_MATRIX = (nn.Linear, nn.Conv2d, nn.Embedding)
# Families that vmap cannot run, and why. There are none.
ONE_BY_ONE: dict[str, str] = {}


def test_every_family_is_held_to_the_contract() -> None:
    assert CASES.keys() == BACKBONES.keys()


def test_every_kind_of_inputs_is_read() -> None:
    assert {(family, toy(name).kind) for family, name, _ in ALL} == {
        (name, kind) for name, family in BACKBONES.items() for kind in family.reads
    }
    assert {name for _, name, _ in ALL} == TOYS.keys()


def made(family: str, name: str, settings: dict[str, Any]) -> tuple[Task, nn.Module]:
    """A task and a network for it, in double precision."""
    task = toy(name)
    return task, build(family, inputs_of(task), task.outputs, **settings).double()


def examples(task: Task, n: int) -> Tensor:
    """Some examples as a network is given them."""
    x = torch.from_numpy(task.train.x[:n])
    return x.double() if x.is_floating_point() else x


def fingerprint(tensors: Iterable[tuple[str, Tensor]]) -> dict[str, str]:
    """sha256 of each tensor's bytes."""
    return {
        name: sha256(
            tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data
        ).hexdigest()
        for name, tensor in tensors
    }


def frozen(module: nn.Module) -> dict[str, str]:
    """Of all that must not change: parameters without gradient and buffers but running ones."""
    running = {
        f"{name}.{key}"
        for name, layer in module.named_modules()
        if isinstance(layer, nn.modules.batchnorm._NormBase)
        for key, _ in layer.named_buffers(recurse=False)
    }
    held = [item for item in module.named_buffers() if item[0] not in running]
    return fingerprint([*held, *module.named_parameters()])


def cohort_of(net: nn.Module, task: Task, members: list[Member], **settings: Any) -> Cohort:
    training = protocol(task.objective, **settings)
    return build_cohort(net, members, training, examples(task, 2), dtype=torch.float64)


def step(cohort: Cohort, task: Task) -> None:
    """One training step on the first examples."""
    y = torch.from_numpy(task.train.y[:10])
    y = y.double() if y.is_floating_point() else y
    outputs = cohort.outputs(examples(task, 10), seed=1)
    outputs.backward(loss_gradient(outputs, y, gaps=True))  # type: ignore[no-untyped-call]
    for name, stack in cohort.stacks.items():
        assert stack.grad is None or stack.grad.isfinite().all(), name
    cohort.update(1.0)


@pytest.mark.parametrize(("family", "name", "settings"), ALL)
class TestContract:
    def test_outputs(self, family: str, name: str, settings: dict[str, Any]) -> None:
        """One row an example, or one a position of what is predicted at every position."""
        task, net = made(family, name, settings)
        places = task.train.y.shape[1:] if task.objective == "next_token" else ()
        if task.kind == "windows":
            places = task.train.y.shape[1:-1]
        assert net(examples(task, 4)).shape == (4, *places, task.outputs)

    def test_the_head_is_the_last_layer(
        self, family: str, name: str, settings: dict[str, Any]
    ) -> None:
        task, net = made(family, name, settings)
        *_, (last, head) = [n for n in net.named_modules() if isinstance(n[1], nn.Linear)]
        assert last == "head"
        assert isinstance(head, nn.Linear)
        assert head.out_features == task.outputs

    def test_evaluates_each_example_by_itself(
        self, family: str, name: str, settings: dict[str, Any]
    ) -> None:
        task, net = made(family, name, settings)
        x = examples(task, 12)
        net.train()(x)  # statistics that are not their first values
        outputs = net.eval()(x)
        torch.testing.assert_close(outputs[:2], net(x[:2]))
        torch.testing.assert_close(outputs[7:8], net(x[7:8]))
        assert torch.equal(outputs, net(x))
        assert values_per_example(net, x[:2]) > 0

    def test_every_layer_is_adapted(self, family: str, name: str, settings: dict[str, Any]) -> None:
        task, net = made(family, name, settings)
        adapter = Adapter(head="adapter", embeddings="adapter")
        twin = attach(net, rank=2, adapter=adapter)
        own = {layer for layer, m in net.named_modules() if isinstance(m, WITH_MATRIX)}
        tied = {"head"} if family == "llama" else set()
        assert adapted_layers(twin).keys() == own - tied
        assert twin.double()(examples(task, 4)).isfinite().all()

    @pytest.mark.parametrize("embeddings", ["trained", "adapter"])
    def test_trains_as_many_parameters_as_the_formula_says(
        self, family: str, name: str, settings: dict[str, Any], embeddings: Any
    ) -> None:
        """r (d_in + d_out) + 1 an adapted matrix; the head, norms and tables in full."""
        _, net = made(family, name, settings)
        for rank in (1, 2, 4):
            total = 0
            for layer, module in net.named_modules():
                own = sum(p.numel() for p in module.parameters(recurse=False))
                if isinstance(module, nn.Embedding) and embeddings == "trained":
                    total += own
                elif isinstance(module, WITH_MATRIX) and layer != "head":
                    d_out, d_in = module.weight.flatten(1).shape
                    total += min(rank, d_out, d_in) * (d_out + d_in) + 1
                elif layer != "head" or family != "llama":  # its head is its table
                    total += own
            twin = attach(net, rank=rank, adapter=Adapter(embeddings=embeddings))
            assert count_trainable(twin) == total

    def test_runs_under_vmap(self, family: str, name: str, settings: dict[str, Any]) -> None:
        task, net = made(family, name, settings)
        for ranks in ((1, 3), (None, None)):
            members = [Member(rank, 0.01, 0, 2) for rank in ranks]
            cohort = cohort_of(net, task, members, adapter=Adapter(head="adapter"))
            assert cohort.one_by_one == (family in ONE_BY_ONE)

    def test_cohort_equals_solo(self, family: str, name: str, settings: dict[str, Any]) -> None:
        task, net = made(family, name, settings)
        training = protocol(task.objective, adapter=Adapter(head="adapter_bias"))
        for ranks in ((1, 3), (None, None)):
            members = [
                Member(rank, rate, 0, 1) for rank, rate in zip(ranks, (0.03, 0.01), strict=True)
            ]
            for run in train_together(members, net, training, task=task):
                assert run.predictions is not None
                expected = solo(run.member, net, training, task=task).outputs
                np.testing.assert_allclose(run.predictions, expected, rtol=1e-9, atol=1e-9)

    def test_repeats_train_together(self, family: str, name: str, settings: dict[str, Any]) -> None:
        """Each with batches of its own, where no masks are drawn."""
        task, net = made(family, name, settings)
        if draws_masks(net, examples(task, 4)):
            net = build(family, inputs_of(task), task.outputs, **{**settings, "dropout": 0.0})
        training = protocol(task.objective)
        members = [Member(rank, 0.01, repeat, 1) for rank, repeat in ((1, 0), (2, 1))]
        for run in train_together(members, net.double(), training, task=task):
            assert run.predictions is not None
            expected = solo(run.member, net, training, task=task).outputs
            np.testing.assert_allclose(run.predictions, expected, rtol=1e-9, atol=1e-9)

    def test_frozen_stays_frozen(self, family: str, name: str, settings: dict[str, Any]) -> None:
        task, net = made(family, name, settings)
        original = fingerprint(net.state_dict().items())
        members = [Member(rank, 0.01, 0, 2) for rank in (1, 3)]
        cohort = cohort_of(net, task, members, adapter=Adapter(head="adapter"))
        trained = [stack.detach().clone() for stack in cohort.stacks.values()]
        before = frozen(cohort.module)
        assert before
        for _ in range(2):
            step(cohort, task)
        list(cohort.evaluate(examples(task, 12)))
        assert frozen(cohort.module) == before
        assert fingerprint(net.state_dict().items()) == original
        moved = [
            not torch.equal(a, b) for a, b in zip(trained, cohort.stacks.values(), strict=True)
        ]
        assert any(moved)

    def test_scaffolds_are_those_of_the_seed(
        self, family: str, name: str, settings: dict[str, Any]
    ) -> None:
        """What is frozen is drawn from the seed and the layer's name, whatever trains with it."""
        task, net = made(family, name, settings)
        members = [Member(rank, 0.01, 0, 2) for rank in (1, 3)]
        cohort = cohort_of(net, task, members, adapter=Adapter(head="adapter"))
        step(cohort, task)
        for layer, twin in adapted_layers(cohort.module).items():
            drawn = torch.from_numpy(Scaffold().weight(layer, twin.weight.shape))
            assert torch.equal(twin.weight.float(), drawn)

    @pytest.mark.parametrize("adapter", [Adapter(), Adapter(head="adapter", embeddings="adapter")])
    def test_gradients_are_finite(
        self, family: str, name: str, settings: dict[str, Any], adapter: Adapter
    ) -> None:
        """At rank 1 and the largest rank, also of what has nothing to look at."""
        task, net = made(family, name, settings)
        twin = attach(net, rank=1, adapter=adapter)
        largest = max([layer.largest_rank for layer in adapted_layers(twin).values()], default=1)
        cohort = cohort_of(
            net, task, [Member(rank, 0.01, 0, 2) for rank in (1, largest)], adapter=adapter
        )
        for _ in range(2):  # B is zero at first, and A has no gradient then
            step(cohort, task)
        assert cohort.outputs(examples(task, 10), seed=1).isfinite().all()


@pytest.mark.parametrize("family", BACKBONES)
def test_settings_are_those_of_dataset_yaml(family: str) -> None:
    """A family's function has the same settings, and the same defaults, as its configuration."""
    (model,) = [m for m in FAMILIES if m.model_fields["family"].default == family]
    parameters = inspect.signature(BACKBONES[family].make).parameters.values()
    assert own_settings(model()) == {
        p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY
    }


def test_backbones_know_nothing_of_ranks() -> None:
    """They import torch and each other, and nothing else of the package."""
    for file in Path(rankprobe.backbones.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert not name.startswith("rankprobe") or name.startswith("rankprobe.backbones")


class TestMlp:
    def test_published_size(self) -> None:
        assert count_trainable(mlp((1, 28, 28), 10)) == 575_050

    @pytest.mark.parametrize(
        ("rank", "trainable"),
        [(1, 3_294), (2, 5_934), (4, 11_214), (8, 21_774), (16, 42_894), (32, 85_134)],
    )
    def test_published_counts(self, rank: int, trainable: int) -> None:
        """A, B and beta of the four hidden layers and the head in full, without hidden biases."""
        assert count_trainable(attach(mlp((1, 28, 28), 10), rank=rank)) == trainable

    def test_layers_in_order(self) -> None:
        net = mlp((2, 3), 4, hidden=(8, 7), dropout=0.1)
        assert [(name, type(layer)) for name, layer in net.named_children()] == [
            ("flatten", nn.Flatten),
            ("hidden0", nn.Linear),
            ("activation0", nn.ReLU),
            ("dropout0", nn.Dropout),
            ("hidden1", nn.Linear),
            ("activation1", nn.ReLU),
            ("dropout1", nn.Dropout),
            ("head", nn.Linear),
        ]
        assert [layer.in_features for layer in net if isinstance(layer, nn.Linear)] == [6, 8, 7]
        assert [layer.p for layer in net if isinstance(layer, nn.Dropout)] == [0.1, 0.1]

    def test_without_dropout_or_hidden_layers(self) -> None:
        names = [name for name, _ in mlp((6,), 4, hidden=(8,), dropout=0).named_children()]
        assert names == ["hidden0", "activation0", "head"]
        assert [name for name, _ in mlp((6,), 4, hidden=()).named_children()] == ["head"]

    @pytest.mark.parametrize(
        ("activation", "function"),
        [
            ("relu", torch.relu),
            ("tanh", torch.tanh),
            ("gelu", torch.nn.functional.gelu),
            ("silu", torch.nn.functional.silu),
            ("identity", torch.clone),
        ],
    )
    def test_activations(self, activation: str, function: Any) -> None:
        net = mlp((6,), 4, hidden=(8,), activation=activation).eval()
        x = torch.randn(3, 6)
        hidden, head = net.get_submodule("hidden0"), net.get_submodule("head")
        torch.testing.assert_close(net(x), head(function(hidden(x))))

    def test_every_activation_is_tested(self) -> None:
        assert set(ACTIVATIONS) == {"relu", "tanh", "gelu", "silu", "identity"}
