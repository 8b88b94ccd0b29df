"""A paragraph for the methods of a paper: what was measured, how, and what came out.

It is made from the result alone. What a result does not say, because an earlier version wrote
it, is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rankprobe.records import Rate, Result
from rankprobe.reporting.trust import design_line, sensitivity_sentence
from rankprobe.reporting.verdicts import figure_words
from rankprobe.reporting.wording import (
    clean,
    interval_words,
    metric_name,
    percent,
    reach_words,
    score_text,
)

REFERENCE = (
    "Hazan, Zhang, Hartl and Levin, A Little Rank Goes a Long Way: Random Scaffolds with LoRA "
    "Adapters Are All You Need, arXiv:2604.08749"
)


def methods_paragraph(result: Result) -> str:
    """The paragraph, one line of plain text.

    Args:
        result: A finished measurement.
    """
    sentences = (
        _what(result),
        _network(result),
        _training(result),
        _tuning(result.rates),
        _repeats(result),
        _ranks(result),
        _intervals(result),
        _found(result),
        sensitivity_sentence(result),
        _versions(result.provenance),
    )
    return " ".join(sentence for sentence in sentences if sentence)


def _what(result: Result) -> str:
    task = result.task
    split = clean(result.scope.get("split", ""))
    return (
        f"The complexity of the task {clean(task.name)} ({clean(task.objective)}; {task.train:,} "
        f"training, {task.validation:,} validation and {task.test:,} test examples"
        f"{f'; divided {split}' if split else ''}) was measured as its minimal rank "
        "(Hazan et al., arXiv:2604.08749): the smallest rank at which low-rank adapters, trained "
        f"beside the frozen {_frozen(result)} of a network, give an expected test "
        f"{metric_name(task.metric)} that {reach_words(result)}. Full training is the same "
        "network with every weight trained."
    )


def _frozen(result: Result) -> str:
    if _configuration(result.provenance, "scaffold").get("frozen") == "zero":
        return "weights, all zero,"
    init = _configuration(result.provenance, "backbone").get("init")
    return {"pretrained": "given weights", "mixed": "weights, some given and some random,"}.get(
        str(init), "random weights"
    )


def _network(result: Result) -> str:
    parts = _named(
        result.scope,
        {
            "architecture": "the network was",
            "scaffold": "its frozen weights:",
            "adapter": "adapters:",
            "in_full_beside_head": "beside the head every rank, rank 0 included, trained in full",
        },
    )
    return _sentence("; ".join(parts))


def _training(result: Result) -> str:
    optimizer, epochs = result.scope.get("optimizer"), result.scope.get("epochs")
    if optimizer is None or epochs is None:
        return ""
    found = _configuration(result.provenance, "training").get("epochs") == "auto"
    converged = "not_converged" not in result.baseline.flags
    why = ", doubled until full training gained no more than noise" if found and converged else ""
    return f"Every rank and full training used {clean(optimizer)}, for {epochs} epochs{why}."


def _tuning(rates: Iterable[Rate]) -> str:
    tried: dict[int | None, list[Rate]] = {}
    for rate in rates:
        tried.setdefault(rate.rank, []).append(rate)
    counts = [len(candidates) for candidates in tried.values()]
    if max(counts, default=1) < 2:
        return "Learning rates were fixed beforehand."
    repeats = max(rate.repeats + rate.failed for group in tried.values() for rate in group)
    first = "first repeat" if repeats == 1 else f"first {repeats} repeats"
    return (
        f"Each rank and full training had its own learning rate, chosen among {_span(counts)} "
        f"candidates by the mean validation score of the {first}; reported scores are those of "
        "the test split."
    )


_RESAMPLED = {"epoch": "every epoch", "step": "step by step", "batch": "within every batch"}


def _repeats(result: Result) -> str:
    counts = [len(result.baseline.scores), *(len(point.scores) for point in result.points)]
    search = _configuration(result.provenance, "search")
    scaffolds = search.get("scaffolds") or 1
    backbone = _configuration(result.provenance, "backbone")
    if backbone.get("init") == "pretrained":
        frozen = "that the network came with"
    else:
        frozen = (
            f"drawn from {scaffolds} scaffold seeds"
            if scaffolds > 1
            else "drawn from one scaffold seed"
        )
    use = _configuration(result.provenance, "scaffold")
    if use.get("frozen") == "zero":
        frozen = "that are zero"
    elif (resample := use.get("resample", "none")) != "none":
        frozen = f"drawn from other seeds {_RESAMPLED.get(str(resample), clean(resample))}"
    seed = result.scope.get("seed")
    seeded = "" if seed is None else f" (seed {seed})"
    return (
        f"Each was trained {_span(counts)} times with other initial values, data order and "
        f"dropout masks, which all ranks of a repeat share{seeded}, on frozen weights {frozen}."
    )


def _ranks(result: Result) -> str:
    ranks = ", ".join(str(point.rank) for point in result.points)
    chance = score_text(result, result.chance_score)
    floors = {
        "none": "a score of 0",
        "chance": f"chance, {chance}",
        "head": f"the head alone, {score_text(result, result.head_score)}",
    }
    largest = result.scope.get("largest_useful_rank")
    of = "" if largest is None else f" (the network has use for ranks up to {largest})"
    beside = "" if result.floor == "chance" else f" and chance scores {chance}"
    plural = "s" if len(result.points) > 1 else ""
    return (
        f"Measured were the rank{plural} {ranks}{of}. Recovery is counted from "
        f"{floors.get(result.floor, clean(result.floor))} (floor: {clean(result.floor)}); full "
        f"training scores {score_text(result, result.baseline.mean)}{beside}."
    )


def _intervals(result: Result) -> str:
    level = percent(result.minimal_rank.confidence)
    design = design_line(result)
    return (
        f"The {level} interval of the minimal rank lies on the scale of whole ranks and comes from "
        "resampling repeats, test examples and choices of learning rates together, paired across "
        "ranks and full training and studentised for few repeats; intervals of scores and "
        "recoveries hold the same sources, by Student's t."
        f"{f' The number of repeats followed a sequential design: {design}.' if design else ''}"
    )


def _found(result: Result) -> str:
    minimal = result.minimal_rank
    if minimal.value is None:
        answer = f"No single minimal rank was named: {' '.join(figure_words(result))}"
    else:
        level = percent(minimal.confidence)
        answer = f"The minimal rank was {minimal.value} ({level} interval {interval_words(minimal)}"
        if minimal.degrees_of_freedom is not None:
            answer += f"; {minimal.degrees_of_freedom:,} trained adapter parameters"
        answer += ")"
    flags = ", ".join(clean(flag) for flag in minimal.flags)
    verdict = minimal.verdict.replace("_", " ")
    return f"{answer}; verdict: {verdict}; flags: {flags or 'none'}."


def _versions(provenance: Mapping[str, Any]) -> str:
    names = {"rankprobe": "rankprobe", "torch": "torch", "numpy": "NumPy", "python": "Python"}
    versions = _named(provenance, names)
    if versions and isinstance(commit := provenance.get("commit"), str):
        versions[0] += f" (commit {clean(commit)})"
    scaffold = provenance.get("scaffold_specification")
    if scaffold is not None:
        versions.append(f"scaffold specification {clean(scaffold)}")
    return f"Software: {', '.join(versions)}." if versions else ""


def _named(settings: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    return [
        f"{name} {clean(settings[key])}"
        for key, name in names.items()
        if isinstance(settings.get(key), str)
    ]


def _configuration(provenance: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    part = (provenance.get("configuration") or {}).get(section)
    return part if isinstance(part, Mapping) else {}


def _span(counts: Iterable[int]) -> str:
    low, high = min(counts := list(counts)), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
