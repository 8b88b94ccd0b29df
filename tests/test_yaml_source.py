"""YAML as plain data with lines: nothing lost, nothing expanded, every refusal in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from rankprobe.errors import ConfigError, Problem
from rankprobe.yaml_source import MAX_DEPTH, read_yaml


def refusal(path: Path, content: str | bytes) -> Problem:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert len(caught.value.problems) == 1
    return caught.value.problems[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dataset.yaml"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("5.", 5.0),
        (".5", 0.5),
        ("-3", -3),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("'true'", "true"),
        ("'12'", "12"),
        ("~", None),
        ("", None),
        ("none", "none"),
        ("2020-01-01", "2020-01-01"),
        ("12:30", "12:30"),
        ("-.inf", float("-inf")),
        ("[1, [2, x]]", [1, [2, "x"]]),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_follow_yaml_1_2(file: Path, text: str, value: object) -> None:
    file.write_text(f"key: {text}\n")
    read = read_yaml(file).data["key"]
    assert read == value
    assert type(read) is type(value)


def test_lines_of_keys_and_items(file: Path) -> None:
    file.write_text("# top\ndata:\n  path: a.npz\n\nbackbone:\n  hidden:\n  - 3\n  - 4\n")
    lines = read_yaml(file).lines
    assert lines["data",] == 2
    assert lines["data", "path"] == 3
    assert lines["backbone", "hidden"] == 6
    assert lines["backbone", "hidden", 1] == 8


def test_duplicate_keys_are_found_at_every_level(file: Path) -> None:
    file.write_text("a: 1\nb:\n  c: 1\n  c: 2\nl:\n- {d: 1, d: 2}\na: {e: 1, e: 2}\n")
    document = read_yaml(file)
    assert document.data["a"] == 1
    assert [str(problem) for problem in document.problems] == [
        f"{file}:4: `b.c` is given twice, first on line 3\n    keep one of them",
        f"{file}:6: `l.0.d` is given twice, first on line 6\n    keep one of them",
        f"{file}:7: `a` is given twice, first on line 1\n    keep one of them",
        f"{file}:7: `a.e` is given twice, first on line 7\n    keep one of them",
    ]


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("a: &x 1\nb: *x\n", 1, "anchors (&) and aliases (*) are not allowed"),
        ("b: *x\n", 1, "anchors (&) and aliases (*) are not allowed"),
        ("\na: !!python/object/apply:os.system [ls]\n", 2, "tags are not allowed, here `tag:yaml"),
        ("a: !mine 3\n", 1, "tags are not allowed, here `!mine`"),
        ("a: 1\n---\nb: 1\n", 2, "the file holds more than one YAML document"),
        ("? [a, b]\n: 1\n", 1, "a key must be a plain name"),
        ("a: 1\n\tb: 2\n", 2, "this is not YAML: found character '\\t'"),
        ("a: b: c\n", 1, "this is not YAML: mapping values are not allowed here"),
        ("a: 1\nb: 'open\n", 3, "this is not YAML: found unexpected end of stream"),
        (b"a: 1\nb: \xff\n", 2, "the file is not UTF-8 text"),
        ("a: " + "[" * (MAX_DEPTH + 1), 1, f"settings are nested more than {MAX_DEPTH} levels"),
        ("[" * 200_000, 1, f"settings are nested more than {MAX_DEPTH} levels"),
        ("{a: " * 50_000, 1, f"settings are nested more than {MAX_DEPTH} levels"),
    ],
)
def test_refusals_name_the_line(file: Path, content: str | bytes, line: int, message: str) -> None:
    problem = refusal(file, content)
    assert problem.where == f"{file}:{line}"
    assert problem.message.startswith(message)


def test_a_bomb_is_refused_before_it_grows(file: Path) -> None:
    layers = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 30))
    assert refusal(file, "l0: &l0 lol\n" + layers).message.startswith("anchors")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("- a\n- b\n", "the file holds a list, not settings"),
        ("letters.npz\n", "the file holds a single value, not settings"),
        ("a: \x00\n", "this is not YAML: unacceptable character #x0000"),
        ("#" * 1_000_001, "the file is larger than 1 MB"),
    ],
)
def test_files_that_hold_no_settings(file: Path, content: str, message: str) -> None:
    problem = refusal(file, content)
    assert problem.where == str(file)
    assert problem.message.startswith(message)


def test_a_byte_order_mark_is_no_part_of_the_first_key(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbfseed: 1\n")
    assert read_yaml(file).data == {"seed": 1}


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "dataset.yaml").write_text("seed: 1\n")
    cases = [
        (tmp_path / "datasets.yaml", "there is no such file", "did you mean"),
        (tmp_path / "none" / "a.yaml", "there is no such file", "there is no folder"),
        (tmp_path, "this is a folder, not a file", "dataset.yaml inside it"),
        (tmp_path / "d.csv", "this is a data file, not settings", "`rankprobe init"),
    ]
    for path, message, hint in cases:
        with pytest.raises(ConfigError) as caught:
            read_yaml(path)
        (problem,) = caught.value.problems
        assert (problem.where, problem.message) == (str(path), message)
        assert hint in problem.hint
