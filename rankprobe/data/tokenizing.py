"""Text as token ids: byte-pair encoding, trained here or read from a file of `tokenizers`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

EXTRA = "reading text needs more packages: pip install 'rankprobe[text]'"
PADDING, UNKNOWN, END = "[PAD]", "[UNK]", "[END]"  # ids 0, 1 and, where documents end, 2
_ENDS = (END, "<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[SEP]")
_PADDINGS = (PADDING, "<pad>", "<|pad|>")
_BATCH = 1000  # texts encoded at once: what the tokenizer returns takes far more than the ids

Ids = NDArray[np.int32]


def made_tokenizer(
    config: TaskConfig, texts: Sequence[str], *, ends: bool = False
) -> tuple[Tokenizer, str]:
    """The tokenizer that ``data.tokenizer`` names, else one trained on ``texts``.

    Args:
        config: Says which file, or how large a vocabulary.
        texts: Training texts.
        ends: Whether a token ends a document.

    Returns:
        The tokenizer, and how it came about in words.

    Raises:
        DataError: The file is no tokenizer or does not serve, or `tokenizers` is missing.
    """
    assert config.data is not None
    try:
        import tokenizers  # noqa: F401
    except ImportError:
        raise DataError(EXTRA) from None
    if config.data.tokenizer is not None:
        path = config.folder / config.data.tokenizer
        return _loaded(path, pads=not ends), f"tokens of {path.name}"
    tokenizer = _trained(
        texts, config.data.vocabulary, (PADDING, UNKNOWN, *([END] if ends else []))
    )
    size = tokenizer.get_vocab_size()
    return tokenizer, f"byte pairs, a vocabulary of {size} trained on the training split"


def _trained(texts: Sequence[str], size: int, special: Sequence[str]) -> Tokenizer:
    """Byte-pair encoding over bytes, as of GPT-2 (Radford et al. 2019, section 2.2).

    The vocabulary has the special tokens, every byte that the texts hold, and then the pairs that
    occur most often, at least twice, up to ``size``.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, special_tokens=list(special), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.encode_special_tokens = True  # a text that spells [PAD] has no padding
    return tokenizer


def _loaded(path: Path, *, pads: bool) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # `tokenizers` raises nothing narrower
        raise DataError(
            f"{path} is no tokenizer that can be read: {error}; give a tokenizer.json as the "
            "package `tokenizers` saves it"
        ) from None
    if pads and padding_of(tokenizer) is None:
        raise DataError(
            f"{path} has {tokenizer.id_to_token(0)!r} as token 0 and none of the tokens "
            f"{', '.join(_PADDINGS)}, and networks here read 0 as padding; give a tokenizer with "
            "padding, or leave `tokenizer` out to train one"
        )
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def read_tokenizer(text: str) -> Tokenizer:
    """A tokenizer from its JSON, as `made_tokenizer` gives it.

    Raises:
        DataError: It is none, or `tokenizers` is missing.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise DataError(EXTRA) from None
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # `tokenizers` raises nothing narrower
        raise DataError(f"the tokenizer cannot be read: {error}") from None
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    return tokenizer


def padding_of(tokenizer: Tokenizer) -> int | None:
    """The id that a tokenizer pads with, which changes places with 0; ``None`` without one."""
    if "pad" in str(tokenizer.id_to_token(0)).lower():
        return 0
    known = (tokenizer.token_to_id(name) for name in _PADDINGS)
    return next((int(index) for index in known if index is not None), None)


def encoded(
    tokenizer: Tokenizer, texts: Sequence[str], *, length: int | None, special: bool
) -> Iterator[tuple[Ids, bool]]:
    """The ids of every text, and whether it was cut at ``length``; the beginning is kept.

    Args:
        tokenizer: From `made_tokenizer`.
        texts: Any text.
        length: Longest number of tokens.
        special: Whether to add what the tokenizer puts around a text, such as ``[CLS]``.
    """
    if length is not None:
        tokenizer.enable_truncation(length)
    for start in range(0, len(texts), _BATCH):
        batch = list(texts[start : start + _BATCH])
        for result in tokenizer.encode_batch_fast(batch, add_special_tokens=special):
            yield np.array(result.ids, dtype=np.int32), bool(result.overflowing)


def vocabulary_size(tokenizer: Tokenizer) -> int:
    """One more than the largest id, which is above the number of tokens where ids have gaps."""
    return max(tokenizer.get_vocab().values()) + 1


def end_token(tokenizer: Tokenizer, holder: str) -> int:
    """The id of the token that ends a document.

    Raises:
        DataError: The tokenizer has none.
    """
    for name in _ENDS:
        index = tokenizer.token_to_id(name)
        if index is not None:
            return int(index)
    raise DataError(
        f"the tokenizer for {holder} has no token that ends a document; known are "
        f"{', '.join(_ENDS)}: leave `tokenizer` out to train one"
    )
