"""Every kind of layer inside a cohort: what the plain, merged form gives, and nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rankprobe.lowrank import (
    Adapter,
    Scaffold,
    adapted_layers,
    attach,
    count_trainable,
    largest_useful_rank,
)
from rankprobe.records import Member
from rankprobe.training import TrainingData, trainees
from rankprobe.training.loop import fit
from tests.contracts.against_solo import assert_equals_solo, built
from tests.lowrank.layered import CASES, WORDS, Case, Encoder, Pictures, Sequence, TiedHead, Token
from tests.training.reference import protocol, raw_score, solo, toy_task, train_together

EPOCHS = 2  # 10 steps
MIXED = (Member(1, 0.03, 0, EPOCHS), Member(30, 0.01, 0, EPOCHS), Member(2, 0.003, 0, EPOCHS))
BASELINES = tuple(Member(None, rate, 0, EPOCHS) for rate in (0.03, 0.003))


@pytest.mark.parametrize("name", CASES)
class TestEveryNetwork:
    def test_adapters(self, name: str) -> None:
        settings = protocol()
        assert not built(CASES[name], MIXED, settings).one_by_one
        assert_equals_solo(CASES[name], MIXED, settings)

    def test_baselines(self, name: str) -> None:
        settings = protocol()
        assert (
            built(CASES[name], BASELINES, settings).one_by_one != CASES[name].vmap_trained_in_full
        )
        assert_equals_solo(CASES[name], BASELINES, settings)

    def test_dora_biases_kaiming_and_embeddings(self, name: str) -> None:
        adapter = Adapter(
            dora=True, bias="trained", b_init="kaiming", head="adapter_bias", embeddings="adapter"
        )
        settings = protocol(adapter=adapter)
        assert not built(CASES[name], MIXED, settings).one_by_one
        assert_equals_solo(CASES[name], MIXED, settings)

    def test_adapted_and_frozen_embeddings(self, name: str) -> None:
        for embeddings in ("adapter", "frozen"):
            settings = protocol(adapter=Adapter(embeddings=embeddings, beta="fixed"))
            assert_equals_solo(CASES[name], MIXED[:2], settings)

    def test_given_weights(self, name: str) -> None:
        settings = protocol(scaffold=Scaffold(init="pretrained"), adapter=Adapter(bias="trained"))
        torch.manual_seed(3)
        backbone = CASES[name].make()
        case = Case(lambda: backbone, CASES[name].shape, CASES[name].outputs)
        assert_equals_solo(case, MIXED[:2], settings)
        assert_equals_solo(case, BASELINES[:1], settings)

    def test_rank_0_and_one_member(self, name: str) -> None:
        assert_equals_solo(
            CASES[name], (Member(0, 0.03, 1, EPOCHS), Member(0, 0.01, 1, EPOCHS)), protocol()
        )
        assert_equals_solo(CASES[name], (Member(3, 0.03, 1, EPOCHS),), protocol())

    def test_frozen_stays_frozen(self, name: str) -> None:
        case, settings = CASES[name], protocol()
        cohort = built(case, MIXED, settings)
        before = {key: digest(value) for key, value in cohort.module.state_dict().items()}
        stacks = {key: stack.detach().clone() for key, stack in cohort.stacks.items()}
        data = TrainingData.of(
            toy_task("classification", case.shape, case.outputs), dtype=torch.double
        )
        with torch.random.fork_rng(devices=[]):
            fit(cohort, data, settings, raw_score, epochs=EPOCHS)
        assert {key: digest(value) for key, value in cohort.module.state_dict().items()} == before
        for key, stack in cohort.stacks.items():
            assert stack.ne(stacks[key]).view(len(MIXED), -1).any(dim=1).all(), key

    def test_padding_stays_exactly_zero(self, name: str) -> None:
        case, settings = CASES[name], protocol(adapter=Adapter(embeddings="adapter", dora=True))
        cohort = built(case, MIXED, settings)
        data = TrainingData.of(
            toy_task("classification", case.shape, case.outputs), dtype=torch.double
        )
        with torch.random.fork_rng(devices=[]):
            fit(cohort, data, settings, raw_score, epochs=EPOCHS)
        for key, stack in cohort.stacks.items():
            if key.endswith((".A", ".B")):
                ranked = stack.detach() if key.endswith(".A") else stack.detach().transpose(1, 2)
                for member, values in zip(MIXED, ranked, strict=True):
                    assert member.rank is not None
                    assert values[: member.rank].flatten(1).ne(0).any(dim=1).all()
                    assert values[member.rank :].eq(0).all()

    def test_gradients_are_finite_at_the_ends(self, name: str) -> None:
        case = CASES[name]
        adapter = Adapter(embeddings="adapter", b_init="kaiming")
        largest = largest_useful_rank(case.make(), adapter)
        for rank in (1, largest):
            cohort = built(
                case, (Member(rank, 0.01, 0, 1), Member(rank, 0.1, 0, 1)), protocol(adapter=adapter)
            )
            with torch.random.fork_rng(devices=[]):
                outputs = cohort.outputs(torch.randn(6, *case.shape, dtype=torch.double), 0)
                outputs.square().sum().backward()  # type: ignore[no-untyped-call]
            for key, stack in cohort.stacks.items():
                assert stack.grad is not None, key
                assert stack.grad.isfinite().all(), key

    def test_counts(self, name: str) -> None:
        adapter = Adapter(embeddings="adapter", head="adapter")
        for rank in (1, 3):
            twin = attach(CASES[name].make(), rank=rank, adapter=adapter)
            for layer in adapted_layers(twin).values():
                outer, inner = layer.weight.shape[0], layer.weight[0].numel()
                own = min(rank, outer, inner)
                assert count_trainable(layer) == own * (outer + inner) + 1


@pytest.mark.parametrize("name", ["view", "tied", "own attention"])
def test_layer_norm(name: str) -> None:
    """Inside layers of several maps torch's own layer has no place for it: see TestMaps."""
    adapter = Adapter(layer_norm=True, bias="trained", embeddings="adapter")
    settings = protocol(adapter=adapter)
    assert not built(CASES[name], MIXED, settings).one_by_one
    assert_equals_solo(CASES[name], MIXED, settings)


