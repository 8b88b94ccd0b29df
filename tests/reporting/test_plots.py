from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.markers import CARETDOWN
from matplotlib.patches import Rectangle

from rankprobe.errors import ConfigError
from rankprobe.records import Curve, MinimalRank, Result
from rankprobe.reporting.placing import data_limits, score_limits, spread
from rankprobe.reporting.plots import (
    image_bytes,
    plot_curve,
    plot_rates,
    plot_results,
    png_bytes,
    save_png,
)
from rankprobe.reporting.style import VERMILLION, printable
from rankprobe.reporting.verdicts import figure_words
from rankprobe.reporting.wording import score_text, target_score, target_share
from rankprobe.result_file import result_from_json
from tests.reporting.drawn import assert_readable, cut, drawn_texts, words
from tests.reporting.examples import HOSTILE, examples, make, make_rates

EXAMPLES = examples()


@cache
def curve(name: str) -> Axes:
    """The curve of an example, drawn once for all tests that only look at it."""
    return plot_curve(EXAMPLES[name])


@pytest.mark.parametrize("name", EXAMPLES)
def test_curve_is_readable(name: str) -> None:
    assert_readable(curve(name))


@pytest.mark.parametrize("name", ["resolved", "hostile", "mse", "rank_one", "foreign"])
def test_rates_are_readable(name: str) -> None:
    assert_readable(plot_rates(EXAMPLES[name]))


@pytest.mark.parametrize("name", EXAMPLES)
def test_curve_names_the_answer_in_words(name: str) -> None:
    result = EXAMPLES[name]
    shown = words(plot_curve(result))
    for line in figure_words(result):
        assert line in shown


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_point_lies_under_a_text(name: str) -> None:
    result = EXAMPLES[name]
    ax = curve(name)
    places = ax.transData.transform([(point.rank, point.mean) for point in result.points])
    for text in drawn_texts(ax):
        box = text.get_window_extent()
        assert not any(box.contains(x, y) for x, y in places), text.get_text()


@pytest.mark.parametrize("name", EXAMPLES)
def test_means_full_training_and_target_are_inside_the_axes(name: str) -> None:
    result = EXAMPLES[name]
    ax = curve(name)
    bottom, top = ax.spines["left"].get_bounds()
    heights = [result.baseline.mean, *(point.mean for point in result.points)]
    heights += [s for p in result.points for s in p.scores if np.isfinite(s)]
    if result.minimal_rank.verdict != "no_signal":
        heights.append(target_score(result))
    if name != "everywhere":  # its scores lie above 1, which no accuracy can
        assert all(bottom <= height <= top for height in heights)
    left, right = ax.get_xlim()
    assert all(left < point.rank < right for point in result.points)


def test_margin_names_the_references_with_their_scores() -> None:
    result = EXAMPLES["resolved"]
    shown = words(plot_curve(result))
    assert f"full training {score_text(result, result.baseline.mean, digits=3)}" in shown
    assert f"95 % of full training\n{score_text(result, target_score(result), digits=3)}" in shown
    assert "no adapter\n(rank 0) 0.310" in shown
    assert "↓ chance 0.038" in shown
    assert "↑ chance 2.302" in words(curve("loss"))


def test_no_signal_has_no_target_but_shows_chance() -> None:
    ax = curve("no_signal")
    assert "95 % of" not in words(ax)
    assert not [line for line in ax.lines if line.get_color() == VERMILLION]
    assert "↓" not in words(ax)


def test_a_result_without_rank_zero_does_not_name_it() -> None:
    assert "no adapter" not in words(plot_curve(replace(EXAMPLES["resolved"], head_score=None)))


def test_far_chance_does_not_squash_the_curve() -> None:
    bottom, top = curve("resolved").spines["left"].get_bounds()
    means = [point.mean for point in EXAMPLES["resolved"].points]
    assert (max(means) - min(means)) / (top - bottom) > 0.7


def test_an_endless_interval_does_not_squash_the_curve() -> None:
    result = EXAMPLES["outlier"]
    bottom, top = plot_curve(result).spines["left"].get_bounds()
    means = [point.mean for point in result.points]
    assert (max(means) - min(means)) / (top - bottom) > 0.5


def test_bounded_metric_has_no_tick_above_one() -> None:
    ax = plot_curve(make(full=0.999, worst=0.99, noise=0.002))
    assert max(ax.get_yticks()) <= 1.0


