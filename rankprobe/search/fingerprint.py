"""A network that comes from outside as one hash: another network is another measurement."""

from __future__ import annotations

import hashlib
import inspect
import sysconfig
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from rankprobe.user_code import is_own

_RESETS = ("reset_parameters", "_reset_parameters")


def network_hash(network: nn.Module, *, weights: bool, source: str = "") -> str:
    """sha256 over a network's layers and their code, shapes of tensors, and values not drawn.

    Args:
        network: The network.
        weights: Whether the values of its weights decide a measurement. Where they do not, those
            of parameters that no layer can draw anew still do, and of buffers always.
        source: Hash of the code that made it.
    """
    digest = hashlib.sha256(f"{type(network).__qualname__}|{network!r}|{source}".encode())
    for code in _own_code(network):
        digest.update(code.encode())
    counted = None if weights else {id(tensor) for tensor in _not_drawn(network)}
    tensors = [*network.named_parameters(), *network.named_buffers()]
    for name, tensor in tensors:
        digest.update(f"|{name}|{tensor.dtype}{tuple(tensor.shape)}|".encode())
        if counted is None or id(tensor) in counted or not isinstance(tensor, nn.Parameter):
            bits = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(bits.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _own_code(network: nn.Module) -> Iterator[str]:
    """Source of the classes that are the user's own: two may have the same layers.

    Left out are the file of a factory, which counts as a whole, installed packages, and what has
    no source, as in a prompt.
    """
    classes = {base for layer in network.modules() for base in type(layer).__mro__}
    installed = (sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"))
    for kind in sorted(classes, key=lambda kind: kind.__qualname__):
        if kind.__module__.split(".")[0] in ("torch", "rankprobe") or is_own(kind.__module__):
            continue
        try:
            file, code = inspect.getsourcefile(kind), inspect.getsource(kind)
        except (OSError, TypeError):
            continue
        if file and not file.startswith(installed):
            yield code


def _not_drawn(network: nn.Module) -> Iterator[Tensor]:
    """Parameters of layers that have no way to draw initial values anew."""
    if callable(getattr(network, "_init_weights", None)):
        return
    for layer in network.modules():
        if not any(callable(getattr(layer, name, None)) for name in _RESETS):
            yield from layer.parameters(recurse=False)
