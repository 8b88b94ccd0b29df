"""The command line: its arguments, its exit status, and what it says when something is wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from rankprobe import commands
from rankprobe.artifact.commands import add_commands
from rankprobe.errors import ConfigError, RankprobeError, TrainingError
from rankprobe.messages import say

EXIT_FAILED, EXIT_WRONG, EXIT_INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], None] = options.command
    try:
        command(options)
    except TrainingError as error:
        return _complain(error, EXIT_FAILED)
    except RankprobeError as error:
        return _complain(error, EXIT_WRONG)
    except KeyboardInterrupt:
        say(
            "\nrankprobe: interrupted; everything finished so far is kept, and the same command "
            "goes on from there"
        )
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout left, as `head` does; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="rankprobe",
        description="Measure how complex a task is: the smallest adapter rank, on a frozen "
        "random network, that reaches a chosen share of full training.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    kinds = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    measure = kinds.add_parser("measure", help="measure the minimal rank of a task")
    _task_arguments(measure)
    measure.add_argument("--out", type=Path, metavar="DIR", help="run folder (runs/NAME)")
    measure.add_argument("--target", type=float, metavar="Q", help="share to reach (0.95)")
    measure.add_argument("--ranks", metavar="1,2,4", help="measure exactly these ranks")
    measure.add_argument("--repeats", type=int, metavar="N", help="repeats of every rank (5)")
    measure.add_argument(
        "--precision", type=int, metavar="N", help="add repeats until the interval spans N ranks"
    )
    measure.add_argument(
        "--budget", type=int, metavar="N", help="add none past N trainings (3 times the usual)"
    )
    measure.add_argument("--workers", type=int, metavar="N", help="train in N local processes")
    measure.add_argument("--executor", metavar="tcp://HOST:PORT", help="train on a Dask cluster")
    measure.add_argument("--storage", metavar="URL", help="record in this database")
    measure.add_argument(
        "--sensitivity",
        action="store_true",
        help="also measure how far the rank moves under other epochs, batch size, weight decay "
        "and scaffold seeds (about four times the trainings)",
    )
    measure.add_argument("--fresh", action="store_true", help="throw away what DIR holds")
    measure.add_argument("--json", action="store_true", help="print the result as JSON alone")
    measure.add_argument("--quiet", action="store_true", help="no progress")
    measure.set_defaults(command=commands.measure)

    check = kinds.add_parser("check", help="find what is wrong, and estimate time and memory")
    _task_arguments(check)
    check.set_defaults(command=commands.check)

    plan = kinds.add_parser("plan", help="say how many repeats and which ranks are needed")
    plan.add_argument("config", type=Path, nargs="?", metavar="dataset.yaml")
    plan.add_argument(
        "--from",
        dest="results",
        nargs="+",
        default=[],
        metavar="RESULT",
        help="pilot of the task, or results of others: run folders or JSON (runs/NAME)",
    )
    plan.add_argument(
        "--width", type=int, default=1, metavar="W", help="ranks from low to high (1)"
    )
    plan.add_argument("--confidence", type=float, default=0.95, metavar="C", help="level (0.95)")
    plan.add_argument("--json", action="store_true", help="print the plan as JSON alone")
    _task_options(plan)
    plan.set_defaults(command=commands.plan)

    init = kinds.add_parser("init", help="write a dataset.yaml for a data file")
    init.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help="a table, .npz, .jsonl, .txt or a folder of pictures",
    )
    init.add_argument("--label", metavar="COLUMN", help="column to predict (the last one)")
    init.add_argument("-o", "--out", type=Path, metavar="FILE", help="where to (beside the data)")
    init.set_defaults(command=commands.init)

    compare = kinds.add_parser("compare", help="compare the minimal ranks of tasks")
    compare.add_argument(
        "results", nargs="+", metavar="RESULT", help="run folder, JSON, or CSV of scores"
    )
    compare.add_argument("-o", "--out", type=Path, metavar="FILE", help="figure (comparison.png)")
    compare.add_argument(
        "--anyway", action="store_true", help="also when they were not measured alike"
    )
    compare.add_argument("--json", action="store_true", help="print the numbers as JSON alone")
    compare.add_argument(
        "--lower-is-better", action="store_true", help="the scores of a CSV are losses"
    )
    compare.add_argument(
        "--floor-score", type=float, metavar="X", help="score that counts as nothing, in a CSV (0)"
    )
    compare.set_defaults(command=commands.compare)

    transition = kinds.add_parser(
        "transition", help="find the rank where a resampled scaffold catches up with a static one"
    )
    transition.add_argument("static", metavar="STATIC", help="run folder or JSON (static scaffold)")
    transition.add_argument("resampled", metavar="RESAMPLED", help="the same task, resampled")
    transition.add_argument(
        "--share", type=float, default=0.95, metavar="Q", help="share of the static gain (0.95)"
    )
    transition.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="figure (transition.png)"
    )
    transition.add_argument("--json", action="store_true", help="print the numbers as JSON alone")
    transition.set_defaults(command=commands.transition)

    capacity = kinds.add_parser(
        "capacity", help="say whether the minimal rank levels off as the network grows"
    )
    capacity.add_argument(
        "results", nargs="+", metavar="RESULT", help="run folders or JSON of one task; or a grid"
    )
    capacity.add_argument("-o", "--out", type=Path, metavar="FILE", help="figure (capacity.png)")
    capacity.add_argument("--json", action="store_true", help="print the numbers as JSON alone")
    capacity.set_defaults(command=commands.capacity)

    for name, default, text in (
        ("figure", "rank.png", "draw results into one figure (.png, .pdf, .svg)"),
        ("report", "report.html", "write results into one HTML page"),
    ):
        reading = kinds.add_parser(name, help=text)
        reading.add_argument("results", nargs="+", metavar="RESULT", help="run folder or JSON")
        reading.add_argument("-o", "--out", type=Path, default=Path(default), metavar="FILE")
        reading.set_defaults(command=commands.figure if name == "figure" else commands.report)

    inspect = kinds.add_parser("inspect", help="say what adapters and full training learned")
    inspect.add_argument("run", type=Path, metavar="RUN", help="run folder")
    inspect.add_argument(
        "--data", type=Path, metavar="FILE", help="the dataset.yaml that was measured"
    )
    inspect.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    inspect.add_argument("--trust", action="store_true", help="let its settings run code of yours")
    inspect.add_argument("--json", action="store_true", help="print the numbers as JSON alone")
    inspect.set_defaults(command=commands.inspect)

    calibrate = kinds.add_parser("calibrate", help="plant tasks of known rank, and find them")
    calibrate.add_argument(
        "--out", type=Path, default=Path("runs/calibration"), metavar="DIR", help="its folder"
    )
    calibrate.add_argument("--seed", type=int, default=1, metavar="S", help="draws the tasks (1)")
    calibrate.add_argument("--small", action="store_true", help="a few tasks, in minutes")
    calibrate.add_argument("--workers", type=int, metavar="N", help="processes (one a core)")
    calibrate.add_argument("--json", action="store_true", help="print the report as JSON alone")
    calibrate.set_defaults(command=commands.calibrate)
    add_commands(kinds)
    return parser


def _task_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="dataset.yaml")
    _task_options(parser)


def _task_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, metavar="S", help="replaces the seed of the file")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--trust", action="store_true", help="let the file run code of yours")


def _complain(error: RankprobeError, status: int) -> int:
    problems = error.problems if isinstance(error, ConfigError) else ()
    if len(problems) > 1:
        text = "\n".join(f"  {problem}" for problem in problems)
        text = f"rankprobe: {len(problems)} problems:\n{text}"
    else:
        text = f"rankprobe: {error}"
    say(text)
    return status


class _Parser(argparse.ArgumentParser):
    """An argument parser whose complaints look like ours, and that guesses no option."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **settings})

    def parse_known_args(self, *args: Any, **settings: Any) -> Any:
        """Complain of what is left over where it is left over: in the command, not above it."""
        options, left = super().parse_known_args(*args, **settings)
        if left:
            self.error(self._left_over(left))
        return options, left

    def _left_over(self, left: Sequence[str]) -> str:
        named = [word.partition("=")[0] for word in left if word.startswith("-")]
        if not named:
            return f"unrecognized arguments: {' '.join(left)}"
        return "; ".join(self._unknown(option) for option in named)

    def _unknown(self, option: str) -> str:
        import difflib

        near = difflib.get_close_matches(option, self._option_string_actions, 1)
        return f"there is no option {option}" + (f": did you mean {near[0]}?" if near else "")

    def error(self, message: str) -> NoReturn:
        say(f"rankprobe: {message}\n    see `{self.prog} --help`")
        sys.exit(EXIT_WRONG)


class _Version(argparse.Action):
    """Prints the version without importing more than the parser does."""

    def __call__(self, *_: Any) -> None:
        from rankprobe import __version__

        print(f"rankprobe {__version__}")
        sys.exit(0)
