"""Settings of the data: where they lie, what in them is input, target and split."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, FiniteFloat

from rankprobe.config_values import (
    COUNT,
    NAME,
    NAMES,
    SEED,
    SWITCH,
    Count,
    Factory,
    Model,
    Name,
    Names,
    Part,
    Seed,
    pair_of_files,
)

_PART = "a share between 0 and 1, or the names of two arrays such as [x_test, y_test]"


class SplitConfig(Model):
    """How examples are divided. Shares are of all examples, given test arrays apart.

    ``test`` and ``validation`` left out mean: the arrays ``x_test``, ``y_test`` (and so on) where
    the data holds them, else shares of 0.2 and 0.1. A share that is written down wins over such
    arrays. ``scaffold`` divides molecules by their Bemis-Murcko scaffold.
    """

    test: Part = Field(default=None, description=_PART)
    validation: Part = Field(default=None, description=_PART)
    seed: Seed = Field(default=0, description=SEED)
    column: Name | None = Field(default=None, description="the name of a column")
    group: Name | None = Field(default=None, description="the name of a column")
    time: Name | None = Field(default=None, description="the name of a column")
    scaffold: bool = Field(default=False, description=SWITCH)

    @property
    def by(self) -> str | None:
        """The column to divide by, if there is one."""
        return self.column or self.group or self.time


class DataConfig(Model):
    """Where the data lies and what in it is input, target and split.

    Every source uses some of these; `rankprobe.config_rules` says which.
    """

    source: Literal[
        "arrays",
        "table",
        "sklearn",
        "python",
        "images",
        "text",
        "series",
        "graphs",
        "trajectories",
        "tokens",
        "huggingface",
    ] = "arrays"
    path: Annotated[Name | tuple[Name, Name] | None, BeforeValidator(pair_of_files)] = Field(
        default=None, description="a file, or a pair of .npy files such as [x.npy, y.npy]"
    )
    name: Name | None = Field(default=None, description="the name of a data set")
    factory: Factory | None = Field(default=None, description="`module:function`")
    features: Names | None = Field(default=None, description=NAMES)
    target: Names | None = Field(default=None, description=NAMES)
    split: SplitConfig = SplitConfig()
    standardize: bool | Literal["auto"] = Field(default="auto", description="true, false or auto")
    # images
    size: Count | None = Field(default=None, description="a number of pixels of at least 1")
    grey: bool = Field(default=False, description=SWITCH)
    augment: Literal["none", "flip", "shift", "flip_shift"] = "none"
    # text and tokens
    length: Count | None = Field(default=None, description=COUNT)
    vocabulary: Annotated[int, Field(ge=16)] = Field(
        default=8000, description="a whole number of at least 16"
    )
    tokenizer: Name | None = Field(default=None, description="a file that `tokenizers` has saved")
    # series
    labels: Name | None = Field(default=None, description="a table with one row a series")
    id: Name | None = Field(default=None, description="the name of a column")
    time: Name | None = Field(default=None, description="the name of a column")
    channel: Name | None = Field(default=None, description="the name of a column")
    value: Name | None = Field(default=None, description="the name of a column")
    until: FiniteFloat | None = Field(default=None, description="a time: later rows are left out")
    # graphs
    smiles: Name | None = Field(default=None, description="the name of a column")
    edges: Name | None = Field(default=None, description="a table with one row an edge")
    # trajectories
    environment: Name | None = Field(default=None, description="the name of a gymnasium task")
    policy: Name | None = Field(
        default=None, description="a .npz with a policy, or `module:function`"
    )
    episodes: Count | None = Field(default=None, description=COUNT)
    # huggingface
    configuration: Name | None = Field(default=None, description=NAME)
