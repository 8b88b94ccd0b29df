"""The commands that pack, verify, use and merge models."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from rankprobe.messages import say


def add_commands(kinds: Any) -> None:
    """Add their arguments to a parser; imports nothing that is slow."""
    pack = kinds.add_parser("pack", help="write a measured model as one file: seed + adapters")
    pack.add_argument("run", type=Path, metavar="RUN", help="run folder")
    pack.add_argument("--rank", type=int, metavar="R", help="its rank (the minimal rank)")
    pack.add_argument("--repeat", type=int, metavar="K", help="its repeat (the best by validation)")
    pack.add_argument("--dtype", choices=("fp32", "fp16"), default="fp32", help="(fp32)")
    _out(pack, Path("model.safetensors"), "model.safetensors")
    _trust(pack)
    pack.set_defaults(command=run_pack)

    verify = kinds.add_parser("verify", help="make a packed model's weights again, and compare")
    _file(verify)
    _trust(verify)
    verify.set_defaults(command=run_verify)

    predict = kinds.add_parser("predict", help="predict new data with a packed model")
    _file(predict)
    predict.add_argument("data", type=Path, metavar="DATA", help="a table, .npz, or pictures")
    _out(predict, None, "a CSV file; stdout unless given")
    _trust(predict)
    predict.set_defaults(command=run_predict)

    merge = kinds.add_parser("merge", help="write a packed model as a plain, dense state dict")
    _file(merge)
    _out(merge, Path("dense.safetensors"), "dense.safetensors")
    _trust(merge)
    merge.set_defaults(command=run_merge)


def run_pack(options: argparse.Namespace) -> None:
    """Write a trained member of a run as one file."""
    from rankprobe.artifact.packing import pack

    packed = pack(
        options.run,
        rank=options.rank,
        repeat=options.repeat,
        dtype=options.dtype,
        out=options.out,
        trust=options.trust,
    )
    metric = packed.metric.replace("_", " ")
    print(
        f"{packed.path}: rank {packed.rank}, repeat {packed.repeat}, test {metric} "
        f"{packed.test:.4g}\n"
    )
    print(f"{packed.sizes.weights:,} weights as{'':<12}size      times ours")
    for name, size, times in packed.sizes.rows():
        print(f"  {name:<16}{readable(size):>14}  {times:>10.1f}")
    if packed.note:
        say(f"note: {packed.note}")


def run_verify(options: argparse.Namespace) -> None:
    """Make every frozen weight of a packed model again, and compare."""
    from rankprobe.artifact.reading import read_model

    description = read_model(options.file, trust=options.trust).description
    frozen, trained = len(description.frozen.sha256), len(description.trained.sha256)
    print(
        f"{options.file}: all as packed\n"
        f"frozen   {frozen} tensors made again from seed {description.frozen.seed}, "
        f"{description.frozen.family}\n"
        f"trained  {trained} tensors at rank {description.trained.rank}"
    )


def run_predict(options: argparse.Namespace) -> None:
    """Predict new data with a packed model."""
    from rankprobe.artifact.prediction import predict

    predictions = predict(options.file, options.data, trust=options.trust)
    if predictions.notes:
        head = f"note: {options.data} holds what the training data did not; it is predicted as well"
        say("\n".join([head, *(f"  {line}" for line in predictions.notes)]))
    if options.out is None:
        predictions.write(sys.stdout)
        return
    predictions.save(options.out)
    print(f"{options.out}: {len(predictions.outputs):,} predictions")


def run_merge(options: argparse.Namespace) -> None:
    """Write a packed model as a plain, dense state dict."""
    from rankprobe.artifact.merging import merge

    state = merge(options.file, out=options.out, trust=options.trust)
    print(f"{options.out}: {len(state)} tensors, {readable(options.out.stat().st_size)}")


def readable(size: int) -> str:
    """Bytes in a unit that people read; 1 MB is 1,000,000 bytes."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:,.1f} {unit}"
    return f"{size} bytes"


def _file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="what `rankprobe pack` wrote")


def _out(parser: argparse.ArgumentParser, default: Path | None, words: str) -> None:
    parser.add_argument("-o", "--out", type=Path, default=default, metavar="OUT", help=words)


def _trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trust", action="store_true", help="let code of yours make the network")
