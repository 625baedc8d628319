"""The recommended model: why it was chosen, how it is used, and its card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.config.base import CLASSIFIER_NOTES
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.calibration import of_kept_run
from emotion_kedro.metrics.diversity import words
from emotion_kedro.metrics.scores import label_scores, score_table
from emotion_kedro.models.cards import calibration_sentence, cleaning_sentence, usage_imports, usage_line
from emotion_kedro.report.page import render
from emotion_kedro.report.plots import rows_of
from emotion_kedro.report.tables import METRIC_NAMES, interval_cells, number, with_interval

SURE = 0.9
"""Probability from which on a right answer may be the example."""
NEUTRAL = {"neutral", "none", "no_emotion", "other"}
"""Labels of texts that have none of the others."""
FEW_VALIDATION_ROWS = 50
"""Below it, where a threshold lies is mostly chance."""
FEW = 10
"""Test rows, of which a share that is right says little."""
CARD = "README.md"


@dataclass(frozen=True)
class RecommendedModel:
    """A copy of an arm's model with a card of its own; :class:`emotion_kedro.datasets.ModelDirectory` saves it."""

    source: Path
    card: str

    def save(self, directory: Path) -> None:
        """Write it."""
        shutil.copytree(self.source, directory, dirs_exist_ok=True)
        (directory / CARD).write_text(self.card, encoding="utf-8")


@dataclass(frozen=True)
class Learned:
    """What the recommended model learned from, and how."""

    rows: pd.DataFrame
    """Schema ``TrainingRows``."""
    records: pd.DataFrame
    """Schema ``SplitRecords``."""
    filters: Sequence[str]


# --- sentences ----------------------------------------------------------------------------------------------------


def reason(recommendation: pd.DataFrame) -> str:
    """Return why the model was chosen, in a sentence."""
    row = chosen(recommendation)
    what = f"{row['arm']}, {row['learner']}"
    if len(recommendation) == 1:
        return f"{what}: the only arm that may be recommended."
    if pd.isna(recommendation["validation_loss"]).all():
        return f"{what}: the first arm named, since there are no validation rows to choose by."
    ordered = recommendation.sort_values("validation_loss", kind="stable")
    losses = ", ".join(f"{each.arm} {number(each.validation_loss)}" for each in rows_of(ordered))
    seeds = f", mean of {row['runs']} runs" if row["runs"] > 1 else ""
    lowest = ordered.iloc[0]
    simplest = recommendation.iloc[0]
    tie = ""
    if lowest["validation_loss"] <= row["validation_loss"] and lowest["arm"] != row["arm"]:
        tie = f"; {lowest['arm']} is not better by more than a standard error"
    elif simplest["arm"] != row["arm"]:
        tie = f"; {simplest['arm']}, named first, is worse by more than a standard error"
    return f"{what}: chosen by {row['validation_rows']:,} validation rows (log loss {losses}{seeds}{tie})."


def answers(recommendation: pd.DataFrame, evaluation: EvaluationConfig) -> str:
    """Return from which probability on the model answers so accurately, and how many test rows that leaves."""
    row, wanted = chosen(recommendation), f"{evaluation.answered_accuracy * 100:.0f} %"
    if not row["validation_rows"]:
        return (
            f"From which probability on {wanted} of the answers are right is not known: there are no validation rows."
        )
    if pd.isna(row["threshold"]):
        return f"However sure the model is, fewer than {wanted} of its answers on the validation rows are right."
    rows = f"{row['validation_rows']:,} validation rows"
    few = ", which are few to set it by" if row["validation_rows"] < FEW_VALIDATION_ROWS else ""
    share, accuracy = (_interval(row, name) for name in ("answered", "answered_accuracy"))
    if row["threshold"] == 0:
        return (
            f"On the {rows} at least {wanted} of all answers are right already: no need to leave unsure ones out. "
            f"Of the test rows {accuracy} are read right."
        )
    count = round(row["answered"] * row["test_rows"])
    tested = f"and of these {accuracy} are read right"
    if count < FEW:
        tested = f"which is {count} of {row['test_rows']:,}: too few to tell how many such answers are right"
    return (
        f"On the {rows} at least {wanted} of the answers are right from a probability of {number(row['threshold'])} "
        f"on{few}. Of the test rows {share} reach it, {tested}."
    )