@pytest.mark.parametrize(
    ("metric", "smallest"), [("accuracy", 0.0), ("mse", 0.0), ("perplexity", 1.0)]
)
def test_the_axis_ends_at_the_smallest_possible_score(metric: str, smallest: float) -> None:
    core = [smallest, smallest + 0.4]
    low, high = score_limits(metric, core, [smallest - 0.3, smallest + 0.45], [])
    assert smallest > low > smallest - 0.05
    assert score_limits("r2", core, [smallest - 0.3], [])[0] < smallest - 0.15
    assert score_limits(metric, [smallest - 1, high], [], [])[0] == smallest - 1  # a target, say


def test_rank_axis_is_log2_with_plain_integers() -> None:
    ax = curve("hostile")
    assert ax.get_xscale() == "log"
    ax.get_figure(root=True).canvas.draw()  # type: ignore[union-attr]
    labels = [tick.get_text() for tick in ax.get_xticklabels()]
    assert {"1", "2", "3", "4", "6", "8", "16", "128", "512"} <= set(labels)
    assert "5" not in labels  # no room between 4 and 6 ...
    assert {5.0, 7.0} <= set(ax.xaxis.get_minorticklocs())  # ... but its tick is there


def test_non_powers_are_labelled_when_there_is_room() -> None:
    ax = curve("r2")
    assert 3 in ax.xaxis.get_majorticklocs()


def test_the_minimal_rank_is_labelled_before_its_neighbours() -> None:
    ax = curve("wide")
    assert 120 in ax.xaxis.get_majorticklocs()
    assert 128 not in ax.xaxis.get_majorticklocs()


def test_every_repeat_is_drawn() -> None:
    result = EXAMPLES["resolved"]
    faint = [line for line in plot_curve(result).lines if line.get_label() == "one repeat"]
    assert len(faint) == 1
    drawn = sorted(float(y) for y in np.asarray(faint[0].get_ydata()))
    assert drawn == sorted(score for point in result.points for score in point.scores)


def test_failed_repeats_are_left_out() -> None:
    faint = [line for line in curve("outlier").lines if line.get_label() == "one repeat"]
    assert np.isfinite(np.asarray(faint[0].get_ydata(), dtype=float)).all()


def test_a_failed_repeat_read_back_from_json_is_left_out_too() -> None:
    result = EXAMPLES["outlier"]
    again = result_from_json(result.to_json())
    assert None in again.points[0].scores
    assert png_bytes(plot_curve(again)) == png_bytes(curve("outlier"))


def test_interval_of_the_minimal_rank_is_marked() -> None:
    def bars(name: str) -> list[list[float]]:
        lines = curve(name).lines
        return [[float(x) for x in np.asarray(line.get_xdata())] for line in lines]

    assert [5.0, 7.0] in bars("resolved")
    assert [6.0, 6.0] in bars("resolved")  # the drop from the target to the axis
    left, right = curve("largest").get_xlim()
    assert [65.0, right] in bars("largest")
    left, right = curve("smallest").get_xlim()
    assert [left, 4.0] in bars("smallest")


def test_fitted_curve_is_named_only_where_there_is_one() -> None:
    assert "fitted curve" in words(curve("resolved"))
    assert "fitted curve" not in words(curve("outlier"))
    bare = replace(EXAMPLES["resolved"], curve=Curve(ranks=(1.0, 32.0), mean=(0.4, 0.9)))
    assert "fitted curve" in words(plot_curve(bare))


def test_losses_say_which_way_is_better() -> None:
    assert "(lower is better)" in curve("loss").get_ylabel()
    assert "better" not in curve("resolved").get_ylabel()


def test_one_rank_and_one_repeat_can_be_drawn() -> None:
    assert_readable(plot_curve(make(ranks=(6,), repeats=1)))


def test_a_dollar_in_a_name_is_a_dollar() -> None:
    name = "$\\nonsense{$"  # which would be an error as a formula
    assert name in words(plot_curve(make(name)))
    assert name in words(plot_rates(make(name)))
    assert name in words(plot_results([make(name)]))


def test_labels_below_the_limits_keep_their_order() -> None:
    heights = {t.get_text(): t.get_position()[1] for t in drawn_texts(curve("smallest"))}
    assert heights["↓ chance 0.038"] < heights["↓ no adapter\n(rank 0) 0.310"]


