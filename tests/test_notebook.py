from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

REPOSITORY = Path(__file__).parents[1]
NOTEBOOK = REPOSITORY / "notebooks" / "first_measurement.ipynb"


def test_first_measurement_finds_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs the notebook as a reader would, in a folder of its own."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    notebook = read()
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()

    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    shares, answer, table, _, last = ([*map(_text, cell)][-1] for cell in outputs)
    assert re.findall(r"0\.9\d*", shares)[:2] == ["0.929", "0.975"]
    assert "MinimalRank(value=5," in answer
    assert "'resolved'" in answer
    assert "full" in table
    assert "image/png" in outputs[3][-1].data
    assert last == "5 reaches 95 %; 6 reaches 99 %\n"
    assert (tmp_path / "runs" / "first_measurement" / "result.json").is_file()


def test_no_output_is_committed() -> None:
    notebook = read()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)


def read() -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(NOTEBOOK, 4)  # type: ignore[no-untyped-call]
    return notebook


def _text(output: nbformat.NotebookNode) -> str:
    return str(output.text if output.output_type == "stream" else output.data["text/plain"])
