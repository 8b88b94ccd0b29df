"""`train`: what comes back, what it depends on, and what it leaves alone."""

from __future__ import annotations

import copy
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rankprobe.backbones.mlp import mlp
from rankprobe.errors import TrainingError
from rankprobe.lowrank import Adapter, Scaffold, attach, count_trainable, reinitialised
from rankprobe.records import Member, Run
from rankprobe.training import Score, TrainingData, train, trainees
from rankprobe.training.build import build_cohort
from rankprobe.training.chance import draws_masks
from tests.training.reference import RawScore, protocol, raw_score, toy_task, train_together

MEMBERS = (Member(1, 0.03, 0, 3), Member(4, 0.01, 0, 3))


def whole_of(cohort: trainees.Cohort, x: Tensor) -> Tensor:
    return torch.cat(list(cohort.evaluate(x)), dim=1)


def network() -> nn.Module:
    return mlp((6,), 3, hidden=(12, 9), dropout=0.2)


def identical(runs: tuple[Run, ...], others: tuple[Run, ...]) -> bool:
    """Bit by bit, but for times."""
    return all(
        (run.member, run.history, run.validation, run.test)
        == (other.member, other.history, other.validation, other.test)
        and np.array_equal(run.predictions, other.predictions)  # type: ignore[arg-type]
        for run, other in zip(runs, others, strict=True)
    )


class TestRuns:
    def test_hold_what_the_scorer_said(self) -> None:
        asked: list[tuple[str, tuple[int, ...]]] = []

        class Counting(RawScore):
            def __call__(
                self, split: Literal["validation", "test"], predictions: NDArray[Any]
            ) -> Score:
                asked.append((split, predictions.shape))
                return Score(len(asked), 0.25, predictions.argmax(axis=1))

        data = TrainingData.of(toy_task())
        first, second = train(
            MEMBERS, backbone=network(), data=data, protocol=protocol(), score=Counting()
        )
        assert asked == [("validation", (16, 3))] * 16 + [("test", (20, 3))] * 2
        assert (first.status, second.status) == ("finished", "finished")
        assert [value for _, value in first.history] == [1, 3, 5, 7, 9, 11, 13, 15]
        assert [value for _, value in second.history] == [2, 4, 6, 8, 10, 12, 14, 16]
        assert (first.validation, first.validation_error, first.test) == (15, 0.25, 17)
        assert (second.validation, second.validation_error, second.test) == (16, 0.25, 18)
        assert first.predictions is not None
        assert first.predictions.shape == (20,)
        assert first.seconds > 0
        assert first.reason == ""

    def test_come_in_the_order_of_the_members(self) -> None:
        runs = train_together(MEMBERS[::-1], network(), protocol())
        assert tuple(run.member for run in runs) == MEMBERS[::-1]

    def test_count_what_is_trained_at_the_member_s_own_rank(self) -> None:
        runs = train_together(MEMBERS, network(), protocol())
        assert [run.trainable for run in runs] == [
            count_trainable(attach(network(), rank=rank)) for rank in (1, 4)
        ]
        (baseline,) = train_together([Member(None, 0.01, 0, 1)], network(), protocol())
        assert baseline.trainable == count_trainable(network())

    def test_regression_is_scored_in_original_units(self) -> None:
        members = [Member(6, 0.03, 0, 40)]
        net = mlp((6,), 3, hidden=(12,), dropout=0.0)
        (run,) = train_together(members, net, protocol("regression"))
        assert run.predictions is not None
        truth = toy_task("regression").test.y
        assert np.abs(run.predictions - truth).mean() < 0.5 * np.abs(truth - truth.mean(0)).mean()

    def test_members_that_all_diverge_stop_at_once(self) -> None:
        ticks: list[int] = []
        data = TrainingData.of(toy_task())
        members = [Member(rank, 1e30, 0, 40) for rank in (1, 2)]
        runs = train(
            members,
            backbone=network(),
            data=data,
            protocol=protocol(),
            score=raw_score,
            tick=ticks.append,
        )
        assert {run.status for run in runs} == {"diverged"}
        assert {run.reason for run in runs} == {"outputs were no longer finite at epoch 5"}
        assert sum(ticks) < 2 * 40 * 5 / 4

    def test_ticks_count_member_steps(self) -> None:
        ticks: list[int] = []
        data = TrainingData.of(toy_task())
        members = [Member(rank, 0.01, 0, 10) for rank in (1, 2, 3)]
        train(
            members,
            backbone=network(),
            data=data,
            protocol=protocol(),
            score=raw_score,
            tick=ticks.append,
        )
        assert 3 * (50 - 16) < sum(ticks) <= 3 * 50