def test_a_wide_name_is_cut_inside_the_figure() -> None:
    assert_readable(plot_curve(make("W" * 80)))
    assert plot_rates(make("W" * 80)).get_title(loc="left").endswith("…")


def test_printable_replaces_letters_the_font_lacks() -> None:
    assert printable("日本 тест") == "□□ тест"
    assert len(printable(HOSTILE, 20)) == 20


def test_rates_show_numbers_failures_and_the_choice() -> None:
    result = EXAMPLES["resolved"]
    ax = plot_rates(result)
    shown = drawn_texts(ax)
    bold = {text.get_text() for text in shown if text.get_fontweight() == "bold"}
    chosen = {score_text(result, rate.validation, digits=3) for rate in result.rates if rate.chosen}
    assert chosen <= bold
    partly = next(rate for rate in result.rates if rate.failed == 1)
    texts = {text.get_text() for text in shown}
    assert score_text(result, partly.validation, digits=3) + "*" in texts
    assert {"chosen", "failed", "* some repeats failed"} <= texts
    failed = [patch for patch in ax.patches if patch.get_hatch()]
    assert len(failed) == sum(rate.validation is None for rate in result.rates) == 1
    frames = [patch for patch in ax.patches if not patch.get_hatch()]
    assert len(frames) == sum(rate.chosen for rate in result.rates)


def test_rates_without_failures_do_not_mention_them() -> None:
    result = make()
    sound = tuple(replace(r, failed=0) for r in result.rates if r.validation is not None)
    assert "failed" not in words(plot_rates(replace(result, rates=sound)))


def test_shade_is_the_shortfall_from_the_best_rate_of_the_rank() -> None:
    for name in ("resolved", "loss"):  # whichever way is better
        result = EXAMPLES[name]
        shades: Any = np.ma.filled(np.ma.asarray(plot_rates(result).images[0].get_array()), np.nan)
        assert np.nanmin(shades, axis=1) == pytest.approx(0.0)
        columns = [1e-3 if rank is None else 3e-3 for rank in [*result.points, None]]
        rates = sorted({rate.learning_rate for rate in result.rates})
        assert [rates[i] for i in np.nanargmin(shades, axis=1)] == columns


def test_many_rates_lose_their_numbers_before_they_touch() -> None:
    rates = tuple(float(r) for r in np.geomspace(1e-5, 1e-1, 40))
    result = replace(make(), rates=make_rates((1, 2, 4), lambda _: 0.9, 0.95, rates=rates))
    ax = plot_rates(result)
    assert_readable(ax)
    assert not [text for text in drawn_texts(ax) if text.get_text().startswith("0.")]


def test_a_fixed_rate_says_so() -> None:
    ax = plot_rates(replace(make(), rates=()))
    assert "the learning rate was fixed, not tuned" in words(ax)


@pytest.mark.parametrize("draw", [plot_curve, lambda result: plot_results([result])])
def test_an_interval_that_leaves_the_axes_ends_in_a_caret(draw: Callable[[Result], Axes]) -> None:
    result = EXAMPLES["resolved"]
    first, *rest = result.points
    wide = replace(first, low=-9.0, recovery=replace(first.recovery, low=-9.0))
    carets = [line for line in draw(replace(result, points=(wide, *rest))).lines if cut(line)]
    assert [list(line.get_xdata()) for line in carets] == [[first.rank]]  # type: ignore[arg-type]
    assert carets[0].get_marker() == CARETDOWN
    assert not any(cut(line) for line in draw(result).lines)


def test_the_band_of_full_training_ends_with_the_axis() -> None:
    result = EXAMPLES["resolved"]
    wide = replace(result, baseline=replace(result.baseline, low=-9.0, high=9.0))
    ax = plot_curve(wide)
    band = next(p for p in ax.patches if isinstance(p, Rectangle) and p.get_height() > 10)
    box = band.get_tightbbox()
    assert box is not None
    low = ax.transData.transform((1, ax.spines["left"].get_bounds()[0]))[1]
    assert box.y0 == pytest.approx(low, abs=1.0)


def test_styles_differ_in_more_than_colour() -> None:
    ax = plot_results([EXAMPLES["resolved"]] * 20)
    legend = ax.get_legend()
    assert legend is not None
    styles = [(line.get_marker(), line.get_linestyle()) for line in legend.get_lines()[:7]]
    assert len(set(styles)) == 7
    full = [(line.get_color(), line.get_marker()) for line in legend.get_lines()[:20]]
    assert len(set(full)) == 20


