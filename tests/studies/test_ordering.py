from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rankprobe.records import MinimalRank, Result
from studies.catalogue import ORDERING, find
from studies.ordering.orders import LATER, ORDERS, WITHOUT_SIGNAL, judge, without_signal
from studies.ordering.report import block, sentence
from studies.readme import documents
from tests.studies.repository import commit, copy_documents, result


def rank(value: int, low: int | None, high: int | None) -> MinimalRank:
    return MinimalRank(value, low, high, 0.95, "resolved")


ABOVE_8 = MinimalRank(None, 9, None, 0.95, "above_largest")
NOTHING = MinimalRank(None, None, None, 0.95, "no_signal")
SUSPECT = MinimalRank(None, None, None, 0.95, "baseline_suspect")
FALLING = MinimalRank(2, 1, 3, 0.95, "not_monotone")


def task(minimal: MinimalRank, name: str = "letters") -> Result:
    made = result(name, minimal=minimal)
    return replace(made, targets=dict.fromkeys(("0.9", "0.95", "0.99"), minimal))


@pytest.mark.parametrize(
    ("lower", "higher", "expected"),
    [
        (rank(1, 1, 1), rank(3, 2, 4), "holds"),
        (rank(1, 1, 2), rank(3, 2, 4), "unclear"),
        (rank(1, 1, None), rank(3, 2, 4), "unclear"),
        (rank(2, None, 2), rank(4, 3, None), "holds"),
        (rank(2, 1, 3), rank(2, 2, 2), "same"),
        (rank(3, 2, 4), rank(1, 1, 1), "contrary"),
        (rank(3, 2, 4), rank(2, 1, 4), "contrary"),
        (rank(3, 2, 4), ABOVE_8, "holds"),
        (rank(8, 6, None), ABOVE_8, "unclear"),
        (ABOVE_8, rank(3, 2, 4), "contrary"),
        (ABOVE_8, ABOVE_8, "same"),
        (rank(1, 1, 1), NOTHING, "withheld"),
        (SUSPECT, rank(3, 2, 4), "withheld"),
        (FALLING, rank(8, 8, 8), "withheld"),
    ],
)
def test_an_order_is_judged_by_values_and_intervals(
    lower: MinimalRank, higher: MinimalRank, expected: str
) -> None:
    assert judge(task(lower), task(higher), "0.95") == expected


def test_a_target_that_was_not_read_is_not_judged() -> None:
    assert judge(task(rank(1, 1, 1)), task(rank(3, 2, 4)), "0.8") == "withheld"


def test_orders_are_between_tasks_of_the_catalogue() -> None:
    names = {measurement.name for measurement in ORDERING}
    orders = (*ORDERS, *LATER)
    assert {order.lower for order in orders} | {order.higher for order in orders} <= names
    assert WITHOUT_SIGNAL in names


def test_permuted_labels_are_judged_by_their_verdict() -> None:
    assert without_signal({}) is None
    assert without_signal({WITHOUT_SIGNAL: task(NOTHING)}) is True
    assert without_signal({WITHOUT_SIGNAL: task(rank(1, 1, 1))}) is False


ANSWERS = {
    "digits-3-8": rank(1, 1, 1),
    "digits-halves": rank(5, 4, 6),
    "digits-ten": rank(3, 2, 4),
    "penbased": rank(4, 2, 5),
    "letter": rank(6, 5, 8),
    "linear": rank(1, 1, 1),
    "parity": ABOVE_8,
    "pairs": rank(9, 8, 10),
    "digits-shuffled": NOTHING,
}


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    return copy_documents(tmp_path)


def measured(studies: Path, suffix: str = "", **others: MinimalRank) -> None:
    for name, minimal in (ANSWERS | {k.replace("_", "-"): v for k, v in others.items()}).items():
        made = commit(studies, f"{name}{suffix}", floor="chance", chance=0.1)
        targets = dict.fromkeys(("0.9", "0.95", "0.99"), minimal)
        changed = replace(
            made,
            minimal_rank=minimal,
            targets=targets,
            scope={**made.scope, "epochs": 40},
            provenance={**made.provenance, "date": "2026-05-01", "threads": "1"},
        )
        file = find(f"{name}{suffix}").results(studies) / "result.json"
        file.write_text(changed.to_json())


