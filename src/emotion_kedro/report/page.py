"""The pages of an experiment: HTML with everything, one short page of Markdown, and a few lines for the terminal."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emotion_kedro.config.base import ALL, ALL_ROWS
from emotion_kedro.metrics.comparison import COMPARED_LEARNERS
from emotion_kedro.metrics.runs import BASELINE
from emotion_kedro.report.figures import SHARPNESS
from emotion_kedro.report.html_tables import html_table
from emotion_kedro.report.plots import rows_of
from emotion_kedro.report.tables import (
    DASH,
    accuracy_by_size,
    comparisons_table,
    decisions_table,
    gains_table,
    label_table,
    leakage_table,
    nodes_table,
    number,
    quality_by_label,
    quality_table,
    runs_table,
    scores_table,
    settings_table,
    shown_reference,
    size_name,
    sources_table,
    stages_table,
    with_interval,
)
from emotion_kedro.report.texts import NEAREST, samples_by_label
from emotion_kedro.report.words import NOT_COMPARED, accuracies_of, headline, sentence_of, verdict_of, words_in

if TYPE_CHECKING:
    from jinja2 import Environment

UNFOLDED = 4
"""Tables that answer the question and are shown at once, at most; the others are folded."""
LONGEST = 40
"""Rows of a table that is shown at once."""
SENTENCES = 6
"""So many comparisons are said on the terminal; where there are more, the first alone."""
ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", "|": "&#124;", "`": "&#96;", "\\": "&#92;"})
"""By which Markdown shows a character without reading it."""


@dataclass(frozen=True)
class Picture:
    """A picture, and what it shows in words."""

    png: bytes
    alt: str

    @property
    def width(self) -> int:
        """In pixels of the page."""
        return round(int.from_bytes(self.png[16:20]) / SHARPNESS)

    @property
    def height(self) -> int:
        """In pixels of the page."""
        return round(int.from_bytes(self.png[20:24]) / SHARPNESS)


@dataclass(frozen=True)
class Report:
    """What a page shows; tables in the schemas of :mod:`emotion_kedro.schemas` where no other columns are named."""

    name: str
    question: str
    data_note: str
    """What the data are: sources and rows, and whether it is the hand-written sample."""
    date: str
    commit: str
    parameters: Mapping[str, Any]
    """Those that differ from the defaults, nested."""
    scores: pd.DataFrame
    comparisons: pd.DataFrame
    label_scores: pd.DataFrame
    note: str = ""
    """What a reader of the page has to know."""
    arms: Mapping[str, str] = field(default_factory=dict)
    """What each learns from, in words."""
    level: float = 0.95
    text_quality: pd.DataFrame | None = None
    decisions: pd.DataFrame | None = None
    """``arm, reason, candidates``."""
    equivalent_rows: pd.DataFrame | None = None
    """As :func:`emotion_kedro.metrics.learning_curves.equivalent_real_rows` returns it."""
    leakage: pd.DataFrame | None = None
    """Any columns."""
    runs: pd.DataFrame | None = None
    times: pd.DataFrame | None = None
    """``node, seconds``, and where they were measured ``stage`` and ``memory_mb``."""
    reference: pd.DataFrame | None = None
    """As :func:`emotion_kedro.report.reference.reference_table` returns it."""
    analyses: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    label_gains: pd.DataFrame | None = None
    plots: Mapping[str, Picture] = field(default_factory=dict)
    """By caption; the first is that of the short page."""
    sampled_texts: pd.DataFrame | None = None
    """As :func:`emotion_kedro.report.texts.sampled_texts` returns it."""
    recommended: Mapping[str, Any] | None = None
    """As :func:`emotion_kedro.report.recommended.describe` returns it."""


@dataclass(frozen=True)
class Section:
    """A titled table of a page."""

    title: str
    table: pd.DataFrame
    answers: bool = False
    """Whether it answers the question: it then stands at the top, and is not folded."""
    folded: bool = True


def _told_first(report: Report) -> pd.DataFrame:
    """Return the comparisons, those of the recommended model first, as the better side before as the other."""
    table, chosen = report.comparisons, report.recommended
    if table.empty or chosen is None:
        return table
    here = table["learner"].isin([chosen["learner"], COMPARED_LEARNERS])
    is_first, is_second = (here & (table[side] == chosen["arm"]) for side in ("first", "second"))
    place = np.select([is_first, is_second], [0, 1], 2)
    return table.iloc[place.argsort(kind="stable")]


def _recommended_accuracy(report: Report) -> str:
    chosen, scores = report.recommended, report.scores
    if chosen is None or scores.empty:
        return DASH
    same = (scores[["arm", "learner", "size"]] == [chosen[name] for name in ("arm", "learner", "size")]).all(axis=1)
    rows = scores[same & (scores["metric"] == "accuracy") & (scores["source"] == ALL)]
    return DASH if rows.empty else with_interval(*rows.iloc[-1][["value", "low", "high"]])


def baselines(scores: pd.DataFrame) -> dict[str, str]:
    """Return the accuracy of each baseline (majority: chance), at the largest size."""
    if scores.empty:
        return {}
    shown = scores[(scores["arm"] == BASELINE) & (scores["metric"] == "accuracy") & (scores["source"] == ALL)]
    return {str(row.learner): number(row.value) for row in rows_of(shown)}


def sections(report: Report) -> list[Section]:
    """Return the tables of the page, in order, without empty ones; at most :data:`UNFOLDED` answer the question."""
    listed = [*_answers(report), *_details(report), *_text_sections(report), *_costs(report)]
    shown = [section for section in listed if len(section.table)]
    answering = [section for section in shown if section.answers and len(section.table) <= LONGEST][:UNFOLDED]
    return [replace(section, answers=any(section is each for each in answering)) for section in shown]


def _answers(report: Report) -> list[Section]:
    by_size = accuracy_by_size(report.scores)
    curve = pd.DataFrame() if report.equivalent_rows is None else report.equivalent_rows
    return [
        Section("Accuracy by real train rows per label", by_size, answers=True),
        Section("Scores", scores_table(report.scores), answers=by_size.empty),
        Section("Differences", comparisons_table(report.comparisons), answers=True),
        Section("Equivalent number of real rows per label", curve, answers=True),
        *(Section(title, table, answers=True) for title, table in report.analyses.items()),
    ]


def _details(report: Report) -> list[Section]:
    reference = pd.DataFrame() if report.reference is None else shown_reference(report.reference)
    chosen = report.recommended["table"] if report.recommended else pd.DataFrame()
    return [
        Section("Models that could be recommended", chosen),
        Section("Accuracy by source of the test rows", sources_table(report.scores)),
        Section("Beside the reference report", reference),
        Section("F1 by label", label_table(report.label_scores)),
        Section("Differences in F1 by label", gains_table(report.label_gains)),
        Section("Test rows that stand in train as well", leakage_table(report.leakage)),
        Section("Added text beside held-out real text", quality_table(report.text_quality)),
        Section("Candidates by reason", decisions_table(report.decisions)),
    ]


def _beside(table: pd.DataFrame) -> str:
    return ", beside the nearest real ones" if NEAREST in table else ""


def _text_sections(report: Report) -> list[Section]:
    """Return the tables of texts and of figures by label; the texts of the first label are not folded."""
    texts = samples_by_label(report.sampled_texts).items()
    drawn = [
        Section(f"Texts written for {label}{_beside(table)}, drawn at random", table, folded=place > 0)
        for place, (label, table) in enumerate(texts)
    ]
    by_label = quality_by_label(report.text_quality).items()
    return [
        *drawn,
        *(Section(f"Added text by label, real text in brackets: {arms}", table) for arms, table in by_label),
    ]


def _costs(report: Report) -> list[Section]:
    return [
        Section("Runs", runs_table(report.runs)),
        Section("Time and memory by stage", stages_table(report.times)),
        Section("Time and memory by node", nodes_table(report.times)),
        Section("Parameters that differ from the defaults", settings_table(report.parameters)),
    ]


def html_page(report: Report) -> str:
    """Return the page of an experiment: one HTML file with its plots inside."""
    comparisons = _told_first(report)
    verdict, sentence = verdict_of(comparisons, report.level)
    listed = sections(report)
    phrases = [sentence, *(name for section in listed for name in (section.title, *map(str, section.table.columns)))]
    return render(
        "page.html.j2",
        title=report.name,
        report=report,
        verdict=verdict.split(" ")[0],
        headline=headline(comparisons),
        sentence=sentence if verdict else "",
        accuracy=_recommended_accuracy(report),
        baselines=baselines(report.scores),
        sections=listed,
        plots=report.plots,
        words=words_in(" ".join(phrases)),
    )


def markdown_page(report: Report, plot_path: str | None = None) -> str:
    """Return one short page: question, verdict, one plot, one table, the setting.

    An experiment without scores shows the tables of its analyses instead.

    Args:
        report: the experiment.
        plot_path: of the plot as seen from the page; None: no plot.
    """
    by_size = accuracy_by_size(report.scores)
    scores = by_size if len(by_size) else scores_table(report.scores)
    shown = {"": scores} if len(scores) else dict(report.analyses)
    verdict, sentence = verdict_of(_told_first(report), report.level)
    return render(
        "page.md.j2",
        report=report,
        sentence=sentence if verdict else "",
        baselines=baselines(report.scores),
        tables={**shown, "Setting": settings_table(report.parameters)},
        plot_path=plot_path,
    )


def terminal_summary(report: Report) -> str:
    """Return the main figures as plain text."""
    shown = report.scores
    if len(shown):
        shown = shown[(shown["metric"] == "accuracy") & (shown["source"] == ALL)]
    # Baselines learn from all rows, also where the arms have a few.
    others = f", {size_name(ALL_ROWS)} rows" if len(shown) and (shown["size"] != ALL_ROWS).any() else ""
    names = [f"{row.arm}, {row.learner}" + (_at(row.size) or others) for row in rows_of(shown)]
    width = max(map(len, names), default=0)
    lines = [f"{report.name}: {report.question}", f"Data: {report.data_note}"]
    for name, row in zip(names, rows_of(shown), strict=True):
        lines.append(f"  {name:<{width}}  accuracy {number(row.value)} [{number(row.low)}, {number(row.high)}]")
    return "\n".join([*lines, *_sentences(report), *_recommended(report)]) + "\n"


def _recommended(report: Report) -> list[str]:
    """Return which model is recommended, why, and the lines that use it."""
    chosen = report.recommended
    if chosen is None:
        return []
    code = [f"  {line}" for line in [*chosen["imports"].splitlines(), chosen["line"]] if line]
    return [f"Recommended: {chosen['reason']}", chosen["answers"], *code]


def _sentences(report: Report) -> list[str]:
    """Return what was compared, so many differences; then where the others are, and how many are shown."""
    accuracies = accuracies_of(report.comparisons)
    if accuracies.empty:
        return [NOT_COMPARED]
    shown = accuracies.iloc[:SENTENCES]
    sentences = [sentence_of(row, report.level) for _, row in shown.iterrows()]
    left = len(accuracies) - len(shown)
    # A learner that reads better than another has helped nobody.
    of_arms = accuracies.loc[accuracies["learner"] != COMPARED_LEARNERS, "verdict"]
    counts = ", ".join(f"{word}: {(of_arms == word).sum()}" for word in ("helped", "harmed"))
    of_all = f"; of all between arms, {counts}" if len(of_arms) else ""
    return [*sentences, *([f"{left} further differences are in the report{of_all}."] if left else [])]


def _at(size: int) -> str:
    return f", {size_name(size)} per label" if size else ""


def render(template: str, **values: Any) -> str:
    """Fill a template of this folder."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("emotion_kedro.report", "."),
        autoescape=lambda name: bool(name and ".html" in name),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = {"html_table": html_table, "markdown_table": markdown_table, "plain": plain, "address": png_address}
    environment.filters |= filters
    return environment


def markdown_table(table: pd.DataFrame) -> str:
    """Return a table as Markdown; what its cells hold is shown as it is, and never read as Markdown or HTML."""
    shown = table.map(lambda value: number(value) if isinstance(value, float) else plain(value))
    return shown.rename(columns=plain).to_markdown(index=False, disable_numparse=True)


def plain(value: Any) -> Any:
    """Return a text in one line, with entities for what ends a cell or makes code, links, pictures or HTML."""
    return " ".join(value.splitlines()).translate(ENTITIES).replace("](", "]&#40;") if isinstance(value, str) else value


def png_address(picture: bytes) -> str:
    """Return a picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()
