"""What the web page shows, made of models and saved tables. HTML in which every text is escaped; no gradio here."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_kedro.app.model import data_folder, latest_models, load_model, models_in
from emotion_kedro.app.page.reviews import REPORTS, reviews_of, texts_of
from emotion_kedro.config.base import CLASSIFIER_NOTES

if TYPE_CHECKING:
    import pandas as pd

    from emotion_kedro.app.generation import Candidate
    from emotion_kedro.app.model import EmotionModel, Explanation, Prediction

PERCENT = 100
FULL_COLOUR = 0.3
"""A word without which the probability falls by so much has the strongest colour."""
FAINTEST = 0.01
SHOWN_WORDS = 6
LEGEND = (
    "Each filter alone: ✓ passes, ✗ refuses, – was not asked. An arm asks them in this order, and the first that "
    "refuses gives the reason; what is a repeat here may be none by then."
)


def experiments(pattern: str = "report.html") -> list[str]:
    """Return the experiments that have left such a file among their reports."""
    reports = data_folder() / REPORTS
    return sorted(file.relative_to(reports).parts[0] for file in reports.glob(f"*/{pattern}"))


# --- read -----------------------------------------------------------------------------------------------------------


def model_choices() -> list[tuple[str, str]]:
    """Return what a model is called and its folder, the recommended one first."""
    return [(str(model.path.relative_to(latest_models())), str(model.path)) for model in models_in()]


def reading(model: str | None, text: str) -> Iterator[str]:
    """Yield what a model (None: the first) reads in a text: probabilities, then the words that they rest on as well.

    Raises:
        ValueError: if there is no such model, or nothing to read.
    """
    paths = [path for _, path in model_choices()]
    if not paths:
        raise ValueError("no model was trained here yet: make augment, or emotion try FILE")
    if model not in (None, *paths):
        raise ValueError(f"there is no model {model} here any more: open the page again")
    model = model or paths[0]
    opened = _opened(model, (Path(model) / CLASSIFIER_NOTES).stat().st_mtime_ns)
    [prediction] = opened.predict([text])
    yield bars(prediction)
    yield bars(prediction) + coloured(opened.explain(text))


@lru_cache(maxsize=2)
def _opened(path: str, changed: int) -> EmotionModel:
    """Open a model once, until a run leaves another in its place."""
    return load_model(path)


def bars(prediction: Prediction) -> str:
    """Return a bar for each label, the likeliest first."""
    ordered = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
    rows = (
        f"<tr><th scope='row'>{escape(label)}</th><td class='bar'><div style='width:{PERCENT * value:.1f}%'></div></td>"
        f"<td class='figure'>{value:.2f}</td></tr>"
        for label, value in ordered
    )
    cut = "<p class='note'>Longer than the model reads: its end was left out.</p>" if prediction.cut else ""
    return f"<table class='own bars'>{''.join(rows)}</table>{cut}"


def coloured(explanation: Explanation) -> str:
    """Return the text with each word in the colour of what it does to the label, and the heaviest words as a list."""
    label = escape(str(explanation.prediction.label))
    words = " ".join(_word(word, fall) for word, fall in explanation.words) + " …" * bool(explanation.left)
    rows = "".join(
        f"<tr><td class='figure'>{PERCENT * fall:+.0f}</td><td>{escape(word)}</td></tr>"
        for word, fall in explanation.heaviest(SHOWN_WORDS)
        if abs(fall) >= FAINTEST
    )
    return (
        f"<h3>The words that <q>{label}</q> rests on</h3><p class='words'>{words}</p>"
        f"<p class='note'>Each word was left out once. Green ones speak for {label}, red ones against it, by so many "
        f"points of its probability{':' if rows else '; none by as much as one.'}</p><table class='own'>{rows}</table>"
    )


def _word(word: str, fall: float) -> str:
    if abs(fall) < FAINTEST:
        return escape(word)
    strength = 15 + 45 * min(abs(fall) / FULL_COLOUR, 1.0)
    colour = "#1a9850" if fall > 0 else "#d73027"
    style = f"background:color-mix(in srgb, {colour} {strength:.0f}%, transparent)"
    return f"<span style='{style}' title='{PERCENT * fall:+.1f} points'>{escape(word)}</span>"


# --- write ----------------------------------------------------------------------------------------------------------


def generators() -> list[str]:
    """Return what can write, as ``<experiment>/<generator>``: what runs have kept, then prompted generators."""
    kept = (folder.parts[-3::2] for folder in sorted(data_folder().glob("06_models/*/generator/*")))
    return [f"{experiment}/{name}" for experiment, name in kept if _records(experiment)] + _prompted()


def _prompted() -> list[str]:
    """Return those that need no tuning, of experiments that have rows to show them."""
    from emotion_kedro.app.generation import is_prompted
    from emotion_kedro.config.augmentation import generator_config
    from emotion_kedro.config.loader import current_loader

    return [
        f"{name}/{each}"
        for name, experiment in current_loader().experiments().items()
        if _records(name)
        for each, raw in experiment.generators.items()
        if is_prompted(generator_config(raw))
    ]


def _records(experiment: str) -> Path | None:
    """Return the newest rows of an experiment."""
    files = (data_folder() / "05_model_input" / experiment).glob("split_records.parquet/*/split_records.parquet")
    return max(files, default=None)


def labels_of(generator: str | None) -> list[str]:
    """Return the labels that a generator can write for."""
    import pandas as pd

    file = _records(generator.split("/")[0]) if generator else None
    return sorted(pd.read_parquet(file, columns=["label"])["label"].unique()) if file else []


def written(generator: str, label: str, count: int, seed: int) -> str:
    """Let a generator write, and return each text with what the filters make of it.

    Raises:
        ValueError: if there is no such generator.
    """
    from emotion_kedro.app import generate

    if generator not in (ready := generators()):
        again = f"there is no generator {generator} here any more: open the page again"
        raise ValueError(again if ready else "no generator is ready here yet: make augment")
    experiment, name = generator.split("/")
    candidates = generate(label, int(count), experiment=experiment, generator=name, seed=int(seed or 0))
    cards = "".join(map(_card, candidates))
    note = f"{sum(each.kept for each in candidates)} of {int(count)} kept. "
    if left := int(count) - len(candidates):
        note += f"{left} left out: without a word, or a copy of a held-out text. "
    if any(each.probability >= 0 for each in candidates):
        note += f"The figure is the probability that the classifier gives to {label}."
    elif candidates:
        note += f"No run has kept a classifier of {experiment}: none has read them."
    was_filtered = any(each.by_filter for each in candidates)
    legend = f"<p class='note'>{escape(LEGEND)}</p>" if was_filtered else ""
    return f"<p class='note'>{escape(note)}</p>{legend}<ul class='cards'>{cards}</ul>"


def _card(candidate: Candidate) -> str:
    """Return a text, what became of it, and a mark for each filter; no probability where there is none (NaN)."""
    value = candidate.probability
    figure = "" if math.isnan(value) else f"<span class='figure'>{value:.2f}</span>"
    kept, outcome = ("kept", "kept") if candidate.kept else ("", f"refused: {escape(candidate.reason)}")
    marks = "".join(_mark(name, reason) for name, reason in candidate.by_filter.items())
    return (
        f"<li class='{kept}'><b>{outcome}</b> {figure}<br>{escape(candidate.text)}<div class='marks'>{marks}</div></li>"
    )


def _mark(name: str, reason: str | None) -> str:
    """Return what a filter says of a text: its reason, empty where it passes, None where it is not asked."""
    kind, sign = ("silent", "–") if reason is None else ("fails", "✗") if reason else ("passes", "✓")
    return f"<span class='{kind}'>{sign} {escape(name)}{f': {escape(reason)}' if reason else ''}</span>"


# --- compare --------------------------------------------------------------------------------------------------------


def compared(experiment: str) -> str:
    """Return what an experiment found: verdicts, differences, scores, its plot, and where the whole report is.

    Raises:
        ValueError: if it has not run.
    """
    import pandas as pd

    from emotion_kedro.report.tables import comparisons_table, scores_table

    if experiment not in (ran := experiments()):
        again = f"there is no experiment {experiment} here any more: open the page again"
        raise ValueError(again if ran else "no experiment has run here yet: make augment")
    results = data_folder() / REPORTS / "results"
    try:
        scores, differences = (
            # What an analysis finds alone stands on its page.
            shown(pd.read_csv(file) if (file := results / f"{experiment}{end}.csv").is_file() else pd.DataFrame())
            for shown, end in ((scores_table, ""), (comparisons_table, "_comparisons"))
        )
    except KeyError as error:
        raise ValueError(f"an older version wrote these tables ({error.args[0]}); run {experiment} again") from None
    verdicts = (
        f"<p><b>{escape(row['first'])}</b> against <b>{escape(row['second'])}</b>: {escape(row['verdict'])}</p>"
        for row in differences.to_dict(orient="records")
    )
    link = f"<p><a href='/report/{escape(experiment)}' target='_blank'>The whole report</a></p>"
    note = "<p class='note'>In brackets: intervals over the test rows and runs (95 % by default).</p>"
    tables = {"Differences": differences, "Scores": scores}
    parts = [f"<h3>{title}</h3>{html_table(table)}" for title, table in tables.items() if len(table)]
    return "".join([*verdicts, link, *parts, note, _plot(results / f"{experiment}.png")])


def _plot(file: Path) -> str:
    if not file.is_file():
        return ""
    data = base64.b64encode(file.read_bytes()).decode()
    alt = "Accuracy of each arm with its interval, as in the table of scores"
    return f"<img class='plot' alt='{alt}' src='data:image/png;base64,{data}'>"


def html_table(table: pd.DataFrame) -> str:
    """Return a table as HTML, escaped; on a narrow screen each row is a list of names and values."""
    head = "".join(f"<th scope='col'>{escape(str(name))}</th>" for name in table.columns)
    rows = (
        "<tr>" + "".join(map(_cell, table.columns, row)) + "</tr>" for row in table.itertuples(index=False, name=None)
    )
    return f"<table class='own rows'><tr>{head}</tr>{''.join(rows)}</table>"


def _cell(name: str, value: object) -> str:
    return f"<td data-name='{escape(str(name))}'>{escape(str(value))}</td>"


def missing(what: str) -> str:
    """Return that there are no models, generators, results or texts yet, and what makes some."""
    table = "try a table of your own (tab Your table; quick runs tune no generator)"
    return f"<p class='note'>There are no {what} here yet: make augment, or {table}.</p>"


# --- review ---------------------------------------------------------------------------------------------------------


def shown_at(experiment: str, show: str, number: int | None) -> tuple[int, str, str, tuple[str, str]]:
    """Return the number of a text (the nearest there is, from 1), what is known of it, the text, and what names it."""
    table = texts_of(experiment, show) if experiment in experiments("texts/texts.csv") else None
    if table is None or table.empty:
        return 1, "<p class='note'>No text is left here.</p>" if experiment else missing("texts"), "", ("", "")
    number = min(max(int(number or 1), 1), len(table))
    row = table.iloc[number - 1]
    arms = {name.removeprefix("arm_"): row[name] for name in table.columns if name.startswith("arm_") and row[name]}
    facts = {
        "label": f"{row['label']} (read as {row['evaluator_label']})",
        "filters": ", ".join(f"{arm}: {reason}" for arm, reason in arms.items()),
        "nearest train text": row["nearest_train_text"],
        "decision": f"{row['decision']}, was: {row['text']}" if row["edited_text"] else row["decision"],
    }
    counts = ", ".join(f"{name} {count}" for name, count in reviews_of(experiment)["decision"].value_counts().items())
    rows = "".join(f"<tr><th scope='row'>{name}</th><td>{escape(fact)}</td></tr>" for name, fact in facts.items())
    about = f"<p class='note'>{number} of {len(table)}{f' ({counts})' if counts else ''}</p>"
    text = str(row["edited_text"] or row["text"])
    return number, f"{about}<table class='own'>{rows}</table>", text, (str(row["text"]), str(row["label"]))
