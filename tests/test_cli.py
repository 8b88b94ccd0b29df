"""The commands, as someone at a terminal meets them."""

import contextlib
import errno
import io
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rankprobe.cli import main

SMALL = """\
name: small
data: small.npz
backbone: {hidden: []}
adapter: {head: adapter}
training: {epochs: 12}
search: {ranks: [1, 2, 3], repeats: 3}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_task(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Measured once: the folder, and what `--json` printed."""
    folder, out = tmp_path_factory.mktemp("measured"), io.StringIO()
    write_task(folder)
    with contextlib.chdir(folder), contextlib.redirect_stdout(out):
        assert main(["measure", "dataset.yaml", "--json"]) == 0
    return folder / "runs", out.getvalue()


@pytest.fixture
def measured(folder: Path, printed: tuple[Path, str]) -> Path:
    """The folder, with what measuring leaves there."""
    shutil.copytree(printed[0], folder / "runs")
    return folder


def write_task(folder: Path, text: str = SMALL) -> None:
    generator = np.random.default_rng(0)
    weight = generator.standard_normal((5, 2)) @ generator.standard_normal((2, 6))
    x = generator.standard_normal((600, 6)).astype(np.float32)
    np.savez(folder / "small.npz", x=x, y=(x @ weight.T).astype(np.float32))
    (folder / "dataset.yaml").write_text(text)


def without_times(text: str) -> dict[str, object]:
    data: dict[str, object] = json.loads(text)
    data["cost"] = {k: v for k, v in data["cost"].items() if k != "seconds"}  # type: ignore[attr-defined]
    data["provenance"] = {k: v for k, v in data["provenance"].items() if k != "date"}  # type: ignore[attr-defined]
    return data


