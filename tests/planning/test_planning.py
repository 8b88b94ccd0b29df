"""From results and a dataset.yaml to a plan, as someone at a terminal meets it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rankprobe.cli import main
from rankprobe.planning.make import make_plan
from rankprobe.planning.work import Row as WorkRow
from rankprobe.planning.work import Work, pilot_work, trainings
from rankprobe.records import Rate, Result
from rankprobe.records.plan import Plan, PlannedRow
from rankprobe.reporting.planning import (
    command_lines,
    plan_headline,
    plan_notes,
    plan_summary,
)
from tests.reporting.examples import HOSTILE
from tests.statistics.pilots import World, without_variance

LADDER = (1, 2, 4, 8, 16)
YAML = """\
name: small
data: small.npz
backbone: {hidden: []}
adapter: {head: adapter}
training: {epochs: 12}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def pilot(repeats: int = 2, world: World | None = None, seed: int = 0) -> Result:
    return (world or World(over_repeats=0.02, over_examples=0.4)).pilot(LADDER, repeats, seed)


def written(folder: Path, name: str, result: Result) -> str:
    (folder / name).mkdir(parents=True)
    (folder / name / "result.json").write_text(result.to_json())
    return name


def write_task(folder: Path) -> None:
    generator = np.random.default_rng(0)
    weight = generator.standard_normal((5, 2)) @ generator.standard_normal((2, 6))
    x = generator.standard_normal((600, 6)).astype(np.float32)
    np.savez(folder / "small.npz", x=x, y=(x @ weight.T).astype(np.float32))
    (folder / "dataset.yaml").write_text(YAML)


