"""Models of the transformers library as backbones: read, fitted, trained alike in any company."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import rankprobe
from rankprobe.errors import ConfigError
from rankprobe.lowrank import Scaffold, adapted_layers, attach, full_starts
from rankprobe.records import Member
from rankprobe.search.huggingface import exchanged
from rankprobe.search.measure import measure_task
from rankprobe.search.setup import prepare
from rankprobe.training import TrainingData, train
from rankprobe.training.build import build_cohort
from tests.own_network.tiny import MODELS, config_for, saved, task_for, tokenizer_file
from tests.training.reference import raw_score

NAMES = tuple(MODELS)


def each(always: tuple[str, ...], *, of: tuple[str, ...] = NAMES) -> list[Any]:
    """Those that are tried at every change; the others, which take the same way, are slow tests."""
    marks = pytest.mark.slow
    return [name if name in always else pytest.param(name, marks=marks) for name in of]


def reads(name: str) -> str:
    return MODELS[name][3]


@pytest.mark.parametrize(
    ("name", "init"),
    [
        ("bert", "scaffold"),
        ("gpt2", "pretrained"),
        ("vit", "pretrained"),
        pytest.param("bert", "pretrained", marks=pytest.mark.slow),
        pytest.param("roberta", "pretrained", marks=pytest.mark.slow),
        pytest.param("gpt2 for texts", "pretrained", marks=pytest.mark.slow),
        pytest.param("llama", "pretrained", marks=pytest.mark.slow),
        pytest.param("llama", "scaffold", marks=pytest.mark.slow),
    ],
)
def test_a_cohort_is_run_at_once_and_equals_members_alone(
    tmp_path: Path, name: str, init: str
) -> None:
    config = config_for(
        saved(name, tmp_path),
        backbone={"init": init},
        adapter={"unadapted": "frozen"},
    )
    task = task_for(reads(name))
    bench = prepare(config, task).bench
    data = TrainingData.of(task, dtype=torch.float64)
    members = [Member(1, 0.01, 0, 1), Member(24, 0.003, 0, 1)]

    with torch.random.fork_rng([]):
        cohort = build_cohort(bench.backbone, members, bench.protocol, data.train_x[:2])
    assert not cohort.one_by_one

    def trained(some: list[Member]) -> Any:
        return train(
            some, backbone=bench.backbone, data=data, protocol=bench.protocol, score=raw_score
        )

    for together, member in zip(trained(members), members, strict=True):
        (alone,) = trained([member])
        assert together.trainable == alone.trainable
        assert together.predictions is not None
        assert alone.predictions is not None
        np.testing.assert_allclose(together.predictions, alone.predictions, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", each(("bert", "gpt2", "vit")))
def test_given_weights_are_where_everything_starts(tmp_path: Path, name: str) -> None:
    """The network says what the library's own model says; adapters and full training begin so."""
    import transformers

    folder, task = saved(name, tmp_path), task_for(reads(name))
    bench = prepare(config_for(folder), task).bench
    loaded = getattr(transformers, MODELS[name][2]).from_pretrained(folder)
    inside = bench.backbone.get_submodule("")
    body = dict(loaded.state_dict())
    prefix = "" if MODELS[name][2].endswith(("LMHeadModel", "CausalLM")) else (
        f"{loaded.base_model_prefix}."
    )  # fmt: skip
    shared = inside.state_dict()
    known = [key for key in body if prefix + key in shared]
    assert len(known) >= len(body) - 2  # but for a pooler that the model for a task has not
    for key in known:
        torch.testing.assert_close(shared[prefix + key], body[key], rtol=0, atol=0)

    starts = full_starts(bench.backbone, seed=0, repeats=[0, 1], scaffold=bench.protocol.scaffold)
    different = {key for key in starts[0] if not torch.equal(starts[0][key], starts[1][key])}
    assert all(key.startswith(("classifier", "score", "lm_head")) for key in different)
    twin = attach(
        bench.backbone, rank=2, adapter=bench.protocol.adapter, scaffold=bench.protocol.scaffold
    )
    x = torch.from_numpy(task.train.x[:5])
    torch.testing.assert_close(twin.eval()(x), bench.backbone.eval()(x))


