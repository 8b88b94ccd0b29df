"""Types that the models of a configuration share: names, counts, shares, and their words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat


def listed(value: Any) -> Any:
    """YAML's lists as the tuples of a frozen model."""
    return tuple(value) if isinstance(value, list) else value


def pair_of_files(value: Any) -> Any:
    """``{x: FILE, y: FILE}`` as the pair it means."""
    if isinstance(value, dict) and value.keys() == {"x", "y"}:
        value = [value["x"], value["y"]]
    return listed(value)


def ascending(value: Any) -> Any:
    """A list of ranks sorted and without repetitions."""
    whole = isinstance(value, list) and all(type(item) is int for item in value)
    return tuple(sorted(set(value))) if whole else listed(value)


def by_seed(value: Any) -> Any:
    """``{42: [0, 1]}``, whose keys YAML gives as text, with whole numbers and names of classes."""
    if not isinstance(value, dict):
        return value
    return {
        int(key) if isinstance(key, str) and key.isdecimal() else key: tuple(
            str(each) if type(each) is int else each for each in classes
        )
        if isinstance(classes, list)
        else classes
        for key, classes in value.items()
    }


Name = Annotated[str, Field(min_length=1)]
Names = Annotated[Name | Annotated[tuple[Name, ...], Field(min_length=1)], BeforeValidator(listed)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[FiniteFloat, Field(gt=0)]
Share = Annotated[FiniteFloat, Field(gt=0, lt=1)]
Part = Annotated[Share | tuple[Name, Name] | None, BeforeValidator(listed)]
SeedClasses = Annotated[
    dict[Seed, Annotated[tuple[Name, ...], Field(min_length=1)]],
    Field(min_length=2),
    BeforeValidator(by_seed),
]
Factory = Annotated[str, Field(pattern=r"^[\w.]+:\w+$")]

SEED = "a whole number of at least 0"
COUNT = "a whole number of at least 1"
NAME = "a name"
NAMES = "a name or a list of names"
SWITCH = "true or false"


class Model(BaseModel):
    """Settings: strict, frozen, and without keys that nobody knows."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)
