"""The source ``sklearn``: the data sets that come with scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config import TaskConfig
from rankprobe.data.examples import FREE, Encoded, Examples, Rows, Scaler, Scaling, scaling_words
from rankprobe.errors import DataError


def read_bundled(config: TaskConfig) -> Examples:
    """Load the set that ``data.name`` names.

    Raises:
        DataError: scikit-learn is not installed.
    """
    assert config.data is not None
    assert config.data.name is not None
    try:
        from sklearn import datasets
    except ImportError:
        raise DataError(
            "the bundled sets need scikit-learn: pip install 'rankprobe[sklearn]'"
        ) from None
    name = config.data.name
    bunch = getattr(datasets, f"load_{name}")()
    y = bunch.target
    if name in ("iris", "wine", "breast_cancer"):
        y = np.asarray(bunch.target_names, dtype=np.str_)[y]
    # Digits are pictures, so one scale for all pixels; the others are tables of quantities.
    scaling: Scaling = "pixels" if name == "digits" else "features"
    how: Scaling = scaling if config.data.standardize is not False else "none"
    inputs = bunch.data.astype(np.float32)
    fitted: dict[str, Any] = {"reads": "arrays", "name": "x", "shape": [inputs.shape[1]]}
    return Examples(
        holder=name,
        target="target",
        y=y,
        fixed=np.full(len(y), FREE, dtype=np.int8),
        by=None,
        encode=partial(_encoded, inputs, how, fitted),
        form=lambda: {"fitted": fitted},
    )


def _encoded(
    inputs: NDArray[np.float32], how: Scaling, fitted: dict[str, Any], rows: Sequence[Rows]
) -> Encoded:
    scaler = Scaler.fitted(inputs[rows[0]], how)
    fitted.update(scaler.plain())
    done = f"{inputs.shape[1]} numbers, {scaling_words(scaler, how)}"
    return [scaler(inputs[part]) for part in rows], {"features": done}