def _interval(row: pd.Series, name: str) -> str:
    return with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"])


def chosen(recommendation: pd.DataFrame) -> pd.Series:
    """Return the row of the chosen arm."""
    return recommendation[recommendation["chosen"]].iloc[0]


def recommendation_table(recommendation: pd.DataFrame) -> pd.DataFrame:
    """Return the arms that may be recommended, with what decided and what followed on the test rows."""
    rows = [row for _, row in recommendation.iterrows()]
    columns = {
        "arm": recommendation["arm"],
        "validation log loss": recommendation["validation_loss"].map(number),
        "recommended": recommendation["chosen"].map({True: "yes", False: ""}),
        "temperature": recommendation["temperature"].map(number),
        "ECE before": recommendation["ece_before"].map(number),
        "ECE": recommendation["ece"].map(number),
        "answers from p": recommendation["threshold"].map(number),
        "test rows answered": [_interval(row, "answered") for row in rows],
        "accuracy of answers": [_interval(row, "answered_accuracy") for row in rows],
    }
    return pd.DataFrame(columns)


def describe(recommendation: pd.DataFrame, evaluation: EvaluationConfig, directory: Path, path: str) -> dict[str, Any]:
    """Return what pages and summary say: ``arm, learner, size, command, reason, answers, imports, line, table``."""
    return {
        **{name: str(chosen(recommendation)[name]) for name in ("arm", "learner")},
        "size": int(chosen(recommendation)["size"]),
        "command": f'emotion predict --model {path} "a text"',
        "reason": reason(recommendation),
        "answers": answers(recommendation, evaluation),
        "imports": usage_imports(directory),
        "line": usage_line(directory, path),
        "table": recommendation_table(recommendation),
    }


# --- the card -----------------------------------------------------------------------------------------------------


def write_card(
    experiment: str,
    recommendation: pd.DataFrame,
    predictions: pd.DataFrame,
    learned: Learned,
    evaluation: EvaluationConfig,
    *,
    directory: Path,
    path: str,
) -> str:
    """Return the card of the recommended model."""
    row, notes = chosen(recommendation), json.loads((directory / CLASSIFIER_NOTES).read_text(encoding="utf-8"))
    read = of_kept_run(predictions, recommendation[recommendation["chosen"]])
    scores = score_table(read, learned.records.set_index("record_id")["group"], evaluation)
    example = example_of(read, learned.records)
    line = usage_line(directory, path, **({"text": example["text"]} if example else {}))
    sources = read["source"].value_counts()
    return render(
        "card.md.j2",
        header=_header(experiment, notes, scores, sources, directory),
        title=f"{experiment}: {row['arm']}",
        labels=notes["labels"],
        usage=f"{usage_imports(directory)}\n\n{line}",
        example=example,
        chosen=row,
        test_sources=", ".join(f"{name} {count:,}" for name, count in sources.items()),
        level=f"{evaluation.level * 100:.0f}",
        scores=_scores(scores),
        label_scores=label_scores(read)[["label", "precision", "recall", "f1", "support"]].astype({"support": int}),
        reason=reason(recommendation),
        calibration=_calibration(notes, row),
        cleaning=cleaning_sentence(notes),
        answers=answers(recommendation, evaluation),
        experiment=experiment,
        base=notes["base"],
        **_training(learned, row),
        size=_size(directory),
        has_neutral=bool(NEUTRAL & {label.lower() for label in notes["labels"]}),
    )


