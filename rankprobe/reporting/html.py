"""The report: one plain page that needs nothing but itself. All text from data is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from rankprobe.records import MinimalRank, Result
from rankprobe.reporting.facts import all_targets, counts_line, flatten, lora_lines
from rankprobe.reporting.methods import REFERENCE, methods_paragraph
from rankprobe.reporting.page import notes as _notes
from rankprobe.reporting.page import pairs as _pairs
from rankprobe.reporting.page import picture as _picture
from rankprobe.reporting.page import soft as _soft
from rankprobe.reporting.page import table as _table
from rankprobe.reporting.tables import header, is_answer, rows
from rankprobe.reporting.trust import (
    design_line,
    interval_text,
    noise_line,
    non_inferiority_line,
    over_chance,
    over_chance_line,
    p_text,
    recoveries_words,
    sensitivity_rows,
    sensitivity_sentence,
)
from rankprobe.reporting.verdicts import flag_lines, headline, verdict_sentence
from rankprobe.reporting.wording import (
    clean,
    duration,
    metric_name,
    minimal_words,
    percent,
    target_label,
)

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --soft: #5f6368; --line: #d8dade;
  --page: #ffffff; --tint: #f4f6f9; --mark: #b34700; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececee; --soft: #a6abb2; --line: #3b3f46;
  --page: #17191c; --tint: #212429; --mark: #ff9d5c; } }
body { margin: 2.5rem auto; max-width: 46rem; padding: 0 1.2rem; background: var(--page);
  color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", "Helvetica Neue", sans-serif; }
h1 { font-size: 1.55rem; line-height: 1.25; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2.2rem 0 .5rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
section + section { border-top: 2px solid var(--line); margin-top: 3rem; padding-top: 2rem; }
figure { margin: 1.2rem 0; }
img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
figcaption, .soft { color: var(--soft); font-size: .88rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .28rem .8rem .28rem 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
.words th, .words td { text-align: left; white-space: normal; vertical-align: top;
  overflow-wrap: anywhere; }
.words th { font-weight: normal; color: var(--soft); min-width: 7.5rem; }
thead th { color: var(--soft); font-weight: normal; }
tr.chosen td, tr.chosen th { font-weight: 700; color: var(--mark); }
.notes { background: var(--tint); border-radius: 6px; padding: .7rem 1rem .7rem 2rem; margin: 0; }
@media print { body { margin: 0 auto; font-size: 11pt; } figure, table, .notes {
  break-inside: avoid; } h2 { break-after: avoid; } img { border-radius: 0; } }
"""


def report_html(result: Result, *, curve_png: bytes, rates_png: bytes, learned: str = "") -> str:
    """One page about one result.

    Args:
        result: A finished measurement.
        curve_png: The figure of `rankprobe.reporting.plots.plot_curve`.
        rates_png: The figure of `rankprobe.reporting.plots.plot_rates`.
        learned: What `rankprobe.reporting.inspection_html.inspection_html` says of it.

    Returns:
        HTML that loads nothing and runs nothing.
    """
    return page_html(headline(result), _section(result, curve_png, rates_png, learned))


def reports_html(
    results: Sequence[Result],
    pictures: Sequence[tuple[bytes, bytes]],
    *,
    overview_png: bytes,
    learned: Sequence[str] = (),
) -> str:
    """One page about several results: their recoveries together, then each by itself.

    Args:
        results: Finished measurements.
        pictures: The curve and the rates of each.
        overview_png: The figure of `rankprobe.reporting.plots.plot_results`.
        learned: As of one result, for each.

    Returns:
        HTML that loads nothing and runs nothing.
    """
    title = f"Minimal ranks of {len(results)} tasks"
    answers = "; ".join(headline(result) for result in results)
    lines = [
        (result.task.name, f"{target_label(result)}: {minimal_words(result.minimal_rank)}")
        for result in results
    ]
    overview = (
        f"<section><h1>{escape(title)}</h1>"
        f"{_picture(overview_png, f'Recovery against adapter rank. {answers}.', title)}"
        f"{_pairs(lines)}</section>"
    )
    sections = (
        _section(result, curve, rates, words)
        for result, (curve, rates), words in zip(
            results, pictures, learned or [""] * len(results), strict=True
        )
    )
    return page_html(title, overview + "".join(sections))


