"""Networks of the user's: a module, or a function that makes one."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rankprobe.backbones import Inputs
from rankprobe.config import TaskConfig
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, Problem
from rankprobe.user_code import UserCode

_EXAMPLES = 2  # that a network is tried on


def own_network(config: TaskConfig, task: Task, inputs: Inputs) -> nn.Module:
    """The user's network, tried on two examples.

    A function is called as ``function(input_shape, outputs)``: the shape of one example, and the
    number of outputs. One with a parameter named ``inputs`` is given what
    `rankprobe.backbones.Inputs` holds by that name. It is called with torch's generator seeded
    from ``backbone.seed``, so that it makes the same network each time.

    Raises:
        ConfigError: Code that cannot be imported or fails, something else than a module, one
            that gives outputs of another shape than the task needs, or that holds parameters
            frozen already.
    """
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(config.backbone.seed)
        network = _made(config, task, inputs)
        return tried(network, config, task)


def tried(network: nn.Module, config: TaskConfig, task: Task) -> nn.Module:
    """The network, after its outputs for two examples had the form that the task needs.

    An output with ``logits``, as the transformers library has it, becomes these.

    Raises:
        ConfigError: It fails, or its outputs have another form.
    """
    where, name = config.where("backbone"), type(network).__name__
    x = torch.from_numpy(task.train.x[:_EXAMPLES])
    batch = f"a batch of shape {tuple(x.shape)}"
    network.eval()
    try:
        with torch.no_grad():
            outputs = network(x)
    except Exception as error:
        what = f"`{name}` fails on {batch}: {type(error).__name__}: {error}"
        raise ConfigError(Problem(what, where)) from error
    finally:
        network.train()
    if not isinstance(outputs, Tensor) and isinstance(getattr(outputs, "logits", None), Tensor):
        network.register_forward_hook(only_logits)
        outputs = outputs.logits
    if not isinstance(outputs, Tensor):
        what = f"`{name}` returns {type(outputs).__name__}, and a row of outputs is needed"
        hint = "return one tensor, with a row of outputs for every example"
        raise ConfigError(Problem(what, where, hint))
    wanted = (len(x), *output_shape(task))
    if tuple(outputs.shape) != wanted or not outputs.is_floating_point():
        kind = "" if outputs.is_floating_point() else f" of {outputs.dtype}"
        what = (
            f"for {batch} `{name}` returns outputs of shape {tuple(outputs.shape)}{kind}, and the "
            f"task `{task.name}` needs {wanted}"
        )
        hint = f"its last layer must give {math.prod(wanted[1:])} numbers for every example"
        raise ConfigError(Problem(what, where, hint))
    _refuse_frozen(network, where)
    return network


def only_logits(_module: nn.Module, _inputs: Any, outputs: Any) -> Any:
    """What a network of the transformers library says, without what is beside it."""
    return getattr(outputs, "logits", outputs)


def output_shape(task: Task) -> tuple[int, ...]:
    """Shape of a network's outputs for one example."""
    if task.objective == "classification":
        return (task.outputs,)
    if task.objective == "next_token":
        return (*task.input_shape, task.outputs)
    return task.train.y.shape[1:]


def _made(config: TaskConfig, task: Task, inputs: Inputs) -> nn.Module:
    where, given = config.where("backbone"), config.network
    if isinstance(given, nn.Module):
        try:
            return copy.deepcopy(given)
        except Exception as error:
            what = f"`{type(given).__name__}` cannot be copied: {type(error).__name__}: {error}"
            hint = "give a function that makes it instead: backbone=make_net"
            raise ConfigError(Problem(what, where, hint)) from error
    name = getattr(config.backbone, "factory", "")
    function = given or UserCode(name, config.folder).function(ConfigError)
    network = _called(function, name, task, inputs, where)
    if not isinstance(network, nn.Module):
        what = f"`{name}` returned {type(network).__name__}; return a torch.nn.Module"
        raise ConfigError(Problem(what, where))
    return network


def _called(function: Callable[..., Any], name: str, task: Task, inputs: Inputs, where: str) -> Any:
    positional = (task.input_shape, task.outputs)
    named: dict[str, Any] = {}
    try:
        signature = inspect.signature(function)
        if "inputs" in signature.parameters:
            named["inputs"] = inputs
        signature.bind(*positional, **named)
    except TypeError:
        what = f"`{name}` cannot be called as {name.partition(':')[2]}(input_shape, outputs)"
        hint = "give it these two parameters, and `*, inputs` where it needs to know more"
        raise ConfigError(Problem(what, where, hint)) from None
    except ValueError:
        pass  # a callable that hides its signature is called all the same
    try:
        return function(*positional, **named)
    except Exception as error:
        what = f"`{name}` failed: {type(error).__name__}: {error}"
        raise ConfigError(Problem(what, where)) from error


def _refuse_frozen(network: nn.Module, where: str) -> None:
    """Refuse parameters that its maker has frozen: full training trains them all."""
    frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
    if frozen:
        shown = ", ".join(frozen[:5]) + (f" and {len(frozen) - 5} more" if frozen[5:] else "")
        raise ConfigError(
            Problem(
                f"these parameters do not require gradients, and full training trains all: {shown}",
                where,
                "make constants buffers; which layers adapters train is `adapter: {layers: ...}`",
            )
        )
