from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rankprobe.errors import ArtifactError
from rankprobe.records import MinimalRank
from rankprobe.reporting.plots import (
    plot_results,
)
from tests.reporting.drawn import assert_readable, words
from tests.reporting.examples import examples, make

EXAMPLES = examples()


@pytest.mark.parametrize("count", [1, 2, 5, len(EXAMPLES)])
def test_overlay_is_readable(count: int) -> None:
    assert_readable(plot_results(list(EXAMPLES.values())[:count]))


def test_overlay_names_tasks_answers_and_target() -> None:
    shown = words(plot_results([EXAMPLES["resolved"], EXAMPLES["no_signal"], EXAMPLES["largest"]]))
    assert "letters\nminimal rank: 6 (5 to 7)" in shown
    assert "shuffled labels\nno minimal rank: no signal" in shown
    assert "hard to recover\nminimal rank: above 64" in shown
    assert "target: 95 %" in shown


def test_overlay_of_several_targets_draws_none() -> None:
    other = replace(EXAMPLES["r2"], target=0.9)
    shown = words(plot_results([EXAMPLES["resolved"], other]))
    assert "target:" not in shown
    assert "minimal rank at 90 %: 4 (3 to 4)" in shown


def test_overlay_tells_runs_of_one_name_apart() -> None:
    runs = [replace(EXAMPLES["rank_one"], folder=Path(f"runs/{name}")) for name in ("one", "two")]
    shown = words(plot_results(runs))
    assert "breast cancer (one)" in shown
    assert "breast cancer (two)" in shown


def test_overlay_leaves_out_the_line_of_a_task_without_signal() -> None:
    with_signal = plot_results([EXAMPLES["resolved"]])
    both = plot_results([EXAMPLES["resolved"], EXAMPLES["no_signal"]])
    assert len(both.lines) == len(with_signal.lines)
    bounds = [ax.spines["left"].get_bounds() for ax in (both, with_signal)]
    assert bounds[0] == bounds[1]


def test_overlay_leaves_no_room_for_ranks_that_it_does_not_draw() -> None:
    far = make("shuffled", ranks=(1, 2, 512), minimal=EXAMPLES["no_signal"].minimal_rank)
    both = plot_results([EXAMPLES["resolved"], far])
    assert both.get_xlim() == plot_results([EXAMPLES["resolved"]]).get_xlim()


def test_overlay_of_only_tasks_without_signal_is_still_readable() -> None:
    ax = plot_results([EXAMPLES["no_signal"]])
    assert_readable(ax)
    assert "no recovery to draw" in words(ax)
    low, high = ax.spines["left"].get_bounds()
    assert low <= 0.0 < 1.0 <= high


def test_overlay_has_lanes_only_for_tasks_with_a_rank() -> None:
    suspect = replace(
        EXAMPLES["resolved"],
        target=0.9,
        minimal_rank=MinimalRank(None, None, None, 0.95, "baseline_suspect"),
    )
    ax = plot_results([suspect, EXAMPLES["resolved"]])
    assert "no minimal rank: baseline suspect" in words(ax)
    alone = plot_results([EXAMPLES["resolved"]])
    share = [one.spines["left"].get_bounds()[0] - one.get_ylim()[0] for one in (ax, alone)]
    assert share[0] == pytest.approx(share[1])
    assert "minimal\nranks" in words(ax)
    assert "minimal\nranks" not in words(plot_results([suspect]))


def test_intervals_at_one_rank_lie_beside_each_other() -> None:
    ax = plot_results([EXAMPLES["resolved"], EXAMPLES["resolved"]])
    bars = [line for line in ax.lines if line.get_linewidth() == 0.9 and len(line.get_xdata()) == 2]  # type: ignore[arg-type]
    at_six = [bar for bar in bars if bar.get_xdata()[0] == 6]  # type: ignore[index]
    first, second = (bar.get_transform().transform((6, 1.0))[0] for bar in at_six)
    assert 1.0 < second - first < 6.0


def test_overlay_of_nothing_is_refused() -> None:
    with pytest.raises(ArtifactError, match="there are no results to draw"):
        plot_results([])


def test_the_long_name_of_the_axis_ends_above_the_lanes() -> None:
    over_chance = replace(EXAMPLES["resolved"], floor="chance")
    assert_readable(plot_results([over_chance] * 9))