def test_a_pilot_alone_gives_intervals_trainings_time_and_ranks(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = written(folder, "run", pilot())
    assert main(["plan", "--from", run, "--width", "3"]) == 0
    assert not make_plan([run]).estimated
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "repeats should give an interval at most 3 ranks wide" in out
    assert sum(line.rstrip().endswith(" enough") for line in out.splitlines()) == 1
    assert "up to 1 rank wide" not in out
    command = out[out.index("    rankprobe measure") :].rstrip()
    listed = ",".join(map(str, make_plan([run], wished=3).ranks))
    joined = command.replace(" \\\n", " ").split()
    assert joined[:3] == ["rankprobe", "measure", "dataset.yaml"]
    assert joined[-4:] == ["--ranks", listed, "--out", "run"]
    assert "the pilot run (2 repeats)" in out
    assert "This is a prediction" in out
    assert "memory" not in out


def test_the_command_can_be_copied_and_goes_on_from_the_pilot() -> None:
    plan = make_plan([written(Path(), "a run", pilot())], wished=3)
    long = replace(plan, ranks=tuple(range(100, 160)), thinned=2)
    assert command_lines(long, "my data.yaml") == [
        f"    rankprobe measure 'my data.yaml' --repeats {plan.enough} \\",
        f"        --ranks {','.join(map(str, long.ranks))} \\",
        "        --out 'a run'",
    ]
    assert "up to 1 rank wider" in " ".join(plan_notes(long))
    assert command_lines(replace(plan, sources=("runs/x/result.json",)), "d.yaml")[-1].endswith(
        "--out runs/x"
    )
    # Other settings than the pilot's are refused in its folder.
    other = command_lines(replace(plan, differing=("training.epochs",)), "d.yaml")
    assert "--out" not in " ".join(other)


def test_no_command_is_named_where_none_helps(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noisy = pilot(3, World(over_repeats=0.01, over_examples=0.8))
    plan = make_plan([written(folder, "run", noisy)], wished=1)
    assert plan.enough is None
    assert command_lines(plan, "dataset.yaml") == []
    assert main(["plan", "--from", "run"]) == 0
    assert "rankprobe measure" not in capsys.readouterr().out


def test_json_is_the_plan_and_nothing_else(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = written(folder, "run", pilot())
    assert main(["plan", "--from", run, "--json", "--width", "3"]) == 0
    out, err = capsys.readouterr()
    data = json.loads(out)
    assert err == ""
    assert data["schema"] == 1
    assert data["basis"] == "pilot"
    assert {2, 3, 5, 8, 12, 20, data["enough"]} == {row["repeats"] for row in data["rows"]}
    widths = [row["width"] for row in data["rows"] if row["width"] is not None]
    assert widths == sorted(widths, reverse=True)
    row = next(row for row in data["rows"] if row["repeats"] == data["enough"])
    assert row["width"] == row["high"] - row["low"] <= 3
    assert data["ranks"] == list(range(row["low"] - 1, row["high"] + 2))


def test_the_test_set_is_named_where_it_limits(folder: Path) -> None:
    noisy = pilot(3, World(over_repeats=0.01, over_examples=0.8))
    plan = make_plan([written(folder, "run", noisy)], wished=1)
    assert plan.enough is None
    assert plan.limit is not None
    assert plan.limit > 1
    assert plan.examples is not None
    assert plan.examples[1] > 600
    assert plan_headline(plan) == (
        "planted: no number of repeats gives an interval at most 1 rank wide"
    )
    assert plan_notes(plan)[0] == (
        f"However many the repeats, the interval stays {plan.limit:g} ranks wide with the 600 "
        f"test examples; {plan.plateau} repeats reach that. With {plan.examples[0]} repeats about "
        f"{plan.examples[1]:,} test examples would be needed."
    )


def test_trainings_count_tuning_and_what_the_pilot_has() -> None:
    assert [trainings(5, repeats) for repeats in (1, 2, 5)] == [5, 10, 13]
    assert [trainings(1, repeats) for repeats in (1, 2, 5)] == [1, 2, 5]
    work = Work((WorkRow(5, 2), WorkRow(5, 0)), 2.0)
    assert (work.total(5), work.new(5)) == (26, 16)
    assert (work.total(2), work.new(2)) == (20, 10)
    assert Work((WorkRow(5, 5),)).new(2) == 0


def test_the_pilots_own_cost_and_rates_are_used() -> None:
    result = pilot(2)
    rates = [
        Rate(rank, 1e-2 * k, 0.5, 2, 0, k == 1)
        for rank in (*LADDER, None)
        for k in range(6 if rank is None else 5)
    ]
    result = replace(
        result, rates=tuple(rates), cost={"seconds": 30.0, "members": 60, "steps": 6000}
    )
    work = pilot_work(result, (5, 8))
    assert work.rows == (WorkRow(6, 2), WorkRow(5, 0), WorkRow(5, 2))
    assert work.seconds == pytest.approx(0.5)
    assert work.bytes is None
    assert pilot_work(replace(result, cost={}), (5,)).seconds is None
    with_head = pilot_work(replace(result, head_score=1.0), (5,))
    assert with_head.rows[-1] == WorkRow(5, 2)


def test_a_dataset_yaml_finds_its_own_run_and_checks_time_and_memory(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task(folder)
    assert main(["measure", "dataset.yaml", "--repeats", "2", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["plan", "dataset.yaml"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("small: ")
    assert "the pilot runs/small (2 repeats)" in out
    assert "MB beside the program itself" in out
    assert max(map(len, out.splitlines())) <= 80
    # The pilot is of these settings; with others that is said.
    assert "other settings" not in out
    (folder / "dataset.yaml").write_text(YAML.replace("epochs: 12", "epochs: 20"))
    assert main(["plan", "dataset.yaml"]) == 0
    assert "other settings than the dataset.yaml's (training.epochs)" in " ".join(
        capsys.readouterr().out.split()
    )


def test_results_of_other_tasks_serve_where_there_is_no_pilot(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task(folder)
    others = [
        written(folder, f"other{seed}", pilot(3, seed=seed, world=World(over_repeats=0.02)))
        for seed in range(3)
    ]
    assert main(["plan", "dataset.yaml", "--json", "--from", *others]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["basis"] == "past_results"
    assert data["value"] is None
    assert data["ranks"] == []
    assert data["test_examples"] == 120
    assert all(row["low"] is None and row["new"] == row["trainings"] for row in data["rows"])
    assert main(["plan", "dataset.yaml", "--from", *others]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "There is no pilot of this task. Noise is borrowed, the median over 3 results" in out
    assert "interval width" not in out


def test_a_pilot_of_one_repeat_borrows_the_noise_of_repeats(folder: Path) -> None:
    write_task(folder)
    assert main(["measure", "dataset.yaml", "--repeats", "1", "--quiet"]) == 0
    other = written(folder, "other", pilot(3))
    from rankprobe.config import load_config
    from rankprobe.data.load import load_task

    config = load_config("dataset.yaml")
    plan = make_plan(["runs/small", other], yaml=(config, load_task(config)))
    assert plan.basis == "pilot_borrowed_noise"
    assert plan.noise["repeats"] == make_plan([other]).noise["repeats"]
    assert plan.sources == ("runs/small", "other")
    assert "the noise of repeats is borrowed: the median over 1 result" in plan_notes(plan)[-2]


def test_variances_that_are_estimated_are_said_to_be(folder: Path) -> None:
    plan = make_plan([written(folder, "old", without_variance(pilot(3)))])
    assert plan.estimated
    assert plan_notes(plan)[-2].startswith("Note: The result does not carry its variance by source")


def test_of_several_pilots_the_one_with_most_repeats_serves(folder: Path) -> None:
    two, three = written(folder, "two", pilot(2)), written(folder, "three", pilot(3))
    plan = make_plan([two, three])
    assert (plan.sources, plan.unused, plan.pilot_repeats) == ((three,), (two,), 3)


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["plan", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rankprobe: ")
    return err


def test_nothing_to_plan_from_says_how_to_make_a_pilot(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task(folder)
    make = "make a pilot with `rankprobe measure dataset.yaml --repeats 2`"
    assert make in complaint([], capsys)
    err = complaint(["dataset.yaml"], capsys)
    assert "runs/small holds no result" in err
    assert make in err
    assert "nowhere: No such file" in complaint(["--from", "nowhere"], capsys)


def test_wishes_that_cannot_be_are_named_together(capsys: pytest.CaptureFixture[str]) -> None:
    err = complaint(["--width", "-1", "--confidence", "95", "--from", "x"], capsys)
    assert "2 problems" in err
    assert "--width: give a whole number of at least 0" in err
    assert "--confidence: give a number from 0.5 up to, not including, 1" in err


def test_results_that_do_not_fit_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_task(folder)
    result = pilot(2)
    other = replace(result, task=replace(result.task, hash="f" * 64))
    a, b = written(folder, "a", result), written(folder, "b", other)
    assert "results of several tasks" in complaint(["--from", a, b], capsys)
    changed = replace(result, task=replace(result.task, name="small"))
    c = written(folder, "c", changed)
    err = complaint(["dataset.yaml", "--from", c], capsys)
    assert "c: this result is of other data than the dataset.yaml" in err
    assert "--repeats 2 --fresh" in err
    single = written(folder, "single", pilot(1))
    err = complaint(["--from", single], capsys)
    assert "single: this pilot has one repeat only" in err
    err = complaint(["dataset.yaml", "--from", single], capsys)
    assert "single: no result given has two repeats" in err
    suspect = replace(result, minimal_rank=replace(result.minimal_rank, verdict="no_signal"))
    d = written(folder, "d", suspect)
    assert "d: this result names no rank: full training" in complaint(["--from", d], capsys)


def test_text_from_data_is_cleaned_and_wide_plans_fit() -> None:
    plan = Plan(
        task=HOSTILE,
        target=0.95,
        confidence=0.95,
        wished=0,
        basis="pilot",
        sources=(HOSTILE,),
        pilot_repeats=2,
        test_examples=1000,
        value=120,
        rows=(
            PlannedRow(2, 64, None, None, 123_456, 123_000, 1e6),
            PlannedRow(999, 64, 256, 192, 9, 0, None),
        ),
        enough=None,
        limit=None,
        plateau=2,
        examples=None,
        ranks=tuple(range(63, 258, 17)),
        thinned=17,
        noise={"repeats": 0.01, "test_set": 0.02, "learning_rate": 0.003, "scaffolds": 0.004},
        bytes=10**9,
        differing=("training.epochs",),
        unused=("other",),
    )
    file = io.StringIO()
    Console(file=file, width=80).print(plan_summary(plan))
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "64 or more" in text
    assert "up to 16 ranks wider" in " ".join(text.split())
    assert "the interval stays open with the 1,000 test examples" in " ".join(text.split())
