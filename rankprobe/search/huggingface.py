"""Models of the transformers library: from a folder or a name to a network for a task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from rankprobe.config import TaskConfig
from rankprobe.config_backbones import HuggingfaceConfig
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, Problem
from rankprobe.search.own_network import tried

Kind = Literal["CausalLM", "SequenceClassification", "ImageClassification"]
_FOR = {
    "CausalLM": "predicting the next token",
    "SequenceClassification": "texts as a whole",
    "ImageClassification": "pictures",
}
_TEXT_SOURCES = ("text", "tokens", "huggingface")


def huggingface_network(config: TaskConfig, task: Task) -> nn.Module:
    """The model that ``backbone.path`` names, with a head for the task.

    It is the library's own module, so that layers keep their names. Weights are read from
    safetensors alone, no code of a model's is ever run, and a folder is read without a look at
    the hub.

    Raises:
        ConfigError: The library is missing, the model cannot be read, or it does not fit the task.
    """
    try:
        import transformers
    except ImportError:
        what = "models of the transformers library need more packages"
        hint = "pip install 'rankprobe[huggingface]'"
        raise ConfigError(Problem(what, config.where("backbone"), hint)) from None
    backbone = config.backbone
    assert isinstance(backbone, HuggingfaceConfig)
    kind = _kind(config, task)
    path, where = _path(config, str(backbone.path)), config.where("backbone", "path")
    common: dict[str, Any] = {
        "trust_remote_code": False,
        "local_files_only": Path(path).is_dir(),
    }
    with _quiet(transformers), torch.random.fork_rng([]), _readable(path, where):
        torch.default_generator.manual_seed(backbone.seed)  # for layers that are made anew
        model_config = transformers.AutoConfig.from_pretrained(path, **common)
        maker = getattr(transformers, f"AutoModelFor{kind}")
        if type(model_config) not in maker._model_mapping:
            what = f"`{path}` is a model of the kind {model_config.model_type}, and transformers "
            what += f"has no model of that kind for {_FOR[kind]}"
            raise ConfigError(Problem(what, where))
        _adjust(model_config, kind, task)
        _check_fit(config, task, model_config, path)
        form: dict[str, Any] = {"attn_implementation": "sdpa", "dtype": torch.float32}
        if backbone.init == "scaffold":
            network = _with_attention(maker.from_config, model_config, **form)
        else:
            network, loaded = _with_attention(
                maker.from_pretrained,
                path,
                config=model_config,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                **common,
                **form,
            )
            _check_loaded(network, loaded, path, where)
        network.float().train()
        reader = ReadPictures() if kind == "ImageClassification" else ReadTokens(
            mask=kind != "CausalLM", padding=getattr(model_config, "pad_token_id", None) or 0
        )  # fmt: skip
        network.register_forward_pre_hook(reader, with_kwargs=True)
        network.register_forward_hook(Logits(task.outputs))
        for parameter in network.parameters():
            parameter.requires_grad_(True)
        return tried(network, config, task)


class ReadTokens:
    """How a model is called with token ids (n, length) whose padding is 0.

    Args:
        mask: Whether to tell the model what is padding; a causal one reads from the left, and
            padding is at the end.
        padding: The model's own id of padding, which has changed places with 0 in the inputs.
    """

    def __init__(self, *, mask: bool, padding: int) -> None:
        self.mask, self.padding = mask, padding

    def __call__(self, _module: nn.Module, args: Any, _named: Any) -> tuple[Any, dict[str, Any]]:
        """Called by torch before the model."""
        (ids,) = args
        named: dict[str, Tensor] = {"input_ids": exchanged(ids, self.padding)}
        if self.mask:
            named["attention_mask"] = (ids != 0).long()
        return (), named


class ReadPictures:
    """How a model is called with pictures (n, channels, height, width)."""

    def __call__(self, _module: nn.Module, args: Any, _named: Any) -> tuple[Any, dict[str, Any]]:
        """Called by torch before the model."""
        (x,) = args
        return (), {"pixel_values": x if x.dim() == 4 else x.unsqueeze(1)}


class Logits:
    """Of what a model returns the logits, for as many tokens or classes as a task has."""

    def __init__(self, outputs: int) -> None:
        self.outputs = outputs

    def __call__(self, _module: nn.Module, _inputs: Any, outputs: Any) -> Tensor:
        """Called by torch after the model."""
        logits: Tensor = outputs.logits
        return logits[..., : self.outputs]


def exchanged(ids: Tensor, padding: int) -> Tensor:
    """Token ids in which 0 and a model's padding have changed places."""
    if padding == 0:
        return ids
    return torch.where(ids == 0, padding, torch.where(ids == padding, 0, ids))


def _kind(config: TaskConfig, task: Task) -> Kind:
    if task.kind == "tokens":
        return "CausalLM" if task.objective == "next_token" else "SequenceClassification"
    if task.kind == "numbers" and len(task.input_shape) in (2, 3):
        return "ImageClassification"
    what = f"models of the transformers library read tokens or pictures here, not {task.kind}"
    if task.kind == "numbers":
        what += f" of shape {task.input_shape}"
    raise ConfigError(Problem(what, config.where("backbone", "family")))


