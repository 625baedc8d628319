"""The page on the search for settings: its trials, and what the best settings are worth on the test rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from emotion_kedro.options import TrainingOptions
from emotion_kedro.pictures import plots
from emotion_kedro.pictures.blocks import Block, Column, Picture, Text, sections_with_tables, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import count, interval, plain, score, share, signed
from emotion_kedro.pictures.verdict import FEW_SEEDS, side_of_zero

METRICS = {"log_loss": "log loss", "accuracy": "accuracy"}
ANSWERS = {1: ("Yes.", "helped"), -1: ("No: it did harm.", "harmed"), 0: ("No difference shown.", "open")}


def tune_document(
    trials: Sequence[Mapping[str, Any]],
    best: Mapping[str, Any],
    tuning: Mapping[str, Any],
    *,
    default: TrainingOptions,
) -> Document:
    """Return the page.

    Args:
        trials: rows of :func:`emotion_kedro.learning.tuning.search`.
        best: the best of them, as it comes from there.
        tuning: scores and difference of the arms ``tuned`` and ``default`` on the test rows.
        default: training of the untuned settings.
    """
    difference = tuning["difference"]["accuracy"]
    answer, kind = ANSWERS[side_of_zero(difference)]
    rows, seeds = tuning["difference"]["rows"], len(tuning["difference"]["seeds"])
    parts = (
        ("test", "On the test rows", _on_test(tuning, best, default)),
        ("trials", "The trials, on validation rows", _trials(trials, best)),
    )
    return Document(
        title="Settings tuned on validation",
        question="Do tuned settings read the test rows better than the untuned ones?",
        answer=answer,
        sentence=f"Tuned less untuned settings: {interval(difference, signed)} of accuracy "
        f"({rows:,} test rows, {seeds} seed{'s' if seeds > 1 else ''}; paired, 95 % interval).",
        caution=_caution(seeds),
        kind=kind,
        sections=sections_with_tables(parts),
        drawings={
            "arms": partial(plots.plot_arms, tuning),
            "trials": partial(plots.plot_trials, trials, best["metric"]),
        },
    )


def _caution(seeds: int) -> str:
    text = (
        "The two arms differ in learning rate, epochs and synthetic text at once, and in their number of steps: the "
        "difference is that of the whole setting, not of any one of them."
    )
    if seeds < FEW_SEEDS:
        text += f" With {seeds} seed{'s' if seeds > 1 else ''} the interval knows little of how trainings differ."
    return text


def _on_test(tuning: Mapping[str, Any], best: Mapping[str, Any], default: TrainingOptions) -> Iterator[Block]:
    yield Text("The test rows were read once, by classifiers fitted anew with the settings that the search had chosen.")
    yield Picture("arms", "Accuracy and macro-F1 on the test rows; ticks are seeds")
    settings = best["settings"]
    told = {
        "tuned": {
            "rate": f"{settings['learning_rate']:.2g}",
            "length": f"{settings['epochs']} epochs",
            "tau": f"{settings['tau']:g}",
        },
        "default": {"rate": f"{default.learning_rate:.2g}", "length": default.length, "tau": "that of the run"},
    }
    rows = [{"arm": arm, **told[arm], **found} for arm, found in tuning["arms"].items()]
    columns: list[Column] = [
        *(("arm", "arm", plain), ("rate", "learning rate", plain), ("length", "length", plain), ("tau", "tau", plain)),
        *(("steps", "steps", count), ("real", "real rows", count), ("synthetic", "synthetic rows", count)),
        *(("accuracy", "accuracy", interval), ("macro_f1", "macro-F1", interval), ("log_loss", "log loss", score)),
    ]
    yield table(rows, columns)


def _trials(trials: Sequence[Mapping[str, Any]], best: Mapping[str, Any]) -> Iterator[Block]:
    yield Text(
        f"Trial {best['trial']} was best by {METRICS[best['metric']]}. The score of the best of {len(trials)} trials "
        "flatters it, as it was chosen by that score: only the figures on the test rows say what it is worth."
    )
    yield Picture("trials", f"Validation {METRICS[best['metric']]} of each trial; the line is the best so far")
    columns: list[Column] = [
        *(("trial", "trial", count), ("learning_rate", "learning rate", "{:.2g}".format), ("epochs", "epochs", count)),
        *(("synthetic_share", "synthetic share", "{:g}".format), ("tau", "tau", "{:g}".format)),
        *(("steps", "steps", count), ("real_rows", "real rows", count), ("synthetic_rows", "synthetic rows", count)),
        *(("log_loss", "log loss", score), ("accuracy", "accuracy", score)),
    ]
    yield table(trials, columns)
    shares = [{"setting": name.replace("_", " "), "share": value} for name, value in best["importance"].items()]
    if shares:
        yield Text(
            f"How much of the trials' spread each setting explains (fANOVA); from {len(trials)} trials a hint at most."
        )
    yield table(shares, [("setting", "setting", plain), ("share", "share of the spread", share)])
