from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from rankprobe.backbones.mlp import mlp
from rankprobe.lowrank import count_trainable
from rankprobe.records import Member
from rankprobe.training.build import build_cohort
from studies.speed.contenders import (
    BATCH,
    PROTOCOL,
    RANKS,
    Contender,
    arithmetic,
    batches,
    contenders,
    single_module,
)
from studies.speed.measure import _measure
from studies.speed.report import header, rows


@pytest.mark.parametrize("rank", [1, 32])
def test_a_single_member_computes_what_its_cohort_computes(rank: int) -> None:
    module = single_module(rank)
    cohort = build_cohort(mlp((784,), 10), [Member(rank, 0.1, 0, 1)], PROTOCOL, torch.zeros(2, 784))
    for layer in module.modules():
        if hasattr(layer, "B"):  # zero at the start, which would hide the adapter
            with torch.no_grad():
                layer.B.add_(0.1)  # type: ignore[operator]
    with torch.no_grad():
        for name, stack in cohort.stacks.items():
            if name.endswith(".B"):
                stack.add_(0.1)
    x, _ = batches(1)[0]
    expected = next(cohort.evaluate(x))[0]
    torch.testing.assert_close(module.eval()(x), expected, rtol=1e-4, atol=1e-5)


def test_a_single_member_trains_its_own_rank_alone() -> None:
    counts = {rank: count_trainable(single_module(rank)) for rank in (1, 4)}
    assert counts == {1: 3_294, 4: 11_214}


def test_the_arithmetic_of_full_training_is_what_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    module, (x, y) = mlp((784,), 10), batches(1)[0]
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(module(x), y).backward()  # type: ignore[no-untyped-call]
    assert arithmetic(None, sharing=1) == counter.get_total_flops()


@pytest.mark.parametrize("rank", RANKS)
def test_the_arithmetic_of_a_single_member_is_what_torch_counts(rank: int) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    module, (x, y) = single_module(rank), batches(1)[0]
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(module(x), y).backward()  # type: ignore[no-untyped-call]
    assert arithmetic(rank, sharing=1) == counter.get_total_flops()


def test_a_cohort_shares_one_product_of_the_first_layer() -> None:
    saved = arithmetic(4, sharing=1) - arithmetic(4, sharing=30)
    assert saved == pytest.approx(2 * BATCH * 784 * 512 * 29 / 30)


def test_everyone_takes_a_turn_in_every_round() -> None:
    order: list[str] = []

    def contender(name: str, members: int, milliseconds: float) -> Contender:
        def step(x: torch.Tensor, y: torch.Tensor, seed: int) -> tuple[float, float, float]:
            order.append(name)
            total = members * milliseconds / 1000
            return 0.5 * total, 0.3 * total, 0.2 * total

        return Contender(name, members, 1e6, (step,), 2)

    speed = _measure([contender("one", 1, 6.0), contender("many", 10, 2.0)], 0.0, 1)
    assert order == ["one", "one", "many", "many"] * 6
    one, many = speed.timings
    assert (one.milliseconds, one.speedup) == (6.0, 1.0)
    assert (many.milliseconds, many.speedup) == (2.0, 3.0)
    assert (many.forward, many.backward, many.update) == (0.5, 0.3, 0.2)
    assert many.share == pytest.approx(1e6 / 0.002 / (speed.matrix_rate * 1e9), abs=1e-3)
    assert speed.rounds == 5
    assert len(rows(speed)[0]) == len(header())


def test_cohorts_are_those_of_measurements() -> None:
    assert [(c.name, c.members) for c in contenders()] == [
        ("single members", 1),
        ("cohort of 6", 6),
        ("cohort of 12", 12),
        ("cohort of 30", 30),
        ("full training", 1),
    ]
