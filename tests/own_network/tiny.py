"""Tiny models of the transformers library, made here and saved where a test wants them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rankprobe.config import TaskConfig, config_from_settings
from rankprobe.data.task import Split, Task

transformers = pytest.importorskip("transformers")
transformers.utils.logging.disable_progress_bar()

TEXT = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24, "max_position_embeddings": 16}  # fmt: skip
ROBERTA = {**TEXT, "pad_token_id": 1}
GPT2 = {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 16}
VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
       "intermediate_size": 24, "image_size": 8, "patch_size": 4}  # fmt: skip
# name: (configuration class, its settings, class of the saved model, what it reads here)
MODELS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "bert": ("BertConfig", TEXT, "BertModel", "texts"),
    "roberta": ("RobertaConfig", ROBERTA, "RobertaModel", "texts"),
    "gpt2": ("GPT2Config", GPT2, "GPT2LMHeadModel", "tokens"),
    "gpt2 for texts": ("GPT2Config", GPT2, "GPT2Model", "texts"),
    "llama": ("LlamaConfig", {**TEXT, "num_key_value_heads": 1}, "LlamaForCausalLM", "tokens"),
    "vit": ("ViTConfig", VIT, "ViTModel", "pictures"),
}


def saved(name: str, folder: Path, **settings: Any) -> Path:
    """A folder with a model of random weights, as `save_pretrained` leaves it."""
    kind, usual, model, _ = MODELS[name]
    config = getattr(transformers, kind)(**{**usual, **settings})
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(5)
        made = getattr(transformers, model)(config)
        for parameter in made.parameters():  # biases and gains are not what they start as
            parameter.data.add_(0.05 * torch.randn_like(parameter))
    made.save_pretrained(folder)
    return folder


def task_for(reads: str, length: int = 10) -> Task:
    """A toy task: texts of two classes, tokens of a language, or pictures."""
    generator = np.random.default_rng(0)
    if reads == "pictures":
        pixels = generator.normal(size=(60, 3, 8, 8)).astype(np.float32)
        bright = (pixels.mean(axis=(1, 2, 3)) > 0).astype(np.int64)
        return _task("classification", pixels, bright, 2, kind="numbers")
    x = generator.integers(2, 40, size=(60, length))
    sizes = {"vocabulary": 40}
    if reads == "tokens":
        y = np.concatenate([x[:, 1:], np.full((60, 1), -1)], axis=1)
        return _task("next_token", x, y, 40, kind="tokens", sizes=sizes)
    x[::3, 6:] = 0
    return _task(
        "classification", x, (x[:, 1] > 20).astype(np.int64), 2, kind="tokens", sizes=sizes
    )


def _task(objective: Any, x: Any, y: Any, outputs: int, **form: Any) -> Task:
    train, validation, test = (
        Split(x[rows], y[rows]) for rows in (slice(36), slice(36, 48), slice(48, None))
    )
    metric = "perplexity" if objective == "next_token" else "accuracy"
    classes = ("no", "yes") if objective == "classification" else ()
    return Task("toy", objective, metric, train, validation, test, outputs, classes=classes, **form)


def config_for(folder: Path, **settings: Any) -> TaskConfig:
    """Settings for the model of a folder; ``backbone`` adds to what it says."""
    backbone = {"family": "huggingface", "path": str(folder), **settings.pop("backbone", {})}
    usual = {
        "training": {"epochs": 2, "batch_size": 12, "learning_rate": 0.01},
        "search": {"ranks": [1, 2], "repeats": 2},
    }
    return config_from_settings({**usual, "backbone": backbone, **settings})


def tokenizer_file(folder: Path, words: int) -> Path:
    """A tokenizer.json of whole words, with padding as token 0."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {"[PAD]": 0, "[UNK]": 1, **{f"w{i}": i for i in range(2, words)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"
