"""A member's result is what the plain loop gives, whoever else is in its cohort.

The reference (`tests.training.reference`) trains one member at its own rank with dense
matrices, ordinary autograd and torch's AdamW. In float64 a whole training agrees to 1e-9. In
float32 rounding grows with the steps, so 20 steps agree to 1e-4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rankprobe.backbones.mlp import mlp
from rankprobe.lowrank import Adapter, layers
from rankprobe.records import Member, Run
from rankprobe.training import TrainingData, TrainingProtocol
from rankprobe.training.build import build_cohort
from rankprobe.training.loop import fit
from rankprobe.training.trainees import Cohort
from tests.lowrank.networks import Branching, Masking, Nested, Recurrent, Shared, Unused
from tests.training.reference import protocol, raw_score, solo, toy_task, train_together

EPOCHS = 3  # 15 steps
MIXED = (
    Member(1, 0.03, 0, EPOCHS),
    Member(8, 0.01, 0, EPOCHS),  # above the smaller layers' sides, so less there
    Member(3, 0.003, 0, EPOCHS),
    Member(3, 0.03, 0, EPOCHS),
)
VARIANTS = {
    "plain": Adapter(),
    "standard": Adapter(scaling="standard", alpha=2.0),
    "unscaled": Adapter(scaling="none"),
    "beta fixed": Adapter(beta="fixed"),
    "layer norm": Adapter(layer_norm=True),
    "dora": Adapter(dora=True),
    "kaiming": Adapter(b_init="kaiming"),
    "adapter head": Adapter(head="adapter"),
    "adapter head with bias": Adapter(head="adapter_bias"),
    "bias": Adapter(bias="trained"),
    "all at once": Adapter(
        b_init="kaiming", head="adapter_bias", bias="trained", layer_norm=True, dora=True
    ),
}


@pytest.fixture(autouse=True, params=["merged", "factored"])
def _form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The networks here are small; large ones compute their layers in the other form."""
    if request.param == "factored":
        monkeypatch.setattr(layers, "SMALL_LAYER", 0)


def network(dropout: float = 0.2) -> nn.Module:
    return mlp((6,), 3, hidden=(12, 9, 5), dropout=dropout)