class TestDependsOn:
    def test_nothing_else_bit_by_bit(self) -> None:
        first = train_together(MEMBERS, network(), protocol(), dtype=torch.float32)
        torch.rand(7)  # moves torch's own generator, and the next network's weights
        again = train_together(MEMBERS, network(), protocol(), dtype=torch.float32)
        assert identical(first, again)

    def test_nothing_else_for_the_baseline(self) -> None:
        members = [Member(None, 0.01, 0, 3)]
        first = train_together(members, network(), protocol(), dtype=torch.float32)
        torch.rand(7)
        again = train_together(members, network(), protocol(), dtype=torch.float32)
        assert identical(first, again)

    @pytest.mark.parametrize("rank", [2, None])
    def test_repeat_and_seed(self, rank: int | None) -> None:
        def outputs(repeat: int, seed: int) -> NDArray[Any]:
            settings = protocol(seed=seed)
            (run,) = train_together([Member(rank, 0.01, repeat, 2)], network(), settings)
            assert run.predictions is not None
            return run.predictions

        results = [outputs(repeat, seed) for repeat, seed in ((0, 0), (1, 0), (0, 1), (1, 1))]
        for index, one in enumerate(results):
            assert not any(np.allclose(one, other, atol=1e-3) for other in results[:index])

    def test_masks_that_all_members_share(self) -> None:
        cohort = build_cohort(MaskOnly(), MEMBERS, protocol(), torch.ones(2, 6))
        assert not cohort.one_by_one
        with torch.random.fork_rng(devices=[]):
            masks, same, other = (cohort.outputs(torch.ones(5, 6), seed) for seed in (3, 3, 4))
        assert masks.shape == (2, 5, 8)
        assert 0 < masks.eq(0).sum() < masks.numel()
        assert torch.equal(masks[0], masks[1])
        assert torch.equal(masks, same)
        assert not torch.equal(masks, other)

    @pytest.mark.parametrize(
        ("backbone", "expected"),
        [
            (network(), True),
            (mlp((6,), 3, hidden=(12,), dropout=0.0), False),
            (nn.Sequential(nn.Dropout(0.0), nn.Linear(6, 3)), False),
            (nn.Sequential(nn.RReLU(), nn.Linear(6, 3)), True),
            (nn.Linear(7, 3), True),
        ],
        ids=["dropout", "none", "p=0", "other noise", "cannot run"],
    )
    def test_masks_or_not(self, backbone: nn.Module, expected: bool) -> None:
        before = torch.get_rng_state()
        assert draws_masks(backbone.eval(), torch.eye(6) - 0.5) == expected
        assert torch.equal(torch.get_rng_state(), before)
        assert not backbone.training

    def test_other_scaffolds(self) -> None:
        ours = train_together(MEMBERS, network(), protocol())
        theirs = train_together(MEMBERS, network(), protocol(scaffold=Scaffold(seed=1)))
        assert not identical(ours, theirs)


class TestLeavesAlone:
    @pytest.mark.parametrize("rank", [2, None])
    def test_torch_s_generator(self, rank: int | None) -> None:
        members = [Member(rank, rate, 0, 1) for rate in (0.01, 0.02)]
        net = network()
        before = torch.get_rng_state()
        train_together(members, net, protocol())
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("rank", [2, None])
    def test_the_backbone(self, rank: int | None) -> None:
        net = network().eval()
        before = copy.deepcopy(net.state_dict())
        train_together([Member(rank, 0.1, 0, 1)], net, protocol())
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
        assert all(p.requires_grad and p.grad is None for p in net.parameters())
        assert all(p.dtype == torch.float32 for p in net.parameters())
        assert not net.training


