"""What a minimal rank is relative to, in words: ``Result.scope``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rankprobe.config import TaskConfig, TrainingConfig
from rankprobe.lowrank.scaffold import Scaffold
from rankprobe.search.backbone import architecture
from rankprobe.search.setup import Setup


def scope_of(config: TaskConfig, setup: Setup, *, epochs: int | None) -> dict[str, Any]:
    """What the number is relative to, in words; ``epochs`` are those that were trained."""
    backbone, training, protocol = config.backbone, config.training, setup.bench.protocol
    others = config.search.scaffolds - 1
    seeds = f"seed {backbone.seed}" + (f" and {others} drawn from it" if others else "")
    drawn = f"{backbone.weights}, {setup.bench.protocol.scaffold.scale_in_words()}, {seeds}"
    return {
        "split": setup.bench.task.division,
        "architecture": architecture(backbone, setup.bench.task, setup.bench.backbone),
        "scaffold": protocol.use.words(_scaffold_words(protocol.scaffold, drawn)),
        "adapter": ", ".join(
            f"{k} {_word(v)}" for k, v in config.adapter.model_dump(exclude_none=True).items()
        ),
        **({"in_full_beside_head": _in_full_words(setup.in_full)} if setup.in_full else {}),
        "optimizer": _optimizer(training),
        "learning_rate": learning_rate_words(training.model_dump()["learning_rate"]),
        "epochs": epochs,
        "largest_useful_rank": setup.largest,
        "repeats": config.search.repeats,
        "seed": config.seed,
    }


def _in_full_words(tensors: Mapping[str, int]) -> str:
    """What every adapter trains in full beside the head, rank 0 included."""
    named = ", ".join(list(tensors)[:3]) + (", ..." if len(tensors) > 3 else "")
    return f"{named} ({sum(tensors.values()):,} parameters)"


def _scaffold_words(scaffold: Scaffold, drawn: str) -> str:
    """What is frozen; ``drawn`` says how random weights are made."""
    if scaffold.init == "scaffold":
        return drawn
    kept = "the weights that the network came with, frozen"
    return (
        kept
        if scaffold.init == "pretrained"
        else (f"{kept}, but in {', '.join(scaffold.random)}: {drawn}")
    )


def _optimizer(training: TrainingConfig) -> str:
    words = [training.optimizer, f"{training.schedule} schedule"]
    if training.schedule == "exponential":
        words[-1] += f" of {training.decay:g} an epoch"
    if training.warmup:
        words.append(f"warm-up over {training.warmup:.0%} of the steps")
    words += [f"weight decay {training.weight_decay:g}", f"batch {training.batch_size}"]
    if training.clip is not None:
        words.append(f"gradients clipped at {training.clip:g}")
    if training.class_weights != "none":
        words.append(f"classes weighted: {_word(training.class_weights)}")
    return ", ".join(words)


def learning_rate_words(given: Any) -> str:
    """How learning rates were chosen, of the setting as it was given."""
    if given == "tuned":
        return "tuned for every rank and for full training"
    several = isinstance(given, dict) and any(isinstance(v, tuple) for v in given.values())
    return f"{'tuned over' if several else 'fixed:'} {_word(given)}"


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_word(item)}" for key, item in value.items())
    if isinstance(value, tuple):
        return " ".join(map(_word, value))
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
