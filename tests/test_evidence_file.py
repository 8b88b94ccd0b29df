from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rankprobe.errors import ArtifactError
from rankprobe.evidence_file import (
    first_repeats,
    load_evidence,
    load_facts,
    write_evidence,
)
from rankprobe.statistics.evidence import Candidate, Evidence, RankEvidence
from rankprobe.statistics.metrics import METRICS
from rankprobe.statistics.minimal_rank import find_minimal_rank
from tests.statistics.planted import accuracy_evidence


def r2_evidence(*, repeats: int = 3, examples: int = 40) -> Evidence:
    random = np.random.default_rng(0)
    target = random.standard_normal((examples, 4)).astype(np.float32)

    def row(rank: int | None, noise: float) -> RankEvidence:
        errors = noise * random.standard_normal((repeats, *target.shape))
        made = [(target + error).astype(np.float32) for error in errors]
        scores = np.array([METRICS["r2"].score(part, target) for part in made])
        candidates = tuple(
            Candidate(rate, scores + rate, 0.01 + 0 * scores, scores) for rate in (0.1, 0.01)
        )
        return RankEvidence(
            rank, 0.1, scores, tuple(made), 100, 50, ("rate_at_edge",), candidates=candidates
        )

    return Evidence(
        metric="r2",
        ranks=(row(1, 0.7), row(2, 0.1)),
        baseline=row(None, 0.02),
        target_values=target,
        chance=np.zeros(examples),
        head=row(0, 0.9),
        flags=("imbalanced",),
    )


def test_evidence_comes_back(tmp_path: Path) -> None:
    before = r2_evidence()
    file = write_evidence(tmp_path / "deep" / "first.npz", before, {"seconds": 2.5})
    after, facts = load_evidence(file)
    assert facts == load_facts(file) == {"seconds": 2.5}
    assert (after.metric, after.flags, after.head is None) == ("r2", ("imbalanced",), False)
    np.testing.assert_array_equal(after.target_values, before.target_values)
    np.testing.assert_array_equal(after.chance, before.chance)
    for one, other in zip(
        (*after.ranks, after.baseline), (*before.ranks, before.baseline), strict=True
    ):
        assert (one.rank, one.learning_rate, one.trainable) == (other.rank, 0.1, 100)
        assert (one.adapter_parameters, one.flags) == (50, ("rate_at_edge",))
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.candidates[1].validation, other.candidates[1].validation)
        # What is not explained keeps its precision, however little it is.
        for made, kept in zip(other.predictions, one.predictions, strict=True):
            assert made is not None
            assert kept is not None
            lost = 1 - METRICS["r2"].score(made, before.target_values)
            assert 1 - METRICS["r2"].score(kept, before.target_values) == pytest.approx(
                lost, rel=2e-4
            )


def test_labels_are_kept_as_they_are(tmp_path: Path) -> None:
    before = accuracy_evidence({1: 0.5, 2: 0.95}, head=0.4, failed={2: (1,)}, examples=300)
    after, _ = load_evidence(write_evidence(tmp_path / "first.npz", before, {}))
    assert after.ranks[1].predictions[1] is None
    for one, other in zip(after.ranks, before.ranks, strict=True):
        for kept, made in zip(one.predictions, other.predictions, strict=True):
            assert (kept is None) == (made is None)
            if kept is not None and made is not None:
                assert kept.dtype == made.dtype
                np.testing.assert_array_equal(kept, made)
    answers = [find_minimal_rank(item, target=0.95) for item in (before, after)]
    assert answers[0] == answers[1]


def test_residuals_too_large_for_half_precision_are_kept_whole(tmp_path: Path) -> None:
    evidence = r2_evidence()
    wild = evidence.target_values + np.float32(1e6)
    baseline = replace(evidence.baseline, predictions=(wild,) * 3)
    after, _ = load_evidence(
        write_evidence(tmp_path / "first.npz", replace(evidence, baseline=baseline), {})
    )
    kept = after.baseline.predictions[0]
    assert kept is not None
    np.testing.assert_allclose(kept, wild, rtol=1e-6)


def test_fewer_repeats_are_the_first_ones() -> None:
    evidence = r2_evidence(repeats=5)
    fewer = first_repeats(evidence, 2)
    for one, other in zip(
        (*fewer.ranks, fewer.baseline), (*evidence.ranks, evidence.baseline), strict=True
    ):
        np.testing.assert_array_equal(one.scores, other.scores[:2])
        assert one.predictions == other.predictions[:2]
        assert [len(item.test) for item in one.candidates] == [2, 2]
        assert [len(item.validation_error) for item in one.candidates] == [2, 2]
    assert fewer.head is not None
    assert len(fewer.head.scores) == 2


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"text"])
def test_a_damaged_file_is_named_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "first.npz"
    file.write_bytes(content)
    for read in (load_evidence, load_facts):
        with pytest.raises(ArtifactError, match=r"first\.npz: damaged, .* remove it and run"):
            read(file)


def test_a_torn_file_is_damaged(tmp_path: Path) -> None:
    file = write_evidence(tmp_path / "first.npz", r2_evidence(), {})
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(ArtifactError, match="damaged"):
        load_evidence(file)
