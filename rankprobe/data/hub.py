"""Data sets of the package `datasets` and their splits, from disk or from the hub.

Only data are read: `datasets` runs no loading scripts, and nothing here asks it to.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rankprobe.config import TaskConfig
from rankprobe.data.examples import TRAIN
from rankprobe.data.splits import WORDS
from rankprobe.errors import DataError

EXTRA = "data sets of Hugging Face need more packages: pip install 'rankprobe[huggingface]'"
_READERS = {
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet",
    ".arrow": "arrow",
}  # fmt: skip


def splits_of(config: TaskConfig) -> dict[int, Any]:
    """The rows of each split; a data set without splits is all training, to be divided.

    Raises:
        DataError: The data set cannot be had, or has other splits and none for training.
    """
    loaded = _loaded(config)
    if not hasattr(loaded, "keys"):
        return {TRAIN: loaded}
    named = {WORDS[name.lower()]: loaded[name] for name in loaded if name.lower() in WORDS}
    if TRAIN in named:
        return named
    if len(loaded) == 1:
        return {TRAIN: next(iter(loaded.values()))}
    raise DataError(
        f"{config.data and config.data.path} has the splits {', '.join(loaded)}, and none of them "
        "is named train"
    )


def _loaded(config: TaskConfig) -> Any:
    """A data set, or one for each split."""
    assert config.data is not None
    assert isinstance(config.data.path, str)
    try:
        import datasets
    except ImportError:
        raise DataError(EXTRA) from None
    name, configuration = config.data.path, config.data.configuration
    path = config.folder / name
    try:
        if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
            return datasets.load_from_disk(str(path))
        if path.is_file():
            return _from_file(path)
        if path.is_dir():
            return datasets.load_dataset(str(path), configuration)
        return datasets.load_dataset(name, configuration)
    except DataError:
        raise
    except Exception as error:  # the hub, the network and every file format raise their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        where = "read" if path.exists() else "had from the hub, and is no file or folder here"
        raise DataError(
            f"the data set `{name}` cannot be {where}: {reason}\n    save it where there is a "
            "network with `datasets.load_dataset(...).save_to_disk(FOLDER)`, and name that folder"
        ) from None


def _from_file(path: Path) -> Any:
    import datasets

    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise DataError(f"{path} cannot be read; readable are {', '.join(_READERS)}")
    more = {"sep": "\t"} if suffix == ".tsv" else {}
    return datasets.load_dataset(_READERS[suffix], data_files=str(path), **more)