class TestEvaluation:
    def test_drops_nothing_and_goes_back_to_training(self) -> None:
        cohort = build_cohort(network(), MEMBERS, protocol(), torch.ones(2, 6))
        x = torch.randn(40, 6)
        with torch.random.fork_rng(devices=[]):
            assert torch.equal(whole_of(cohort, x), whole_of(cohort, x))
            evaluated, trained = whole_of(cohort, x), cohort.outputs(x, seed=0)
        assert cohort.module.training
        assert not torch.allclose(evaluated, trained)

    def test_in_pieces_is_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cohort = build_cohort(network(), MEMBERS, protocol(), torch.ones(2, 6))
        x = torch.randn(41, 6)
        sizes: list[int] = []
        cohort.module.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
        with torch.random.fork_rng(devices=[]):
            whole = whole_of(cohort, x)
            monkeypatch.setattr(trainees, "_EVALUATION_VALUES", 7 * 2 * 12)
            pieces = whole_of(cohort, x)
        assert sizes == [2, 4, 41, 7, 7, 7, 7, 7, 6]  # at first to see how much an example adds
        torch.testing.assert_close(whole, pieces)


class TestBaselineStart:
    def test_is_torch_s_own_and_a_function_of_seed_and_repeat(self) -> None:
        net = mlp((40,), 3, hidden=(300,))
        first, again, other, later = (
            reinitialised(net, seed=seed, repeat=repeat).state_dict()
            for seed, repeat in ((0, 0), (0, 0), (1, 0), (0, 1))
        )
        for name, value in first.items():
            assert torch.equal(value, again[name])
            assert not torch.equal(value, other[name])
            assert not torch.equal(value, later[name])
            assert not torch.equal(value, net.state_dict()[name])
        weight = first["hidden0.weight"]
        assert weight.abs().max() <= 40**-0.5
        assert weight.std().item() == pytest.approx((3 * 40) ** -0.5, rel=0.05)


class MaskOnly(nn.Module):
    """Its outputs are its dropout mask."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 8)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        mask: Tensor = self.dropout(torch.ones_like(self.first(x)))
        return mask


class Broken(nn.Module):
    """Fails in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("the forward pass is broken")


class TestErrors:
    @pytest.mark.parametrize(
        ("members", "named"),
        [
            (
                [Member(2, 0.01, 3, 3), Member(2, 0.01, 3, 4)],
                "rank 2, learning rate 0.01, repeat 3 and 1 more",
            ),
            (
                [Member(2, 0.01, 0, 3, 1), Member(2, 0.01, 0, 3)],
                "rank 2, learning rate 0.01, repeat 0, scaffold 1 and 1 more",
            ),
            (
                [Member(None, 0.001, 0, 3), Member(2, 0.01, 0, 3), Member(3, 0.01, 0, 3)],
                "baseline, learning rate 0.001, repeat 0 and 2 more",
            ),
            (
                [Member(0, 0.01, 0, 3), Member(2, 0.01, 0, 3)],
                "rank 0, learning rate 0.01, repeat 0 and 1 more",
            ),
        ],
        ids=["epochs", "scaffold", "baseline", "rank 0"],
    )
    def test_members_that_cannot_train_together(self, members: list[Member], named: str) -> None:
        with pytest.raises(TrainingError) as error:
            train_together(members, network(), protocol())
        assert str(error.value) == (
            "members trained together share epochs and scaffold, with baselines and rank 0 apart "
            f"from other ranks; these do not: {named}"
        )

    def test_repeats_share_no_masks(self) -> None:
        members = [Member(2, 0.01, 0, 3), Member(2, 0.01, 1, 3)]
        with pytest.raises(TrainingError) as error:
            train_together(members, network(), protocol())
        assert str(error.value) == (
            "members trained together share the repeat where the network draws dropout masks; "
            "these do not: rank 2, learning rate 0.01, repeat 0 and 1 more"
        )

    @pytest.mark.parametrize(
        ("members", "named"),
        [
            ([Member(2, 0.03, 1, 1)], "rank 2, learning rate 0.03, repeat 1"),
            (
                [Member(2, 0.03, 1, 1), Member(3, 0.01, 1, 1)],
                "rank 2, learning rate 0.03, repeat 1 and 1 more",
            ),
            ([Member(None, 1e-4, 0, 1)], "baseline, learning rate 0.0001, repeat 0"),
        ],
    )
    def test_a_failure_names_its_members(self, members: list[Member], named: str) -> None:
        settings = protocol(adapter=Adapter(head="adapter"))
        with pytest.raises(TrainingError) as error:
            train_together(members, Broken(), settings)
        assert str(error.value) == f"{named}: the forward pass is broken"
