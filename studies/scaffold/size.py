"""How large a language model of 900 million weights is: ``python -m studies.scaffold.size``.

The network is built without memory and counted; a file with its seed, the adapters of its
attention (rank 8) and its embeddings is written; and every frozen weight is made from the seed,
tensor by tensor into a network in half precision, in a process of its own whose memory is read.

The published shape is Llama's (RMSNorm, RoPE, SiLU, tied embeddings, 32,000 tokens); widths and
layers are not published. Heads of 64 and a feed-forward width of 8/3 of the model's are usual, and
the published 109 MB, of which embeddings in half precision are 64 kB times the width, leave
a width of 1,536. Thirty layers of it are 899 million weights. The published 2,312 MB of half
precision are 1,156 million: 39 layers, so both are counted.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from rankprobe.artifact.sizes import BITS, sizes
from rankprobe.backbones import Inputs, build
from rankprobe.lowrank import Adapter, Scaffold, attach, count_trainable
from rankprobe.training.scaffolds import frozen_tensors
from studies.catalogue import ROOT

RESULTS = Path("scaffold/results/size.json")
TABLE = Path("scaffold/results/size.md")
VOCABULARY, POSITIONS, RANK = 32_000, 128, 8
WIDTH, FEEDFORWARD, HEADS = 1536, 4096, 24
LAYERS = {"899 million": 30, "1,153 million": 39}
ATTENTION = ("*.query", "*.key", "*.value", "*.out")
_HEADER = (
    "", "weights", "fp32", "fp16", "4-bit, by formula", "seed, adapters, embeddings",
    "against fp16", "against 4-bit",
)  # fmt: skip
TIMES = "\N{MULTIPLICATION SIGN}"
PUBLISHED = {"ours": 109, "fp16": 2312, "4-bit": 650}  # MB, arXiv:2604.08749
ADAPTER = Adapter(layers=ATTENTION, alpha=16.0)


@dataclass(frozen=True)
class Regeneration:
    """What it took to make frozen weights from a seed, on one thread.

    Attributes:
        weights: How many.
        tensors: In how many tensors.
        seconds: Processor time.
        wall: Time on the clock, beside whatever else ran.
        result: Bytes of what was made, float16.
        peak: Bytes that the process took above what it had before, the result included.
        largest: Bytes of the largest tensor in float32.
    """

    weights: int
    tensors: int
    seconds: float
    wall: float
    result: int
    peak: int
    largest: int


def network(layers: int) -> nn.Module:
    """The network, of no memory."""
    inputs = Inputs("tokens", (POSITIONS,), {"vocabulary": VOCABULARY})
    with torch.device("meta"):
        return build(
            "llama",
            inputs,
            VOCABULARY,
            width=WIDTH,
            layers=layers,
            heads=HEADS,
            feedforward=FEEDFORWARD,
        )


def adapted(layers: int) -> nn.Module:
    """The network with adapters, of no memory."""
    return attach(network(layers), rank=RANK, adapter=ADAPTER, scaffold=Scaffold(init="pretrained"))


def frozen_shapes(layers: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors that come from the seed, by the name that keys each."""
    held = frozen_tensors(adapted(layers))
    return {name.removesuffix(".weight"): tuple(each.shape) for name, each in held.items()}


def file_size(layers: int) -> tuple[int, int]:
    """(bytes of a file with all that is sent, trained numbers in it).

    Trained numbers are written in half precision; what the file says of itself holds a sha256 of
    every frozen and every trained tensor, as that of `rankprobe pack` does.
    """
    from safetensors.numpy import save_file

    module = adapted(layers)
    trained = {
        name: np.zeros(tuple(p.shape), np.float16)
        for name, p in module.named_parameters()
        if p.requires_grad
    }
    sums = dict.fromkeys((*frozen_tensors(module), *trained), "0" * 64)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save_file(trained, file, {"rankprobe": json.dumps(sums)})
        return file.stat().st_size, count_trainable(module)


