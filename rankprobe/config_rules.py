"""Rules between settings that no single field can hold: what is inferred, what goes with what.

The settings may be wrong in any other way here, so nothing is taken for granted about their types.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rankprobe.config_networks import network_conflicts
from rankprobe.config_scaffold import has_no_scaffold, scaffold_conflicts
from rankprobe.config_sources import (
    FAMILY_OF,
    TABLES,
    inferred_source,
    is_pair,
    paths_of,
    source_conflicts,
    table_suffix,
)
from rankprobe.errors import Problem
from rankprobe.settings import Settings, Where

METRICS = {
    "accuracy": ("classification",),
    "balanced_accuracy": ("classification",),
    "auroc": ("classification",),
    "log_loss": ("classification",),
    "r2": ("regression",),
    "mse": ("regression",),
    "perplexity": ("next_token",),
    "cross_entropy": ("next_token",),
    "episode_return": ("regression",),
}
OBJECTIVES = ("classification", "regression", "next_token")
_LOSSES = ("log_loss", "mse", "perplexity", "cross_entropy")
_BY = ("column", "group", "time")
_WITH_NAMES = ("arrays", "table", "python", "text", "huggingface", "series", "graphs")
# Where given weights are kept, what LoRA leaves alone is left alone unless settings say otherwise.
AS_LORA = {"beta": "fixed", "embeddings": "frozen", "unadapted": "frozen"}
# Without a scaffold beta scales nothing, and B must not start at zero: all layers would give 0, and
# in a network of several no gradient would come through.
WITHOUT_SCAFFOLD = {"beta": "fixed", "b_init": "kaiming"}


def spelled_out(settings: Settings) -> Settings:
    """Settings with the short forms written in full.

    They are ``data: FILE``, ``split: COLUMN`` and ``scaffold: zero``.
    """
    if isinstance(frozen := settings.get("scaffold"), str):
        settings = {**settings, "scaffold": {"frozen": frozen}}
    data = settings.get("data")
    if isinstance(data, str):
        data = {"path": data}
    if isinstance(data, dict) and isinstance(data.get("split"), str):
        data = {**data, "split": {"column": data["split"]}}
    return {**settings, "data": data} if "data" in settings else settings


def completed(settings: Settings, name: str) -> Settings:
    """Settings with the task's name, and the source of data, where they can be inferred."""
    settings = {"name": name, **settings}
    data = settings.get("data")
    if isinstance(data, dict) and "source" not in data and (source := inferred_source(data)):
        settings["data"] = {"source": source, **data}
    backbone = settings.get("backbone", {})
    if isinstance(backbone, dict) and "family" not in backbone:
        settings["backbone"] = backbone = {"family": _family(settings.get("data")), **backbone}
    adapter = settings.get("adapter", {})
    if keeps_weights(backbone) and isinstance(adapter, dict):
        settings["adapter"] = {**AS_LORA, **adapter}
    elif has_no_scaffold(settings) and isinstance(adapter, dict):
        settings["adapter"] = {**WITHOUT_SCAFFOLD, **adapter}
    return settings


def _family(data: Any) -> str:
    """The backbone that reads what a source gives, where none is named."""
    source = data.get("source") if isinstance(data, dict) else None
    if source == "graphs":
        return "gin" if "smiles" in data else "gcn"
    return FAMILY_OF.get(str(source), "mlp")


def keeps_weights(backbone: Any) -> bool:
    """Whether a backbone's settings keep weights that it comes with."""
    if not isinstance(backbone, dict):
        return False
    usual = "pretrained" if backbone.get("family") == "huggingface" else "scaffold"
    return backbone.get("init", usual) in ("pretrained", "mixed")


def conflicts(
    settings: Settings, where: Where, *, trust: bool, from_file: bool, given: bool = False
) -> Iterator[Problem]:
    """Everything that is wrong between settings.

    Args:
        settings: Completed settings.
        where: Place of a key, for messages.
        trust: Whether a source may run the user's code.
        from_file: Whether the data must be named; arrays given in Python need no name.
        given: Whether the network is given in Python, which needs no consent.
    """
    yield from _metric_conflicts(settings, where)
    backbone = settings.get("backbone")
    if isinstance(backbone, dict):
        yield from network_conflicts(backbone, settings.get("search"), where, trust=trust or given)
    yield from scaffold_conflicts(settings, where, kept=keeps_weights(backbone))
    data = settings.get("data")
    if data is None and from_file:
        yield Problem(
            "`data` is missing", where(("data",)), "name the data, for example `data: letters.npz`"
        )
    if isinstance(data, dict):
        yield from source_conflicts(data, where, trust=trust, from_file=from_file)
        yield from _role_conflicts(data, where)
        if isinstance(data.get("split"), dict):
            yield from _split_conflicts(data, data["split"], where)