class TestSeveralRepeats:
    MEMBERS = (Member(2, 0.01, 0, EPOCHS), Member(3, 0.01, 1, EPOCHS), Member(1, 0.03, 1, EPOCHS))

    @pytest.mark.parametrize(
        "name", ["view", "signals", "volumes", "gru", "tied", "cross attention"]
    )
    def test_each_member_has_its_own_batches(self, name: str) -> None:
        assert not built(CASES[name], self.MEMBERS, protocol()).one_by_one
        assert_equals_solo(CASES[name], self.MEMBERS, protocol())


DROPPING = {
    "encoder": Case(Encoder, (5,)),
    "own attention": CASES["own attention"],
    "pictures": CASES["pictures"],
    "lstm": Case(lambda: Sequence(nn.LSTM, dropout=0.3), (5,)),
}


@pytest.mark.parametrize("rank", [3, None], ids=["adapters", "baselines"])
@pytest.mark.parametrize("name", DROPPING)
def test_masks_do_not_depend_on_company(name: str, rank: int | None) -> None:
    """torch's own layers draw some of theirs in the order in memory, so no reference is at hand."""
    case = DROPPING[name]
    task = toy_task("classification", case.shape)
    members = [Member(rank, rate, 0, EPOCHS) for rate in (0.01, 0.03)]
    for run in train_together(members, case.make(), protocol(), task=task):
        (alone,) = train_together([run.member], case.make(), protocol(), task=task)
        np.testing.assert_allclose(run.predictions, alone.predictions, rtol=1e-9, atol=1e-9)  # type: ignore[arg-type]


