"""Metrics against closed forms, naive loops and the jackknife."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rankprobe.errors import DataError
from rankprobe.statistics.metrics import METRICS, Metric, standard_error

Values = NDArray[np.float64]


def _classification(
    classes: int, n: int = 240, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    draw = np.random.default_rng(seed)
    target = np.minimum(draw.geometric(0.4, n) - 1, classes - 1)
    logits = draw.standard_normal((n, classes)) + 1.2 * (target[:, None] == np.arange(classes))
    return logits.astype(np.float32), target.astype(np.int64)


def _regression(
    n: int = 240, outputs: int = 3, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    draw = np.random.default_rng(seed)
    target = draw.standard_normal((n, outputs)) * np.array([1.0, 5.0, 0.2])[:outputs] + 3.0
    return (target + draw.standard_normal(target.shape)).astype(np.float32), target.astype("f4")


def _softmax(logits: NDArray[np.float32]) -> Values:
    weights = np.exp(logits.astype(np.float64))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _naive_auroc(scores: Values, positive: NDArray[np.bool_]) -> float:
    wins = [
        1.0 if up > down else 0.5 if up == down else 0.0
        for up in scores[positive]
        for down in scores[~positive]
    ]
    return float(np.mean(wins))


def test_accuracy_is_the_share_of_right_labels() -> None:
    logits, target = _classification(5)
    metric = METRICS["accuracy"]
    compact = metric.compact(logits, target)
    assert compact.dtype == np.int16
    assert metric.score(compact, target) == np.mean(logits.argmax(axis=1) == target)


def test_labels_of_many_classes_do_not_overflow() -> None:
    logits = np.zeros((2, 40_000), dtype=np.float32)
    logits[:, 39_999] = 1.0
    metric, target = METRICS["accuracy"], np.array([39_999, 1])
    assert metric.score(metric.compact(logits, target), target) == 0.5


def test_balanced_accuracy_is_the_mean_recall() -> None:
    logits, target = _classification(4)
    metric = METRICS["balanced_accuracy"]
    labels = logits.argmax(axis=1)
    recalls = [np.mean(labels[target == label] == label) for label in range(4)]
    assert metric.score(metric.compact(logits, target), target) == pytest.approx(np.mean(recalls))


def test_log_loss_is_in_nats_and_stable() -> None:
    logits, target = _classification(3)
    metric = METRICS["log_loss"]
    expected = -np.log(_softmax(logits)[np.arange(len(target)), target]).mean()
    assert metric.score(metric.compact(logits, target), target) == pytest.approx(expected, 1e-5)
    huge = np.array([[1000.0, 0.0]], dtype=np.float32)
    assert metric.score(metric.compact(huge, np.array([1])), np.array([1])) == 1000.0


@pytest.mark.parametrize("classes", [2, 4])
def test_auroc_equals_the_naive_count_of_pairs(classes: int) -> None:
    logits, target = _classification(classes)
    logits = np.round(logits, 1)  # ties in the two-class case
    metric = METRICS["auroc"]
    probabilities = _softmax(logits)
    if classes == 2:
        expected = _naive_auroc(np.round(logits[:, 1] - logits[:, 0], 4), target == 1)
    else:
        columns = [_naive_auroc(probabilities[:, c], target == c) for c in range(classes)]
        expected = float(np.mean(columns))
    compact = metric.compact(logits, target)
    if classes == 2:
        compact = np.round(compact, 4)
    assert metric.score(compact, target) == pytest.approx(expected, abs=1e-12)


def test_auroc_orders_scores_that_saturate_as_probabilities() -> None:
    gaps = np.array([30.0, 40.0, 50.0, 60.0])
    target = np.array([0, 1, 0, 1])
    metric = METRICS["auroc"]
    for classes in (2, 3):
        logits = np.zeros((4, classes))
        logits[:, 1] = gaps
        compact = metric.compact(logits, target)
        scores = compact if classes == 2 else compact[:, 1]
        assert np.all(np.diff(scores) > 0)


@given(shift=st.floats(-5, 5), scale=st.floats(0.1, 10))
def test_auroc_depends_on_order_alone(shift: float, scale: float) -> None:
    logits, target = _classification(2)
    metric = METRICS["auroc"]
    scores = np.round(metric.compact(logits, target).astype(np.float64), 3)
    moved = np.round(scores * 1000) ** 3 * scale + shift
    assert metric.score(moved, target) == pytest.approx(metric.score(scores, target), abs=1e-12)


def test_auroc_standard_error_is_de_longs() -> None:
    logits, target = _classification(2)
    metric = METRICS["auroc"]
    scores, up = metric.compact(logits, target).astype(np.float64), target == 1
    wins = (scores[up][:, None] > scores[~up]) + 0.5 * (scores[up][:, None] == scores[~up])
    variance = wins.mean(axis=1).var(ddof=1) / up.sum() + wins.mean(axis=0).var(ddof=1) / np.sum(
        ~up
    )
    assert standard_error(metric.influence(scores, target)) == pytest.approx(
        math.sqrt(variance), rel=0.01
    )


def test_r2_is_pooled_over_outputs_on_one_scale() -> None:
    predictions, target = _regression()
    metric = METRICS["r2"]
    error = np.square(predictions.astype(float) - target).sum()
    spread = np.square(target - target.mean(axis=0, dtype=float)).sum()
    assert metric.score(metric.compact(predictions, target), target) == pytest.approx(
        1.0 - error / spread
    )


@settings(deadline=None)
@given(constant=st.floats(-100, 100))
def test_r2_ignores_a_constant_added_to_targets_and_predictions(constant: float) -> None:
    predictions, target = (values.astype(np.float64) for values in _regression())
    metric = METRICS["r2"]
    assert metric.score(predictions + constant, target + constant) == pytest.approx(
        metric.score(predictions, target), abs=1e-9
    )


def test_regression_takes_one_output_as_a_column_or_flat() -> None:
    predictions, target = _regression(outputs=1)
    for name in ("r2", "mse"):
        metric = METRICS[name]
        assert metric.score(predictions, target[:, 0]) == metric.score(predictions, target)


def test_mse_is_the_mean_over_examples_and_outputs() -> None:
    predictions, target = _regression()
    expected = np.square(predictions.astype(float) - target).mean()
    assert METRICS["mse"].score(predictions, target) == pytest.approx(expected)


def _outputs_of(metric: Metric) -> tuple[NDArray[Any], NDArray[Any]]:
    if metric.name == "episode_return":  # what an episode returns is known, and nothing asked for
        return np.random.default_rng(0).normal(60, 9, size=400), np.zeros(400)
    if metric.objective == "next_token":
        return _texts(400)
    return _classification(3, 400) if metric.objective == "classification" else _regression(400)


def _texts(n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Losses summed over the tokens of texts of unlike length, and the tokens."""
    random = np.random.default_rng(1)
    target = random.integers(0, 20, size=(n, 12))
    counts = random.integers(3, 13, size=n)
    target[np.arange(12) >= counts[:, None]] = -1
    each = random.gamma(4, 0.3, size=(n, 12)) * (target >= 0)
    return np.stack([each.sum(axis=1), counts], axis=1), target


