"""What the operations of a cohort's step take alone: ``python -m studies.speed.breakdown``.

Thirty members of the MNIST network, padded to rank 32, batch 128; every operation on its own,
on tensors of the step's shapes, with random numbers. Prints; writes nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import torch

MEMBERS, BATCH, RANK, ROUNDS = 30, 128, 32, 30
WIDTHS = (784, 512, 256, 128, 64)


def seconds(operation: Callable[[], object]) -> float:
    """Median time of an operation, after two that warm up."""
    times = []
    for _ in range(ROUNDS + 2):
        start = time.perf_counter()
        operation()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:])


def breakdown() -> dict[str, float]:
    """Milliseconds a member-step, by kind of operation; the first layer's input is shared."""
    total = {"frozen products": 0.0, "adapter products": 0.0, "beta": 0.0, "elementwise": 0.0}
    for layer, (d_in, d_out) in enumerate(pairwise(WIDTHS)):
        x, y = torch.randn(MEMBERS, BATCH, d_in), torch.randn(MEMBERS, BATCH, d_out)
        weight, inner = torch.randn(d_out, d_in), torch.randn(MEMBERS, BATCH, RANK)
        A, B = torch.randn(MEMBERS, RANK, d_in), torch.randn(MEMBERS, d_out, RANK)
        kinds: dict[str, list[Callable[[], object]]] = {
            "adapter products": [
                partial(y.baddbmm_, inner, B.mT, beta=0.0),
                partial(torch.bmm, y.mT, inner),
                partial(torch.bmm, y, B),
            ],
            "elementwise": [
                partial(y.mul_, 1.0),
                partial(torch.relu, y),
                partial(y.mul_, 1.0),
                partial(torch.ops.aten.threshold_backward, y, y, 0),
            ],
        }
        if layer:
            kinds["frozen products"] = [
                partial(torch.mm, x.flatten(0, 1), weight.t()),
                partial(torch.mm, y.flatten(0, 1), weight),
            ]
            kinds["adapter products"] += [
                partial(torch.bmm, x, A.mT),
                partial(torch.bmm, inner.mT, x),
                partial(x.baddbmm_, inner, A, beta=0.0),
            ]
            other = torch.randn_like(x)
            rows, columns = x.view(MEMBERS, 1, -1), other.view(MEMBERS, -1, 1)
            kinds["beta"] = [partial(torch.bmm, rows, columns)]
        for kind, operations in kinds.items():
            total[kind] += sum(map(seconds, operations)) * 1e3 / MEMBERS
    return total


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the breakdown; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.speed.breakdown", description=__doc__)
    parser.add_argument("--threads", type=int, default=2, metavar="N")
    torch.set_num_threads(parser.parse_args(arguments).threads)
    parts = breakdown()
    for kind, milliseconds in [*parts.items(), ("sum", sum(parts.values()))]:
        print(f"{kind:18}{milliseconds:6.2f} ms a member-step")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
