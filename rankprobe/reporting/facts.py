"""Facts beside the answer as text: other targets, sizes of the splits, settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rankprobe.records import MinimalRank, Result
from rankprobe.reporting.wording import (
    clean,
    metric_name,
    minimal_words,
    percent,
    target_label,
)


def targets_line(result: Result) -> str:
    """The answers at all targets, side by side."""
    return "   ".join(f"{name}: {minimal_words(minimal)}" for name, minimal in all_targets(result))


def all_targets(result: Result) -> list[tuple[str, MinimalRank]]:
    """Every target by its name with its answer, ascending; an epsilon comes first."""
    shares = sorted(result.targets.items(), key=lambda item: float(item[0]))
    first = [] if result.epsilon is None else [(target_label(result), result.minimal_rank)]
    return [*first, *((percent(float(target)), minimal) for target, minimal in shares)]


def lora_lines(result: Result) -> list[str]:
    """The configuration for fine-tuning, line by line; empty where there is none."""
    lines = str(result.lora.get("config", "")).splitlines()
    return [" " * (len(line) - len(line.lstrip())) + clean(line) for line in lines]


def counts_line(result: Result) -> str:
    """Sizes of the splits, metric, floor and number of trainings."""
    task = result.task
    line = (
        f"{task.train:,} training, {task.validation:,} validation, {task.test:,} test examples; "
        f"metric {metric_name(task.metric)}; {result.members.get('trained', 0):,} trainings"
    )
    failed = result.members.get("failed", 0)
    return f"{line}, {failed:,} of them failed" if failed else line


def describe(settings: Mapping[str, Any]) -> str:
    """A mapping of settings as one line: ``backbone (family mlp); optimizer adamw``."""
    parts = []
    for key, value in settings.items():
        if isinstance(value, Mapping):
            inner = ", ".join(f"{name} {text}" for name, text in flatten(value))
            parts.append(f"{clean(str(key).replace('_', ' '))} ({inner})")
        else:
            parts += [f"{name} {text}" for name, text in flatten({key: value})]
    return "; ".join(parts)


def flatten(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as (name, value) pairs of clean text, in their own order."""
    pairs: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{prefix}{clean(str(key).replace('_', ' '))}"
        if isinstance(value, Mapping):
            pairs += flatten(value, f"{name} ")
        elif isinstance(value, list | tuple):
            pairs.append((name, clean("-".join(str(item) for item in value)) or "none"))
        elif isinstance(value, float):
            pairs.append((name, f"{value:.6g}"))
        else:
            pairs.append((name, "none" if value is None else clean(value)))
    return pairs
