from __future__ import annotations

import pytest

from rankprobe.errors import ArtifactError
from studies.markdown import named_blocks, replaced, table

TEXT = "# A\n\n<!-- one -->\nold\n<!-- /one -->\n\nkept\n\n<!-- two -->\n<!-- /two -->\nend\n"


def test_only_what_stands_between_the_marks_changes() -> None:
    done = replaced(TEXT, {"one": "new | text\n", "two": "more"}, where="README.md")
    assert done == (
        "# A\n\n<!-- one -->\n\nnew | text\n\n<!-- /one -->\n\nkept\n\n"
        "<!-- two -->\n\nmore\n\n<!-- /two -->\nend\n"
    )
    assert replaced(done, {"one": "new | text"}, where="README.md") == done


@pytest.mark.parametrize(
    "text",
    [
        "no marks",
        "<!-- one -->\n",
        "<!-- /one -->\n",
        "<!-- one -->\n<!-- one -->\n<!-- /one -->",
        "<!-- one -->\n<!-- /one -->\n<!-- /one -->",
    ],
)
def test_a_block_is_needed_once(text: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        replaced(text, {"one": "new"}, where="README.md")
    assert str(caught.value) == (
        "README.md: the lines `<!-- one -->` and `<!-- /one -->` are needed once each"
    )


def test_the_marks_stand_in_their_order() -> None:
    with pytest.raises(ArtifactError, match="`<!-- /one -->` must come after `<!-- one -->`"):
        replaced("<!-- /one -->\n<!-- one -->\n", {"one": "new"}, where="README.md")


def test_a_document_takes_the_blocks_it_has_a_place_for() -> None:
    assert named_blocks(TEXT, {"two": "x", "three": "y"}) == {"two": "x"}


def test_cells_stay_cells() -> None:
    assert table(["a", "b"], [["x|y", "1\n2"]]) == "| a | b |\n| :-- | --: |\n| x\\|y | 1 2 |"
