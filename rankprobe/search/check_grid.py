"""Everything that can be wrong with a grid, and what it takes with all that is shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rankprobe.config_grid import VariedConfig
from rankprobe.data.task import Task
from rankprobe.errors import ConfigError, Problem
from rankprobe.search.check import Check, check_task, planned_members, span
from rankprobe.search.grid import prepare_grid
from rankprobe.search.grid_bench import GridBench
from rankprobe.search.sharing import Sharing, placed


@dataclass(frozen=True)
class GridCheck:
    """What measuring a grid would take.

    Attributes:
        name: Name of the grid.
        checks: What each combination would take by itself.
        members: Expected number of trainings, those that are shared counted once.
        seconds: Expected time here.
        baselines: Different full trainings.
        bytes: Expected memory.
    """

    name: str
    checks: Mapping[str, Check]
    members: int
    seconds: float
    baselines: int
    bytes: int

    def words(self) -> str:
        """The estimate, for people."""
        width = max(map(len, self.checks))
        lines = [
            f"{name:<{width}}  about {check.members} trainings, {span(check.seconds)}"
            for name, check in self.checks.items()
        ]
        first = next(iter(self.checks.values()))
        full = "one full training serves all" if self.baselines == 1 else (
            f"{self.baselines} different full trainings"
        )  # fmt: skip
        data = f"data       {len(first.task.train):,} training examples; {first.task.objective}"
        notes = dict.fromkeys(line for c in self.checks.values() for line in c.task.notes)
        return "\n".join(
            [
                f"{self.name}: {len(self.checks)} combinations, nothing wrong found",
                data,
                "by itself",
                *(f"  {line}" for line in lines),
                f"together   about {self.members} trainings ({full})",
                f"time       about {span(self.seconds)} on this machine",
                f"memory     about {self.bytes / 1e6:,.0f} MB beside the program itself",
                *(f"note       {line}" for line in notes),
            ]
        )


def check_grid(varied: VariedConfig, tasks: Mapping[str, Task], *, device: str) -> GridCheck:
    """Check every combination as `rankprobe.search.check.check_task` does.

    Raises:
        ConfigError, DataError: What `rankprobe.measure` would find wrong before training, in any
            of the combinations.
        TrainingError: A step that fails.
    """
    setups = prepare_grid(varied, tasks, device=device)
    checks: dict[str, Check] = {}
    problems: dict[Problem, None] = {}
    for name, config in varied.configs.items():
        try:
            checks[name] = check_task(config, tasks[name], device=device)
        except ConfigError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise ConfigError(problems)
    sharing = Sharing(list(varied.configs.values()), setups)
    members, seconds = 0, 0.0
    for index, check in enumerate(checks.values()):
        members, seconds = members + check.members, seconds + check.seconds
        for owners, part in ((sharing.baselines, check.baseline), (sharing.heads, check.head)):
            if owners[index] != index:
                members, seconds = members - part.members, seconds - part.seconds
    planned = {
        placed(member, sharing.owner(member, index))
        for index, (setup, check) in enumerate(zip(setups, checks.values(), strict=True))
        for member in planned_members(setup, check.epochs)
    }
    bench = GridBench(tuple(setup.bench for setup in setups))
    largest = bench.largest(planned, bytes_of=[setup.bytes_of for setup in setups])
    return GridCheck(
        varied.name,
        checks,
        members,
        seconds,
        baselines=len(set(sharing.baselines)),
        bytes=max(
            check.bytes - check.cohort + max(check.cohort, largest) for check in checks.values()
        ),
    )