@pytest.mark.parametrize("name", each(("bert",), of=("bert", "llama", "vit")))
def test_what_is_frozen_stays_frozen(tmp_path: Path, name: str) -> None:
    task = task_for(reads(name))
    bench = prepare(config_for(saved(name, tmp_path)), task).bench
    data = bench.training_data()
    with torch.random.fork_rng([]):
        members = [Member(2, 0.05, 0, 1), Member(1, 0.05, 0, 1)]
        cohort = build_cohort(bench.backbone, members, bench.protocol, data.train_x[:2])
        before = frozen(cohort.module, cohort.stacks)
        for _ in range(3):
            loss = cohort.outputs(data.train_x[:12], 1).square().mean()
            loss.backward()  # type: ignore[no-untyped-call]
            cohort.update(1.0)
    assert len(before) > 10
    assert frozen(cohort.module, cohort.stacks) == before


def frozen(module: nn.Module, trained: Any) -> dict[str, str]:
    """Hashes of every tensor that no member has of its own."""
    return {
        name: hashlib.sha256(tensor.detach().contiguous().numpy().tobytes()).hexdigest()
        for name, tensor in module.state_dict().items()
        if name not in trained
    }


def test_random_projections_in_given_surroundings(tmp_path: Path) -> None:
    """As the paper's ViT: attention's projections are random, the rest is as it came."""
    config = config_for(
        saved("vit", tmp_path), backbone={"init": "mixed", "random": ["*attention*"]}
    )
    bench = prepare(config, task_for("pictures")).bench
    scaffold = bench.protocol.scaffold
    twin = attach(bench.backbone, rank=1, adapter=bench.protocol.adapter, scaffold=scaffold)
    random: list[str] = []
    kept: list[str] = []
    for name, layer in adapted_layers(twin).items():
        same = torch.equal(layer.weight, bench.backbone.get_parameter(f"{name}.weight"))
        (kept if same else random).append(name)
        if not same:
            drawn = Scaffold().weight(name, tuple(layer.weight.shape))
            np.testing.assert_array_equal(layer.weight.numpy(), drawn)
    assert len(random) == 8
    assert all("attention" in name for name in random)
    assert kept
    assert not any("attention" in name for name in kept)


@pytest.mark.parametrize(
    "name", each(("gpt2 for texts",), of=("bert", "roberta", "gpt2 for texts"))
)
def test_padding_is_not_looked_at(tmp_path: Path, name: str) -> None:
    """What is behind a text does not change what is said of it, at any id of padding."""
    task = task_for("texts")
    network = prepare(config_for(saved(name, tmp_path)), task).bench.backbone.eval()
    ids = torch.from_numpy(task.train.x[:1, :6])
    padded = torch.cat([ids, torch.zeros(1, 4, dtype=torch.int64)], dim=1)
    other = torch.cat([ids, ids[:, :4]], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(network(padded), network(ids))
        assert not torch.allclose(network(other), network(ids))


def test_padding_is_the_models_own() -> None:
    assert exchanged(torch.tensor([0, 1, 2]), 1).tolist() == [1, 0, 2]
    assert exchanged(torch.tensor([0, 1, 2]), 0).tolist() == [0, 1, 2]


def refused(config: Any, task: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        prepare(config, task)
    return str(caught.value)


def test_models_that_do_not_fit_the_task(tmp_path: Path) -> None:
    bert, vit = saved("bert", tmp_path / "bert"), saved("vit", tmp_path / "vit")
    texts, pictures = task_for("texts"), task_for("pictures")
    large = dataclasses.replace(texts, sizes={"vocabulary": 41})
    assert "a vocabulary of 41 tokens, and the model one of 40" in refused(config_for(bert), large)
    long = task_for("texts", length=17)
    message = refused(config_for(bert), long)
    assert "texts have 17 tokens, and the model reads at most 16" in message
    assert "write `data: {length: 16}`" in message
    roberta = saved("roberta", tmp_path / "roberta")
    assert "the model reads at most 14" in refused(config_for(roberta), task_for("texts", 15))
    grey = dataclasses.replace(
        pictures, train=dataclasses.replace(pictures.train, x=pictures.train.x[:, :1])
    )
    assert "pictures of 3 channels, and these have 1" in refused(config_for(vit), grey)
    small = dataclasses.replace(
        pictures, train=dataclasses.replace(pictures.train, x=pictures.train.x[..., :4])
    )
    message = refused(config_for(vit), small)
    assert "the model reads 8 x 8 pixels, and the pictures are 8 x 4" in message
    flat = dataclasses.replace(
        pictures, train=dataclasses.replace(pictures.train, x=pictures.train.x[:, 0, 0])
    )
    assert "read tokens or pictures here, not numbers of shape (8,)" in refused(
        config_for(vit), flat
    )
    message = "is a model of the kind vit, and transformers has no model of that kind for texts"
    assert message in refused(config_for(vit), texts)
    assert "no model of that kind for pictures" in refused(config_for(bert), pictures)


def test_models_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    task = task_for("texts")
    assert "there is no folder `/nowhere`" in refused(config_for(Path("/nowhere")), task)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # a name on the hub, without waiting
    assert "`nowhere` cannot be read" in refused(config_for(Path("nowhere")), task)
    (tmp_path / "empty").mkdir()
    assert "cannot be read" in refused(config_for(tmp_path / "empty"), task)
    bert = saved("bert", tmp_path / "bert")
    (bert / "model.safetensors").rename(bert / "pytorch_model.bin")
    message = refused(config_for(bert), task)  # never by pickle
    assert "cannot be read: OSError" in message
    assert "weights as safetensors" in message
    prepare(config_for(bert, backbone={"init": "scaffold"}), task)  # reads no weights
    other = saved("bert", tmp_path / "other")
    description = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**description, "num_hidden_layers": 3}))
    assert "lack or have in other shapes: bert.encoder.layer.2" in refused(config_for(other), task)