def test_the_sentence_counts_what_holds(studies: Path) -> None:
    measured(studies)
    assert sentence(studies) == (
        "At 95 % of full training's gain over chance 3 of 4 expected orders of tasks hold "
        "(penbased below letter: unclear, intervals touch), and 1 of 2 that were added later "
        "(parity below pairs: contrary); permuted labels give the verdict `no_signal`."
    )


def test_the_sentence_hides_nothing(studies: Path) -> None:
    measured(studies, digits_shuffled=rank(1, 1, 1), letter=rank(1, 1, 1), parity=rank(1, 1, 1))
    assert sentence(studies) == (
        "At 95 % of full training's gain over chance 2 of 4 expected orders of tasks hold "
        "(penbased below letter: contrary; linear below parity: the same), and 2 of 2 that "
        "were added later; permuted labels should give no signal, and give the verdict `resolved`."
    )


def test_the_readme_shows_every_task_and_every_order(studies: Path) -> None:
    measured(studies)
    text = block(studies)
    tasks = text.split("Minimal ranks on 2 networks:")[0]
    rows = {line.split(" | ")[0]: line for line in tasks.splitlines() if line.startswith("| ")}
    assert {f"| {measurement.name}" for measurement in ORDERING} <= rows.keys()
    missing = "not measured yet"
    assert f"| digits-3-8 below digits-ten | 95 % | {missing} | holds |" in text
    assert f"| penbased below letter | 99 % | {missing} | unclear, intervals touch |" in text
    assert rows["| parity"].endswith("| above 8 | above 8 | above 8 |")
    two = {n: find(n).result(studies) for n in ("digits-3-8", "digits-ten")}
    shares = [f"{100 * r.points[0].recovery.mean:.1f} %" for r in two.values() if r is not None]
    assert f"two classes or ten; rank 1 recovers {' and '.join(shares)}, intervals touch" in text
    # Recovery of nothing is a ratio of noise, so it is not shown.
    assert rows["| digits-shuffled"].endswith("|  |  | no signal | no signal | no signal |")
    made = find("letter").result(studies)
    assert made is not None
    head = (0.31 - 0.1) / (made.baseline.mean - 0.1)
    first = made.points[0].recovery
    assert rows["| letter"].split(" | ")[6:8] == [
        f"{100 * head:.1f} %",
        f"{100 * first.mean:.1f} % [{100 * first.low:.1f}, {100 * first.high:.1f}]",
    ]
    assert text.endswith("of training on 1 CPU thread, torch 2.13.0")


def test_other_networks_stand_beside(studies: Path) -> None:
    measured(studies)
    measured(studies, "-32-16", digits_ten=rank(1, 1, 1))
    text = block(studies)
    assert "| digits-3-8 below digits-ten | 95 % | the same | holds |" in text
    assert "| task | 95 %, 32-16 | 95 %, 64-32 | 99 %, 32-16 | 99 %, 64-32 |" in text
    assert "| digits-ten | 1 (1 to 1) | 3 (2 to 4) | 1 (1 to 1) | 3 (2 to 4) |" in text
    assert sentence(studies).startswith(
        "At 95 % of full training's gain over chance 3 of 4 expected"
    )


def test_before_all_is_measured_the_readme_says_how(studies: Path) -> None:
    documents(studies)
    assert block(studies) == (
        "Not measured yet: `python -m studies.run digits-3-8 digits-halves digits-ten penbased "
        "letter linear parity pairs digits-shuffled` does it."
    )
    commit(studies, "linear")
    assert "digits-ten penbased letter parity pairs digits-shuffled` does it." in block(studies)
