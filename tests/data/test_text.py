"""Text and tokens: what the tokenizer learns from, what is kept, where documents go."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from rankprobe.config import config_from_settings
from rankprobe.data.load import load_task
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, DataError
from tests.contracts.pictures_and_text import LABELS, N, sentences

SPLIT = np.where(np.arange(N) < 60, "train", np.where(np.arange(N) < 70, "validation", "test"))


def read(folder: Path, source: str, path: Any, **more: Any) -> Task:
    size = {} if "tokenizer" in more else {"vocabulary": 64}
    settings = {"data": {"source": source, "path": path, **size, **more}}
    return load_task(config_from_settings(settings, folder=folder))


def text(folder: Path, frame: pd.DataFrame, **more: Any) -> Task:
    frame.to_csv(folder / "t.csv", index=False)
    return read(folder, "text", "t.csv", **more)


def reviews(**more: Any) -> pd.DataFrame:
    return pd.DataFrame({"text": sentences(), "y": LABELS}).assign(**more)


def pages(folder: Path, documents: list[str], **more: Any) -> Task:
    (folder / "t.txt").write_text("\n\n".join(documents))
    return read(folder, "tokens", "t.txt", **more)


def saved_tokenizer(path: Path, *first: str) -> str:
    """A tokenizer of whole words that puts [CLS] and [SEP] around a text."""
    words = [
        *first,
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *sorted({w for s in sentences() for w in s.split()}),
    ]
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    tokenizer.save(str(path))
    return path.name


def test_the_tokenizer_learns_from_training_texts_alone(tmp_path: Path) -> None:
    plain = text(tmp_path, reviews(part=SPLIT), target="y", split="part")
    frame = reviews(part=SPLIT)
    frame.loc[SPLIT != "train", "text"] = [f"élève zebra zebra {i}" for i in range(N - 60)]
    other = text(tmp_path, frame, target="y", split="part")
    assert np.array_equal(plain.train.x, other.train.x)
    assert plain.sizes == other.sizes == {"vocabulary": 64}
    assert (other.test.x == 1).any()  # bytes of é that no training text holds
    assert not (other.train.x == 1).any()


def test_the_beginning_is_kept_and_padding_is_0(tmp_path: Path) -> None:
    whole = text(tmp_path, reviews())
    short = text(tmp_path, reviews(), length=8)
    assert short.input_shape == (8,)
    assert np.array_equal(whole.train.x[:, :8], short.train.x)
    said = (short.preprocessing or {})["text"]
    assert said.endswith(
        "the first 8 tokens, 100% of training texts and 100% of test texts have more"
    )
    assert "0% of training texts" in (whole.preprocessing or {})["text"]
    lengths = (whole.train.x != 0).sum(axis=1)
    assert lengths.max() == whole.input_shape[0] < 256  # no wider than training needs
    for row, length in zip(whole.train.x, lengths, strict=True):
        assert (row[:length] != 0).all()
        assert (row[length:] == 0).all()


def test_a_text_of_nothing_is_one_unknown_token(tmp_path: Path) -> None:
    frame = reviews()
    frame.loc[0, "text"] = " "
    frame.to_parquet(tmp_path / "t.parquet")
    task = read(tmp_path, "text", "t.parquet")
    parts = np.concatenate([task.train.x, task.validation.x, task.test.x])
    assert ((parts != 0).sum(axis=1) >= 1).all()


def test_no_text_spells_a_special_token(tmp_path: Path) -> None:
    frame = reviews()
    frame["text"] = ["[PAD] [UNK] " + words for words in frame["text"]]
    assert (text(tmp_path, frame).train.x[:, 0] > 1).all()


def test_copies_of_a_text_stay_in_one_split(tmp_path: Path) -> None:
    doubled = [words.upper() if i % 2 else f" {words} " for i, words in enumerate(sentences())]
    frame = pd.DataFrame({"text": [*sentences(), *doubled], "y": [*LABELS, *LABELS]})
    task = text(tmp_path, frame)
    assert task.flags == ()
    assert task.division.endswith("seed 0, copies in one split")
    assert len(task.test) == 32
    frame["part"] = [*["train"] * N, *["validation"] * 20, *["test"] * (N - 20)]
    frame.loc[2 * N - 1, "text"] = "the only new one"
    given = text(tmp_path, frame, target="y", split="part")
    assert given.flags == ("duplicates_across_splits", "mostly_duplicates")


def test_given_test_rows_that_are_all_copies_are_refused(tmp_path: Path) -> None:
    frame = reviews(part=SPLIT)
    frame.loc[SPLIT == "test", "text"] = [s.upper() for s in sentences()[:10]]
    with pytest.raises(DataError, match=r"every test row of t.csv is also a training row"):
        text(tmp_path, frame, target="y", split="part")


def test_columns_are_found_and_joined(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": [f"no {i}" for i in range(N)],
            "Review": sentences(),
            "who": np.arange(N) // 8,
            "y": LABELS,
        }
    )
    assert "Review" in (text(tmp_path, frame).preprocessing or {})
    renamed = frame.rename(columns={"Review": "prose"})
    assert "prose" in (text(tmp_path, renamed, split={"group": "who"}).preprocessing or {})
    both = text(tmp_path, frame, features=["id", "Review"])
    assert "id, Review" in (both.preprocessing or {})
    with pytest.raises(ConfigError, match=r"there is no column `Revew` in t.csv"):
        text(tmp_path, frame, features="Revew")
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    with pytest.raises(
        ConfigError, match=r"there is no column `Revew` in t.jsonl\n    did you mean"
    ):
        read(tmp_path, "text", "t.jsonl", features="Revew")


def test_compressed_tables_are_read(tmp_path: Path) -> None:
    reviews().to_csv(tmp_path / "t.tsv.gz", sep="\t", index=False)
    reviews().to_csv(tmp_path / "t.csv", index=False)
    packed, plain = (read(tmp_path, "text", name) for name in ("t.tsv.gz", "t.csv"))
    assert packed.hash == plain.hash


def test_what_does_not_serve_as_text(tmp_path: Path) -> None:
    frame = reviews()
    frame.loc[3, "text"] = None
    with pytest.raises(DataError, match=r"`text` in t.csv holds nothing in row 4; fill it in"):
        text(tmp_path, frame)
    with pytest.raises(DataError, match=r"has no column of text; name one: `features: COLUMN`"):
        text(tmp_path, pd.DataFrame({"a": LABELS, "y": LABELS}))
    (tmp_path / "t.jsonl").write_text('{"text": "a", "y": 1}\n{"text": \n')
    with pytest.raises(DataError, match=r"t.jsonl cannot be read as a table: line 2 is no JSON"):
        read(tmp_path, "text", "t.jsonl")
    with pytest.raises(ConfigError, match=r"the source `text` cannot read `t.npz`"):
        read(tmp_path, "text", "t.npz")


def test_a_tokenizer_from_a_file(tmp_path: Path) -> None:
    name = saved_tokenizer(tmp_path / "own.json", "[PAD]")
    task = text(tmp_path, reviews(), tokenizer=name, length=8)
    own = Tokenizer.from_file(str(tmp_path / name))
    assert task.sizes == {"vocabulary": own.get_vocab_size()}
    assert (task.train.x[:, 0] == own.token_to_id("[CLS]")).all()
    assert (task.train.x[:, -1] == own.token_to_id("[SEP]")).all()  # a cut text ends as others do
    wrong = saved_tokenizer(tmp_path / "other.json")
    with pytest.raises(DataError, match=r"has '\[UNK\]' as token 0 and none of the tokens \[PAD\]"):
        text(tmp_path, reviews(), tokenizer=wrong)
    (tmp_path / "own.json").write_text("{}")
    with pytest.raises(
        DataError, match=r"own.json is no tokenizer that can be read: .*give a token"
    ):
        text(tmp_path, reviews(), tokenizer=name)


def test_blocks_run_on_and_predict_every_token_once(tmp_path: Path) -> None:
    task = pages(tmp_path, sentences(), length=16)
    assert task.metric == "perplexity"
    assert task.outputs == task.sizes["vocabulary"] == 64
    for part in (task.train, task.validation, task.test):
        x, y = part.x.ravel(), part.y.ravel()
        real = y != -1
        assert np.array_equal(x[1:][real[1:]], y[:-1][real[1:]])
        assert real[: real.sum()].all()
        assert (x[~real] == 0).all()
        assert x[0] == 2
    ends = [(part.y == 2).sum() for part in (task.train, task.validation, task.test)]
    assert ends == [56, 8, 16]  # a document, an end
    assert "by document (56 for training, 8 for validation, 16 for test)" in task.division


def test_a_document_and_its_copies_are_in_one_split(tmp_path: Path) -> None:
    task = pages(tmp_path, [f"unique{i}word" for i in range(40)] * 2, length=4, vocabulary=300)
    counts = [int((part.y == 2).sum()) for part in (task.train, task.validation, task.test)]
    assert counts == [56, 8, 16]
    assert task.flags == ()


def test_tokens_are_learned_from_training_documents_alone(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "train.txt").write_text("\n\n".join(sentences()))
    tasks = []
    for word in ("film", "zebra"):
        (tmp_path / "p" / "test.txt").write_text("\n\n".join(f"{word} {i}" * 9 for i in range(9)))
        tasks.append(read(tmp_path, "tokens", "p", length=16))
    assert np.array_equal(tasks[0].train.x, tasks[1].train.x)
    assert (tasks[1].test.x == 1).any()  # the z that no training text holds


def test_files_named_after_splits_are_these(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name, rows in (("train", slice(0, 60)), ("valid", slice(60, 70)), ("test", slice(70, N))):
        (tmp_path / "p" / f"{name}.txt").write_text("\n\n".join(sentences()[rows]))
    task = read(tmp_path, "tokens", "p", length=16)
    assert "(60 for training, 10 for validation, 10 for test)" in task.division
    (tmp_path / "p" / "more.txt").write_text("more")
    with pytest.raises(DataError, match=r"more.txt lies beside a file for training, and its name"):
        read(tmp_path, "tokens", "p")


def test_files_are_pooled_and_may_be_compressed(tmp_path: Path) -> None:
    one, two = ("\n\n".join(sentences()[part]) for part in (slice(0, 40), slice(40, N)))
    (tmp_path / "a.txt").write_text(one)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(two.encode()))
    assert read(tmp_path, "tokens", ["a.txt", "b.txt.gz"]).hash == pages(tmp_path, sentences()).hash


def test_tokens_from_a_file_need_an_end(tmp_path: Path) -> None:
    name = saved_tokenizer(tmp_path / "own.json", "!")  # token 0 need not be padding here
    task = pages(tmp_path, sentences(), tokenizer=name, length=16)
    own = Tokenizer.from_file(str(tmp_path / name))
    assert task.train.x[0, 0] == own.token_to_id("[SEP]")
    assert not (task.train.x == own.token_to_id("[CLS]")).any()
    (tmp_path / name).write_text((tmp_path / name).read_text().replace("[SEP]", "[STOP]"))
    with pytest.raises(
        DataError, match=r"the tokenizer for t.txt has no token that ends a document"
    ):
        pages(tmp_path, sentences(), tokenizer=name)


def test_what_does_not_serve_as_tokens(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"t.txt holds 1 documents, and one is needed for each split"
    ):
        pages(tmp_path, ["a text without blank lines"])
    with pytest.raises(DataError, match=r"t.txt is empty"):
        pages(tmp_path, [""])
    (tmp_path / "t.txt").write_bytes(b"\xff\xfea")
    with pytest.raises(DataError, match=r"t.txt is not UTF-8 text; save it as UTF-8"):
        read(tmp_path, "tokens", "t.txt")


@pytest.mark.parametrize("source", ["text", "tokens"])
def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    reviews().to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "t.txt").write_text("\n\n".join(sentences()))
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(DataError, match=r"pip install 'rankprobe\[text\]'"):
        read(tmp_path, source, "t.csv" if source == "text" else "t.txt")


def test_a_file_for_the_test_needs_one_for_training(tmp_path: Path) -> None:
    for name in ("corpus", "test"):
        (tmp_path / f"{name}.txt").write_text("\n\n".join(f"{name} {i}" for i in range(40)))
    with pytest.raises(DataError, match=r"test.txt is named after a split, and no file beside it"):
        read(tmp_path, "tokens", ["corpus.txt", "test.txt"])
    (tmp_path / "corpus.txt").rename(tmp_path / "train.txt")
    with pytest.raises(DataError, match=r"comes with test rows of its own, .*a share of 0.4"):
        read(tmp_path, "tokens", ["train.txt", "test.txt"], split={"test": 0.4})


def test_ids_may_have_gaps(tmp_path: Path) -> None:
    words = sorted({word for text in sentences() for word in text.split()})
    ids = {word: 100 + i for i, word in enumerate(words)}
    own = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, **ids}, unk_token="[UNK]"))
    own.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    own.save(str(tmp_path / "own.json"))
    task = text(tmp_path, reviews(), tokenizer="own.json")
    assert task.train.x.max() < task.sizes["vocabulary"] == 100 + len(words)


def test_settings_that_mean_nothing_to_text(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"`data.vocabulary` means nothing beside `data.token"):
        text(tmp_path, reviews(), tokenizer="own.json", vocabulary=64)
    with pytest.raises(ConfigError, match=r"`data.standardize` means nothing to the source `text`"):
        text(tmp_path, reviews(), standardize=True)
