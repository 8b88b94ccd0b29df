from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from rankprobe.reporting.folder import draw_figure
from tests.reporting.examples import examples

EXAMPLES = examples()
SCRIPT = Path(__file__).parents[2] / "figures" / "redraw.py"


def test_every_committed_result_gets_its_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place, name in (("mnist/results/paper", "flat"), ("digits/results", "rank_one")):
        folder = tmp_path / "studies" / place
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(EXAMPLES[name].to_json())
    runpy.run_path(str(SCRIPT))["main"](tmp_path)
    assert capsys.readouterr().out.split() == ["figures/digits.png", "figures/mnist-paper.png"]
    expected = draw_figure([EXAMPLES["rank_one"]], tmp_path / "expected.png")
    assert (tmp_path / "figures" / "digits.png").read_bytes() == expected.read_bytes()