def _metric_conflicts(settings: Settings, where: Where) -> Iterator[Problem]:
    objective, metric, search = (settings.get(key) for key in ("objective", "metric", "search"))
    fits = METRICS.get(metric, ()) if isinstance(metric, str) else ()
    if fits and objective in OBJECTIVES and objective not in fits:
        names = [name for name, kinds in METRICS.items() if objective in kinds]
        yield Problem(
            f"the metric `{metric}` is for {' and '.join(fits)}, and the objective is {objective}",
            where(("metric",)),
            f"metrics for {objective}: {', '.join(names)}",
        )
    if metric in _LOSSES and isinstance(search, dict) and search.get("floor") == "none":
        yield Problem(
            f"`floor: none` has no meaning for `{metric}`: a loss has no share to reach",
            where(("search", "floor")),
            "write `floor: chance` or `floor: head`",
        )
    if isinstance(search, dict):
        yield from _search_conflicts(search, where)


def _search_conflicts(search: Settings, where: Where) -> Iterator[Problem]:
    if search.get("epsilon") is not None and "target" in search:
        yield Problem(
            "a rank comes within `epsilon` of full training, or reaches the share `target`",
            where(("search", "epsilon")),
            "keep one of them",
        )
    if search.get("budget") is not None and search.get("precision") is None:
        yield Problem(
            "`search.budget` limits what `precision` adds, and there is no precision",
            where(("search", "budget")),
            "write `precision: 1` beside it, or remove it",
        )


def _role_conflicts(data: Settings, where: Where) -> Iterator[Problem]:
    """Names that are listed where one is wanted, or that play two roles."""
    if data.get("source") in ("arrays", "python"):
        for key in ("features", "target"):
            if isinstance(data.get(key), list):
                yield Problem(
                    f"`data.{key}` must name one array, not a list",
                    where(("data", key)),
                    "join the arrays in one when you write the file",
                )
    for name in _names(data.get("features")):
        if name in _names(data.get("target")):
            yield Problem(
                f"`{name}` is both a feature and the target",
                where(("data", "features")),
                "remove it from `features`",
            )


def _split_conflicts(data: Settings, split: Settings, where: Where) -> Iterator[Problem]:
    def problem(key: str, message: str, hint: str) -> Problem:
        return Problem(message, where(("data", "split", key)), hint)

    source = data.get("source")
    pictures = source == "images" and table_suffix(next(iter(paths_of(data)), ""))
    named = (source in _WITH_NAMES or pictures in (".npz", *TABLES)) and not is_pair(data)
    by = [key for key in _BY if split.get(key) is not None]
    if len(by) > 1:
        yield problem(by[1], f"a split goes by {by[0]} or by {by[1]}, not both", "keep one of them")
    if by and not named:
        yield problem(
            by[0], f"`data.split.{by[0]}` needs data with named columns or arrays",
            "give shares instead: {test: 0.2, validation: 0.1}",
        )  # fmt: skip
    if split.get("scaffold") is True and (by or not data.get("smiles")):
        yield problem(
            "scaffold", "`data.split.scaffold` divides molecules, and by nothing else beside it",
            "use it with `data.smiles` alone, or remove it",
        )  # fmt: skip
    if "column" in by and split.get("test") is not None:
        yield problem(
            "test", "`data.split.test` means nothing beside `column`, which says what is test",
            "remove one of them",
        )  # fmt: skip
    parts = {key: split.get(key) for key in ("test", "validation")}
    shares = [part for part in parts.values() if isinstance(part, int | float)]
    if len(shares) == 2 and all(0 < share < 1 for share in shares) and sum(shares) >= 1:
        yield problem(
            "test", f"test and validation take {sum(shares):g} of the data and leave none to train",
            "give shares that add up to less than 1, such as {test: 0.2, validation: 0.1}",
        )  # fmt: skip
    arrays = source in ("arrays", "python") or pictures == ".npz"
    yield from _array_conflicts(data, parts, named and arrays, by, where)


def _array_conflicts(
    data: Settings, parts: Settings, named: bool, by: list[str], where: Where
) -> Iterator[Problem]:
    """Arrays named for a split: only where arrays have names, each in one role."""
    taken = {_first(data.get("features"), "x"): "train", _first(data.get("target"), "y"): "train"}
    for key, part in parts.items():
        if not isinstance(part, list):
            continue
        if not named or by:
            yield Problem(
                f"`data.split.{key}` names arrays, which only an .npz file without "
                "`column`, `group` or `time` can do",
                where(("data", "split", key)),
                "give a share instead, such as 0.2",
            )
            continue
        for name in part:
            if name in taken:
                yield Problem(
                    f"the array `{name}` is named for {key} and for {taken[name]}: "
                    "scores on rows seen in training mean nothing",
                    where(("data", "split", key)),
                    f"name other arrays, such as [x_{key}, y_{key}]",
                )
            taken[str(name)] = key


def _names(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if isinstance(value, str) else []


def _first(value: Any, default: str) -> str:
    return value if isinstance(value, str) else default