def page_html(title: str, body: str) -> str:
    """A page that needs nothing but itself; ``body`` is HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _section(result: Result, curve_png: bytes, rates_png: bytes, learned: str) -> str:
    line = headline(result)
    level = percent(result.minimal_rank.confidence)
    notes = flag_lines(result)
    curve_caption = (
        f"Test {metric_name(result.task.metric)} against adapter rank, with {level} intervals; "
        "the grey band is full training."
    )
    rates_caption = "Validation scores of every learning rate tried; the chosen one is framed."
    targets = [(name, _answer_with_parameters(minimal)) for name, minimal in all_targets(result)]
    parts = [
        f"<h1>{escape(line)}</h1>",
        f"<p>{escape(verdict_sentence(result))}</p>",
        _notes(notes),
        _picture(curve_png, f"{curve_caption} {line}.", curve_caption),
        f"<h2>Scores by rank</h2>{_scores(result)}",
        _soft(
            f"head: scaffold frozen, {_at_rank_zero(result)} (rank 0). full: every weight trained. "
            f"Recovery is counted from {_floor(result)}. A star refers to the notes above."
        ),
        f"<h2>Targets</h2>{_pairs(targets)}" if targets else "",
        _checks(result),
        _sensitivity(result),
        "<h2>Learning rates</h2>",
        _picture(rates_png, f"{rates_caption} {_chosen(result)}", rates_caption),
        learned,
        f"<h2>Scope</h2><p>{escape(counts_line(result))}.</p>{_settings(result.scope)}",
        f"<h2>Cost</h2>{_settings(_cost(result))}",
        f"<h2>Provenance</h2>{_settings({'data hash': result.task.hash, **result.provenance})}",
        _lora(result),
        "<h2>For the methods section</h2>",
        f"<p>{escape(clean(result.methods or methods_paragraph(result)))}</p>",
        _soft(f"The method: {REFERENCE}."),
    ]
    return f"<section>{_joined(parts)}</section>"


def _lora(result: Result) -> str:
    """The configuration for fine-tuning, as text to copy, and what differs."""
    if not result.lora:
        return ""
    notes = [clean(note) for note in result.lora.get("notes", ())]
    config = _joined(lora_lines(result))
    given = f"<pre>{escape(config)}</pre>" if config else ""
    return f"<h2>For fine-tuning</h2>{given}{_notes(notes)}"


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)


def _answer_with_parameters(minimal: MinimalRank) -> str:
    words = minimal_words(minimal)
    if minimal.degrees_of_freedom is None:
        return words
    return f"{words}; {minimal.degrees_of_freedom:,} adapter parameters"


def _scores(result: Result) -> str:
    lines = [(row, is_answer(result, row)) for row in rows(result)]
    return _table(header(result), lines)


def _checks(result: Result) -> str:
    """What a terminal has no room for, rank by rank, and what it says in lines."""
    columns = {"rank": [str(point.rank) for point in result.points]}
    if over_chance_line(result):
        shares = (over_chance(result, point) for point in result.points)
        columns["recovery over chance"] = [interval_text(share) for share in shares]
    if any(point.p_value is not None for point in result.points):
        columns["p of non-inferiority"] = [p_text(point.p_value) for point in result.points]
    lines = [(row, is_answer(result, row)) for row in zip(*columns.values(), strict=True)]
    by_rank = _table(tuple(columns), lines) if len(columns) > 1 else ""
    checks = {
        "non-inferiority": non_inferiority_line(result),
        "noise": noise_line(result),
        "design": design_line(result),
    }
    pairs = [(name, line) for name, line in checks.items() if line]
    both = by_rank + (_pairs(pairs) if pairs else "")
    return f"<h2>Checks</h2>{both}" if both else ""


def _sensitivity(result: Result) -> str:
    """How far the minimal rank moves, and a row for every changed setting."""
    if not result.sensitivity:
        return ""
    pairs = zip(sensitivity_rows(result), result.sensitivity, strict=True)
    lines = [((*row, recoveries_words(variant)), False) for row, variant in pairs]
    names = ("changed", "minimal rank", "moved", "recovery by rank")
    return f"<h2>Sensitivity</h2><p>{escape(sensitivity_sentence(result))}</p>" + _table(
        names, lines, ' class="words"'
    )


def _settings(settings: Mapping[str, Any]) -> str:
    return _pairs(flatten(settings))


def _cost(result: Result) -> dict[str, str]:
    return {
        ("training time" if name == "seconds" else name): (
            duration(value) if name == "seconds" else f"{value:,.0f}"
        )
        for name, value in result.cost.items()
    }


def _at_rank_zero(result: Result) -> str:
    beside = result.scope.get("in_full_beside_head")
    return (
        f"trained is the head, and in full {clean(beside)}" if beside else "only the head trained"
    )


def _floor(result: Result) -> str:
    return {"chance": "chance", "head": "the head alone"}.get(result.floor, "a score of 0")


def _chosen(result: Result) -> str:
    chosen = {"full" if r.rank is None else str(r.rank) for r in result.rates if r.chosen}
    return f"Rates were chosen for {len(chosen)} rows." if chosen else "The rate was fixed."
