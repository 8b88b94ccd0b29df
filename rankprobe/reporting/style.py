"""How figures look, in one place: colours, sizes, fonts, and deterministic bytes.

Figures are made without pyplot, and every style setting lives inside `styled`, so drawing
leaves matplotlib's global state as it was.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from rankprobe.errors import ConfigError, Problem
from rankprobe.reporting.wording import clean

# Okabe and Ito's palette: told apart by colour-blind readers. Every use also differs in
# marker or line style, so that it survives a grey printer.
BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, INK, GREY = "#E69F00", "#56B4E9", "#222222", "#6B6B6B"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")

FONT = "DejaVu Sans"  # ships with matplotlib: the same letters on every machine
SMALL, NORMAL, LARGE = 8.0, 9.0, 11.0  # points
DPI = 200
SUFFIXES = ("png", "pdf", "svg")

_RC: dict[str, Any] = {
    "font.family": FONT,
    "font.size": NORMAL,
    "axes.labelsize": NORMAL,
    "axes.linewidth": 0.8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a task's name is a dollar sign
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "hatch.linewidth": 0.6,
    "figure.dpi": 100,
    "pdf.fonttype": 42,  # journals ask for TrueType
    "svg.hashsalt": "rankprobe",
}


@contextmanager
def styled() -> Iterator[None]:
    """The project's style, whatever the user's own settings are, which come back afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in _RC.items():
            mpl.rcParams[name] = value  # type: ignore[index]
        yield


def new_axes(width: float, height: float) -> Axes:
    """Axes in a figure of their own, in inches, laid out once by `settle`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)  # type: ignore[union-attr,call-arg]
    return figure.add_subplot()


def settle(ax: Axes, *, freeze: bool) -> None:
    """Lay the figure out so that labels can be placed by their size; freeze it if it is ours."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    if freeze:
        figure.set_layout_engine("none")


def png_bytes(ax: Axes) -> bytes:
    """The figure of these axes as PNG, 200 dots per inch; equal figures give equal bytes."""
    return _image(ax, "png")


def save_png(ax: Axes, path: str | Path) -> Path:
    """Write the figure of these axes as PNG at 200 dots per inch; returns the path."""
    path = Path(path)
    path.write_bytes(png_bytes(ax))
    return path


def image_bytes(ax: Axes, suffix: str) -> bytes:
    """The figure of these axes in the format that a file suffix names.

    Raises:
        ConfigError: The suffix is none of png, pdf and svg.
    """
    kind = suffix.lower().removeprefix(".")
    if kind not in SUFFIXES:
        name = f"`.{clean(kind)}` files" if kind else "files without a suffix"
        raise ConfigError(
            Problem(f"figures cannot be written as {name}", hint="use .png, .pdf or .svg")
        )
    return _image(ax, kind)


def _image(ax: Axes, kind: str) -> bytes:
    figure = ax.get_figure(root=True)
    assert figure is not None
    undated: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        "svg": {"Date": None, "Creator": None},
    }
    buffer = io.BytesIO()
    with styled():
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=undated[kind])
    return buffer.getvalue()


def printable(text: object, length: int = 60) -> str:
    """Text from data as a figure can show it: one line, known letters, not too long."""
    known = "".join(c if _has_glyph(c) else "□" for c in clean(text))
    return known if len(known) <= length else f"{known[: length - 1].rstrip()}…"


@cache
def _has_glyph(character: str) -> bool:
    return bool(get_font(findfont(FONT)).get_char_index(ord(character)))