def assert_same(run: Run, other: Run, *, tolerance: float = 1e-9) -> None:
    assert (run.member, run.status, run.trainable) == (other.member, other.status, other.trainable)
    assert run.predictions is not None
    assert other.predictions is not None
    np.testing.assert_allclose(run.predictions, other.predictions, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(run.history, other.history, rtol=tolerance, atol=tolerance)


def assert_equals_solo(
    runs: Sequence[Run],
    backbone: nn.Module,
    settings: TrainingProtocol,
    *,
    tolerance: float = 1e-9,
    dtype: torch.dtype = torch.float64,
    shape: Sequence[int] = (6,),
    outputs: int = 3,
) -> None:
    task = toy_task(settings.objective, shape, outputs)
    for run in runs:
        assert run.status == "finished", run.reason
        alone = solo(run.member, backbone, settings, task=task, dtype=dtype)
        assert run.predictions is not None
        scale = np.abs(alone.outputs).max()
        np.testing.assert_allclose(
            run.predictions, alone.outputs, rtol=tolerance, atol=tolerance * scale
        )
        np.testing.assert_allclose(run.history, alone.history, rtol=tolerance, atol=tolerance)
        assert run.validation == run.history[-1][1]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_adapter(variant: str) -> None:
    settings = protocol(adapter=VARIANTS[variant])
    assert_equals_solo(train_together(MIXED, network(), settings), network(), settings)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
@pytest.mark.parametrize("objective", ["classification", "regression"])
def test_every_objective_and_schedule(objective: str, schedule: str) -> None:
    settings = protocol(objective, schedule=schedule, seed=4)  # type: ignore[arg-type]
    assert_equals_solo(train_together(MIXED, network(), settings), network(), settings)


def test_without_weight_decay() -> None:
    settings = protocol(weight_decay=0.0)
    assert_equals_solo(train_together(MIXED, network(), settings), network(), settings)


@pytest.mark.parametrize(
    ("backbone", "shape", "outputs"),
    [(Nested, (6,), 3), (Shared, (6,), 3), (Unused, (6,), 3), (Recurrent, (5, 3), 2)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_kind_of_network(
    backbone: Callable[[], nn.Module], shape: tuple[int, ...], outputs: int
) -> None:
    net, settings = backbone(), protocol()
    task = toy_task("classification", shape, outputs)
    assert not built_cohort(MIXED, net, settings, shape=shape, outputs=outputs).one_by_one
    runs = train_together(MIXED, net, settings, task=task)
    assert_equals_solo(runs, net, settings, shape=shape, outputs=outputs)


@pytest.mark.parametrize("head", ["trained", "adapter", "adapter_bias"])
def test_rank_0(head: str) -> None:
    settings = protocol(adapter=Adapter(head=head))  # type: ignore[arg-type]
    members = [Member(0, rate, 0, EPOCHS) for rate in (0.003, 0.03)]
    assert not built_cohort(members, network(), settings).one_by_one
    assert_equals_solo(train_together(members, network(), settings), network(), settings)


@pytest.mark.parametrize("objective", ["classification", "regression"])
def test_baselines(objective: str) -> None:
    settings = protocol(objective)  # type: ignore[arg-type]
    members = [Member(None, rate, 1, EPOCHS) for rate in (0.01, 0.001, 0.01)]
    runs = train_together(members, network(), settings)
    assert_equals_solo(runs, network(), settings)
    for member, run in zip(members, runs, strict=True):
        assert_same(run, train_together([member], network(), settings)[0])


@pytest.mark.parametrize("backbone", [Branching, Masking])
@pytest.mark.parametrize("rank", [2, None], ids=["adapter", "baseline"])
def test_networks_that_vmap_cannot_run(backbone: Callable[[], nn.Module], rank: int | None) -> None:
    net, settings = backbone(), protocol()
    members = [Member(rank, rate, 0, EPOCHS) for rate in (0.003, 0.03)]
    if rank:
        members.append(Member(5, 0.01, 0, EPOCHS))
    assert built_cohort(members, net, settings).one_by_one
    assert_equals_solo(train_together(members, net, settings), net, settings)


def test_float32_over_20_steps() -> None:
    members = [Member(m.rank, m.learning_rate, 0, 4) for m in MIXED]
    runs = train_together(members, network(), protocol(), dtype=torch.float32)
    assert_equals_solo(runs, network(), protocol(), tolerance=1e-4, dtype=torch.float32)


class TestCompanyDoesNotMatter:
    def test_alone_together_and_in_any_order(self) -> None:
        settings = protocol()
        together = train_together(MIXED, network(), settings)
        turned = train_together(MIXED[::-1], network(), settings)[::-1]
        small = train_together(MIXED[:2], network(), settings)
        for index, run in enumerate(together):
            assert run.member == MIXED[index]
            assert_same(run, turned[index])
            assert_same(run, train_together([MIXED[index]], network(), settings)[0])
        for run, other in zip(together, small, strict=False):
            assert_same(run, other)

    def test_a_member_and_its_double_agree(self) -> None:
        first, _, double = train_together([MIXED[0], MIXED[1], MIXED[0]], network(), protocol())
        assert_same(first, double)

    @pytest.mark.parametrize("rank", [3, None], ids=["adapter", "baseline"])
    def test_a_member_that_diverges_leaves_the_others_alone(self, rank: int | None) -> None:
        good = [Member(rank, rate, 0, EPOCHS) for rate in (0.003, 0.01)]
        wild = Member(rank, 1e200, 0, EPOCHS)
        first, lost, second = train_together([good[0], wild, good[1]], network(), protocol())
        assert lost.member == wild
        assert lost.status == "diverged"
        assert lost.reason == "outputs were no longer finite at epoch 0.4"
        assert (lost.validation, lost.validation_error, lost.test) == (None, None, None)
        assert lost.predictions is None
        assert_equals_solo([first, second], network(), protocol())

    def test_a_member_that_diverges_when_run_one_by_one(self) -> None:
        good, wild = Member(3, 0.01, 0, EPOCHS), Member(3, 1e200, 0, EPOCHS)
        lost, fine = train_together([wild, good], Branching(), protocol())
        assert lost.status == "diverged"
        assert_equals_solo([fine], Branching(), protocol())


class TestSeveralRepeats:
    """Members of several repeats in one cohort, each with the batches of its own repeat."""

    MIXED = (
        Member(1, 0.03, 0, EPOCHS),
        Member(8, 0.01, 3, EPOCHS),
        Member(3, 0.003, 0, EPOCHS),
        Member(3, 0.03, 1, EPOCHS),
        Member(3, 0.03, 3, EPOCHS),
    )

    @pytest.mark.parametrize("variant", ["plain", "dora", "adapter head", "all at once"])
    @pytest.mark.parametrize("objective", ["classification", "regression"])
    def test_adapters(self, objective: str, variant: str) -> None:
        settings = protocol(objective, adapter=VARIANTS[variant])  # type: ignore[arg-type]
        assert not built_cohort(self.MIXED, network(0), settings).one_by_one
        runs = train_together(self.MIXED, network(0), settings)
        assert_equals_solo(runs, network(0), settings)

    @pytest.mark.parametrize("rank", [None, 0], ids=["baselines", "rank 0"])
    @pytest.mark.parametrize("objective", ["classification", "regression"])
    def test_baselines_and_rank_0(self, objective: str, rank: int | None) -> None:
        settings = protocol(objective, seed=2)  # type: ignore[arg-type]
        members = [Member(rank, rate, k, EPOCHS) for rate in (0.01, 0.003) for k in (2, 0, 1)]
        runs = train_together(members, network(0), settings)
        assert_equals_solo(runs, network(0), settings)

    @pytest.mark.parametrize("rank", [4, None], ids=["adapter", "baseline"])
    def test_networks_that_vmap_cannot_run(self, rank: int | None) -> None:
        members = [Member(rank, 0.01, repeat, EPOCHS) for repeat in (1, 0)]
        assert built_cohort(members, Masking(), protocol()).one_by_one
        runs = train_together(members, Masking(), protocol())
        assert_equals_solo(runs, Masking(), protocol())

    @pytest.mark.parametrize("rank", [3, 0])
    def test_another_scaffold(self, rank: int) -> None:
        members = [Member(rank, 0.01, repeat, EPOCHS, 2) for repeat in (2, 5, 8)]
        runs = train_together(members, network(0), protocol())
        assert_equals_solo(runs, network(0), protocol())
        (first,) = train_together([Member(rank, 0.01, 2, EPOCHS)], network(0), protocol())
        assert not np.allclose(first.predictions, runs[0].predictions)  # type: ignore[arg-type]

    def test_company_does_not_matter(self) -> None:
        for run in train_together(self.MIXED, network(0), protocol()):
            assert_same(run, train_together([run.member], network(0), protocol())[0])


class TestStacks:
    """What a cohort holds, before and after a training."""

    @pytest.mark.parametrize("variant", VARIANTS)
    def test_padding_stays_exactly_zero(self, variant: str) -> None:
        settings = protocol(adapter=VARIANTS[variant])
        cohort = trained_cohort(MIXED, network(), settings)
        widths = {"hidden0": 6, "hidden1": 9, "hidden2": 5, "head": 3}
        factors = {name for name in cohort.stacks if name.endswith((".A", ".B"))}
        assert len(factors) >= 6
        for name in factors:
            layer, _, letter = name.rpartition(".")
            stack = cohort.stacks[name].detach()
            stack = stack if letter == "A" else stack.transpose(1, 2)
            assert stack.shape[1] == min(8, widths[layer])
            for member, values in zip(MIXED, stack, strict=True):
                assert member.rank is not None
                assert values[: member.rank].ne(0).any(dim=1).all()
                assert values[member.rank :].eq(0).all()

    def test_parameters_are_those_of_the_plain_loop(self) -> None:
        cohort = trained_cohort(MIXED, network(), protocol())
        for index, member in enumerate(MIXED):
            alone = solo(member, network(), protocol())
            assert cohort.stacks.keys() == alone.parameters.keys()
            for name, value in alone.parameters.items():
                own = tuple(slice(size) for size in value.shape)
                ours = cohort.stacks[name][index][own]
                torch.testing.assert_close(ours, value, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("variant", ["plain", "all at once"])
    def test_frozen_stays_frozen(self, variant: str) -> None:
        cohort = built_cohort(MIXED, network(), protocol(adapter=VARIANTS[variant]))
        before = {name: digest(value) for name, value in cohort.module.state_dict().items()}
        stacks = {name: value.detach().clone() for name, value in cohort.stacks.items()}
        constants = {name: value.clone() for name, value in cohort.constants.items()}
        fit_cohort(cohort, protocol(adapter=VARIANTS[variant]))
        after = {name: digest(value) for name, value in cohort.module.state_dict().items()}
        assert after == before
        assert all(torch.equal(value, constants[n]) for n, value in cohort.constants.items())
        # ... while everything that is trained has moved, for every member.
        for name, stack in cohort.stacks.items():
            assert stack.ne(stacks[name]).view(len(MIXED), -1).any(dim=1).all(), name


def digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.detach().numpy().tobytes()).hexdigest()


def built_cohort(
    members: Sequence[Member],
    backbone: nn.Module,
    settings: TrainingProtocol,
    *,
    shape: Sequence[int] = (6,),
    outputs: int = 3,
) -> Cohort:
    task = toy_task(settings.objective, shape, outputs)
    data = TrainingData.of(task, dtype=torch.float64)
    return build_cohort(backbone, members, settings, data.train_x[:2])


def fit_cohort(cohort: Cohort, settings: TrainingProtocol) -> None:
    data = TrainingData.of(toy_task(settings.objective), dtype=torch.float64)
    with torch.random.fork_rng(devices=[]):
        fit(cohort, data, settings, raw_score, epochs=EPOCHS)


def trained_cohort(
    members: Sequence[Member], backbone: nn.Module, settings: TrainingProtocol
) -> Cohort:
    cohort = built_cohort(members, backbone, settings)
    fit_cohort(cohort, settings)
    return cohort
