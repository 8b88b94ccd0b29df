"""What becomes of each layer of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from rankprobe.errors import ConfigError
from rankprobe.lowrank.adapter import Adapter
from rankprobe.lowrank.kinds import Kind, kind, layer_maps, linear_weight, refusal
from rankprobe.lowrank.names import check_patterns, covered
from rankprobe.lowrank.scaffold import Scaffold

Role = Literal["adapted", "tied", "head", "normalisation", "trained", "frozen"]


@dataclass(frozen=True, eq=False)
class Roles:
    """What becomes of each layer.

    Attributes:
        of: Role by name of the layer; of a layer of several maps, ``adapted`` where any is.
        kinds: Kind by name.
        head: Name of the head; ``None`` where there is none, or it is tied to embeddings.
        ties: Name of the table of embeddings by name of the linear layer that is tied to it.
    """

    of: Mapping[str, Role]
    kinds: Mapping[str, Kind]
    head: str | None
    ties: Mapping[str, str]


def find_head(module: nn.Module, head: str | None = None) -> str | None:
    """The name of a network's own head.

    That is the last linear layer of what the network calls ``head``, or of the whole network
    where it has no such part. There is none where its ``head`` holds no linear layer, or where
    the head's matrix is that of a table of embeddings.

    Args:
        module: The network.
        head: The name, where it is given.

    Raises:
        ConfigError: No linear layer of that name.
    """
    kinds = layer_kinds(module)
    linears = [name for name, value in kinds.items() if value == "linear"]
    if head is not None:
        if head not in linears:
            there = ", ".join(linears)
            raise ConfigError(f"the network has no linear layer named `{head}`; there is: {there}")
        return head
    if isinstance(getattr(module, "head", None), nn.Module):
        linears = [name for name in linears if name == "head" or name.startswith("head.")]
    if not linears or linears[-1] in tied_heads(module, kinds):
        return None
    return linears[-1]


def layer_kinds(module: nn.Module) -> dict[str, Kind]:
    """What each layer that holds weights is, by name; not what is inside layers that are one."""
    found: dict[str, Kind] = {}
    inside: tuple[str, ...] = ()
    for name, layer in module.named_modules():
        if name.startswith(inside):
            continue
        value = kind(layer)
        if value is not None:
            found[name] = value
            if value in ("linear", "convolution", "embedding", "several maps"):
                inside = (*inside, f"{name}." if name else "")
    return found


def tied_heads(module: nn.Module, kinds: Mapping[str, Kind]) -> dict[str, str]:
    """Tables of embeddings by the names of linear layers that have the same matrix.

    Raises:
        ConfigError: Other layers that share a matrix.
    """
    holders: dict[int, list[str]] = {}
    for name, value in kinds.items():
        if value in ("linear", "convolution", "embedding"):
            holders.setdefault(id(module.get_submodule(name).weight), []).append(name)
    ties = {}
    for names in holders.values():
        tables = [name for name in names if kinds[name] == "embedding"]
        rest = [name for name in names if kinds[name] == "linear"]
        if len(names) == 1:
            continue
        if len(tables) != 1 or len(tables) + len(rest) != len(names):
            raise ConfigError(
                f"these layers share one weight: {', '.join(names)}; only linear layers can "
                "share theirs, with a table of embeddings"
            )
        ties.update(dict.fromkeys(rest, tables[0]))
    return ties


def layer_roles(
    module: nn.Module, *, adapter: Adapter, scaffold: Scaffold, head: str | None
) -> Roles:
    """What becomes of each layer; see `rankprobe.lowrank.attach.attach`.

    Raises:
        ConfigError: Nothing to adapt, no such head, names that no layer has, or layers that have
            no low-rank form; all of them are named.
    """
    kinds = layer_kinds(module)
    _refuse(module, kinds, adapter)
    weighty = [name for name, value in kinds.items() if _HAS_FORM.get(value)]
    if not weighty:
        raise ConfigError(
            "the network has no layer with a weight matrix to adapt: no linear layer, no "
            "convolution, no recurrent layer, no attention and no embeddings"
        )
    own_head, ties = find_head(module, head), tied_heads(module, kinds)
    names = [each for name in weighty for each in map_names(module, name, kinds[name])]
    if adapter.layers is not None:
        check_patterns("adapter.layers", adapter.layers, names)
    if scaffold.init == "mixed":
        check_patterns("backbone.random", scaffold.random, names)
    roles: dict[str, Role] = {}
    for name, value in kinds.items():
        if name == own_head:
            roles[name] = "head" if adapter.head == "trained" else "adapted"
        elif value in ("linear", "convolution", "several maps") and name not in ties:
            chosen = any(adapts(adapter, each) for each in map_names(module, name, value))
            roles[name] = "adapted" if chosen else adapter.others
        elif value == "embedding" or name in ties:
            role: Role = "adapted" if adapter.embeddings == "adapter" else adapter.embeddings
            roles[name] = "tied" if name in ties and role == "adapted" else role
        elif value == "unknown":
            roles[name] = "frozen" if adapter.unadapted == "frozen" else "trained"
        else:
            roles[name] = "normalisation" if value == "normalisation" else "trained"
    return Roles(roles, kinds, own_head, ties)


_HAS_FORM: Mapping[Kind, bool] = {
    "linear": True,
    "convolution": True,
    "several maps": True,
    "embedding": True,
}


def adapts(adapter: Adapter, name: str) -> bool:
    """Whether ``adapter.layers`` takes a layer or a map in."""
    return adapter.layers is None or covered(name, adapter.layers)


def map_names(module: nn.Module, name: str, value: Kind) -> list[str]:
    """The names of a layer's maps: its own where it is one."""
    if value != "several maps":
        return [name]
    prefix = f"{name}." if name else ""
    return [f"{prefix}{each}" for each in layer_maps(module.get_submodule(name))]


def _refuse(module: nn.Module, kinds: Mapping[str, Kind], adapter: Adapter) -> None:
    """Name every layer that would otherwise be trained in full, or frozen, in silence."""
    unknown = [name for name, value in kinds.items() if value == "unknown"]
    sparse = [
        name
        for name in unknown
        if getattr(module.get_submodule(name), "sparse", False)
        or getattr(module.get_submodule(name), "max_norm", None) is not None
    ]
    if adapter.unadapted != "refused" and not sparse:
        return
    named = ", ".join(_described(module, name) for name in sparse or unknown)
    if sparse:
        raise ConfigError(
            f"these tables have sparse gradients or a largest norm, and can neither be adapted nor "
            f"trained in a cohort: {named}; make them without `sparse` and `max_norm`"
        )
    if unknown:
        raise ConfigError(
            f"these layers or parameters have no low-rank form: {named}; write `adapter: "
            "{unadapted: frozen}` to freeze them, or `{unadapted: trained}` to train them in full"
        )


def _described(module: nn.Module, name: str) -> str:
    layer = module.get_submodule(name)
    why = refusal(layer)
    words = type(layer).__name__ + (f" {why}" if why else "")
    if linear_weight(layer) is None and type(layer).__module__.split(".")[0] != "torch":
        bare = [key for key, p in layer.named_parameters(recurse=False) if p.dim() > 1]
        words += f": {', '.join(bare)}"
    return f"{name or 'the network itself'} ({words})"
