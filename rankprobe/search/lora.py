"""What a measurement on given weights says for fine-tuning: a ready ``peft.LoraConfig``.

At a fixed beta an adapted layer is a layer of LoRA (Hu et al., arXiv:2106.09685), and
``rank_stabilized`` scaling is rsLoRA (Kalajdzievski, arXiv:2312.03732). What peft has no word for
is said beside the configuration.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from torch import nn

from rankprobe.lowrank import Adapter, LowRankLayer, Scaffold, adapted_layers, attach


def lora_advice(
    network: nn.Module, adapter: Adapter, scaffold: Scaffold, rank: int | None
) -> dict[str, Any]:
    """A configuration of the peft library that trains what a member of this rank trains.

    Args:
        network: The network whose weights are kept.
        adapter: How adapters were built.
        scaffold: Which weights were kept.
        rank: The minimal rank; ``None`` where there is none.

    Returns:
        ``config``: Python text that makes a ``peft.LoraConfig``; ``notes``: in what fine-tuning
        with it differs from what was measured, or why there is none. Nothing where no given
        weights were kept in every layer.
    """
    if scaffold.init != "pretrained":
        return {}
    if rank is None:
        return {"notes": ["no rank is named, so there is no peft.LoraConfig to give"]}
    twin = attach(network, rank=rank, adapter=adapter, scaffold=scaffold)
    layers = adapted_layers(twin)
    there = {name for name, _ in network.named_modules()}
    targets = {name: layer for name, layer in layers.items() if name in there}
    whole, bare = _trained_in_full(twin, layers, there)
    named: dict[str, Any] = {"r": rank, "lora_alpha": _alpha(adapter, rank)}
    if adapter.scaling == "rank_stabilized":
        named["use_rslora"] = True
    named["target_modules"] = shortened(list(targets), there)
    smaller = {name: layer.rank for name, layer in targets.items() if layer.rank != rank}
    if smaller:
        named["rank_pattern"] = {f"^{name}": value for name, value in smaller.items()}
        if adapter.scaling == "none":
            named["alpha_pattern"] = {f"^{name}": value for name, value in smaller.items()}
    if whole:
        named["modules_to_save"] = whole
    if any(type(network.get_submodule(name)).__name__ == "Conv1D" for name in targets):
        named["fan_in_fan_out"] = True
    if adapter.dora:
        named["use_dora"] = True
    if adapter.bias == "trained":
        named["bias"] = "lora_only"
    lines = [f"    {key}={_written(value)}," for key, value in named.items()]
    config = "\n".join(["peft.LoraConfig(", *lines, ")"])
    return {"config": config, "notes": _notes(network, adapter, layers, there, bare)}


def shortened(names: Collection[str], there: Collection[str]) -> list[str]:
    """The shortest endings by which peft finds these layers and no others, or their full names.

    Args:
        names: Layers.
        there: All modules of the network.
    """
    for parts in range(1, 4):
        endings = {".".join(name.split(".")[-parts:]) for name in names}
        found = {name for name in there if any(_found(name, ending) for ending in endings)}
        if found == set(names) and not any(ending.isdigit() for ending in endings):
            return sorted(endings)
    return list(names)


def _found(name: str, ending: str) -> bool:
    return name == ending or name.endswith(f".{ending}")


def _alpha(adapter: Adapter, rank: int) -> float:
    alpha = rank if adapter.scaling == "none" else adapter.alpha
    return int(alpha) if alpha == int(alpha) else alpha


def _trained_in_full(
    twin: nn.Module, layers: Mapping[str, LowRankLayer], there: Collection[str]
) -> tuple[list[str], list[str]]:
    """Modules trained as a whole beside the adapters, and parameters of which that is not so."""
    holders: dict[str, list[str]] = {}
    for name, parameter in twin.named_parameters():
        holder = name.rpartition(".")[0]
        if parameter.requires_grad and not any(_inside(name, layer) for layer in layers):
            holders.setdefault(holder, []).append(name)
    whole, bare = [], []
    for holder, names in holders.items():
        module = twin.get_submodule(holder)
        if holder in there and holder and len(list(module.parameters())) == len(names):
            whole.append(holder)
        else:
            bare += names
    return whole, bare


def _inside(name: str, layer: str) -> bool:
    return not layer or name.startswith(f"{layer}.")


def _notes(
    network: nn.Module,
    adapter: Adapter,
    layers: Mapping[str, LowRankLayer],
    there: Collection[str],
    bare: list[str],
) -> list[str]:
    notes = []
    if adapter.beta == "trained":
        notes.append(
            "a factor beta before each frozen matrix was trained too, which LoRA has not; "
            "`adapter: {beta: fixed}` measures without it"
        )
    if adapter.layer_norm:
        notes.append("a LayerNorm on each adapted layer was trained too, which LoRA has not")
    if adapter.residual:
        notes.append("inputs were added to what layers give, where shapes agree; LoRA has not that")
    if adapter.b_init == "kaiming":
        notes.append("B started at random values; LoRA starts it at zero")
    grouped = [name for name in layers if getattr(_module(network, name, there), "groups", 1) != 1]
    if grouped:
        notes.append(f"grouped convolutions have another form in peft: {_few(grouped)}")
    if inner := [name for name in layers if name not in there]:
        notes.append(f"peft cannot adapt maps inside one layer of torch's: {_few(inner)}")
    if bare:
        notes.append(f"trained here, and frozen by peft: {_few(bare)}")
    notes.append("learning rate, weight decay and length decide too: those measured are above")
    return notes


def _module(network: nn.Module, name: str, there: Collection[str]) -> nn.Module | None:
    return network.get_submodule(name) if name in there else None


def _few(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if names[4:] else "")


def _written(value: Any) -> str:
    """Python text of a value, in lines of at most 88 characters."""
    if isinstance(value, list) and len(repr(value)) > 60:
        return "[\n" + "".join(f"        {item!r},\n" for item in value) + "    ]"
    return repr(value)
