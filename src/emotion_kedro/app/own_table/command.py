"""``emotion try``: from a table of one's own to a classifier, and to whether added text helps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from emotion_kedro.app.own_table.outcome import WIDTH, results
from emotion_kedro.runtime.guards import handlers_kept

if TYPE_CHECKING:
    from emotion_kedro.app.own_table.profile import Profile
    from emotion_kedro.config.data import SourceConfig

FOLDER = Path("conf/local/experiments")
FEW_ROWS = 20
"""Of a label, train and test together: where eight are learned from, words help, and unlabelled texts may
(docs/results/study.md)."""
ON_CLUSTER = "--runner=emotion_kedro.runners.RayIncrementalRunner --runner-params=address="


@click.command(name="try")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--text", help="The column of the texts; else it is guessed.")
@click.option("--label", help="The column of the labels; else it is guessed.")
@click.option("--test", type=click.Path(path_type=Path), help="A file of test rows; else some of FILE are held out.")
@click.option(
    "--unlabelled",
    type=click.Path(path_type=Path),
    help="A file of texts without labels, to learn from as well; may be FILE itself.",
)
@click.option("--quick", is_flag=True, help="A minute or two: no language model is tuned.")
@click.option(
    "--describe", multiple=True, metavar='LABEL="WORDS"', help="Words that say a label, commas between; repeatable."
)
@click.option("--yes", is_flag=True, help="Ask nothing: take the best guess.")
@click.option("--name", help="Of the experiment; else that of the file.")
@click.option("--cluster", metavar="ADDRESS", help="Run on a Ray cluster: an address, auto (this machine's), local.")
def try_table(
    file: Path,
    text: str | None,
    label: str | None,
    test: Path | None,
    unlabelled: Path | None,
    quick: bool,
    describe: tuple[str, ...],
    yes: bool,
    name: str | None,
    cluster: str | None,
) -> None:
    """Train a classifier on a table, and measure whether added text helps.

    FILE is csv, tsv, txt, json, jsonl, parquet or xlsx, with a column of texts and one of labels. An experiment is
    written to conf/local/experiments/ and run: change it, and run it again by the command that is said.

    \b
    emotion try mails.xlsx
    emotion try posts.csv --text body --label mood --quick
    emotion try posts.csv --describe joy="happy, glad" --describe anger="angry"
    emotion try posts.csv --unlabelled more.txt
    """  # noqa: D301 - click wants the character itself
    from emotion_kedro.app.own_table.experiment_file import RUNNER, name_for, write_experiment
    from emotion_kedro.app.own_table.guessing import with_test_file
    from emotion_kedro.app.own_table.profile import profile_source
    from emotion_kedro.app.own_table.reading import without_labels
    from emotion_kedro.config.loader import current_loader
    from emotion_kedro.data.reader_errors import without_keys
    from emotion_kedro.runtime.guards import alone_in

    experiment_name = name or name_for(file, quick=quick)
    _check_name(experiment_name)
    start = click.get_current_context().find_object(Path) or Path.cwd()
    try:
        source = _chosen(
            (start / file.expanduser()).resolve(), text, label, ask=sys.stdin.isatty() and not yes, best=yes
        )
        if test is not None:
            source = with_test_file(source, (start / test.expanduser()).resolve())
        texts = None
        if unlabelled is not None:
            texts, notes = without_labels((start / unlabelled.expanduser()).resolve(), source)
            _say(unlabelled, notes)
        loader = current_loader()
        with alone_in(Path(loader["globals"]["data_root"])):  # before anything is written
            click.echo("Looking at its rows ...")
            profile = profile_source(source, loader["settings"]["ingestion"]["cleaning"])
            click.echo("\n".join(_wrapped(line) for line in profile.lines()))
            if texts is not None and texts.empty_column and "no label" not in profile.left_out:
                raise ValueError(f"--unlabelled {unlabelled}: each of its rows has a label; name another file")
            words = _described(describe, profile)
            experiment = _checked(source, profile, name=experiment_name, quick=quick, words=words, unlabelled=texts)
            written = write_experiment(FOLDER, experiment_name, experiment, loader.taken_names(), numbered=name is None)
    except (ValueError, OSError) as error:
        raise click.ClickException(without_keys(str(error))) from None
    results_folder = Path(loader["globals"]["data_root"], "08_reporting", written.stem)
    forecast = _announce(written, experiment_name, experiment, profile, quick, again=results_folder.is_dir())
    command = f"kedro run --pipelines={written.stem} {f'{ON_CLUSTER}{cluster}' if cluster else RUNNER}"
    click.echo(f"Again       {command}\n")
    ended = _run(command.split(), forecast)
    if ended < 0:
        raise click.ClickException(f"the run was killed by signal {-ended}; the same command goes on from there")
    if ended:
        raise SystemExit(ended)
    click.echo("\n".join(["", *results(written.stem, start)]))


def _check_name(name: str) -> None:
    from emotion_kedro.config.loader import NAME, NAME_RULE

    if not NAME.fullmatch(name):
        raise click.ClickException(f"--name {name}: an experiment's name {NAME_RULE}")


def _chosen(file: Path, text: str | None, label: str | None, *, ask: bool, best: bool) -> SourceConfig:
    """Return how the file is read; ask for what is in doubt.

    Raises:
        ValueError: if it is in doubt and there is nobody to ask.
    """
    from emotion_kedro.app.own_table.guessing import guess_source
    from emotion_kedro.data.reader_errors import listed

    columns = {"text": text, "label": label}
    guess = guess_source(file, **columns)
    for what in ("text", "label"):
        candidates = guess.doubts.get(what, ())
        if candidates and not (ask or best):
            names = listed(map(repr, candidates))
            raise ValueError(f"{file}: the {what} may be {names}. Name it: --{what} COLUMN, or take the first: --yes")
        if candidates and ask:
            columns[what] = click.prompt(
                f"Which column holds the {what}s?", type=click.Choice(candidates), default=candidates[0]
            )
            guess = guess_source(file, **columns)
    _say(file, guess.notes)
    return guess.source


def _say(file: Path, notes: Sequence[str]) -> None:
    click.echo(f"{file.name}")
    for note in notes:
        click.echo(_wrapped(note))


def _wrapped(line: str) -> str:
    return textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent=" " * 14)


def _described(describe: Sequence[str], profile: Profile) -> dict[str, list[str]]:
    from emotion_kedro.data.reader_errors import listed

    words: dict[str, list[str]] = {}
    for entry in describe:
        label, mark, wording = entry.partition("=")
        named = [word.strip() for word in wording.split(",") if word.strip()]
        if not mark or not named:
            raise ValueError(f'--describe {entry!r}: give a label and its words, e.g. --describe joy="happy, glad"')
        if label not in profile.fit:
            raise ValueError(f"--describe has {label!r}, which is no label here; there are: {listed(profile.fit)}")
        words.setdefault(label, []).extend(named)
    return words


def _checked(source: SourceConfig, profile: Profile, *, name: str, **given: Any) -> dict[str, Any]:
    """Return the experiment, with what else is ``given`` for it.

    Raises:
        ValueError: if there is nothing to tell apart, or the words do not fit.
    """
    from emotion_kedro.app.own_table.experiment_file import experiment_for
    from emotion_kedro.config.base import reasons
    from emotion_kedro.config.experiment import ExperimentFile

    if len(profile.labels) < 2:
        raise ValueError(
            f"all rows have the same label, {next(iter(profile.labels), '')}: there is nothing to tell apart"
        )
    if (fit := len(profile.fit)) < 2:
        have = f"{fit or 'no'} label{'s' * (fit != 1)} ha{'s' if fit == 1 else 've'}"
        raise ValueError(f"{have} enough different texts to learn from and to test on; two are needed: add rows")
    experiment = experiment_for(source, profile, name=name, **given)
    try:
        ExperimentFile.model_validate(experiment)
    except ValueError as error:
        raise ValueError(f"--name {name}, or a word of --describe, does not fit{reasons(error)}") from None
    return experiment


def _announce(
    file: Path, wanted: str, experiment: Mapping[str, Any], profile: Profile, quick: bool, *, again: bool = False
) -> dict[str, float]:
    """Say what will run; return what is expected of its nodes on this machine."""
    from emotion_kedro.app.own_table.experiment_file import minutes, node_seconds, slowness

    click.echo(f"\nExperiment  {file}")
    if file.stem != wanted:
        click.echo(f"            there is a {wanted} with other settings; this experiment is {file.stem}")
    if profile.script != "latin":
        click.echo(
            "            no packaged model reads or writes this script: characters are counted, only simple ways"
        )
        click.echo("            to add text are tried; for models from a hub see docs/hub.md")
    elif not quick and experiment["generators"]["generator"]["kind"] == "conditional":
        click.echo(f"            {len(profile.fit)} labels: one generator for all instead of one for each")
    for hint in _hints(experiment, profile):
        click.echo(textwrap.indent(textwrap.fill(hint, WIDTH - 12, break_on_hyphens=False), " " * 12))
    slow, prefix = slowness(), f"{file.stem}."
    forecast = {name and prefix + name: slow * each for name, each in node_seconds(experiment, profile).items()}
    time = f"about {minutes(sum(forecast.values()))} min, at this machine's present speed"
    click.echo(f"It takes    {f'at most {time}: what is done and as it was is not done again' if again else time}")
    return forecast


def _hints(experiment: Mapping[str, Any], profile: Profile) -> list[str]:
    """Return what else may help, in sentences."""
    few, hints = min(profile.fit.values()) <= FEW_ROWS, []
    undescribed = experiment["records"]["taxonomy"] == "from_data"
    if undescribed and all(re.fullmatch(r"[-+\d.,]+", label) for label in profile.fit):
        label = next(iter(profile.fit))
        hints.append(
            "the labels are numbers, and say nothing by themselves; give words for each: "
            f'--describe {label}="word, word"'
        )
    elif undescribed and few:
        hints.append(
            "some labels have few rows: words for them may help there as much as text that a model writes, at no "
            'cost; give some to each: --describe LABEL="word, word, word"'
        )
    if "unlabelled" not in experiment["records"] and few:
        hints.append("with few rows, texts of the same kind may help even without labels: --unlabelled FILE")
    if profile.language not in ("", "English"):
        sentence = experiment["generators"]["template"]["sentence"]
        hints.append(f'labels are put into an English sentence, "{sentence}": change it in the file, `sentence`')
    return hints


def _run(command: Sequence[str], forecast: Mapping[str, float]) -> int:
    """Run the experiment as anyone would; return how it ended. Ctrl-C and a request to end reach it as well."""
    from emotion_kedro.hooks.remaining import FORECAST

    environment = {**os.environ, FORECAST: json.dumps(forecast)}
    with (
        subprocess.Popen([sys.executable, "-m", *command], env=environment) as process,
        handlers_kept(lambda *_: process.terminate()),
    ):
        try:
            return process.wait()
        except KeyboardInterrupt:
            return process.wait()
