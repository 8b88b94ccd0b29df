"""Results as JSON: round trips, and what is damaged is said."""

import json
from pathlib import Path

import pytest

from rankprobe.errors import ArtifactError
from rankprobe.result_file import load_result, result_from_json, result_to_json
from tests.reporting.examples import examples

EXAMPLES = examples()
RESULTS = Path(__file__).parent / "results"


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_result_survives_json(name: str) -> None:
    text = EXAMPLES[name].to_json()
    assert result_to_json(result_from_json(text)) == text


def test_limits_of_older_results_stop_at_what_scores_can_be() -> None:
    """Those of accuracies once went below 0, and the band of the curve above 1."""
    data = json.loads(result_to_json(EXAMPLES["resolved"]))
    assert data["task"]["metric"] == "accuracy"
    data["points"][0]["low"] = data["baseline"]["low"] = data["curve"]["low"][0] = -1.3
    data["points"][0]["high"], data["curve"]["high"][-1] = None, 1.2
    read = result_from_json(json.dumps(data))
    assert (read.points[0].low, read.baseline.low, read.curve.low[0]) == (0.0, 0.0, 0.0)
    assert json.loads(result_to_json(read))["points"][0]["high"] is None
    assert read.curve.high[-1] == 1.0
    assert result_from_json(result_to_json(read)) == read


def test_the_keys_are_those_of_the_contract() -> None:
    data = json.loads(next(iter(EXAMPLES.values())).to_json())
    assert list(data)[:4] == ["schema", "task", "target", "floor"]
    assert set(data["task"]) == {
        "name",
        "objective",
        "metric",
        "train",
        "validation",
        "test",
        "hash",
    }
    for key in ("baseline", "points", "minimal_rank", "curve", "targets", "cost", "scope"):
        assert key in data
    assert {"rank", "mean", "low", "high", "scores", "learning_rate", "trainable"} < set(
        data["points"][0]
    )
    assert set(data["points"][0]["recovery"]) == {"mean", "low", "high"}
    assert {"value", "low", "high", "confidence", "verdict", "flags", "degrees_of_freedom"} < set(
        data["minimal_rank"]
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "this is not JSON"),
        ("[]", "is not a rankprobe result"),
        ('{"a": 1}', "is not a rankprobe result"),
        ('{"schema": 99}', "another schema than 1"),
        ('{"schema": 1, "task": {}}', "damaged or incomplete"),
    ],
)
def test_what_is_no_result_is_said(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(ArtifactError, match=message) as caught:
        load_result(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "result.json"))


def test_a_binary_file_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ArtifactError, match="not a text file"):
        load_result(tmp_path)


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_results_of_every_schema_version_stay_readable(file: Path) -> None:
    result = load_result(file)
    assert result.minimal_rank.value == 2
    assert [point.rank for point in result.points] == [1, 2, 3]


def test_a_grid_folder_names_the_runs_inside_it(tmp_path: Path) -> None:
    (tmp_path / "grid.json").write_text("{}")
    (tmp_path / "binary").mkdir()
    (tmp_path / "binary" / "result.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"holds a grid.*such as .*binary$"):
        load_result(tmp_path)
