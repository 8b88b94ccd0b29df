"""What is wrong with settings, in words: one `Problem` each, with the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from rankprobe.errors import Problem
from rankprobe.settings import Settings, Where
from rankprobe.yaml_source import Keys

_YAML_1_1 = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def nearest(name: str, names: Iterable[str]) -> str:
    """``did you mean `NAME`?`` for the name most like it; empty if none is like it."""
    near = difflib.get_close_matches(name, list(names), 1)
    return f"did you mean `{near[0]}`?" if near else ""


def translated(
    error: ValidationError, settings: Settings, model: type[BaseModel], where: Where
) -> Iterator[Problem]:
    """One problem for each field that pydantic found something wrong with."""
    seen: set[Keys] = set()
    for detail in error.errors(include_url=False, include_context=False):
        loc = detail["loc"]
        if detail["type"].startswith("union_tag"):
            loc = (*loc, _tag_key(model, loc))
        keys, holder, field = _located(model, loc, settings)
        if keys in seen:
            continue  # a union reports once for each of its alternatives
        seen.add(keys)
        if field is None:
            yield _unknown_key(keys, holder, model, where)
        else:
            item = tuple(part for part in loc[len(keys) :] if type(part) is int)
            tags = list(_tagged(model.model_fields.get(str(keys[0])))) if len(keys) == 2 else []
            choices = tags if keys[-1:] == (_tag_key(model, keys[:1]),) else None
            value = _value_at(settings, keys)
            yield _wrong_value(keys, field, value, where((*keys, *item)), choices)


def _located(
    model: type[BaseModel], loc: Sequence[int | str], settings: Settings
) -> tuple[Keys, type[BaseModel], FieldInfo | None]:
    """The keys down to a field that holds no further model; the model it is in; the field."""
    keys: Keys = ()
    parts = list(loc)
    while parts:
        keys = (*keys, parts.pop(0))
        field = model.model_fields.get(str(keys[-1]))
        kinds = _tagged(field)
        # Where a tag tells models apart, pydantic puts it into the place of the fault.
        inner = kinds.get(str(parts.pop(0))) if parts and parts[0] in kinds else _inner_model(field)
        if inner is None and kinds:
            given = _value_at(settings, keys)
            tag = given.get(_tag_key(model, keys)) if isinstance(given, dict) else None
            inner = kinds.get(str(tag), next(iter(kinds.values())))
        if field is None or inner is None or not parts:
            break
        model = inner
    return keys, model, field


def _tag_key(model: type[BaseModel], loc: Sequence[int | str]) -> str:
    """The key that tells the models of a field apart."""
    field = model.model_fields.get(str(loc[-1]))
    return str(field.discriminator) if field else ""


def _tagged(field: FieldInfo | None) -> dict[str, type[BaseModel]]:
    """The models that a field may hold by their tags; empty where there is but one."""
    if field is None or not isinstance(field.discriminator, str):
        return {}
    return {
        str(kind.model_fields[field.discriminator].default): kind
        for kind in get_args(field.annotation)
    }


def _inner_model(field: FieldInfo | None) -> type[BaseModel] | None:
    """The model a field holds, be it optional; none for unions that merely allow one."""
    if kinds := _tagged(field):
        return next(iter(kinds.values()))
    annotation = field.annotation if field else None
    union = get_origin(annotation) in (Union, UnionType)
    kinds_of = [kind for kind in get_args(annotation) if kind is not type(None)] if union else []
    kind = kinds_of[0] if len(kinds_of) == 1 else annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _choices(annotation: Any) -> list[str]:
    """The words a field allows."""
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    if annotation is bool:
        return ["true", "false"]
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def _value_at(settings: Settings, keys: Keys) -> Any:
    value: Any = settings
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else value
    return value


def _unknown_key(
    keys: Keys, holder: type[BaseModel], top: type[BaseModel], where: Where
) -> Problem:
    known, name = list(holder.model_fields), str(keys[-1])
    near = nearest(name, known)
    sections = {key: _inner_model(field) for key, field in top.model_fields.items()}
    homes = [key for key, inner in sections.items() if inner and name in inner.model_fields]
    if near:
        hint = near
    elif name in top.model_fields:
        hint = f"`{name}` belongs at the top level"
    elif homes:
        hint = f"`{name}` belongs under `{homes[0]}`"
    else:
        hint = f"known keys: {', '.join(known)}"
    return Problem(f"unknown key `{dotted(keys)}`", where(keys), hint)


def _wrong_value(
    keys: Keys, field: FieldInfo, value: Any, where: str, choices: list[str] | None = None
) -> Problem:
    """``KEY must be WORDS, not VALUE``, with the field's description as the words."""
    choices = _choices(field.annotation) if choices is None else choices
    inner = _inner_model(field)
    if inner is not None:
        words = f"a group of settings ({', '.join(inner.model_fields)})"
    else:
        words = field.description or f"{', '.join(choices[:-1])} or {choices[-1]}".removeprefix(
            " or "
        )
    hint = ""
    if value is None:
        hint = "give it a value, or remove the line"
    elif isinstance(value, str):
        hint = _hint_for_text(value, choices)
    elif words.startswith(("a name", "the name")) and isinstance(value, bool | int | float):
        hint = "a name that looks like a number or a truth value needs quotes"
    return Problem(f"`{dotted(keys)}` must be {words}, not {_shown(value)}", where, hint)


def _hint_for_text(text: str, choices: list[str]) -> str:
    if near := nearest(text.lower(), choices):
        return near
    if "true" in choices and text.lower() in _YAML_1_1:
        return f"write `{_YAML_1_1[text.lower()]}`"
    try:
        float(text)
    except ValueError:
        return ""
    return "write the number without quotes"


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def dotted(keys: Keys) -> str:
    """``data.split.test``."""
    return ".".join(str(key) for key in keys)
