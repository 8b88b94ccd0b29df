"""Scaffolds that are zero, removed or resampled: what the plain loop gives, in any company."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rankprobe.backbones.mlp import mlp
from rankprobe.lowrank import Adapter, Scaffold, adapted_layers, frozen, layers
from rankprobe.lowrank.randomness import permutation
from rankprobe.records import Member
from rankprobe.training import TrainingData, TrainingProtocol
from rankprobe.training.loop import fit
from rankprobe.training.scaffolds import ScaffoldUse, resampled
from tests.contracts.against_solo import assert_equals_solo, built
from tests.lowrank.layered import CASES, Case
from tests.training.reference import protocol, raw_score, toy_task, train_together

EPOCHS = 3  # 15 steps
MIXED = (Member(1, 0.03, 0, EPOCHS), Member(30, 0.01, 0, EPOCHS), Member(2, 0.003, 0, EPOCHS))
USES = {
    "zero": ScaffoldUse(frozen="zero"),
    "removed": ScaffoldUse(evaluation="removed"),
    "epoch": ScaffoldUse(resample="epoch"),
    "step": ScaffoldUse(resample="step", count=3),
    "batch": ScaffoldUse(resample="batch", count=4),
    "step, fresh": ScaffoldUse(resample="step", draws="fresh"),
    "batch, fresh": ScaffoldUse(resample="batch", count=3, draws="fresh"),
    "batch, removed": ScaffoldUse(resample="batch", evaluation="removed"),
}
MLP = Case(lambda: mlp((6,), 3, hidden=(12, 9, 5), dropout=0.2), (6,))


@pytest.fixture(params=["merged", "factored"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "factored":
        monkeypatch.setattr(layers, "SMALL_LAYER", 0)


def settings_of(name: str, adapter: Adapter | None = None) -> TrainingProtocol:
    usual = Adapter(b_init="kaiming" if name == "zero" else "zeros")
    return protocol(use=USES[name], adapter=adapter or usual)


@pytest.mark.parametrize("name", USES)
class TestCohortEqualsSolo:
    @pytest.mark.usefixtures("form")
    def test_linear_layers_with_dropout(self, name: str) -> None:
        assert not built(MLP, MIXED, settings_of(name)).one_by_one
        assert_equals_solo(MLP, MIXED, settings_of(name))
        assert_equals_solo(MLP, MIXED[:1], settings_of(name))

    @pytest.mark.parametrize("case", ["view", "gru", "tied"])
    def test_other_layers(self, name: str, case: str) -> None:
        settings = settings_of(
            name, adapter=Adapter(b_init="kaiming", embeddings="adapter", head="adapter")
        )
        assert_equals_solo(CASES[case], MIXED[:2], settings)

    def test_rank_0_and_another_scaffold(self, name: str) -> None:
        head = (Member(0, 0.03, 1, EPOCHS, 2), Member(0, 0.01, 1, EPOCHS, 2))
        assert_equals_solo(MLP, head, settings_of(name))
        assert_equals_solo(MLP, (Member(2, 0.03, 1, EPOCHS, 2),), settings_of(name))

    def test_several_repeats(self, name: str) -> None:
        case = Case(lambda: mlp((6,), 3, hidden=(12, 9), dropout=0.0), (6,))
        members = tuple(Member(2, 0.03, repeat, EPOCHS) for repeat in (2, 0, 1))
        assert_equals_solo(case, members, settings_of(name))

    def test_full_training_has_no_scaffold(self, name: str) -> None:
        members = [Member(None, 0.01, 0, EPOCHS)]
        (run,) = train_together(members, MLP.make(), settings_of(name))
        (usual,) = train_together(members, MLP.make(), protocol())
        assert run.predictions is not None
        assert np.array_equal(run.predictions, usual.predictions)  # type: ignore[arg-type]

    def test_padding_stays_exactly_zero(self, name: str) -> None:
        cohort = built(MLP, MIXED, settings_of(name))
        data = TrainingData.of(toy_task(), dtype=torch.double)
        with torch.random.fork_rng(devices=[]):
            fit(cohort, data, settings_of(name), raw_score, epochs=EPOCHS)
        for key, stack in cohort.stacks.items():
            if key.endswith((".A", ".B")):
                ranked = stack.detach() if key.endswith(".A") else stack.detach().transpose(1, 2)
                for member, values in zip(MIXED, ranked, strict=True):
                    assert member.rank is not None
                    assert values[: member.rank].ne(0).any(dim=1).all()
                    assert values[member.rank :].eq(0).all()


@pytest.mark.parametrize("name", ["epoch", "step", "batch"])
@pytest.mark.parametrize("adapter", [Adapter(dora=True), Adapter(layer_norm=True, bias="trained")])
def test_with_what_stands_beside_adapters(name: str, adapter: Adapter) -> None:
    assert_equals_solo(MLP, MIXED, settings_of(name, adapter=adapter))


class TestTurns:
    def trained_on(self, name: str, examples: int, steps: int, per_epoch: int) -> list[list[int]]:
        cohort = built(MLP, MIXED, settings_of(name))
        assert cohort.turns is not None
        found = []
        for step in range(steps):
            cohort.begin(step, per_epoch)
            found.append([index for index, _ in cohort.turns.parts(examples)])
        return found

    def test_which_scaffold_a_step_trains_on(self) -> None:
        assert self.trained_on("epoch", 10, 5, 2) == [[0], [0], [1], [1], [2]]
        assert self.trained_on("step", 10, 5, 2) == [[0], [1], [2], [0], [1]]
        assert self.trained_on("batch", 10, 2, 2) == [[0, 1, 2, 3]] * 2
        assert self.trained_on("step, fresh", 10, 3, 2) == [[0], [1], [2]]
        assert self.trained_on("batch, fresh", 10, 2, 2) == [[0, 1, 2], [3, 4, 5]]

    def test_no_part_of_a_batch_has_but_one_example(self) -> None:
        assert self.trained_on("batch", 7, 1, 2) == [[0, 1, 2]]
        assert self.trained_on("batch", 1, 1, 2) == [[0]]

    def test_where_an_example_is_in_its_split_decides_not_its_company(self) -> None:
        cohort = built(MLP, MIXED, settings_of("batch"))
        x = torch.randn(9, 6, dtype=torch.double)
        order = torch.from_numpy(permutation(["test"], 9))
        cohort.module.eval()
        with torch.no_grad():
            whole = cohort.outputs(x, 0)
            mixed = cohort.outputs(x[order], 0, places=order)
        torch.testing.assert_close(mixed, whole[:, order])
        (evaluated,) = cohort.evaluate(x)
        torch.testing.assert_close(evaluated, whole)

    def test_the_scaffold_comes_back_after_an_evaluation(self) -> None:
        cohort = built(MLP, MIXED, settings_of("removed"))
        x = torch.randn(9, 6, dtype=torch.double)
        torch.manual_seed(0)
        before = cohort.outputs(x, 0)
        (without,) = cohort.evaluate(x)
        assert without.eq(without[:, :1]).all()  # at the start, B is zero too
        assert torch.equal(cohort.outputs(x, 0), before)

    def test_frozen_layers_without_an_adapter_are_resampled_and_never_removed(self) -> None:
        adapter = Adapter(layers=("hidden1",))
        changed = {}
        for name in ("step", "removed"):
            cohort = built(MLP, MIXED, settings_of(name, adapter=adapter))
            assert cohort.turns is not None
            names = ("hidden0.weight", "hidden1.weight", "hidden2.weight")
            held = {**dict(cohort.module.named_parameters()), **dict(cohort.module.named_buffers())}
            before = [held[key].clone() for key in names]
            cohort.turns.put(1 if name == "step" else -1)
            held = {**dict(cohort.module.named_parameters()), **dict(cohort.module.named_buffers())}
            changed[name] = [
                not torch.equal(old, held[key]) for old, key in zip(before, names, strict=True)
            ]
        assert changed == {"step": [True] * 3, "removed": [False, True, False]}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("family", ["binary", "normal_8bit"])
def test_weights_of_few_levels_are_replaced_like_others(
    name: str, family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes cannot be written over: layers large enough to be held as codes hold numbers here."""
    monkeypatch.setattr(frozen, "SMALLEST_PACKED", 0)
    x = torch.randn(9, 6, dtype=torch.double)
    found = []
    for packed in (True, False):
        scaffold = Scaffold(family=family, packed=packed)
        cohort = built(MLP, MIXED, replace(settings_of(name), scaffold=scaffold))
        cohort.begin(1, per_epoch=1)
        (outputs,) = cohort.evaluate(x)
        found.append(outputs)
        if name == "zero":
            for layer in adapted_layers(cohort.module).values():
                assert not layer.weight.any()
    assert torch.equal(*found)


