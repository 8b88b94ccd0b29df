"""The source ``tokens``: plain text for a language model, which predicts the token that follows.

Documents are separated by blank lines. A document is in one split only, and its tokens are
followed by one that ends it.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.data.examples import FREE, TEST, TRAIN, VALIDATION, Encoded, Examples, Rows
from rankprobe.data.names import paths
from rankprobe.data.splits import NAMES, WORDS, check_shares, described, divided_apart
from rankprobe.data.text import copies
from rankprobe.data.tokenizing import encoded, end_token, made_tokenizer, vocabulary_size
from rankprobe.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LENGTH = 128  # tokens of a block where `data.length` says nothing
NOTHING = -1  # in targets: there is nothing to predict


def read_tokens(config: TaskConfig) -> Examples:
    """Read ``data.path``: files, or a folder of .txt files.

    Files of a folder that are named after splits, such as train.txt and test.txt, are these
    splits; others are divided by document, and shares are of documents, however long they are.

    Raises:
        DataError: A file is no text, or has too few documents to divide.
    """
    assert config.data is not None
    files = _files(paths(config.data, config.folder))
    holder = ", ".join(path.name for path in files[:3]) + (", ..." if len(files) > 3 else "")
    texts = [_documents(path) for path in files]
    documents = [text for some in texts for text in some]
    fixed = np.repeat(_given(files), [len(some) for some in texts]).astype(np.int8)
    split = config.data.split
    if len(set(documents)) < 3 and (fixed == FREE).all():
        raise DataError(
            f"{holder} holds {len(set(documents))} documents, and one is needed for each split; "
            "separate documents by blank lines"
        )
    check_shares(split, fixed, None, holder)
    parts = divided_apart(split, fixed, None, copies(documents), holder)
    tokenizer, how = made_tokenizer(config, [documents[row] for row in parts[0]], ends=True)
    length = config.data.length or LENGTH
    blocks = [
        _blocks(tokenizer, [documents[row] for row in part], length, holder) for part in parts
    ]
    inputs, targets = (np.concatenate([pair[which] for pair in blocks]) for which in (0, 1))
    words = f"{how}; blocks of {length} tokens that run on over the documents of a split"

    def encode(rows: Sequence[Rows]) -> Encoded:
        return [inputs[part] for part in rows], {"text": words}

    counts = ", ".join(f"{len(part)} for {NAMES[i]}" for i, part in enumerate(parts))
    return Examples(
        holder=holder,
        target="next token",
        y=targets,
        fixed=np.repeat([TRAIN, VALIDATION, TEST], [len(x) for x, _ in blocks]).astype(np.int8),
        by=None,
        encode=encode,
        kind="tokens",
        form=lambda: {"sizes": {"vocabulary": vocabulary_size(tokenizer)}},
        chosen="next_token",
        division=f"by document ({counts}): {described(split, fixed, None, stratified=False)}",
    )


def _files(given: list[Path]) -> list[Path]:
    if not given[0].is_dir():
        return given
    files = sorted(path for folder in given for path in folder.glob("*.txt*") if path.is_file())
    if not files:
        raise DataError(f"{given[0]} holds no .txt files")
    return files


def _given(files: list[Path]) -> NDArray[np.int8]:
    """The split that the name of each file says, if there is one for training."""
    parts = [WORDS.get(path.name.lower().partition(".")[0]) for path in files]
    named = next((path for path, part in zip(files, parts, strict=True) if part), None)
    if TRAIN not in parts and named is not None and len(files) > 1:
        raise DataError(
            f"{named} is named after a split, and no file beside it after training; name the "
            "others train.txt, or rename this one"
        )
    if TRAIN not in parts:
        return np.full(len(files), FREE, dtype=np.int8)
    if None in parts:
        strange = files[parts.index(None)]
        raise DataError(
            f"{strange} lies beside a file for training, and its name says no split; name it "
            "train, validation or test, or move it away"
        )
    # What is not given is cut from the training documents.
    return np.array([part or FREE for part in parts], dtype=np.int8)


def _documents(path: Path) -> list[str]:
    """What is between blank lines."""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    documents = [part.strip() for part in re.split(r"\n[ \t\r]*\n", text)]
    documents = [document for document in documents if document]
    if not documents:
        raise DataError(f"{path} is empty")
    return documents


def _blocks(
    tokenizer: Tokenizer, documents: Sequence[str], length: int, holder: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Inputs and next tokens, (blocks, length) each; the last block is filled with padding."""
    end = np.array([end_token(tokenizer, holder)], dtype=np.int32)
    pieces = [end]  # so that the first token of the first document is predicted too
    for ids, _ in encoded(tokenizer, documents, length=None, special=False):
        pieces += [ids, end]
    stream = np.concatenate(pieces)
    count = -(-(len(stream) - 1) // length)
    inputs = np.zeros(count * length, dtype=np.int64)
    targets = np.full(count * length, NOTHING, dtype=np.int64)
    inputs[: len(stream) - 1] = stream[:-1]
    targets[: len(stream) - 1] = stream[1:]
    return inputs.reshape(count, length), targets.reshape(count, length)