DRAW: dict[str, Callable[[Result], Axes]] = {
    "curve": plot_curve,
    "rates": plot_rates,
    "overlay": lambda result: plot_results([result, EXAMPLES["flat"]]),
}


@contextmanager
def users_own_style() -> Iterator[None]:
    with mpl.rc_context({"font.size": 20, "axes.grid": True, "savefig.dpi": 50}):
        yield


@pytest.mark.parametrize(
    ("draw", "suffix"),
    [(draw, "png") for draw in DRAW.values()] + [(plot_curve, "pdf"), (plot_curve, "svg")],
)
def test_equal_bytes_whatever_the_users_style(draw: Callable[[Result], Axes], suffix: str) -> None:
    first = image_bytes(draw(EXAMPLES["rank_one"]), suffix)
    with users_own_style():
        assert image_bytes(draw(EXAMPLES["rank_one"]), suffix) == first


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW.keys())
def test_global_style_is_untouched(draw: Callable[[Result], Axes]) -> None:
    with users_own_style():
        before = dict(mpl.rcParams)
        png_bytes(draw(EXAMPLES["rank_one"]))
        assert dict(mpl.rcParams) == before


def test_draws_on_axes_it_is_given() -> None:
    figure = Figure(figsize=(12, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    assert plot_curve(EXAMPLES["resolved"], ax=left) is left
    assert plot_rates(EXAMPLES["rank_one"], ax=right) is right
    assert_readable(left)
    assert figure.get_layout_engine() is not None


def test_png_is_written_at_200_dots_per_inch(tmp_path: Path) -> None:
    path = save_png(curve("resolved"), tmp_path / "curve.png")
    content = path.read_bytes()
    width, height = (int.from_bytes(content[k : k + 4], "big") for k in (16, 20))
    assert (width, height) == (1320, 840)
    assert b"Matplotlib" not in content


@pytest.mark.parametrize("suffix", [".gif", "", ".png.exe"])
def test_unknown_suffix_is_refused(suffix: str) -> None:
    with pytest.raises(ConfigError, match=r"use \.png, \.pdf or \.svg"):
        image_bytes(curve("rank_one"), Path("figure" + suffix).suffix)


def test_spread_moves_labels_apart_and_no_further_than_needed() -> None:
    assert spread([10.0, 50.0], [8.0, 8.0], 0.0, 100.0) == [10.0, 50.0]
    assert spread([50.0, 50.0], [10.0, 10.0], 0.0, 100.0) == [45.0, 55.0]
    assert spread([52.0, 50.0], [10.0, 10.0], 0.0, 100.0) == [56.0, 46.0]
    assert spread([0.0, 0.0], [10.0, 10.0], 0.0, 100.0) == [5.0, 15.0]
    assert spread([100.0, 99.0], [10.0, 10.0], 0.0, 100.0) == [95.0, 85.0]
    assert spread([], [], 0.0, 100.0) == []


def test_data_limits_take_in_what_is_near() -> None:
    low, high = data_limits([0.5, 0.9], [0.45, 0.95], [0.4, 0.0])
    assert 0.3 < low < 0.4
    assert 0.95 < high < 1.0
    low, high = data_limits([1.0, 1.0], [], [])
    assert low < 1.0 < high


def test_an_epsilon_among_shares_is_named_and_draws_the_line_that_decided() -> None:
    close, share = EXAMPLES["epsilon"], EXAMPLES["loss"]
    shown = words(plot_results([close, share]))
    assert "close enough\nminimal rank within 0.02: 8 (6 to 16)" in shown
    assert "log-loss falls\nminimal rank at 95 %: 6 (5 to 8)" in shown
    alone = plot_results([close, replace(close, task=replace(close.task, name="again"))])
    assert "target: within 0.02" in words(alone)
    heights = [np.asarray(line.get_ydata(), dtype=float) for line in alone.lines]
    assert any(np.allclose(height, target_share(close)) for height in heights)


def test_an_open_interval_past_the_only_rank_stays_inside_the_axes() -> None:
    minimal = MinimalRank(None, 2, None, 0.95, "above_largest")
    ax = plot_curve(make(ranks=(1,), minimal=minimal, fitted=False))
    assert "no rank up to 1" in words(ax)