def regenerated(shapes: Mapping[str, tuple[int, ...]]) -> Regeneration:
    """Make tensors one after the other into float16, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_made, (shapes,))


def _made(shapes: dict[str, tuple[int, ...]]) -> Regeneration:
    scaffold = Scaffold()
    scaffold.weight("warm-up", (64, 64))
    before, clock, busy = _now(), time.perf_counter(), time.process_time()
    made = {name: _half(scaffold, name, shape) for name, shape in shapes.items()}
    return Regeneration(
        weights=sum(array.size for array in made.values()),
        tensors=len(made),
        seconds=time.process_time() - busy,
        wall=time.perf_counter() - clock,
        result=sum(array.nbytes for array in made.values()),
        peak=_peak() - before,
        largest=4 * max(array.size for array in made.values()),
    )


def _half(scaffold: Scaffold, name: str, shape: tuple[int, ...]) -> Any:
    return scaffold.weight(name, shape).astype(np.float16)


def _now() -> int:
    """Bytes of memory that the process has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _peak() -> int:
    """The most bytes of memory that it has had."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure() -> dict[str, Any]:
    """Count, write, make again: everything that the table shows."""
    found: dict[str, Any] = {"published_mb": PUBLISHED, "shapes": {}}
    for name, layers in LAYERS.items():
        weights = sum(parameter.numel() for parameter in network(layers).parameters())
        ours, trained = file_size(layers)
        form = {"width": WIDTH, "layers": layers, "heads": HEADS, "feedforward": FEEDFORWARD}
        found["shapes"][name] = {
            **form,
            "vocabulary": VOCABULARY,
            "rank": RANK,
            "trained": trained,
            **asdict(sizes(weights, ours)),
        }
    shapes = frozen_shapes(LAYERS["899 million"])
    layer = {name: shape for name, shape in shapes.items() if ".0." in name}
    found["one_layer"] = asdict(regenerated(layer))
    found["whole"] = asdict(regenerated(shapes))
    return found


def table(found: dict[str, Any]) -> str:
    """Sizes beside the published ones, and what making the weights takes, as Markdown."""
    lines = [
        f"| {' | '.join(_HEADER)} |",
        f"|{'---|' * len(_HEADER)}",
    ]
    for name, shape in found["shapes"].items():
        mb = {key: shape[key] / 1e6 for key in ("fp32", "fp16", "four_bit", "ours")}
        by_fp16, by_four = (shape[key] / shape["ours"] for key in ("fp16", "four_bit"))
        lines.append(
            f"| {shape['layers']} layers of {shape['width']:,} | {name} | {mb['fp32']:,.0f} MB "
            f"| {mb['fp16']:,.0f} MB | {mb['four_bit']:,.0f} MB | {mb['ours']:,.1f} MB "
            f"| {by_fp16:.1f}{TIMES} | {by_four:.1f}{TIMES} |"
        )
    mb = found["published_mb"]
    lines.append(
        f"| published, “900M” | | | {mb['fp16']:,} MB | {mb['4-bit']} MB | {mb['ours']} MB "
        f"| {mb['fp16'] / mb['ours']:.0f}{TIMES} | {mb['4-bit'] / mb['ours']:.0f}{TIMES} |"
    )
    lines += ["", _regeneration_words(found), ""]
    return "\n".join(lines)


def _regeneration_words(found: dict[str, Any]) -> str:
    layer, whole = found["one_layer"], found["whole"]
    beyond = (whole["peak"] - whole["result"]) / 1e6
    return (
        f"Making one layer again ({layer['weights'] / 1e6:.1f} million weights) takes "
        f"{layer['seconds']:.2f} s of one processor core, and all "
        f"{whole['weights'] / 1e6:,.0f} million frozen weights {whole['seconds']:.0f} s, tensor by "
        f"tensor: beside the {whole['result'] / 1e6:,.0f} MB that come out in half precision the "
        f"process needs {beyond:,.0f} MB, less than the {4 * layer['weights'] / 1e6:.0f} MB of one "
        f"layer in float32. 4-bit counts {BITS} bits a weight: 4, and a float32 scale for every 64."
    )


def main() -> int:
    """Measure, and write the results and the table; returns the exit status."""
    found = measure()
    for file, text in ((RESULTS, json.dumps(found, indent=1) + "\n"), (TABLE, table(found))):
        (ROOT / file).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / file).write_text(text, encoding="utf-8")
    print(table(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