@pytest.mark.parametrize("name", sorted(METRICS))
def test_influence_gives_the_jackknife_standard_error(name: str) -> None:
    metric = METRICS[name]
    outputs, target = _outputs_of(metric)
    compact = metric.compact(outputs, target)
    n = len(target)
    left_out = np.array(
        [metric.score(np.delete(compact, i, 0), np.delete(target, i, 0)) for i in range(n)]
    )
    jackknife = math.sqrt((n - 1) / n * np.square(left_out - left_out.mean()).sum())
    assert standard_error(metric.influence(compact, target)) == pytest.approx(jackknife, rel=0.03)
    influence = metric.influence(compact, target)
    assert influence.shape == (n,)
    assert influence.mean() == pytest.approx(metric.score(compact, target), abs=1e-12)
    values = n * metric.score(compact, target) - (n - 1) * left_out
    assert np.corrcoef(values, influence)[0, 1] > 0.999


def test_standard_error_of_one_example_is_unknown() -> None:
    assert math.isnan(standard_error(np.ones(1)))


@pytest.mark.parametrize(
    "name", sorted(n for n, m in METRICS.items() if m.objective != "next_token")
)
def test_chance_and_perfect_scores(name: str) -> None:
    metric = METRICS[name]
    train = np.array([0, 0, 0, 1, 2, 2])
    target = np.array([0, 1, 1, 2])
    chance = {
        "accuracy": 0.25,
        "balanced_accuracy": 1 / 3,
        "auroc": 0.5,
        "log_loss": -np.log(np.array([3.5, 1.5, 1.5, 2.5]) / 7.5).mean(),
        "r2": 0.0,
        "mse": np.square(target - train.mean()).mean(),
        "episode_return": 0.0,
    }[name]
    assert metric.chance(train, target) == pytest.approx(chance)
    best: NDArray[np.float64] = 200.0 * (target[:, None] == np.arange(3))
    if metric.objective == "regression":
        best = target[:, None].astype(np.float64)
    if name != "episode_return":  # which has no best
        assert metric.score(metric.compact(best, target), target) == metric.perfect
    better = metric.perfect > metric.chance(train, target)
    assert better == metric.higher_is_better
    assert metric.sign == (1.0 if better else -1.0)


