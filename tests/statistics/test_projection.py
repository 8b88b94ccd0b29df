"""What more repeats are projected to do, against what they do."""

from __future__ import annotations

import numpy as np
import pytest

from rankprobe.statistics.evidence import Evidence
from rankprobe.statistics.projection import ENDLESS, Projection, with_repeats
from rankprobe.statistics.variance import moments
from tests.statistics.planted import gaussian_losses, loss_evidence

MEANS = {1: 0.4, 2: 0.146, 3: 0.144, 4: 0.11, None: 0.1}


def evidence(repeats: int, *, seed: int = 0, over_examples: float = 0.02) -> Evidence:
    losses = gaussian_losses(
        MEANS,
        repeats=repeats,
        examples=200,
        over_repeats=0.004,
        over_examples=over_examples,
        rest=0.02,
        generator=np.random.default_rng(seed),
    )
    return loss_evidence(losses, chance=1.0)


def look(repeats: int, **changes: float) -> Projection:
    return Projection.of(evidence(repeats, **changes), target=0.95)  # type: ignore[arg-type]


def test_the_error_projected_from_few_repeats_is_that_of_many() -> None:
    generator = np.random.default_rng(1)
    projected, measured = [], []
    for _ in range(60):
        draw = generator.standard_normal
        table = 3 * draw((1, 40, 1)) + 10 * draw((1, 1, 300)) + 15 * draw((1, 40, 300))
        few = moments(table[:, :5], tuning=(0.0,), scores=(0.0,), pseudo_weight=0.0)
        many = moments(table, tuning=(0.0,), scores=(0.0,), pseudo_weight=0.0)
        projected.append(with_repeats(few, 1.0, now=5, then=40).error)
        measured.append(many.contrast(1.0).error)
    assert np.mean(projected) == pytest.approx(np.mean(measured), rel=0.03)
    assert np.mean(measured) < 0.85 * few.contrast(1.0).error


def test_as_many_repeats_as_there_are_change_nothing() -> None:
    for item in look(5).standings:
        now = item.pair.contrast(1.0, -0.95)
        then = with_repeats(item.pair, 1.0, -0.95, now=5, then=5)
        assert (then.mean, then.error, then.degrees) == pytest.approx(
            (now.mean, now.error, now.degrees)
        )


def test_the_part_of_the_test_set_stays_and_that_of_the_repeats_goes() -> None:
    for item in look(5).standings:
        parts = item.pair.sources(1.0, -0.95)
        endless = with_repeats(item.pair, 1.0, -0.95, now=5, then=10**9)
        assert endless.error**2 == pytest.approx(parts["test_set"], rel=1e-3, abs=1e-12)


def test_repeats_of_one_scaffold_leave_the_scaffolds_part() -> None:
    table = np.random.default_rng(2).standard_normal((1, 6, 50))
    pair = moments(
        table, tuning=(0.0,), scores=(0.0,), pseudo_weight=0.0, scaffolds=np.arange(6) % 2
    )
    assert pair.within is not None
    endless = with_repeats(pair, 1.0, now=6, then=10**9)
    scaffolds = pair.sources(1.0)["scaffolds"]
    assert endless.error**2 >= scaffolds - 1e-12
    assert endless.error < pair.contrast(1.0).error


def test_the_interval_narrows_with_the_repeats_of_the_undecided_rank_alone() -> None:
    projection = look(3, over_examples=0.0)
    assert projection.interval() == projection.interval({1: ENDLESS}) == (2, 3)
    low, high = projection.interval({2: ENDLESS})
    assert low == high


def test_an_error_of_the_test_set_lasts_and_one_of_the_repeats_does_not() -> None:
    assert look(5, over_examples=0.4).lasting_error(2) > 0.9
    assert look(5, over_examples=0.0).lasting_error(2) < 0.5


def test_without_a_crossing_there_is_no_interval() -> None:
    projection = Projection.of(evidence(5), target=0.999)
    with pytest.raises(ValueError, match="no measured rank reaches the target"):
        projection.interval()
