"""A damaged file is one clear error: nothing of it runs, and no memory is taken for it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import pickle
import resource
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

import rankprobe
from rankprobe.artifact.description import Description, Frozen, Trained, written
from rankprobe.artifact.header import LARGEST_HEADER
from rankprobe.artifact.network import attached, backbone_of, frozen_sums, sha256_of
from rankprobe.cli import main
from rankprobe.config import AdapterConfig
from rankprobe.config_backbones import MlpConfig, TransformerConfig
from rankprobe.data.facts import TaskFacts
from rankprobe.errors import ArtifactError
from rankprobe.lowrank.scaffold import SPEC_VERSION

MEGABYTES = 300  # that a damaged file may take at most, beside what torch takes anyway


@cache
def whole(family: str = "mlp") -> bytes:
    """A model as a file, with values from nowhere."""
    tokens = family == "transformer"
    backbone: Any = (
        TransformerConfig(width=8, layers=1, heads=2, feedforward=8)
        if tokens
        else MlpConfig(hidden=(6, 5))
    )
    description = Description(
        format=1,
        rankprobe=rankprobe.__version__,
        task=TaskFacts(
            name="toy",
            kind="tokens" if tokens else "numbers",
            objective="classification",
            metric="accuracy",
            outputs=3,
            classes=("a", "b", "c"),
            input_shape=(4,),
            target_shape=(),
            sizes={"vocabulary": 9} if tokens else {},
            fitted={"reads": "arrays", "name": "x", "shape": [4]},
        ),
        backbone=backbone,
        adapter=AdapterConfig(),
        frozen=Frozen(specification=SPEC_VERSION, seed=42, family="normal", scale=None, sha256={}),
        trained=Trained(
            rank=2, repeat=0, learning_rate=0.1, epochs=1, validation=0.5, test=0.5, sha256={}
        ),
    )
    module = attached(description, backbone_of(description, Path()))
    generator = np.random.default_rng(0)
    tensors = {
        name: generator.normal(size=tuple(p.shape)).astype(np.float32)
        for name, p in module.named_parameters()
        if p.requires_grad
    }
    frozen = frozen_sums(module)
    trained = {name: sha256_of(value) for name, value in tensors.items()}
    description = description.model_copy(
        update={
            "frozen": description.frozen.model_copy(update={"sha256": frozen}),
            "trained": description.trained.model_copy(update={"sha256": trained}),
        }
    )
    return save(tensors, written(description))


def parts(raw: bytes) -> tuple[dict[str, Any], bytes]:
    (length,) = struct.unpack("<Q", raw[:8])
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def joined(header: Any, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def described(raw: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The file with another description, which says of itself that it is whole."""
    header, data = parts(raw)
    description = json.loads(header["__metadata__"]["rankprobe"])
    change(description)
    text = json.dumps(description)
    header["__metadata__"] = {
        "rankprobe": text,
        "rankprobe_sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    return joined(header, data)


def refused(raw: bytes, folder: Path) -> str:
    """The one line that says why a file is refused."""
    file = folder / "model.safetensors"
    file.write_bytes(raw)
    with pytest.raises(ArtifactError) as caught:
        rankprobe.load(file)
    assert str(caught.value).startswith(str(file))
    return str(caught.value).removeprefix(str(file))


def test_whole_files_are_read(tmp_path: Path) -> None:
    for family in ("mlp", "transformer"):
        (tmp_path / "m").write_bytes(whole(family))
        rankprobe.load(tmp_path / "m")


def test_every_bit_counts(tmp_path: Path) -> None:
    raw = whole()
    for place in range(0, len(raw), 53):
        flipped = bytearray(raw)
        flipped[place] ^= 1 << place % 8
        assert refused(bytes(flipped), tmp_path)


def test_a_flipped_bit_names_its_tensor(tmp_path: Path) -> None:
    header, data = parts(whole())
    begin = header["hidden1.B"]["data_offsets"][0]
    flipped = bytearray(data)
    flipped[begin + 3] ^= 1
    assert "tensor `hidden1.B` is not what was packed" in refused(
        joined(header, bytes(flipped)), tmp_path
    )


@pytest.mark.parametrize("left", [0, 5, 8, 200, -1, -40])
def test_a_cut_file(left: int, tmp_path: Path) -> None:
    assert "it ends inside" in refused(whole()[:left], tmp_path)


def test_another_format(tmp_path: Path) -> None:
    raw = described(whole(), lambda d: d.update(format=2))
    assert "has the format 2, and this version of rankprobe reads 1" in refused(raw, tmp_path)


def test_a_newer_specification(tmp_path: Path) -> None:
    raw = described(whole(), lambda d: d["frozen"].update(specification=99))
    assert "version 99 of the scaffold specification" in refused(raw, tmp_path)


@pytest.mark.parametrize("text", ["name: letters\ndata: letters.csv\n", "a: 1", '{"schema": 1}\n'])
@pytest.mark.parametrize("command", ["verify", "predict", "merge"])
def test_text_is_not_an_artifact(
    command: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "dataset.yaml", tmp_path / "out"
    file.write_text(text)
    more = {"verify": [], "predict": ["letters.csv"], "merge": ["-o", str(out)]}[command]
    assert main([command, str(file), *more]) == 2
    assert capsys.readouterr().err == (
        f"rankprobe: {file} is not an artifact of rankprobe; give the .safetensors file that "
        "`rankprobe pack` wrote\n"
    )
    assert not out.exists()


class Bomb:
    """What runs where a pickle is read."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was read",))


@pytest.mark.parametrize("make", ["pickle", "torch"])
def test_a_pickled_file_is_not_read(make: str, tmp_path: Path) -> None:
    if make == "pickle":
        raw = pickle.dumps(Bomb())
    else:
        torch.save({"x": Bomb()}, tmp_path / "t.pt")
        raw = (tmp_path / "t.pt").read_bytes()
    assert "looks like a pickled file, which can run code" in refused(raw, tmp_path)


@pytest.mark.parametrize("length", [LARGEST_HEADER + 1, 2**63])
def test_a_huge_header_is_not_read(length: int, tmp_path: Path) -> None:
    raw = struct.pack("<Q", length) + whole()[8:]
    assert "its header is declared to have" in refused(raw, tmp_path)


def test_a_huge_shape_is_not_made(tmp_path: Path) -> None:
    header, data = parts(whole())
    header["hidden0.A"]["shape"] = [1 << 40, 1 << 20]
    assert "tensor `hidden0.A` of the shape" in refused(joined(header, data), tmp_path)


def test_tensors_that_overlap(tmp_path: Path) -> None:
    header, data = parts(whole())
    header["hidden0.A"]["data_offsets"] = [0, 32]
    assert "does not" in refused(joined(header, data), tmp_path)


def test_a_renamed_tensor(tmp_path: Path) -> None:
    header, data = parts(whole())
    header["hidden0.Q"] = header.pop("hidden0.A")
    assert "tensor `hidden0.A` is not among those" in refused(joined(header, data), tmp_path)


def test_a_renamed_tensor_in_a_file_that_agrees_with_itself(tmp_path: Path) -> None:
    def renamed(raw: bytes) -> bytes:
        header, data = parts(raw)
        header["hidden0.Q"] = header.pop("hidden0.A")
        return joined(header, data)

    def rename(description: dict[str, Any]) -> None:
        sums = description["trained"]["sha256"]
        sums["hidden0.Q"] = sums.pop("hidden0.A")

    message = refused(described(renamed(whole()), rename), tmp_path)
    assert "it holds a tensor `hidden0.Q`, which its network has not" in message


def test_a_value_that_is_not_finite(tmp_path: Path) -> None:
    header, data = parts(whole())
    begin, end = header["hidden0.B"]["data_offsets"]
    spoiled = bytearray(data)
    spoiled[begin : begin + 4] = np.float32(np.nan).tobytes()

    def agree(description: dict[str, Any]) -> None:
        digest = hashlib.sha256(bytes(spoiled[begin:end])).hexdigest()
        description["trained"]["sha256"]["hidden0.B"] = digest

    message = refused(described(joined(header, bytes(spoiled)), agree), tmp_path)
    assert "tensor `hidden0.B` holds values that are not finite" in message


def test_another_seed_makes_other_weights(tmp_path: Path) -> None:
    raw = described(whole(), lambda d: d["frozen"].update(seed=43))
    assert "its frozen tensor `hidden0.weight` came out other" in refused(raw, tmp_path)


def test_an_unknown_family(tmp_path: Path) -> None:
    raw = described(whole(), lambda d: d["frozen"].update(family="magic"))
    assert "unknown family of scaffold weights `magic`" in refused(raw, tmp_path)
    raw = described(whole(), lambda d: d["backbone"].update(family="magic"))
    assert "`backbone" in refused(raw, tmp_path)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("hidden", [10**9, 10**9]), ("hidden", [1] * 10**5), ("hidden", [6, 4])],
    ids=["wide", "deep", "other"],
)
def test_another_network_is_not_built(setting: str, value: Any, tmp_path: Path) -> None:
    raw = described(whole(), lambda d: d["backbone"].update({setting: value}))
    assert refused(raw, tmp_path)


def test_a_network_of_too_many_layers_is_not_planned(tmp_path: Path) -> None:
    raw = described(whole("transformer"), lambda d: d["backbone"].update(layers=10**8))
    assert "its `backbone.layers` is 100,000,000" in refused(raw, tmp_path)


def test_code_only_runs_with_consent(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('it ran')\n")
    given = {"family": "python", "factory": "mine:net", "seed": 42, "weights": "normal"}
    raw = described(whole(), lambda d: d.update(backbone=given))
    assert "only runs with --trust" in refused(raw, tmp_path)


# What any change may lead to: the error, or a model that is what the file says.

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([0, -1, 1, 2**31, 2**40, [], {}, [2**40], "transformer", "normal", [[]]]),
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file with a few bytes changed, cut, or another entry anywhere in what it declares."""
    raw = whole(draw(st.sampled_from(["mlp", "transformer"])))
    kind = draw(st.sampled_from(["bytes", "cut", "header", "description", "noise"]))
    if kind == "cut":
        return raw[: draw(st.integers(0, len(raw) - 1))]
    if kind == "noise":
        return draw(st.binary(max_size=200))
    if kind == "bytes":
        changed = bytearray(raw)
        for _ in range(draw(st.integers(1, 4))):
            changed[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
        return bytes(changed)
    if kind == "header":
        header, data = parts(raw)
        _replace(draw, header)
        return joined(header, data)
    return described(raw, lambda description: _replace(draw, description))


def _replace(draw: st.DrawFn, tree: Any) -> None:
    """Put something else at some place of a tree."""
    places = list(_places(tree))
    holder, key = draw(st.sampled_from(places))
    holder[key] = draw(_SCALARS)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _read(raw: bytes, file: Path) -> None:
    file.write_bytes(raw)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(ArtifactError):
        rankprobe.load(file)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < MEGABYTES * 1024


_QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@given(raw=damaged())
@settings(max_examples=25, deadline=None, suppress_health_check=_QUIET)
def test_any_damage_is_an_artifact_error(raw: bytes, tmp_path: Path) -> None:
    _read(raw, tmp_path / "model.safetensors")


@pytest.mark.slow
@given(raw=damaged())
@settings(max_examples=5000, deadline=None, suppress_health_check=_QUIET)
def test_any_of_much_damage_is_an_artifact_error(raw: bytes, tmp_path: Path) -> None:
    _read(raw, tmp_path / "model.safetensors")