def test_scores_of_tokens_are_per_token() -> None:
    losses, target = _texts(50)
    mean = losses[:, 0].sum() / losses[:, 1].sum()
    assert METRICS["cross_entropy"].score(losses, target) == pytest.approx(mean)
    assert METRICS["perplexity"].score(losses, target) == pytest.approx(math.exp(mean))
    assert METRICS["perplexity"].perfect == 1.0
    assert METRICS["cross_entropy"].perfect == 0.0


def test_a_perplexity_that_overflows_is_infinite_and_not_a_crash() -> None:
    losses = np.array([[4000.0, 5.0], [4010.0, 5.0]], dtype=np.float32)
    values = METRICS["perplexity"].influence(losses, np.zeros((2, 5), dtype=np.int64))
    assert np.isposinf(values).all()
    assert math.isnan(standard_error(values))
    assert METRICS["cross_entropy"].score(losses, losses) == pytest.approx(801.0)


def test_chance_of_tokens_is_their_frequency_in_training() -> None:
    train, target = np.array([[0, 0, 1], [0, 2, -1]]), np.array([[0, 1, -1], [2, 0, 0]])
    share = np.array([3.5, 1.5, 1.5]) / 6.5
    expected = -np.log(share[[0, 1, 2, 0, 0]]).mean()
    assert METRICS["cross_entropy"].chance(train, target) == pytest.approx(expected)
    assert METRICS["perplexity"].chance(train, target) == pytest.approx(math.exp(expected))
    assert math.isfinite(METRICS["perplexity"].chance(train, np.array([[7]])))


def test_gaps_in_a_target_count_for_nothing() -> None:
    predictions, target = _regression()
    gappy = target.astype(np.float64).reshape(len(target), -1, 1).repeat(2, axis=2)
    wide = predictions.reshape(len(target), -1, 1).repeat(2, axis=2)
    gappy[:, :, 1], wide[:, :, 1] = np.nan, 1e9
    for name in ("mse", "r2"):
        metric = METRICS[name]
        np.testing.assert_allclose(
            metric.influence(wide, gappy), metric.influence(predictions, target)
        )
        assert metric.chance(gappy, gappy) == pytest.approx(metric.chance(target, target))


def test_chance_of_a_class_not_seen_in_training_is_finite() -> None:
    assert math.isfinite(METRICS["log_loss"].chance(np.array([0, 1]), np.array([2])))


def test_pseudo_weight_is_one_for_equal_classes_and_grows_with_rare_ones() -> None:
    equal, rare = np.repeat([0, 1], 50), np.repeat([0, 1], [95, 5])
    assert METRICS["accuracy"].pseudo_weight(rare) == 1.0
    assert METRICS["balanced_accuracy"].pseudo_weight(equal) == 1.0
    assert METRICS["balanced_accuracy"].pseudo_weight(rare) > 50.0
    assert METRICS["mse"].pseudo_weight(equal) == 0.0


def test_undefined_scores_say_what_to_do() -> None:
    one_class = np.ones(4, dtype=np.int64)
    with pytest.raises(DataError) as auroc:
        METRICS["auroc"].chance(np.array([0, 1]), one_class)
    assert str(auroc.value) == (
        "auroc needs at least two classes in every split, but one of 4 examples holds only "
        "class 1; use a larger or stratified split, or write `metric: accuracy`"
    )
    with pytest.raises(DataError, match="only class 1"):
        METRICS["auroc"].score(np.zeros(4), one_class)
    with pytest.raises(DataError) as r2:
        METRICS["r2"].score(np.zeros(3), np.ones(3))
    assert str(r2.value) == (
        "r2 needs targets that vary, but all 3 targets of a split are equal; use a larger "
        "split, or `metric: mse`"
    )
