"""``emotion predict``, ``explain``, ``generate`` and ``models``."""

from __future__ import annotations

import io
import json
import math
import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from emotion_kedro.app.model import Prediction, load_model, models_in
from emotion_kedro.config.base import RECOMMENDED
from emotion_kedro.runtime.guards import handlers_kept

COLUMNS = 80
WIDTH = 24
"""Characters of the longest bar."""
PERCENT = 100
SHOWN_WORDS = 8
SHOWN_TEXT = 300
"""Characters of a text; the JSON has all of it."""
NO_PREDICTION: dict[str, Any] = {"label": None, "probability": None, "probabilities": {}, "cut": False}
NOTHING = click.UsageError("there is nothing to read in what is given")

model_option = click.option(
    "--model", "-m", type=click.Path(path_type=Path), default=None, help="Its folder; else the recommended one."
)


def opened(model: Path | None, *, device: str = "auto") -> Any:
    """Open a model, or end with one line."""
    try:
        return load_model(model, device=device)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.argument("texts", nargs=-1)
@click.option(
    "--in",
    "source",
    help="A file of texts: csv, tsv, json, jsonl, parquet, xlsx, txt; a folder of them; or their address, as s3://...",
)
@click.option(
    "--out",
    "target",
    type=click.Path(path_type=Path),
    help="Where predictions go: csv, tsv, jsonl, parquet or xlsx; without an ending a folder, in parts.",
)
@click.option("--text", "column", help="The column of the texts; else it is guessed.")
@click.option(
    "--abstain", type=click.FloatRange(0, 1), default=0.0, help="Name no label that is less probable than this."
)
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each text.")
@click.option(
    "--cluster", metavar="ADDRESS", help="Of a Ray cluster, whose workers write the parts; or auto, or local."
)
@model_option
def predict(
    texts: tuple[str, ...],
    source: str | None,
    target: Path | None,
    column: str | None,
    abstain: float,
    as_json: bool,
    cluster: str | None,
    model: Path | None,
) -> None:
    """Say which label a text has.

    \b
    emotion predict "what a day, everything went right"
    emotion predict --in mails.xlsx --text body --out read.csv --abstain 0.6
    emotion predict --in millions.parquet --out read   # killed, the same command goes on
    emotion predict --in s3://bucket/texts --out read --cluster auto
    cat lines.txt | emotion predict
    """  # noqa: D301 - click wants the character itself
    _check_given(texts, source, target, cluster)
    if source is not None and target is not None:
        _predict_file(source, target, model, column=column, abstain=abstain, cluster=cluster)
        return
    lines = texts or (() if sys.stdin.isatty() else _lines_given())
    if not lines:
        raise click.UsageError('give a text ("..."), a file (--in, --out), or lines on standard input')
    if not any(line.strip() for line in lines):
        raise NOTHING
    _read(opened(model), lines, abstain, as_json)


def _read(model: Any, lines: Sequence[str], abstain: float, as_json: bool) -> None:
    given = [line for line in lines if model.cleaned(line).strip()]
    if not given:
        raise NOTHING
    predictions = iter(model.predict(given, abstain=abstain))
    if as_json:  # a line for each text, so that a program knows which is which
        for line in lines:
            is_read = model.cleaned(line).strip()
            click.echo(_as_json(next(predictions)) if is_read else json.dumps({"text": line, **NO_PREDICTION}))
        return
    if left := len(lines) - len(given):
        click.echo(f"left out: {left} without a text", err=True)
    for prediction in predictions:
        click.echo("\n".join(_lines(prediction)))


def _lines_given() -> list[str]:
    """Return the lines on standard input."""
    content = sys.stdin.buffer.read()
    try:
        # Not str.splitlines: to that a form feed or one of Unicode's separators within a line ends it.
        return [line.rstrip("\n") for line in io.StringIO(content.decode("utf-8-sig"), newline=None)]
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise click.ClickException(
            f"line {line} of standard input is not UTF-8: {content[error.start :][:1]!r}"
        ) from None


