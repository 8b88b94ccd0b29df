"""What a network is given to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

Kind = Literal["numbers", "tokens", "series", "graphs", "nodes", "windows"]


@dataclass(frozen=True, eq=False)
class Inputs:
    """The form of a task's inputs, and what its examples share.

    Attributes:
        kind: How an example is to be read; n examples are

            - ``numbers``: (n, ...) numbers; pictures are (n, channels, height, width), or
              (n, height, width) when grey;
            - ``tokens``: (n, length) token ids, 0 for padding;
            - ``series``: (n, steps, 2 * channels + 1): values, which of them were observed (0 or
              1), and the time since the step before; a step without any observation is padding;
            - ``graphs``: (n,) indices of graphs that ``context`` holds;
            - ``nodes``: (n,) indices of nodes of the one graph that ``context`` holds;
            - ``windows``: (n, steps, 1 + states + actions + 2): return to go, state, action, time
              in the episode, and 1 for a real step, 0 for padding.
        shape: Shape of one example.
        sizes: What the shape does not tell. ``tokens``: ``vocabulary``. ``series``:
            ``channels``. ``graphs`` and ``nodes``: ``node_features``, ``edge_features`` (0 for
            none), and ``node_categories``, ``edge_categories``: how many values each categorical
            feature has, empty where features are numbers. ``windows``: ``states``, ``actions``,
            ``longest`` (largest time in an episode, plus one).
        context: Arrays that all examples share. ``nodes``: ``nodes`` (nodes, features) and
            ``edges`` (2, edges), both directions listed. ``graphs``: those of all graphs one
            after another, ``edge_features`` (edges, features), and where each graph begins,
            ``node_start`` and ``edge_start`` (graphs + 1,). Edges of graphs name nodes by their
            place among all nodes.
    """

    kind: Kind
    shape: tuple[int, ...]
    sizes: Mapping[str, int | tuple[int, ...]] = field(default_factory=dict)
    context: Mapping[str, Tensor] = field(default_factory=dict)


def whole(inputs: Inputs, name: str) -> int:
    """A size that is one whole number.

    Raises:
        ValueError: It is missing, or something else.
    """
    size = inputs.sizes.get(name)
    if not isinstance(size, int):
        raise ValueError(f"inputs of {inputs.kind} say `{name}`, a whole number, and not {size!r}")
    return size


def several(inputs: Inputs, name: str) -> tuple[int, ...]:
    """A size that is a list; empty where it is missing.

    Raises:
        ValueError: It is something else.
    """
    size = inputs.sizes.get(name, ())
    if isinstance(size, int):
        raise ValueError(f"inputs of {inputs.kind} say `{name}`, a list, and not {size!r}")
    return tuple(size)


def picture(inputs: Inputs) -> tuple[int, int, int]:
    """Channels, height and width of pictures; those of two axes have one channel.

    Raises:
        ValueError: Neither two nor three axes.
    """
    if len(inputs.shape) not in (2, 3):
        raise ValueError(
            "it reads pictures, (channels, height, width) or (height, width), and an example "
            f"here has the shape {inputs.shape}"
        )
    channels, height, width = (1, *inputs.shape)[-3:]
    return channels, height, width