@pytest.mark.parametrize("seed", range(4))
def test_weights_that_are_equal_by_chance_take_their_turns(seed: int) -> None:
    """Of one bit: in half of all seeds the first two scaffolds have the same."""
    first = Scaffold(seed=seed, family="binary")
    use = ScaffoldUse(resample="epoch", evaluation="removed")
    settings = replace(settings_of("epoch"), scaffold=first, use=use)
    case = Case(lambda: mlp((1,), 3, hidden=(1, 4)), (1,))
    turns = built(case, MIXED[:1], settings).turns
    assert turns is not None
    layer = adapted_layers(turns.module)["hidden0"]
    for index in (0, 1, 2, 3):
        turns.put(index)
        wanted = torch.from_numpy(resampled(first, index).weight("hidden0", (1, 1)))
        assert torch.equal(layer.weight, wanted.to(layer.weight))
    turns.put(-1)
    assert not layer.weight.any()


def test_seeds_depend_on_seed_and_index_alone() -> None:
    first = Scaffold(seed=42)
    assert resampled(first, 0) == first
    seeds = [resampled(first, index).seed for index in range(4)]
    assert len({*seeds, *(first.sibling(index).seed for index in range(4))}) == 7
    assert seeds[1] == resampled(Scaffold(seed=42), 1).seed != resampled(Scaffold(seed=43), 1).seed