def test_code_of_a_model_is_never_run(tmp_path: Path) -> None:
    bert = saved("bert", tmp_path)
    description = json.loads((bert / "config.json").read_text())
    description |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config"}}
    (bert / "config.json").write_text(json.dumps(description))
    (bert / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\n")
    assert "cannot be read" in refused(config_for(bert), task_for("texts"))
    assert not (tmp_path / "ran").exists()


def test_given_weights_need_the_models_own_tokens(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    bert = saved("bert", tmp_path / "bert")
    tokenizer_file(bert, 40)
    words = np.random.default_rng(0).integers(2, 40, size=(60, 6))
    rows = [f"{' '.join(f'w{i}' for i in row)},{'ab'[int(row[0] > 20)]}" for row in words]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    data = {"source": "text", "path": str(tmp_path / "t.csv")}

    def measured(**settings: Any) -> Any:
        from rankprobe.data.load import load_task

        config = config_for(bert, data={**data, **settings})
        return prepare(config, load_task(config))

    message = "the tokens of the model's own tokenizer, and none is named\n    write `data: {tok"
    with pytest.raises(ConfigError, match=message):
        measured()
    other = tokenizer_file(tmp_path / "other", 39)
    with pytest.raises(ConfigError, match="has other tokens than the model's own tokenizer"):
        measured(tokenizer=str(other))
    assert measured(tokenizer=str(bert / "tokenizer.json")).network["class"] == (
        "BertForSequenceClassification"
    )


# peft asks the library's models what they call by another name now
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
@pytest.mark.parametrize(
    ("name", "adapter"),
    [
        ("bert", {}),
        ("bert", {"scaling": "standard", "alpha": 16.0, "bias": "trained"}),
        ("bert", {"layers": ["*.query", "*.value"], "scaling": "none", "dora": True}),
        ("bert", {"head": "adapter"}),
        ("gpt2", {}),
        pytest.param("roberta", {}, marks=pytest.mark.slow),
        pytest.param("gpt2 for texts", {}, marks=pytest.mark.slow),
        pytest.param("llama", {}, marks=pytest.mark.slow),
        pytest.param("vit", {}, marks=pytest.mark.slow),
    ],
)
def test_the_lora_configuration_trains_what_was_measured(
    tmp_path: Path, name: str, adapter: dict[str, Any]
) -> None:
    """peft takes the text, adapts the same layers, scales them alike and trains as many numbers."""
    peft = pytest.importorskip("peft")
    from rankprobe.search.lora import lora_advice

    config = config_for(saved(name, tmp_path), adapter=adapter)
    setup = prepare(config, task_for(reads(name)))
    bench = setup.bench
    for rank in (2, 20):  # above the sides of some layers
        advice = lora_advice(bench.backbone, bench.protocol.adapter, bench.protocol.scaffold, rank)
        made = eval(advice["config"], {"peft": peft})
        twin = attach(
            bench.backbone,
            rank=rank,
            adapter=bench.protocol.adapter,
            scaffold=bench.protocol.scaffold,
        )
        model = peft.get_peft_model(copy.deepcopy(bench.backbone), made)  # it works on what it gets
        theirs = {n: p for n, p in model.named_parameters() if p.requires_grad}
        assert sum(p.numel() for p in theirs.values()) == setup.trainable(rank)
        layers = adapted_layers(twin)
        for key, layer in layers.items():
            other = model.base_model.model.get_submodule(key)
            assert other.r["default"] == layer.rank
            assert other.scaling["default"] == pytest.approx(float(layer.scaling))
        assert advice["notes"]


def test_a_measurement_ends_with_a_configuration_for_fine_tuning(tmp_path: Path) -> None:
    from rankprobe.reporting.methods import methods_paragraph

    folder, task = saved("bert", tmp_path / "bert"), task_for("texts")
    result = measure_task(config_for(folder), task, folder=tmp_path / "run")
    network = result.provenance["network"]
    assert network["class"] == "BertForSequenceClassification"
    assert len(network["hash"]) == 64
    assert network["made_anew"] == ["classifier.bias", "classifier.weight"]
    assert result.scope["scaffold"] == "the weights that the network came with, frozen"
    assert "beta fixed" in result.scope["adapter"]
    assert "beside the frozen given weights of a network" in methods_paragraph(result)
    assert ("config" in result.lora) == (result.minimal_rank.value is not None)
    assert result.lora["notes"] or "config" in result.lora
    result = dataclasses.replace(
        result, lora={"config": "peft.LoraConfig(\n    r=1,\n)", "notes": ["a note"]}
    )
    from rich.console import Console

    from rankprobe.reporting.tables import summary

    printed = io.StringIO()
    console = Console(width=80, file=printed)
    console.print(summary(result))
    text = printed.getvalue()
    assert "peft.LoraConfig(\n    r=1,\n)" in text.replace(" \n", "\n")
    again = rankprobe.load_result(result.save(tmp_path / "saved"))
    assert again.lora == result.lora
    assert "peft.LoraConfig(" in (tmp_path / "saved" / "report.html").read_text()


def test_another_model_is_something_else(tmp_path: Path) -> None:
    task = task_for("texts")
    first = prepare(config_for(saved("bert", tmp_path)), task)
    again = prepare(config_for(saved("bert", tmp_path)), task)
    assert first.identity == again.identity
    file = tmp_path / "model.safetensors"
    from safetensors.torch import load_file, save_file

    weights = load_file(file)
    name = next(name for name in weights if name.endswith("query.weight"))
    weights[name] = weights[name] + 1e-3
    save_file(weights, file, metadata={"format": "pt"})
    changed = prepare(config_for(tmp_path), task)
    assert changed.identity != first.identity
    assert {**changed.identity, "network": ""} == {**first.identity, "network": ""}
    drawn = {"backbone": {"init": "scaffold"}, "adapter": {"unadapted": "frozen"}}
    saved("bert", tmp_path)
    before = prepare(config_for(tmp_path, **drawn), task).identity
    save_file(weights, file, metadata={"format": "pt"})
    assert prepare(config_for(tmp_path, **drawn), task).identity == before


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    folder = saved("bert", tmp_path)
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "pip install 'rankprobe[huggingface]'" in refused(config_for(folder), task_for("texts"))


def test_a_padding_that_is_not_token_0(tmp_path: Path) -> None:
    """RoBERTa pads with 1: in the task that is 0, and the model is given its own ids again."""
    pytest.importorskip("pandas")
    from tokenizers import Tokenizer, models, pre_tokenizers

    from rankprobe.data.load import load_task

    folder = saved("roberta", tmp_path / "roberta")
    words = {"<s>": 0, "<pad>": 1, "<unk>": 2, **{f"w{i}": i for i in range(3, 40)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    generator = np.random.default_rng(0)
    texts = [
        " ".join(f"w{i}" for i in generator.integers(3, 40, size=3 + row % 4)) for row in range(60)
    ]
    rows = [f"{text},{'ab'[row % 2]}" for row, text in enumerate(texts)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    data = {
        "source": "text",
        "path": str(tmp_path / "t.csv"),
        "tokenizer": str(folder / "tokenizer.json"),
    }
    config = config_for(folder, data=data)
    task = load_task(config)
    assert (task.train.x == 0).any()
    network = prepare(config, task).bench.backbone.eval()
    ids = torch.from_numpy(np.where(task.train.x == 0, 1, task.train.x))  # as the tokenizer has it
    with torch.no_grad():
        ours = network(torch.from_numpy(task.train.x))
        network._forward_pre_hooks.clear()
        network._forward_hooks.clear()
        theirs = network(input_ids=ids, attention_mask=(ids != 1).long()).logits
    torch.testing.assert_close(ours, theirs)