class TestLargeConvolutions:
    """A CPU trains them member after member; nothing but speed may tell."""

    def test_are_trained_member_after_member(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls: list[int] = []
        cohort = built(CASES["pictures"], MIXED, protocol())
        cohort.module.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
        largest = 8 * 4 * 3  # channels and places of the grouped convolution
        with torch.random.fork_rng(devices=[]):
            for limit, expected in ((6 * largest, [6]), (6 * largest - 1, [6, 6, 6])):
                monkeypatch.setattr(trainees, "_LARGE_CONVOLUTION", limit)
                calls.clear()
                cohort.outputs(torch.randn(6, 2, 8, 6, dtype=torch.double), 0)
                assert calls == expected

    @pytest.mark.parametrize("members", [MIXED, BASELINES], ids=["adapters", "baselines"])
    def test_give_the_same(
        self, members: tuple[Member, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(trainees, "_LARGE_CONVOLUTION", 0)
        assert_equals_solo(CASES["signals"], members, protocol())
        assert_equals_solo(CASES["volumes"], members, protocol())


class TestRunningStatistics:
    @pytest.mark.parametrize("members", [MIXED, BASELINES], ids=["adapters", "baselines"])
    def test_each_member_has_its_own(self, members: tuple[Member, ...]) -> None:
        cohort = built(CASES["pictures"], members, protocol())
        means = cohort.statistics["last_norm.running_mean"]
        assert means.eq(0).all()  # trying whether vmap runs leaves no trace
        with torch.random.fork_rng(devices=[]):
            for _ in range(3):
                outputs = cohort.outputs(torch.randn(6, 2, 8, 6, dtype=torch.double), 0)
                outputs.square().sum().backward()  # type: ignore[no-untyped-call]
                cohort.update(1.0)
        assert cohort.statistics["norm.num_batches_tracked"].tolist() == [3] * len(members)
        assert not torch.equal(means[0], means[1])
        kept = means.clone()
        list(cohort.evaluate(torch.randn(6, 2, 8, 6, dtype=torch.double)))
        assert torch.equal(cohort.statistics["last_norm.running_mean"], kept)

    @pytest.mark.parametrize("rank", [3, None], ids=["adapter", "baseline"])
    def test_a_member_that_diverges_leaves_the_others_alone(self, rank: int | None) -> None:
        case = CASES["pictures"]
        good, wild = Member(rank, 0.01, 0, EPOCHS), Member(rank, 1e200, 0, EPOCHS)
        task = toy_task("classification", case.shape)
        lost, fine = train_together([wild, good], case.make(), protocol(), task=task)
        assert lost.status == "diverged"
        alone = solo(good, case.make(), protocol(), task=task)
        np.testing.assert_allclose(fine.predictions, alone.outputs, rtol=1e-9, atol=1e-9)  # type: ignore[arg-type]


class TestChoices:
    @pytest.mark.parametrize("others", ["frozen", "trained"])
    @pytest.mark.parametrize(
        ("name", "layers"),
        [
            ("encoder", ("*.q_proj", "*.v_proj")),
            ("encoder", ("encoder.layers.0",)),
            ("lstm", ("rnn.hh_*",)),
            ("pictures", ("stem", "grouped")),
            ("tied", ("mix",)),
        ],
    )
    def test_some_layers(self, name: str, layers: tuple[str, ...], others: str) -> None:
        adapter = Adapter(layers=layers, others=others)  # type: ignore[arg-type]
        settings = protocol(adapter=adapter)
        assert not built(CASES[name], MIXED, settings).one_by_one
        assert_equals_solo(CASES[name], MIXED, settings)

    @pytest.mark.parametrize("unadapted", ["frozen", "trained"])
    def test_what_has_no_low_rank_form(self, unadapted: str) -> None:
        settings = protocol(adapter=Adapter(unadapted=unadapted))  # type: ignore[arg-type]
        case = Case(Token, (4, 3))
        assert not built(case, MIXED, settings).one_by_one
        assert_equals_solo(case, MIXED, settings)

    def test_some_weights_given(self) -> None:
        torch.manual_seed(3)
        net = Pictures()
        case = Case(lambda: net, (2, 8, 6))
        settings = protocol(scaffold=Scaffold(init="mixed", random=("stem",)))
        assert_equals_solo(case, MIXED, settings)
        assert_equals_solo(case, BASELINES, settings)


def test_a_tie_is_kept() -> None:
    for adapter in (Adapter(), Adapter(embeddings="frozen")):
        twin = attach(TiedHead(), rank=2, adapter=adapter)
        assert twin.get_parameter("head.weight") is twin.get_parameter("embed.weight")
    twin = attach(TiedHead(bias=True), rank=2, adapter=Adapter(embeddings="adapter"))
    table = adapted_layers(twin)["embed"]
    assert {n for n, p in twin.named_parameters() if p.requires_grad and n[:5] == "head."} == {
        "head.bias"
    }
    torch.nn.init.normal_(table.B)
    h = torch.randn(4, 6)
    torch.testing.assert_close(
        twin.get_submodule("head")(h), h @ table.merged().T + twin.get_parameter("head.bias")
    )
    assert len(table.merged()) == WORDS


def digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.detach().numpy().tobytes()).hexdigest()
