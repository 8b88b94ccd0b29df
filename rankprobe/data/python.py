"""The source ``python``: a function of the user's that returns arrays or graphs."""

from __future__ import annotations

from collections.abc import Mapping

from rankprobe.config import TaskConfig
from rankprobe.data.arrays import examples_from_names, examples_from_pairs
from rankprobe.data.examples import Examples
from rankprobe.data.graph_objects import examples_from_graphs, examples_from_nodes, is_graph
from rankprobe.errors import DataError
from rankprobe.user_code import UserCode


def read_python(config: TaskConfig) -> Examples:
    """Call ``data.factory``, a ``module:function`` that returns ``(x, y)`` or named arrays.

    It may also return a ``Data`` of torch_geometric, whose nodes are the examples, or a list of
    them, one example each.

    The module is a file beside the settings, else any module that can be imported. Only call this
    with the user's consent: it runs their code.

    Raises:
        DataError: There is no such function, it fails, or it returns something else.
    """
    assert config.data is not None
    assert config.data.factory is not None
    factory = config.data.factory
    function = UserCode(factory, config.folder).function(DataError)
    try:
        made = function()
    except Exception as error:
        raise DataError(f"`{factory}` failed: {type(error).__name__}: {error}") from error
    if isinstance(made, Mapping):
        return examples_from_names(list(made), made.__getitem__, config, factory)
    if is_graph(made):
        return examples_from_nodes(made, config, factory)
    if isinstance(made, list) and made and all(is_graph(graph) for graph in made):
        return examples_from_graphs(made, factory)
    if isinstance(made, tuple) and len(made) == 2:
        return examples_from_pairs((made[0], made[1]), config, holder=factory)
    raise DataError(
        f"`{factory}` returned {type(made).__name__}; return (x, y), a dict of arrays, or "
        "graphs of torch_geometric"
    )