def example_of(read: pd.DataFrame, records: pd.DataFrame) -> dict[str, str] | None:
    """Return a test row that is read right: ``text, answer, how`` it was chosen; None if none is right."""
    right = read[read["predicted"] == read["label"]]
    if right.empty:
        return None
    confidence = right.filter(regex="^p_").max(axis=1).to_numpy()
    sure = confidence >= SURE
    place = int(sure.argmax() if sure.any() else confidence.argmax())
    row = right.iloc[place]
    text = records.loc[records["record_id"] == row["record_id"], "text"].iloc[0]
    how = f"the first that is read right with at least {SURE}" if sure.any() else "the surest of those read right"
    return {"text": str(text), "answer": f"{row['label']} ({confidence[place]:.2f})", "how": how}


def _header(
    experiment: str, notes: Mapping[str, Any], scores: pd.DataFrame, sources: pd.Series, directory: Path
) -> str:
    """Return the front matter of the card, as hubs read it."""
    import yaml

    values = scores.set_index("metric")["value"].dropna()
    metrics = [
        {"type": kind, "value": round(float(values[name]), 4), "name": METRIC_NAMES[name]}
        for name, kind in (("accuracy", "accuracy"), ("macro_f1", "f1"))
        if name in values
    ]
    result = {
        "task": {"type": "text-classification", "name": "Text Classification"},
        "dataset": {"type": experiment, "name": ", ".join(map(str, sources.index)), "split": "test"},
        "metrics": metrics,
    }
    opens = "transformers" in usage_imports(directory)
    header = {
        "library_name": "transformers" if opens else "emotion-kedro",
        "pipeline_tag": "text-classification",
        "tags": ["emotion-kedro"],
        "metrics": ["accuracy", "f1"],
        "model-index": [{"name": notes["name"], "results": [result]}],
    }
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True)


def _scores(scores: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"metric": scores["metric"].replace(METRIC_NAMES), "value": interval_cells(scores)})


def _calibration(notes: dict[str, Any], row: pd.Series) -> str:
    error = f"The expected calibration error on the test rows is {number(row['ece'])}"
    changed = "" if row["temperature"] == 1.0 else f"; without the temperature it would be {number(row['ece_before'])}"
    return f"{calibration_sentence(notes)} {error}{changed}."


def _training(learned: Learned, row: pd.Series) -> dict[str, Any]:
    inside = (learned.rows["size"] == row["size"]) & (learned.rows["data_seed"] == row["data_seed"])
    rows = learned.rows[inside]
    sources = rows["record_id"].map(learned.records.set_index("record_id")["source"])
    origin = rows["generator"].where(rows["origin"] == "added", sources)
    counted = pd.crosstab([rows["origin"], origin.rename("from")], rows["label"], margins=True, margins_name="all")
    lengths = rows["text"].map(lambda text: len(words(text))).quantile([0.05, 0.95]).round().astype(int).tolist()
    added = bool((rows["origin"] == "added").any())
    return {
        "training": counted.drop("all", level=0).rename_axis(columns=None).reset_index(allow_duplicates=True),
        "training_note": _added_note(learned.filters) if added else "No generated text is among them.",
        "sources": ", ".join(sorted(set(map(str, sources.dropna())))) or "none: it learned from generated text alone",
        "words": lengths,
    }


def _added_note(filters: Sequence[str]) -> str:
    passed = f" and passed the filters {', '.join(filters)}" if filters else ""
    unseen = " (reviewed refuses what a person rejected; what nobody looked at passes)" if "reviewed" in filters else ""
    return (
        f"Added rows come from the generator named{passed}{unseen}. What generators learned from is train rows alone."
    )


def _size(directory: Path) -> str:
    """Return the model's parameters and what it takes on the disk."""
    from math import prod

    from safetensors import safe_open

    count = 0
    for file in sorted(directory.glob("*.safetensors")):
        with safe_open(file, "numpy") as tensors:
            count += sum(prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    megabytes = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file()) / 1e6
    weights = f"{count:,} parameters" if count else "The weights are those of the base model, and are not copied here"
    return f"{weights}; {megabytes:,.1f} MB on the disk."