def start(*arguments: str, cwd: Path) -> "subprocess.Popen[str]":
    """The command as in a terminal, where Ctrl-C is heard.

    A shell's background jobs ignore it, and so would what they start: a handler of ours is not
    passed on, and leaves the default.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "rankprobe", *arguments],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def test_measure_prints_the_answer_and_writes_the_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure", "dataset.yaml"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("small: rank 2 reaches 95 % of full training")
    assert max(map(len, out.splitlines())) <= 80
    assert "ranks 1, 2, 3" in err
    names = {"result.json", "curve.png", "rates.png", "report.html", "predictions", "journal.log"}
    assert names <= {path.name for path in (folder / "runs" / "small").iterdir()}


def test_json_prints_the_result_and_nothing_else(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure", "dataset.yaml", "--json", "--out", "here"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    data = json.loads(out)
    assert out == (folder / "here" / "result.json").read_text()
    assert data["schema"] == 1
    assert data["minimal_rank"]["value"] == 2
    assert set(data["targets"]) == {"0.9", "0.95", "0.99"}
    assert [point["rank"] for point in data["points"]] == [1, 2, 3]
    assert data["members"] == {"trained": data["cost"]["members"], "failed": 0}


def test_the_same_command_again_trains_nothing_and_says_the_same(
    measured: Path,
    printed: tuple[Path, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import rankprobe.search.bench as bench

    monkeypatch.setattr(bench, "train", None)
    assert main(["measure", "dataset.yaml", "--json"]) == 0
    assert without_times(capsys.readouterr().out) == without_times(printed[1])
    # Another target only reads again.
    assert main(["measure", "dataset.yaml", "--json", "--target", "0.5"]) == 0
    assert json.loads(capsys.readouterr().out)["target"] == 0.5


def test_precision_and_budget_are_told_of_in_the_result(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["measure", "dataset.yaml", "--json", "--precision", "0"]
    assert main([*command, "--budget", "70"]) == 0  # the usual measurement takes 77
    design = json.loads(capsys.readouterr().out)["design"]
    assert (design["precision"], design["budget"], design["stopped"]) == (0, 70, "budget")
    assert design["repeats"] == {"0": 3, "1": 3, "2": 3, "3": 3, "full": 3}
    assert main(command) == 0
    result = json.loads(capsys.readouterr().out)
    design, answer = result["design"], result["minimal_rank"]
    # Rank 2 gets more repeats, until what is left is the choice of its learning rate.
    assert (design["stopped"], answer["value"]) == ("test_set", 2)
    assert answer["high"] - answer["low"] == design["narrowest"] == 1
    assert design["repeats"]["2"] > design["repeats"]["1"] == 3
    assert design["repeats"]["full"] > 3
    assert design["trainings"] == result["cost"]["members"] <= design["budget"] == 3 * 77


def test_two_runs_agree_but_for_times_and_another_seed_does_not(
    folder: Path, printed: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [without_times(printed[1])]
    for out, seed in (("b", "0"), ("c", "1")):
        assert main(["measure", "dataset.yaml", "--json", "--out", out, "--seed", seed]) == 0
        texts.append(without_times(capsys.readouterr().out))
    assert texts[0] == texts[1]
    assert texts[0]["points"] != texts[2]["points"]


def test_a_killed_measurement_goes_on_and_ends_the_same(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "dataset.yaml").write_text(SMALL.replace("epochs: 12", "epochs: 40"))
    assert main(["measure", "dataset.yaml", "--json", "--out", "whole"]) == 0
    whole = capsys.readouterr().out
    process = start("measure", "dataset.yaml", "--out", "cut", cwd=folder)
    journal = folder / "cut" / "journal.log"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not (
        journal.exists() and b'"run"' in journal.read_bytes()
    ):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    finished = journal.read_bytes().count(b'"run"')
    assert finished > 0
    assert not (folder / "cut" / "result.json").exists()
    assert main(["measure", "dataset.yaml", "--json", "--out", "cut"]) == 0
    assert without_times(capsys.readouterr().out) == without_times(whole)


def test_sensitivity_is_measured_beside_the_answer(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SMALL.replace("epochs: 12", "epochs: 8, learning_rate: 0.1, weight_decay: 0")
    (folder / "dataset.yaml").write_text(text)
    assert main(["measure", "dataset.yaml", "--sensitivity"]) == 0
    out, err = capsys.readouterr()
    assert "sensitivity 1 of 6, epochs 4 (half): full training" in err
    assert "sensitivity Of the changes of one setting each" in " ".join(out.split())
    assert "batch size 256 (double)" in out
    assert max(map(len, out.splitlines())) <= 80
    data = json.loads((folder / "runs" / "small" / "result.json").read_text())
    assert [item["setting"] for item in data["sensitivity"]] == [
        *["epochs"] * 2,
        *["batch_size"] * 2,
        *["scaffold"] * 2,
    ]
    assert "Of the changes of one setting each" in data["methods"]
    # A target that no rank reaches leaves nothing to vary.
    again = ["measure", "dataset.yaml", "--sensitivity", "--ranks", "1", "--target", "0.999"]
    assert main(again) == 0
    out, err = capsys.readouterr()
    assert "nothing was varied: no measured rank reaches the target" in " ".join(out.split())
    assert "sensitivity 1 of" not in err


def test_ctrl_c_keeps_what_finished_and_exits_130(folder: Path) -> None:
    (folder / "dataset.yaml").write_text(SMALL.replace("epochs: 12", "epochs: 400"))
    process = start("measure", "dataset.yaml", cwd=folder)
    journal = folder / "runs" / "small" / "journal.log"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and not (
        journal.exists() and b'"run"' in journal.read_bytes()
    ):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 130
    assert out == ""
    assert "interrupted; everything finished so far is kept" in err
    assert "Traceback" not in err


def test_check_trains_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "dataset.yaml"]) == 0
    out = capsys.readouterr().out
    assert "nothing wrong found" in out
    assert "largest useful rank 5" in out
    assert max(map(len, out.splitlines())) <= 80
    assert not (folder / "runs").exists()


def test_init_check_measure_on_a_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = np.random.default_rng(0)
    rows = [
        f"{a:.3f},{'red' if b > 0 else 'blue'},{'yes' if a + b > 0 else 'no'}"
        for a, b in generator.standard_normal((200, 2))
    ]
    (folder / "own.csv").write_text("\n".join(["size,colour,good", *rows]))
    assert main(["init", "own.csv", "--out", "own.yaml"]) == 0
    assert "rankprobe measure own.yaml" in capsys.readouterr().out
    assert main(["check", "own.yaml"]) == 0
    assert main(["init", "own.csv", "--out", "own.yaml"]) == 2
    assert "not overwritten" in capsys.readouterr().err


def test_figure_and_report_read_results(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["figure", "runs/small", "-o", "rank.png"]) == 0
    assert main(["figure", "runs/small/result.json", "runs/small", "-o", "two.svg"]) == 0
    assert main(["report", "runs/small", "-o", "page.html"]) == 0
    assert capsys.readouterr().out.split() == ["rank.png", "two.svg", "page.html"]
    assert (measured / "rank.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["measure", "nowhere.yaml"], "nowhere.yaml"),
        (["measure", "dataset.yaml", "--ranks", "1,two"], "--ranks 1,two: give whole numbers"),
        (["measure", "dataset.yaml", "--ranks", "0"], "--ranks: "),
        (["measure", "dataset.yaml", "--ranks", "6,7"], "rank 6, 7 is above 5, the largest"),
        (["measure", "dataset.yaml", "--repeats", "0"], "--repeats: "),
        (["measure", "dataset.yaml", "--precision", "-1"], "--precision: it must be"),
        (["measure", "dataset.yaml", "--precision", "1", "--budget", "0"], "--budget: it must be"),
        (["measure", "dataset.yaml", "--budget", "9"], "--budget: it limits what `precision`"),
        (["measure", "dataset.yaml", "--target", "1.5"], "--target: it must be"),
        (["measure", "dataset.yaml", "--workers", "0"], "--workers: give a whole number"),
        (["measure", "dataset.yaml", "--device", "cuda"], "--device cuda: torch finds no CUDA"),
        (["measure", "dataset.yaml", "--out", "small.npz/x"], "cannot write to small.npz/x"),
        (["figure", "nowhere"], "nowhere: No such file or directory"),
        (["figure", "dataset.yaml"], "dataset.yaml: this is not JSON"),
    ],
)
def test_wrong_input_is_one_message_and_status_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rankprobe: ")
    assert message in err
    assert "Traceback" not in err
    assert not (folder / "runs").exists()


def test_a_terminal_gets_lines_of_80_columns(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "dataset.yaml").write_text("data: small.npz\nsearch: {repeats: 0, target: 7}\n")
    assert main(["measure", "dataset.yaml"]) == 2
    plain = capsys.readouterr().err
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["measure", "dataset.yaml"]) == 2
    wrapped = capsys.readouterr().err
    assert max(map(len, plain.splitlines())) > 60 >= max(map(len, wrapped.splitlines()))
    assert wrapped.split() == plain.split()
    assert "rankprobe: 2 problems:\n  dataset.yaml:2: " in wrapped


def test_every_problem_is_listed_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "dataset.yaml").write_text("data: small.npz\nsearhc: {}\nseed: one\n")
    assert main(["measure", "dataset.yaml"]) == 2
    err = capsys.readouterr().err
    assert "rankprobe: 2 problems:" in err
    assert "dataset.yaml:2: " in err
    assert "search" in err
    assert "dataset.yaml:3: " in err


def test_a_folder_of_another_task_is_refused_until_fresh(
    measured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = measured / "runs" / "small" / "result.json"
    before = result.read_text()
    assert main(["measure", "dataset.yaml", "--quiet", "--seed", "5"]) == 2
    assert "seed changed" in capsys.readouterr().err
    assert result.read_text() == before
    assert main(["measure", "dataset.yaml", "--quiet", "--seed", "5", "--fresh"]) == 0
    assert result.read_text() != before


def test_no_permission_is_said_before_training(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:  # root may write everywhere, so permissions alone do not do
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("rankprobe.search.journal.os.open", refused)
    assert main(["measure", "dataset.yaml", "--out", "locked", "--quiet"]) == 2
    assert "cannot write to locked: Permission denied" in capsys.readouterr().err
    assert not (folder / "locked" / "journal.log").exists()


def test_no_room_is_said_before_training(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    assert main(["measure", "dataset.yaml", "--quiet"]) == 2
    assert "MB of room" in capsys.readouterr().err


def test_a_disk_that_fills_at_the_end_is_status_1_and_loses_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rankprobe.errors import StoreError
    from rankprobe.records import Result

    def full(self: Result, folder: object = None) -> Path:
        raise StoreError("curve.png: not written: there is no room left on the disk")

    with monkeypatch.context() as patch:
        patch.setattr(Result, "save", full)
        assert main(["measure", "dataset.yaml", "--quiet"]) == 1
    assert "everything measured is kept" in capsys.readouterr().err
    assert main(["measure", "dataset.yaml", "--quiet"]) == 0


def test_workers_find_the_same_rank(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", "dataset.yaml", "--json", "--workers", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["minimal_rank"]["value"] == 2


def test_usage_errors_are_ours(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["mesure"])
    assert caught.value.code == 2
    with pytest.raises(SystemExit) as caught:
        main(["measure", "dataset.yaml", "--rank", "3"])  # no guess that --ranks is meant
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("rankprobe: ")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["init", "d.csv", "--lable", "y"], "there is no option --lable: did you mean --label?"),
        (["init", "d.csv", "--lable=y"], "there is no option --lable: did you mean --label?"),
        (["init", "d.csv", "--zzz"], "there is no option --zzz"),
        (["init", "d.csv", "e.csv"], "unrecognized arguments: e.csv"),
        (["init"], "the following arguments are required: DATA"),
    ],
)
def test_usage_errors_point_to_the_help_of_their_command(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"rankprobe: {said}\n    see `rankprobe init --help`\n"


def test_init_takes_the_short_option_of_the_others(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "t.csv").write_text("a,b\n" + "".join(f"{k},{k % 2}\n" for k in range(40)))
    assert main(["init", "t.csv", "-o", "t.yaml"]) == 0
    assert (folder / "t.yaml").is_file()


def test_usage_errors_too_break_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit):
        main(["mesure"])
    plain = capsys.readouterr().err
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with pytest.raises(SystemExit):
        main(["mesure"])
    wrapped = capsys.readouterr().err
    assert len(plain.splitlines()) == 2
    assert max(map(len, plain.splitlines())) > 80
    assert max(map(len, wrapped.splitlines())) <= 60
    assert wrapped.split() == plain.split()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("rankprobe 0.")
