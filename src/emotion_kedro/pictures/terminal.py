"""The main figures of a run as plain text for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emotion_kedro.pictures.background import steps_sentence
from emotion_kedro.pictures.numbers import (
    DASH,
    MINUS,
    count,
    estimate,
    first_known,
    interval,
    leaves_of,
    p_value,
    row_for_all,
    rows_of,
    score,
    share,
    signed,
)
from emotion_kedro.pictures.results import ALL, METRICS, SPLIT_COUNTS, USABILITY, RunResults
from emotion_kedro.pictures.verdict import QUESTION, caution_of, reading, verdict_of

WIDTH = 100  # characters of a line in the terminal
HEADING = 12  # of which the heading on the left takes so many
SEEDS_IN_A_LINE = 5


def terminal_summary(results: RunResults) -> str:
    """Return the main figures as plain text in ASCII (but for names), at most 100 characters wide."""
    verdict = verdict_of(results.comparison)
    lines = [results.title, f"{QUESTION} {verdict.headline}"]
    lines += textwrap.wrap(verdict.sentence, WIDTH)
    for heading, text in _summary_rows(results):
        indent = " " * (HEADING + 2)
        lines += textwrap.wrap(f"{heading:<{HEADING}}{text}", WIDTH, subsequent_indent=indent) if text else []
    plain = "\n".join(lines).translate({ord(DASH): "-", ord(MINUS): "-"})
    return plain + "\n"


def _summary_rows(results: RunResults) -> Iterator[tuple[str, str]]:
    """Yield headings and lines; what is not known has no line."""
    yield "Data", _summary_data(results)
    yield "Leakage", _summary_leakage(rows_of(results.leakage))
    yield "Synthetic", _summary_synthetic(row_for_all(results))
    yield from _summary_scores(results.scores.get("arms", {}))
    yield from _summary_difference(results.comparison)
    written = [f"{title} {score(estimate(results.usability.get(key)))}" for key, (title, _) in USABILITY.items()]
    yield "Usability", "; ".join(written) if results.usability else ""
    yield "Steps", steps_sentence(results.classifiers)
    yield "Intervals", caution_of(results)


def _summary_data(results: RunResults) -> str:
    read, kept = (sum(found.get(key, 0) for found in results.ingestion.values()) for key in ("rows", "kept"))
    parts = [f"{count(len(results.ingestion))} sources, {count(read)} rows read, {count(kept)} kept"]
    splits = first_known(results.sampling.get(name) for name in SPLIT_COUNTS) or {}
    for name, part in splits.items():
        parts.append(f"{name} {count(sum(value for _, value in leaves_of({name: part})))}")
    return "; ".join(parts)


def _summary_leakage(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = [
        f"{share(row['near_share'])} with a {row['split_strategy']} split ({count(row['near_in_train'])})"
        for row in rows
        if row["source"] == ALL
    ]
    return f"test rows that stand in train, or nearly so: {', '.join(parts)}" if parts else ""


def _summary_synthetic(whole: Mapping[str, Any]) -> str:
    if not whole:
        return ""
    drawn, kept = count(whole.get("drawn")), f"{share(whole.get('yield'))} passed, {count(whole.get('kept'))} kept"
    fidelity = f"fidelity {share(whole.get('fidelity_all'))} of all, {share(whole.get('fidelity_kept'))} of kept"
    return f"{drawn} candidates, {kept}; {fidelity}"


def _summary_scores(arms: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    widest = max(map(len, arms), default=0)
    for number, (arm, found) in enumerate(arms.items()):
        scores = [f"{title} {interval(found.get(metric)):<17}" for metric, title in METRICS.items()]
        yield "" if number else "Scores", "  ".join([f"{arm:<{widest}}", *scores, f"ECE {score(found.get('ece'))}"])


def _summary_difference(comparison: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not comparison:
        return
    yield "Difference", f"{comparison.get('second', 'second')} minus {comparison.get('first', 'first')}"
    for metric, title in METRICS.items():
        yield "", f"{title:<8}  {interval(comparison.get(metric), signed):<20}  {reading(comparison.get(metric))}"
    tests = comparison.get("mcnemar", [])
    shown = ", ".join(f"{p_value(test.get('p_holm'))} (seed {test.get('seed')})" for test in tests[:SEEDS_IN_A_LINE])
    more = f" and {len(tests) - SEEDS_IN_A_LINE} more seeds" if len(tests) > SEEDS_IN_A_LINE else ""
    yield "", f"McNemar p after Holm: {shown}{more}" if tests else ""