def _check_given(texts: Sequence[str], source: str | None, target: Path | None, cluster: str | None) -> None:
    if (source is None) != (target is None):
        missing, what = ("--in", "the file to read") if source is None else ("--out", "where its predictions go")
        raise click.UsageError(f"{missing} is missing: {what}")
    if source is not None and texts:
        raise click.UsageError("give either texts or --in, not both")
    # Path.is_file raises an error of what is too long for a name.
    if files := [text for text in texts if os.path.isfile(text)]:  # noqa: PTH113
        raise click.UsageError(f"{files[0]} is a file: --in {files[0]} --out FILE reads what is in it")
    if cluster and source is None:
        raise click.UsageError("--cluster is for files: give --in and --out")


def _predict_file(source: str, target: Path, model: Path | None, **options: Any) -> None:
    from emotion_kedro.app.files import predict_file
    from emotion_kedro.data.reader_errors import without_keys

    _check_source(source)
    ready = opened(model)
    shown = sys.stderr.isatty()

    def say(note: str) -> None:
        click.echo(note, err=True)

    def progress(rows: int) -> None:
        if shown:
            click.echo(f"\r{rows:,} rows", nl=False, err=True)

    try:
        # What was fetched goes when the command is told to end, as by Slurm.
        with handlers_kept(lambda number, _: sys.exit(128 + number)):
            counts = predict_file(ready, source, target, progress=progress, say=say, **options)
    except (ValueError, OSError) as error:
        raise click.ClickException(without_keys(str(error))) from None
    except KeyboardInterrupt:
        if not target.suffix:
            click.echo(f"\nparts that are whole stay in {target}; run the same command again to go on", err=True)
        raise
    if shown:
        click.echo(err=True)
    notes = {"empty": "without a text", "abstained": "not sure enough", "cut": "longer than the model reads, cut"}
    remarks = ", ".join(f"{counts[name]:,} {text}" for name, text in notes.items() if counts[name])
    click.echo(f"{target}: {counts['rows']:,} row{'s' * (counts['rows'] != 1)}" + (f" ({remarks})" if remarks else ""))


def _check_source(source: str) -> None:
    """Say that it is not there before a model is opened."""
    from emotion_kedro.data.reader_errors import missing_file, without_keys

    # Path.exists raises an error of what is too long for a name.
    if "://" not in source and not os.path.exists(source):  # noqa: PTH110
        raise click.ClickException(without_keys(str(missing_file(Path(source)))))


def _lines(prediction: Prediction) -> list[str]:
    """Return the text, its label, and a bar for each label."""
    best = max(prediction.probabilities, key=prediction.probabilities.__getitem__)
    name = prediction.label or f"not sure ({best}?)"
    text = prediction.text if len(prediction.text) <= SHOWN_TEXT else prediction.text[:SHOWN_TEXT] + " ..."
    lines = [click.style(f"{name}  {prediction.probability:.2f}", bold=True) + f"  {text}"]
    if prediction.cut:
        lines.append("  longer than the model reads: its end was left out")
    width = max(map(len, prediction.probabilities))
    for label, value in sorted(prediction.probabilities.items(), key=lambda pair: -pair[1]):
        lines.append(f"  {label:<{width}}  {value:.2f}  {'▇' * round(value * WIDTH)}")
    return lines


def _as_json(prediction: Prediction) -> str:
    rounded = {label: round(value, 4) for label, value in prediction.probabilities.items()}
    values = {"label": prediction.label, "probability": round(prediction.probability, 4), "probabilities": rounded}
    return json.dumps({"text": prediction.text, **values, "cut": prediction.cut}, ensure_ascii=False)


@click.command()
@click.argument("text")
@model_option
def explain(text: str, model: Path | None) -> None:
    """Show the words that a prediction rests on.

    Each word is left out once: green ones speak for the label, red ones against it, by so many points of its
    probability.

    \b
    emotion explain "i am not happy at all"
    """  # noqa: D301 - click wants the character itself
    try:
        explanation = opened(model).explain(text)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo("\n".join(_lines(explanation.prediction)))
    if len(explanation.words) == 1:
        click.echo("\nOne word: without it there is nothing to read, and nothing to compare it with.")
        return
    click.echo("\n" + " ".join(_coloured(word, fall) for word, fall in explanation.words))
    heaviest = explanation.heaviest(SHOWN_WORDS)
    for word, fall in heaviest:
        points = f"{fall * PERCENT:+6.1f}".replace("-0.0", " 0.0").replace("+0.0", " 0.0")
        click.echo(f"  {points}  {word}")
    if lighter := len(explanation.words) - len(heaviest):
        click.echo(f"  and {lighter} more that weigh less")
    if explanation.left:
        click.echo(f"  The last {explanation.left:,} words were not looked at.")


