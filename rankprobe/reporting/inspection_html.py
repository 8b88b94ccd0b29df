"""What was learned, as a section of the report."""

from __future__ import annotations

from html import escape

from rankprobe.records.inspection import Inspection
from rankprobe.reporting import page
from rankprobe.reporting.inspection import tables
from rankprobe.reporting.inspection_words import findings
from rankprobe.reporting.wording import clean

CAPTION = (
    "Beta by rank; effective rank of B A against its nominal rank; singular values of what full "
    "training added; and the test score of full training cut to a rank beside that rank as trained."
)


def inspection_html(inspection: Inspection, png: bytes) -> str:
    """A section of a page.

    Args:
        inspection: Of a run.
        png: The figure of `rankprobe.reporting.inspection_figure.plot_inspection`.
    """
    words = " ".join(findings(inspection))
    parts = [
        "<h2>What was learned</h2>",
        f"<p>{escape(words)}</p>",
        page.notes(f"{clean(note)}." for note in inspection.notes),
        page.picture(png, f"{CAPTION} {words}", CAPTION),
    ]
    for table in tables(inspection):
        lines = ((row, index in table.chosen) for index, row in enumerate(table.rows))
        parts += [
            f"<p>{escape(table.title)}</p>",
            page.table(table.header, lines),
            page.soft(table.note),
        ]
    return "\n".join(part for part in parts if part)
