"""The source ``text``: a table with a column of text, to be classified or valued."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.data.columns import divider_of
from rankprobe.data.examples import FREE, Encoded, Examples, Rows
from rankprobe.data.frames import read_frame
from rankprobe.data.names import check_columns, paths
from rankprobe.data.table import listed, target_column
from rankprobe.data.tokenizing import encoded, made_tokenizer, padding_of, vocabulary_size
from rankprobe.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    from tokenizers import Tokenizer

LENGTH = 256  # tokens kept where `data.length` says nothing
USUAL = ("text", "review", "sentence", "content", "document", "body", "abstract", "comment")


def read_text(config: TaskConfig) -> Examples:
    """Read ``data.path``; the target is the last column that has no other role.

    Several columns of text are joined, each on a line of its own.

    Raises:
        DataError: The file cannot be read, or a column cannot serve.
        ConfigError: A column that is named is not there.
    """
    assert config.data is not None
    data, path = config.data, paths(config.data, config.folder)[0]
    frame, split = read_frame(path), config.data.split
    names = [str(name) for name in frame.columns]
    check_columns(config, names)
    roles = {split.by}
    columns = listed(data.features) or [
        _text_column(frame, {*roles, *listed(data.target)}, path.name)
    ]
    free = [name for name in names if name not in {*roles, *columns}]
    if not (targets := listed(data.target) or free[-1:]):
        raise DataError(f"{path.name} has no column beside the text; a target is needed")
    target = targets[0]
    if len(targets) > 1:
        raise DataError(
            f"text has one target, not {len(targets)}; name one of {', '.join(targets)}"
        )
    joined = zip(*(column_texts(frame[name], name, path.name) for name in columns), strict=True)
    texts = ["\n".join(parts) for parts in joined]
    return Examples(
        holder=path.name,
        target=target,
        y=target_column(frame[target], target, config, path.name),
        fixed=np.full(len(frame), FREE, dtype=np.int8),
        by=divider_of(frame, config, path.name),
        **text_fields(config, texts, ", ".join(columns), columns),
    )


def text_fields(
    config: TaskConfig, texts: Sequence[str], name: str, columns: Sequence[str] | None = None
) -> Mapping[str, Any]:
    """How texts become inputs (n, length) of token ids: the fields of `Examples`.

    Args:
        config: Says the length, and which tokenizer.
        texts: One an example.
        name: Name of the column, for people.
        columns: Columns that are joined to a text; that of the name unless given.
    """
    sizes: dict[str, int] = {}
    fitted: dict[str, Any] = {"reads": "text", "columns": list(columns or [name])}
    alike = copies(texts)

    def encode(rows: Sequence[Rows]) -> Encoded:
        parts, vocabulary, words, made = _encoded(config, texts, rows)
        sizes["vocabulary"] = vocabulary
        fitted.update(made)
        return parts, {name: words}

    return {
        "encode": encode,
        "kind": "tokens",
        "form": lambda: {"sizes": sizes, "fitted": fitted},
        "fingerprints": alike,
        "alike": alike,
    }


def copies(texts: Sequence[str]) -> NDArray[np.intp]:
    """(n,) equal for texts that differ in nothing but case, spacing or the make of letters."""
    codes: dict[str, int] = {}
    plain = (" ".join(unicodedata.normalize("NFKC", text).casefold().split()) for text in texts)
    return np.array([codes.setdefault(text, len(codes)) for text in plain], dtype=np.intp)


def _encoded(
    config: TaskConfig, texts: Sequence[str], rows: Sequence[Rows]
) -> tuple[list[NDArray[np.int64]], int, str, dict[str, Any]]:
    """Ids of each split, size of the vocabulary, what was done in words, and as JSON."""
    assert config.data is not None
    train = [texts[row] for row in rows[0]]
    tokenizer, how = made_tokenizer(config, train)
    longest = config.data.length or LENGTH
    ids, cut = [], []
    for part in rows:
        some, were_cut = token_ids(tokenizer, [texts[row] for row in part], longest)
        ids.append(some)
        cut.append(np.mean(were_cut))
    width = max(map(len, ids[0]))  # shorter than asked where all training texts are
    parts = [padded(some, width) for some in ids]
    words = (
        f"{how}; the first {width} tokens, {cut[0]:.0%} of training texts and {cut[2]:.0%} of test "
        "texts have more"
    )
    made = {"tokenizer": tokenizer.to_str(), "longest": longest, "width": width}
    return parts, vocabulary_size(tokenizer), words, made


def token_ids(
    tokenizer: Tokenizer, texts: Sequence[str], longest: int
) -> tuple[list[NDArray[Any]], list[bool]]:
    """Ids of every text as networks here read them, and whether it was cut."""
    unknown = tokenizer.token_to_id("[UNK]") or tokenizer.token_to_id("<unk>") or 1
    padding = padding_of(tokenizer) or 0
    done = list(encoded(tokenizer, texts, length=longest, special=True))
    kept = [row if len(row) else np.array([unknown]) for row, _ in done]
    return [_exchanged(row, padding) for row in kept], [was_cut for _, was_cut in done]


def padded(ids: Sequence[NDArray[Any]], width: int) -> NDArray[np.int64]:
    """Ids as rows of one width, with 0 behind them."""
    rows = np.zeros((len(ids), width), dtype=np.int64)
    for row, values in zip(rows, ids, strict=True):
        row[: min(len(values), width)] = values[:width]
    return rows


def _exchanged(ids: NDArray[Any], padding: int) -> NDArray[Any]:
    """Ids in which the tokenizer's own padding and 0 have changed places."""
    return np.where(ids == 0, padding, np.where(ids == padding, 0, ids))


def _text_column(frame: pd.DataFrame, roles: set[str | None], holder: str) -> str:
    """The column of text where none is named: of a usual name, else the one with longest texts."""
    from pandas.api import types

    able = [
        str(name)
        for name in frame.columns
        if name not in roles and types.is_string_dtype(frame[name].dtype)
    ]
    if not able:
        raise DataError(f"{holder} has no column of text; name one: `features: COLUMN`")
    for name in able:
        if name.lower() in USUAL:
            return name
    return max(able, key=lambda name: float(frame[name].str.len().mean()))


def column_texts(column: pd.Series[Any], name: str, holder: str) -> list[str]:
    """The texts of a column.

    Raises:
        DataError: It holds something else, or nothing, in some row.
    """
    texts = column.tolist()
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            kind = "nothing" if text is None or text != text else f"{text!r}, no text,"
            raise DataError(
                f"the column `{name}` in {holder} holds {kind} in row {row + 1}; "
                "fill it in or remove the row"
            )
    return texts
