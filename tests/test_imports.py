"""Imports point one way, and reading a result does not wait for torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import rankprobe

PACKAGE = Path(rankprobe.__file__).parent

# What each half may import of the package, at any depth of its code.
ALLOWED = {
    "errors": set(),
    "records": {
        "errors",
        "result_file",
        "grid_file",
        "reporting",
    },  # when `to_json`, `plot` or `save` is called
    "result_file": {"records", "errors"},
    "grid_file": {"records", "result_file", "statistics", "errors"},
    "backbones": set(),
    "lowrank": {"errors"},
    "user_code": {"errors"},
    "messages": set(),
    "statistics": {"records", "errors"},
    "reporting": {"records", "errors"},
    "calibration": {  # it measures by the public name, and teachers need a network
        "backbones",
        "errors",
        "evidence_file",
        "lowrank",
        "records",
        "reporting",
        "statistics",
    },
    "inspection": {  # it builds the network of a run again, and scores what is left of it
        "artifact",
        "config",
        "config_backbones",
        "data",
        "errors",
        "lowrank",
        "records",
        "result_file",
        "search",
        "training",
    },
    "evidence_file": {"errors", "reporting", "statistics"},  # reporting writes files whole
    "readings_file": {"errors", "records"},
    "planning": {  # it asks the check of a dataset.yaml for time and memory
        "config",
        "data",
        "errors",
        "records",
        "result_file",
        "search",
        "statistics",
    },
    # a model is built as for a measurement, with the scaffold that was left at its end
    "artifact": {
        "config",
        "config_backbones",
        "config_values",
        "data",
        "errors",
        "lowrank",
        "messages",
        "records",
        "result_file",
        "search",
        "settings",
        "training",
        "user_code",
    },
    "training": {"lowrank", "records", "errors", "data"},
    "data": {
        "config",
        "config_data",
        "config_problems",
        "config_rules",
        "config_sources",
        "config_values",
        "errors",
        "user_code",
    },
}


def imported(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        names |= {m.split(".")[1] for m in modules if m.startswith("rankprobe.")}
    return names


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_point_one_way(room: str) -> None:
    files = [PACKAGE / f"{room}.py"] if (PACKAGE / f"{room}.py").exists() else []
    files += list((PACKAGE / room).glob("*.py"))
    assert files
    for file in files:
        assert imported(file) - {room} <= ALLOWED[room], file


def test_nothing_imports_the_calibration_but_the_command() -> None:
    files = [file for file in PACKAGE.rglob("*.py") if file.parent.name != "calibration"]
    assert {file.name for file in files if "calibration" in imported(file)} == {"commands.py"}


READING = (
    "import rankprobe",
    "import rankprobe.cli",
    "import rankprobe.reporting.folder, rankprobe.reporting.tables",
    "import rankprobe.reporting.inspection, rankprobe.inspection.spectra",
    "import rankprobe.statistics.reading",
    "import rankprobe.config",
    "import rankprobe.calibration.report",
    "from rankprobe.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass",
    "from rankprobe.cli import main\nmain(['figure', 'nowhere'])",
    "from rankprobe.cli import main\nmain(['report', 'nowhere'])",
    "from rankprobe.cli import main\nmain(['plan', '--from', 'nowhere'])",
    "from rankprobe.cli import main\nmain(['compare', 'nowhere', 'nowhere'])",
)


def test_reading_does_not_import_torch() -> None:
    """One after another in one process: what one of them imported, the next would show."""
    check = (
        f"import sys\nfor code in {READING!r}:\n"
        "    exec(code, {})\n"
        "    found = {'torch', 'optuna'} & set(sys.modules)\n"
        "    if found: sys.exit(f'{code!r} imports {found}')"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_methods_and_terminal_words_do_not_import_matplotlib_or_scipy() -> None:
    check = (
        "import rankprobe.reporting.methods, rankprobe.reporting.tables, sys\n"
        "slow = {'scipy', 'matplotlib', 'torch', 'pandas'}\n"
        "sys.exit(', '.join(slow & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_help_does_not_import_scipy_matplotlib_or_pydantic() -> None:
    check = (
        "from rankprobe.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "import sys\nslow = {'scipy', 'matplotlib', 'pydantic', 'pandas', 'rich'}\n"
        "sys.exit(', '.join(slow & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
