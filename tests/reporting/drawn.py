"""What a figure shows once it is drawn: its texts, and whether they can be read."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any
from unittest import mock

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.markers import CARETDOWN, CARETUP
from matplotlib.text import Text
from matplotlib.transforms import Bbox


@cache
def drawn_texts(ax: Axes) -> list[Text]:
    """Every text that is really drawn: not the ticks outside the limits."""
    texts: dict[Text, None] = {}  # a layout engine draws twice
    draw = Text.draw

    def recorded(self: Text, renderer: Any) -> None:
        if self.get_visible() and self.get_text().strip():
            texts[self] = None
        draw(self, renderer)

    figure = ax.get_figure(root=True)
    assert figure is not None
    with mock.patch.object(Text, "draw", recorded):
        figure.canvas.draw()
    return list(texts)


def words(ax: Axes) -> str:
    return "\n".join(text.get_text() for text in drawn_texts(ax))


def assert_readable(ax: Axes) -> None:
    """All text inside the figure, and no two texts over each other."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    texts = drawn_texts(ax)
    # The box of a bold or framed text is its letters; half a pixel is rounding.
    boxes = [Bbox.padded(text.get_window_extent(), -0.5) for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        inside = figure.bbox.padded(1.0)
        assert inside.contains(box.x0, box.y0), text
        assert inside.contains(box.x1, box.y1), text
    for (a, one), (b, other) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        assert not one.overlaps(other), (a.get_text(), b.get_text())


def cut(line: Line2D) -> bool:
    return line.get_marker() in (CARETDOWN, CARETUP)