def _path(config: TaskConfig, path: str) -> str:
    folder = config.folder / Path(path).expanduser()
    if folder.is_dir():
        return str(folder)
    if folder.exists() or path.startswith((".", "/", "~")) or path.count("/") > 1:
        what = f"there is no folder `{path}`"
        hint = "give a folder with a config.json, as `save_pretrained` writes it"
        raise ConfigError(Problem(what, config.where("backbone", "path"), hint))
    return path


@contextmanager
def _readable(path: str, where: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        first = next(iter(str(error).strip().splitlines()), "")
        raise ConfigError(
            Problem(
                f"the model `{path}` cannot be read: {type(error).__name__}: {first}",
                where,
                "it must hold a config.json of a kind that this version of transformers knows, and "
                "weights as safetensors; a name on the hub needs a connection",
            )
        ) from error


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without the library's own messages: what matters of them is checked here."""
    logging = transformers.utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def _adjust(model_config: Any, kind: Kind, task: Task) -> None:
    """Settings of the model that the task decides."""
    if kind == "CausalLM":
        model_config.use_cache = False
        return
    model_config.num_labels = task.outputs
    if kind == "SequenceClassification" and getattr(model_config, "pad_token_id", None) is None:
        model_config.pad_token_id = 0  # causal models find the last token by it


def _check_fit(config: TaskConfig, task: Task, model_config: Any, path: str) -> None:
    problems = _token_problems if task.kind == "tokens" else _picture_problems
    if found := list(problems(config, task, model_config, path)):
        raise ConfigError(found)


def _token_problems(
    config: TaskConfig, task: Task, model_config: Any, path: str
) -> Iterator[Problem]:
    assert isinstance(config.backbone, HuggingfaceConfig)
    vocabulary, known = int(str(task.sizes["vocabulary"])), int(model_config.vocab_size)
    where, own = config.where("data", "tokenizer"), Path(path) / "tokenizer.json"
    name = str(own) if own.is_file() else "the model's tokenizer.json"
    hint = f"write `data: {{tokenizer: {name}}}`"
    keeps = config.backbone.init != "scaffold"
    data = config.data
    if keeps and data and data.source in _TEXT_SOURCES and data.tokenizer is None:
        what = "given weights know the tokens of the model's own tokenizer, and none is named"
        yield Problem(what, where, hint)
    elif vocabulary > known:
        what = f"the data has a vocabulary of {vocabulary:,} tokens, and the model one of {known:,}"
        yield Problem(what, where, hint)
    elif keeps and data and data.tokenizer and own.is_file():
        named = config.folder / data.tokenizer
        if _tokens(named) != _tokens(own):
            what = f"`{data.tokenizer}` has other tokens than the model's own tokenizer"
            yield Problem(what, where, hint)
    longest = getattr(model_config, "max_position_embeddings", None)
    if longest is not None and model_config.model_type in _AFTER_PADDING:
        longest -= model_config.pad_token_id + 1
    if longest is not None and task.input_shape[0] > longest:
        what = f"texts have {task.input_shape[0]} tokens, and the model reads at most {longest}"
        yield Problem(what, config.where("data", "length"), f"write `data: {{length: {longest}}}`")


# Whose positions are counted from the one after that of padding.
_AFTER_PADDING = ("roberta", "xlm-roberta", "camembert", "mpnet")


def _tokens(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))["model"]["vocab"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # what reads the text says what is wrong with it


def _picture_problems(
    config: TaskConfig, task: Task, model_config: Any, _path: str
) -> Iterator[Problem]:
    shape = task.input_shape if len(task.input_shape) == 3 else (1, *task.input_shape)
    where = config.where("data")
    channels = getattr(model_config, "num_channels", shape[0])
    if channels != shape[0]:
        what = f"the model reads pictures of {channels} channels, and these have {shape[0]}"
        yield Problem(what, where, "`data: {grey: ...}` says whether pictures have colours")
    size = getattr(model_config, "image_size", None)
    height, width = (size, size) if isinstance(size, int) else size or shape[1:]
    if (height, width) != shape[1:]:
        what = f"the model reads {height} x {width} pixels, and the pictures are "
        what += f"{shape[1]} x {shape[2]}"
        yield Problem(what, where, f"write `data: {{size: {height}}}`")


def _with_attention(make: Any, first: Any, *, attn_implementation: str, **named: Any) -> Any:
    """A model whose attention is torch's own function, where its class can have that."""
    try:
        return make(first, attn_implementation=attn_implementation, **named)
    except ValueError as error:
        if "scaled_dot_product_attention" not in str(error):
            raise
        return make(first, attn_implementation="eager", **named)


def _check_loaded(network: nn.Module, loaded: Any, path: str, where: str) -> None:
    """Note what the weights lack; refuse weights of other shapes anywhere but in the head."""
    prefix = f"{getattr(network, 'base_model_prefix', '')}."
    missing = sorted(loaded.get("missing_keys", ()))
    other = [str(key[0] if isinstance(key, tuple) else key) for key in loaded["mismatched_keys"]]
    body = [key for key in [*missing, *other] if key.startswith(prefix) and "pooler" not in key]
    if body:
        what = f"the weights of `{path}` lack or have in other shapes: {', '.join(body[:5])}"
        if body[5:]:
            what += f" and {len(body) - 5} more"
        hint = "they belong to another architecture than its config.json; write `init: scaffold`"
        raise ConfigError(Problem(what, where, hint))
    network.made_anew = tuple(sorted({*missing, *other}))  # type: ignore[assignment]
