"""YAML read as plain data that remembers its lines.

PyYAML alone loses duplicate keys and line numbers, expands aliases without bound, and reads
``no`` as false and ``1e-3`` as text. So its parser's events are turned into data here: scalars
by the core schema of YAML 1.2, with neither anchors nor tags, and with a bound on size and depth.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from rankprobe.errors import ConfigError, Problem

MAX_BYTES = 1_000_000
MAX_DEPTH = 20
DATA_SUFFIXES = (".npz", ".csv", ".tsv", ".parquet")

Keys = tuple[str | int, ...]

_NULL = ("", "~", "null", "Null", "NULL")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# More digits than these hold no number that a setting can mean, and are slow to convert.
_INT = re.compile(r"[-+]?[0-9]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]{1,300}(\.[0-9]*)?)([eE][-+]?[0-9]{1,9})?")
_SPECIAL = re.compile(r"(?P<inf>[-+]?\.(inf|Inf|INF))|\.(nan|NaN|NAN)")


@dataclass(frozen=True)
class YamlDocument:
    """A YAML file as data.

    Attributes:
        data: The mapping at the top of the file.
        lines: Line, from 1, of every key and list item, by its path of keys.
        problems: Duplicate keys; ``data`` holds the first of each.
    """

    data: Mapping[str, Any]
    lines: Mapping[Keys, int]
    problems: tuple[Problem, ...]


def read_yaml(path: Path) -> YamlDocument:
    """Read a YAML file whose top is a mapping.

    Raises:
        ConfigError: The file cannot be read, or is not plain YAML with a mapping at its top.
    """
    text = _text(path)
    builder = _Builder(str(path))
    try:
        data = builder.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        raise _syntax_problem(path, error) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow
        raise ConfigError(
            Problem(f"this is not YAML: {str(error).splitlines()[0]}", str(path))
        ) from None
    if data is None:
        raise ConfigError(
            Problem("the file is empty", str(path), "write at least `data: FILE`, for example")
        )
    if not isinstance(data, dict):
        raise ConfigError(
            Problem(
                f"the file holds {_kind(data)}, not settings",
                str(path),
                "write one `key: value` a line, for example `data: letters.npz`",
            )
        )
    return YamlDocument(data, builder.lines, tuple(builder.problems))


def _text(path: Path) -> str:
    """The file's text; every way it cannot be had is one clear problem."""
    if path.suffix in DATA_SUFFIXES:
        raise ConfigError(
            Problem(
                "this is a data file, not settings",
                str(path),
                f"`rankprobe init {path}` writes a dataset.yaml for it: give that",
            )
        )
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(Problem("there is no such file", str(path), _neighbour(path))) from None
    except IsADirectoryError:
        raise ConfigError(
            Problem("this is a folder, not a file", str(path), "give the dataset.yaml inside it")
        ) from None
    except OSError as error:
        raise ConfigError(
            Problem(f"the file cannot be read: {error.strerror or error}", str(path))
        ) from None
    if len(content) > MAX_BYTES:
        raise ConfigError(
            Problem(
                "the file is larger than 1 MB, so it is not read as settings",
                str(path),
                "name the data under `data: {path: FILE}` instead of giving the data file itself",
            )
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            Problem("the file is not UTF-8 text", f"{path}:{line}", "save it as UTF-8")
        ) from None


def _neighbour(path: Path) -> str:
    """A hint that names a file of nearly that name, or how to make one."""
    try:
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.is_file())
    except OSError:
        return f"there is no folder {path.parent} either"
    near = difflib.get_close_matches(path.name, names, 1)
    if near:
        return f"did you mean {path.with_name(near[0])}?"
    return "`rankprobe init data.csv` writes one beside the data"


def _syntax_problem(path: Path, error: yaml.MarkedYAMLError) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    what = (error.problem or error.context or "unknown trouble").replace("\n", " ")
    hint = ""
    if "\\t" in what:
        hint = "indent with spaces, not tabs"
    elif "mapping values are not allowed" in what:
        hint = "put a text that holds `: ` in quotes, and indent keys of one level alike"
    where = f"{path}:{mark.line + 1}" if mark else str(path)
    return ConfigError(Problem(f"this is not YAML: {what}", where, hint))


@dataclass
class _Builder:
    """Turns parser events into data, noting the line of every key and item."""

    file: str
    lines: dict[Keys, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def document(self, events: Iterator[yaml.Event]) -> Any:
        data, documents = None, 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refused(event, "the file holds more than one YAML document")
            elif isinstance(event, yaml.NodeEvent):
                data = self._value(event, events, ())
        return data

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], at: Keys) -> Any:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise self._refused(
                event, "anchors (&) and aliases (*) are not allowed", "write the value out"
            )
        if tag := getattr(event, "tag", None):
            raise self._refused(
                event, f"tags are not allowed, here `{tag}`", "remove it; text goes in quotes"
            )
        if len(at) > MAX_DEPTH:
            raise self._refused(event, f"settings are nested more than {MAX_DEPTH} levels deep")
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, at)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, at)
        assert isinstance(event, yaml.ScalarEvent)
        return _scalar(event.value) if event.style is None else event.value

    def _mapping(self, events: Iterator[yaml.Event], at: Keys) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag:
                raise self._refused(event, "a key must be a plain name")
            key: str = event.value
            line = _line(event)
            first = self.lines.get((*at, key))
            if first is None:
                self.lines[*at, key] = line
                mapping[key] = self._value(next(events), events, (*at, key))
                continue
            dotted = ".".join(str(part) for part in (*at, key))
            self.problems.append(
                Problem(
                    f"`{dotted}` is given twice, first on line {first}",
                    f"{self.file}:{line}",
                    "keep one of them",
                )
            )
            _Builder(self.file, problems=self.problems)._value(next(events), events, (*at, key))
        return mapping

    def _sequence(self, events: Iterator[yaml.Event], at: Keys) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            here = (*at, len(items))
            self.lines[here] = _line(event)
            items.append(self._value(event, events, here))
        return items

    def _refused(self, event: yaml.Event, message: str, hint: str = "") -> ConfigError:
        return ConfigError(Problem(message, f"{self.file}:{_line(event)}", hint))


def _scalar(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2 (without octal and hexadecimal)."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if special := _SPECIAL.fullmatch(text):
        return float(text.replace(".", "")) if special["inf"] else float("nan")
    return text


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else "a single value"
