"""A small task of every kind of inputs, made from nothing but a generator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rankprobe.backbones import Inputs
from rankprobe.data.task import Objective, Split, Task
from tests.training.reference import toy_task

N = 84  # examples: 48 for training, 16 for validation, 20 for testing
Values = NDArray[Any]


def toy(name: str) -> Task:
    """A task by its name, a key of `TOYS`."""
    return TOYS[name]()


def inputs_of(task: Task) -> Inputs:
    """What a network is given to read; floating context in double precision."""
    context = {
        name: torch.from_numpy(array.astype("float64") if array.dtype.kind == "f" else array)
        for name, array in task.context.items()
    }
    return Inputs(task.kind, task.input_shape, task.sizes, context)


def _task(kind: Any, x: Values, y: Values, outputs: int, objective: Objective, **rest: Any) -> Task:
    train, validation, test = (
        Split(x[rows], y[rows]) for rows in (slice(48), slice(48, 64), slice(64, None))
    )
    return Task("toy", objective, "accuracy", train, validation, test, outputs, kind=kind, **rest)


def _generator() -> np.random.Generator:
    return np.random.default_rng(5)


def _labels(generator: np.random.Generator) -> Values:
    return generator.integers(0, 3, N)


def tokens() -> Task:
    """Texts of 1 to 7 of 11 tokens, padded with 0; one is empty."""
    generator = _generator()
    x = generator.integers(1, 11, (N, 7))
    x[np.arange(7) >= generator.integers(1, 8, N)[:, None]] = 0
    x[2] = 0
    sizes = {"vocabulary": 11}
    return _task("tokens", x, _labels(generator), 3, "classification", sizes=sizes)


def next_token() -> Task:
    """The token after each, with nothing to predict after the last."""
    generator = _generator()
    text = generator.integers(1, 11, (N, 8))
    y = text[:, 1:].copy()
    y[::3, -2:] = -1
    x = np.ascontiguousarray(text[:, :-1])
    return _task("tokens", x, y, 11, "next_token", sizes={"vocabulary": 11})


def series() -> Task:
    """Three channels at six uneven times, with gaps; what comes last is padding."""
    generator = _generator()
    observed = (generator.random((N, 6, 3)) < 0.6).astype(np.float32)
    observed[np.arange(6) >= generator.integers(2, 7, N)[:, None]] = 0
    values = generator.normal(size=(N, 6, 3)).astype(np.float32) * observed
    elapsed = generator.exponential(size=(N, 6, 1)).astype(np.float32)
    x = np.concatenate([values, observed, elapsed], axis=2)
    return _task("series", x, _labels(generator), 3, "classification", sizes={"channels": 3})


def _graphs(categorical: bool) -> Task:
    generator = _generator()
    counts = generator.integers(1, 6, N)
    node_start = np.concatenate([[0], counts.cumsum()])
    pairs: list[list[Values]] = []
    for first, count in zip(node_start, counts, strict=False):
        i, j = np.triu_indices(count, 1)
        there = generator.random(len(i)) < 0.7
        i, j = i[there] + first, j[there] + first
        pairs.append([np.concatenate([i, j]), np.concatenate([j, i])])
    edges = np.concatenate([np.stack(pair) for pair in pairs], axis=1).astype(np.int64)
    edge_start = np.concatenate([[0], np.cumsum([len(pair[0]) for pair in pairs])])
    nodes, bonds = int(node_start[-1]), edges.shape[1]
    sizes: dict[str, Any] = {"node_features": 2, "edge_features": 2}
    if categorical:
        sizes |= {"node_categories": (4, 3), "edge_categories": (2, 3)}
        of_nodes = np.stack([generator.integers(0, k, nodes) for k in (4, 3)], axis=1)
        of_edges = np.stack([generator.integers(0, k, bonds) for k in (2, 3)], axis=1)
    else:
        of_nodes = generator.normal(size=(nodes, 2)).astype(np.float32)
        of_edges = generator.normal(size=(bonds, 2)).astype(np.float32)
    context = {
        "nodes": of_nodes,
        "edges": edges,
        "edge_features": of_edges,
        "node_start": node_start.astype(np.int64),
        "edge_start": edge_start.astype(np.int64),
    }
    return _task(
        "graphs",
        np.arange(N),
        _labels(generator),
        3,
        "classification",
        sizes=sizes,
        context=context,
    )


def graphs() -> Task:
    """Graphs of 1 to 5 nodes, some without any edge, whose features are numbers."""
    return _graphs(categorical=False)


def molecules() -> Task:
    """The same with categorical features."""
    return _graphs(categorical=True)


def bare_graphs() -> Task:
    """Graphs whose edges have no features."""
    task = _graphs(categorical=False)
    context = {name: array for name, array in task.context.items() if name != "edge_features"}
    sizes = {"node_features": 2, "edge_features": 0}
    return _task(
        "graphs",
        np.arange(N),
        _labels(_generator()),
        3,
        "classification",
        sizes=sizes,
        context=context,
    )


def nodes() -> Task:
    """One graph of 90 nodes, six of them of no split."""
    generator = _generator()
    source, target = generator.integers(0, 90, (2, 150))
    edges = np.unique(np.stack([[*source, *target], [*target, *source]]), axis=1)
    context = {"nodes": generator.normal(size=(90, 5)).astype(np.float32), "edges": edges}
    x = generator.permutation(90)[:N]
    sizes = {"node_features": 5, "edge_features": 0}
    return _task("nodes", x, _labels(generator), 3, "classification", sizes=sizes, context=context)


def windows() -> Task:
    """Windows of five steps, the first of them padding in some."""
    generator = _generator()
    x = generator.normal(size=(N, 5, 1 + 3 + 2 + 2)).astype(np.float32)
    missing = generator.integers(0, 4, N)
    real = np.arange(5) >= missing[:, None]
    x[..., -1] = real
    x[..., -2] = np.maximum(np.arange(5) - missing[:, None], 0)
    y = x[..., 4:6].copy()
    y[~real] = np.nan
    sizes = {"states": 3, "actions": 2, "longest": 9}
    return _task("windows", x, y, 2, "regression", sizes=sizes)


def pictures() -> Task:
    """Pictures of 8 x 8 in two colours."""
    return toy_task(shape=(2, 8, 8))


def grey() -> Task:
    """Grey pictures of 8 x 8."""
    return toy_task(shape=(8, 8))


TOYS: dict[str, Callable[[], Task]] = {
    "numbers": lambda: toy_task(shape=(6,)),
    "tables": lambda: toy_task(shape=(2, 3)),
    "pictures": pictures,
    "grey": grey,
    "tokens": tokens,
    "next_token": next_token,
    "series": series,
    "graphs": graphs,
    "molecules": molecules,
    "bare_graphs": bare_graphs,
    "nodes": nodes,
    "windows": windows,
}