def _coloured(word: str, fall: float) -> str:
    if abs(fall) * PERCENT < 1:
        return word
    return click.style(word, fg="green" if fall > 0 else "red", bold=abs(fall) * PERCENT >= 10)


@click.command()
@click.option("--label", "-l", required=True, help="What the texts are to be of.")
@click.option("--count", "-n", type=click.IntRange(1, 1000), default=10, show_default=True)
@click.option("--experiment", default="augment", show_default=True)
@click.option("--generator", default=None, help="Its name; else the first that is ready.")
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed writes the same texts."
)
@click.option("--env", "-e", default=None, help="The environment of the configuration.")
def generate(label: str, count: int, experiment: str, generator: str | None, seed: int, env: str | None) -> None:
    """Write texts of a label, and say what the filters make of each.

    By a generator that a run has tuned and kept, or by one that is prompted and needs no training.

    \b
    emotion generate --label joy -n 20
    emotion generate --label joy --experiment study_edft --generator opened
    """  # noqa: D301 - click wants the character itself
    from kedro.io import DatasetError

    from emotion_kedro.app.generation import generate as write

    try:
        candidates = write(label, count, experiment=experiment, generator=generator, seed=seed, env=env)
    except (ValueError, DatasetError) as error:
        raise click.ClickException(str(error)) from None
    for candidate in candidates:
        mark = click.style("kept   ", fg="green") if candidate.kept else click.style("refused", fg="red")
        reason = f"  [{candidate.reason}]" if candidate.reason else ""
        click.echo(f"{mark} {_share(candidate.probability)}  {candidate.text}{click.style(reason, dim=True)}")
    left = count - len(candidates)
    note = f"; {left} left out: without a word, or a copy of a held-out text" if left else ""
    click.echo(f"{sum(candidate.kept for candidate in candidates)} of {count} kept{note}")


def _share(probability: float) -> str:
    return "   –" if math.isnan(probability) else f"{probability:.2f}"


@click.command()
@click.option("--all", "every", is_flag=True, help="Also show the models that were not recommended.")
def models(every: bool) -> None:
    """List the models that runs have left: how good they are, when they were made, what they learned from.

    \b
    emotion models
    emotion predict "a text" -m FOLDER   # by one of them
    """  # noqa: D301 - click wants the character itself
    models = models_in()
    if not models:
        raise click.ClickException("no model was trained here yet: make augment, or emotion try FILE")
    chosen = {model.path.parent for model in models if model.path.name == RECOMMENDED}
    for model in models:
        if model.path.parent in chosen and model.path.name != RECOMMENDED and not every:
            continue
        rows = ", ".join(f"{number:,} {origin}" for origin, number in model.rows.items())
        others = [] if every else _beside(model.path, models)
        lines = [
            f"{f'accuracy {model.accuracy}; ' if model.accuracy else ''}made {model.made:%Y-%m-%d %H:%M}",
            f"{model.kind} on {model.base or 'words'}; {rows} texts",
            f"{len(model.labels)} labels: {', '.join(model.labels)}",
            *([f"beside it: {', '.join(others)} (--all)"] if others else []),
        ]
        click.echo(model.path)
        for line in lines:
            click.echo(textwrap.fill(line, COLUMNS, initial_indent=" " * 4, subsequent_indent=" " * 6))


def _beside(path: Path, known: list[Any]) -> list[str]:
    """Return the names of the models that a recommended one was chosen from."""
    inside = [model.path.name for model in known if model.path.parent == path.parent and model.path != path]
    return inside if path.name == RECOMMENDED else []
