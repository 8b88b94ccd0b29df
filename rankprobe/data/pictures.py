"""Pictures: decoded by Pillow, brought to one size, and scaled channel by channel."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rankprobe.config_data import DataConfig
from rankprobe.data.examples import Encoded, Rows
from rankprobe.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

EXTRA = "reading pictures needs Pillow: pip install 'rankprobe[images]'"
LARGEST = 512 * 512  # pixels of a picture that nobody asked to make smaller
_CHUNK = 1024  # pictures scaled at once, so that no copy of a whole split is made
_GREY = ("1", "L", "LA", "F")
# Told by content, not by name: for EPS, Pillow would start another program, Ghostscript.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


class NoSizeError(DataError):
    """Pictures that need a ``size`` to be read: they differ in size, or are too large."""


Pictures = NDArray[np.uint8]
Stored = Path | bytes


def picture_fields(data: DataConfig, x: NDArray[Any], name: str, holder: str) -> Mapping[str, Any]:
    """How pictures become inputs (n, channels, height, width): the fields of `Examples`.

    Args:
        data: Says their size, whether they are grey, and what is done to them while training.
        x: (n, height, width), (n, height, width, channels) or (n, channels, height, width) with
            1 or 3 channels and whole numbers from 0 to 255.
        name: Name of the array, for messages.
        holder: Where it comes from, for messages.

    Raises:
        DataError: The array holds no pictures.
    """
    pictures = brought_to_form(x, name, holder, data)
    prints = np.array(
        [hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in pictures]
    )
    fitted: dict[str, Any] = {
        "reads": "pictures",
        "name": name,
        "shape": list(pictures.shape[1:]),
        "size": data.size,
        "grey": pictures.shape[1] == 1,
    }
    return {
        "encode": partial(_encoded, pictures, name, data.standardize is not False, fitted),
        "form": lambda: {"augment": data.augment, "fitted": fitted},
        "fingerprints": prints,
    }


def brought_to_form(x: NDArray[Any], name: str, holder: str, data: DataConfig) -> Pictures:
    """Arrays of pictures of any layout in the size and the colours that are asked for.

    Raises:
        DataError: The array holds no pictures.
    """
    return _resized(_planes(x, name, holder), data)


def decoded(stored: Sequence[tuple[str, Stored]], data: DataConfig) -> Pictures:
    """Pictures as (n, channels, height, width), turned as their EXIF orientation says.

    They have one channel if ``data.grey`` says so or none of them has colours, else three.

    Args:
        stored: Name, and file or content, of every picture.
        data: Says their size, and whether they are grey.

    Raises:
        DataError: A picture is damaged, or Pillow is missing.
        NoSizeError: No size is given, and sizes differ or are too large.
    """
    try:
        from PIL import Image
    except ImportError:
        raise DataError(EXTRA) from None
    result: Pictures | None = None
    with warnings.catch_warnings():
        # A small file that unpacks to a huge picture is refused; damaged EXIF data does no harm.
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        grey = data.grey or all(_is_grey(*picture) for picture in stored)
        for index, (name, content) in enumerate(stored):
            picture = _decoded(name, content, grey, data.size)
            if result is None:
                result = np.empty((len(stored), *picture.shape), dtype=np.uint8)
            elif picture.shape != result.shape[1:]:
                raise NoSizeError(_sizes_differ(stored[0][0], result[0], name, picture))
            result[index] = picture
    assert result is not None
    return result


def _is_grey(name: str, content: Stored) -> bool:
    with _opened(name, content) as image:
        return image.mode in _GREY or image.mode.startswith("I")


def _opened(name: str, content: Stored) -> Image:
    from PIL import Image

    try:
        source = io.BytesIO(content) if isinstance(content, bytes) else content
        return Image.open(source, formats=_FORMATS)
    except _damages() as error:
        raise DataError(_damaged(name, error)) from None


def _decoded(name: str, content: Stored, grey: bool, size: int | None) -> Pictures:
    """One picture as (channels, height, width)."""
    from PIL import Image, ImageOps

    mode = "L" if grey else "RGB"
    with _opened(name, content) as opened:
        if size is None and opened.width * opened.height > LARGEST:
            raise NoSizeError(
                f"the picture {name} has {opened.width} x {opened.height} pixels; write a `size` "
                "under `data`, such as `size: 64`, to make all smaller"
            )
        if size is not None:
            opened.draft(mode, (2 * size, 2 * size))  # a JPEG is decoded smaller, four times faster
        try:
            image: Image.Image = ImageOps.exif_transpose(opened)
        except _damages() as error:
            raise DataError(_damaged(name, error)) from None
        if image.mode == "F":
            raise DataError(
                f"the picture {name} holds decimal numbers; save all as an .npz file and read them "
                "with `source: arrays`"
            )
        if image.mode.startswith("I"):  # 16 bits, of which Pillow would cut what is above 255
            image = Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
        image = image.convert(mode)
        if size is not None:
            image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
        pixels = np.asarray(image)
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _damages() -> tuple[type[Exception], ...]:
    """What Pillow raises on files that are damaged or are no pictures."""
    from PIL import Image

    return (
        OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error, zlib.error,
        Image.DecompressionBombError, Image.DecompressionBombWarning,
    )  # fmt: skip


def _damaged(name: str, error: Exception) -> str:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if "cannot identify" in reason:
        reason = f"it is damaged, or of another format than {', '.join(_FORMATS)}"
    return f"{name} cannot be read as a picture: {reason}; replace or remove it"


def _sizes_differ(first: str, one: Pictures, name: str, other: Pictures) -> str:
    def size(picture: Pictures) -> str:
        return f"{picture.shape[2]} x {picture.shape[1]}"

    return (
        f"pictures differ in size: {first} has {size(one)} pixels and {name} {size(other)}; write "
        "a `size` under `data`, such as `size: 64`, to bring all to one"
    )


def _planes(x: NDArray[Any], name: str, holder: str) -> Pictures:
    """Arrays of pictures of any layout as (n, channels, height, width)."""
    if x.dtype.kind not in "iu" or x.min() < 0 or x.max() > 255:
        raise DataError(
            f"`{name}` in {holder} is no array of pictures: whole numbers from 0 to 255 are "
            "needed; read other numbers with `source: arrays`"
        )
    x = x.astype(np.uint8, copy=False)
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[1] in (1, 3):
        return x
    if x.ndim == 4 and x.shape[3] in (1, 3):
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    raise DataError(
        f"`{name}` in {holder} has the shape {x.shape}; pictures are (n, height, width), "
        "(n, height, width, 3) or (n, 3, height, width)"
    )


def _resized(pictures: Pictures, data: DataConfig) -> Pictures:
    """Pictures in the size and the colours that are asked for."""
    grey = data.grey and pictures.shape[1] == 3
    size = data.size if pictures.shape[2:] != (data.size, data.size) else None
    if not grey and size is None:
        return pictures
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise DataError(EXTRA) from None
    result = []
    for planes in pictures:
        pixels = planes[0] if len(planes) == 1 else np.ascontiguousarray(planes.transpose(1, 2, 0))
        image = Image.fromarray(pixels)
        image = image.convert("L") if grey else image
        if size is not None:
            image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
        done = np.asarray(image)
        result.append(done[None] if done.ndim == 2 else done.transpose(2, 0, 1))
    return np.stack(result)


def _encoded(
    pictures: Pictures,
    name: str,
    standardize: bool,
    fitted: dict[str, Any],
    rows: Sequence[Rows],
) -> Encoded:
    """Inputs of mean 0 and deviation 1 in each channel over the training pictures.

    A pixel has one of 256 values, so a count of each gives mean and deviation exactly, and a
    table of what becomes of each gives the inputs.
    """
    values = np.arange(256.0)
    words, scales = [], []
    for channel in range(pictures.shape[1]):
        counts = sum(
            np.bincount(pictures[chunk, channel].ravel(), minlength=256)
            for chunk in _chunks(rows[0])
        )
        mean = float(values @ counts / np.sum(counts))
        deviation = float(np.sqrt((values - mean) ** 2 @ counts / np.sum(counts)))
        scales.append([mean, deviation])
        words.append(f"mean {mean:.6g} taken off, divided by {deviation:.6g}")
    fitted["scales"] = scales if standardize else None
    parts = [scaled_pictures(pictures, part, fitted["scales"]) for part in rows]
    size = " x ".join(str(length) for length in pictures.shape[1:])
    done = f"channel by channel: {'; '.join(words)}" if len(words) > 1 else words[0]
    return parts, {name: f"{size} pixels, {done if standardize else 'as they are'}"}


def scaled_pictures(
    pictures: Pictures, rows: Rows, scales: Sequence[Sequence[float]] | None
) -> NDArray[np.float32]:
    """Inputs (rows, channels, height, width) of some pictures.

    Args:
        pictures: (n, channels, height, width).
        rows: Which of them.
        scales: Mean and deviation of each channel; ``None``: pixels stay as they are.
    """
    values = np.arange(256.0)
    tables = []
    for mean, deviation in scales or [(0.0, 1.0)] * pictures.shape[1]:
        scaled = (values - mean) / deviation if deviation else np.zeros(256)
        tables.append(scaled.astype(np.float32))
    inputs = np.empty((len(rows), *pictures.shape[1:]), dtype=np.float32)
    for chunk, target in zip(_chunks(rows), _chunks(inputs), strict=True):
        for channel, table in enumerate(tables):
            target[:, channel] = table[pictures[chunk, channel]]
    return inputs


def _chunks(array: NDArray[Any]) -> list[NDArray[Any]]:
    return [array[start : start + _CHUNK] for start in range(0, len(array), _CHUNK)]
