"""What each source of data reads: its keys under ``data``, its files, the network that suits it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from rankprobe.config_problems import nearest
from rankprobe.errors import Problem
from rankprobe.settings import Settings, Where

_SUFFIXES = {
    ".npz": "arrays",
    ".npy": "arrays",
    ".csv": "table",
    ".tsv": "table",
    ".parquet": "table",
    ".jsonl": "text",
    ".txt": "tokens",
}
_READABLE = (
    "readable are .npz or a pair of .npy (arrays), and .csv, .tsv or .parquet (table); "
    "for others, name the `source`"
)
# Sources that read two files, beside `arrays`.
_PAIRS = ("images", "tokens")
# What else a table may be called for text and pictures, before `.gz`.
TABLES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")
# Keys of `data` that a source uses beside `source` and `standardize`; it needs the first.
USED = {
    "arrays": ("path", "features", "target", "split"),
    "table": ("path", "features", "target", "split"),
    "sklearn": ("name", "split"),
    "python": ("factory", "features", "target", "split"),
    "images": ("path", "features", "target", "split", "size", "grey", "augment"),
    "text": ("path", "features", "target", "split", "length", "vocabulary", "tokenizer"),
    "series": (
        "path", "labels", "id", "time", "channel", "value", "target", "features", "split",
        "length", "until",
    ),
    "graphs": ("path", "smiles", "edges", "id", "features", "target", "split"),
    "trajectories": (
        "path", "environment", "policy", "episodes", "length", "split",
    ),
    "tokens": ("path", "split", "length", "vocabulary", "tokenizer"),
    "huggingface": (
        "path", "configuration", "features", "target", "split", "size", "grey", "augment",
        "length", "vocabulary", "tokenizer",
    ),
}  # fmt: skip
BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
# The family of networks that reads what a source gives; where none is named, `mlp`.
FAMILY_OF = {
    "images": "cnn",
    "text": "transformer",
    "series": "cfc",
    "trajectories": "decision_transformer",
    "tokens": "llama",
}


# Keys that mean nothing beside another one, by source and that other key.
_BESIDE = {
    ("graphs", "smiles"): ("edges", "id", "features"),
    ("trajectories", "path"): ("policy", "episodes"),
    ("text", "tokenizer"): ("vocabulary",),
    ("tokens", "tokenizer"): ("vocabulary",),
    ("huggingface", "tokenizer"): ("vocabulary",),
}


def inferred_source(data: Settings) -> str | None:
    """The source that a configuration means when it names none."""
    suffixes = [_suffix(path) for path in paths_of(data)]
    if suffixes:
        return _SUFFIXES.get(suffixes[0])
    return "sklearn" if "name" in data else "python" if "factory" in data else None


def source_conflicts(
    data: Settings, where: Where, *, trust: bool, from_file: bool
) -> Iterator[Problem]:
    """What is missing under ``data``, means nothing to its source, or needs consent."""
    source, paths = data.get("source", "arrays"), paths_of(data)
    if source not in USED:
        return
    used = USED[source]
    absent = data.get(used[0]) is None and not (source == "trajectories" and "environment" in data)
    if absent and (from_file or "source" in data):
        yield Problem(
            f"`data.{used[0]}` is missing: the source `{source}` needs it",
            where(("data",)),
            "name the data, for example `data: letters.npz`" if used[0] == "path" else "",
        )
    if "path" in used and paths:
        yield from _path_conflicts(source, paths, where)
    yield from _unused(data, source, where)
    name = data.get("name")
    if source == "sklearn" and isinstance(name, str) and name not in BUNDLED:
        hint = nearest(name, BUNDLED) or f"there are: {', '.join(BUNDLED)}"
        yield Problem(f"scikit-learn brings no set `{name}`", where(("data", "name")), hint)
    policy = str(data.get("policy") or "")
    if not trust and (source == "python" or ":" in policy):
        key = "source" if source == "python" else "policy"
        yield needs_consent(f"the {key} `{data[key]}`", where(("data", key)))


def _unused(data: Settings, source: str, where: Where) -> Iterator[Problem]:
    """Keys that would decide nothing."""
    used, what, paths = USED[source], f"the source `{source}`", paths_of(data)
    if source == "arrays" and is_pair(data):
        used, what = ("path", "split"), "a pair of .npy files"
    elif source == "series" and paths and _suffix(paths[0]) == ".npz":
        used = ("path", "time", "target", "features", "split", "length", "until")
        what = "series in an .npz file"
    unused = {key for keys in USED.values() for key in keys} & data.keys() - {*used}
    if data.get("standardize") is True and (source in ("text", "tokens") or "smiles" in data):
        unused.add("standardize")
    for key in sorted(unused):
        yield Problem(f"`data.{key}` means nothing to {what}", where(("data", key)), "remove it")
    for (of, other), keys in _BESIDE.items():
        for key in keys if source == of and data.get(other) is not None else ():
            if key in data:
                message = f"`data.{key}` means nothing beside `data.{other}`"
                yield Problem(message, where(("data", key)), "remove one of them")


def needs_consent(what: str, where: str) -> Problem:
    """The problem of code of the user's that nobody has allowed to run."""
    return Problem(
        f"{what} runs code of your own, which needs your consent",
        where,
        "add --trust to the command (trust=True in Python) if you trust this file",
    )


def _path_conflicts(source: str, paths: list[str], where: Where) -> Iterator[Problem]:
    suffixes = [_suffix(path) for path in paths]
    if source not in ("arrays", "table"):
        if len(paths) > 1 and source not in _PAIRS:
            message = f"the source `{source}` reads one file or folder, not {len(paths)}"
            yield Problem(message, where(("data", "path")), "join them, or name one")
        elif source == "text" and table_suffix(paths[0]) not in TABLES:
            hint = "readable are .csv, .tsv, .jsonl and .parquet with a column of text"
            message = f"the source `text` cannot read `{paths[0]}`"
            yield Problem(message, where(("data", "path")), hint)
        return
    if any(_SUFFIXES.get(s) != source for s in suffixes):
        message = f"the source `{source}` cannot read `{', '.join(paths)}`"
        yield Problem(message, where(("data", "path")), _READABLE)
    elif suffixes == [".npy"]:
        yield Problem(
            "one .npy file holds the inputs or the targets, not both",
            where(("data", "path")),
            "give a pair: `path: [x.npy, y.npy]`",
        )
    elif len(suffixes) > 1 and suffixes != [".npy", ".npy"]:
        yield Problem("only .npy files come in pairs", where(("data", "path")), "give one file")


def _suffix(path: str) -> str:
    """How a file's name ends, ``.gz`` apart where its source reads it compressed."""
    inner = table_suffix(path)
    own = PurePath(path).suffix.lower()
    return inner if own == ".gz" and inner in (".csv", ".tsv", ".jsonl", ".txt") else own


def table_suffix(path: str) -> str:
    """How a table's name ends, ``.gz`` apart."""
    return PurePath(path.lower().removesuffix(".gz")).suffix


def paths_of(data: Settings) -> list[str]:
    """The files that ``data.path`` names, whatever else is wrong with it."""
    path = data.get("path")
    items = list(path.values()) if isinstance(path, dict) else path
    return [item for item in (items if isinstance(items, list) else [items]) if type(item) is str]


def is_pair(data: Settings) -> bool:
    """Whether ``data.path`` names two files."""
    return len(paths_of(data)) > 1
